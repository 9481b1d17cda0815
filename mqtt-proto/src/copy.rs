//! A copy that cannot panic. That of core checks once more what has been checked: where it is not
//! inlined, the panic that cannot be reached is linked all the same.

/// Copies all bytes to a place that has as many.
#[inline(always)]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    debug_assert_eq!(to.len(), from.len());
    if to.len() == from.len() {
        to.copy_from_slice(from);
    }
}
