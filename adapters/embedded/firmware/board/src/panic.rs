//! What a panic does. With the feature `no-panic` there is none: it would call what does not
//! exist, so that a program in which one can be reached does not link.

use core::panic::PanicInfo;

#[cfg(feature = "no-panic")]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_can_be_reached() -> !;
    }
    // SAFETY: it is never called. The linker finds no such function.
    unsafe { a_panic_can_be_reached() }
}

#[cfg(not(feature = "no-panic"))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    crate::exit(false)
}
