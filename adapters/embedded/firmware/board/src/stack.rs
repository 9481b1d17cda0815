//! How deep the stack has been. The startup code paints it; what is no longer painted was used.

use core::ptr;
use cortex_m_rt::STACK_PAINT_VALUE;

unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

fn bounds() -> (*const u32, *const u32) {
    (&raw const _stack_end, &raw const _stack_start)
}

/// All bytes the stack may use.
#[must_use]
pub fn stack_bytes() -> usize {
    let (end, start) = bounds();
    start as usize - end as usize
}

/// The most bytes the stack has used since the start, interrupts included.
#[must_use]
pub fn peak() -> usize {
    let (end, start) = bounds();
    let mut word = end;
    // SAFETY: the words between the linker's two symbols are the stack, all of them memory.
    while word < start && unsafe { ptr::read_volatile(word) } == STACK_PAINT_VALUE {
        word = word.wrapping_add(1);
    }
    start as usize - word as usize
}
