//! Copies that cannot panic. Those of core check once more what has been checked: where they are not
//! inlined, the panic that cannot be reached is linked all the same.

/// Copies as many bytes as both have.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}
