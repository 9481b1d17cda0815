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
