//! Copies that cannot panic. Those of core check once more what has been checked: where they are not
//! inlined, the panic that cannot be reached is linked all the same.

/// Copies all bytes to a place that has as many.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    debug_assert_eq!(to.len(), from.len());
    #[cfg(feature = "fast")]
    if to.len() == from.len() {
        to.copy_from_slice(from);
    }
    #[cfg(not(feature = "fast"))]
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Moves the bytes from `start` to `end` towards the front, to `to`, as far as they lie in `bytes`.
pub(crate) fn move_down(bytes: &mut [u8], start: usize, end: usize, to: usize) {
    #[cfg(feature = "fast")]
    if to <= start && start <= end && end <= bytes.len() {
        bytes.copy_within(start..end, to);
    }
    #[cfg(not(feature = "fast"))]
    for (from, to) in (start..end).zip(to..) {
        let Some(byte) = bytes.get(from).copied() else {
            return;
        };
        if let Some(place) = bytes.get_mut(to) {
            *place = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_moved_whole() {
        let mut bytes = [0, 1, 2, 3, 4, 5, 6, 7];
        move_down(&mut bytes, 2, 7, 1);
        assert_eq!(bytes, [0, 2, 3, 4, 5, 6, 6, 7]);
        move_down(&mut bytes, 6, 6, 0);
        assert_eq!(bytes, [0, 2, 3, 4, 5, 6, 6, 7]);
    }
}
