//! The board: Texas Instruments' lm3s6965evb, a Cortex-M3, as QEMU emulates it.
//!
//! UART0 is the line to the broker, UART1 the log. Nothing else of the program knows a register,
//! and all unsafe code is here.
#![no_std]

mod clock;
mod panic;
mod stack;
mod uart;

pub use clock::millis;
pub use cortex_m_rt::entry;
pub use stack::{peak, stack_bytes};
pub use uart::{Line, LineError, Log, doze};

use cortex_m_semihosting::debug;

/// Starts the clock and both lines. None the second time: there is one log.
#[must_use]
pub fn start() -> Option<Log> {
    clock::start().then(uart::start)
}

/// Ends the emulator, with exit code 0 or 1. On a board without a debugger it stops here.
pub fn exit(success: bool) -> ! {
    debug::exit(if success {
        debug::EXIT_SUCCESS
    } else {
        debug::EXIT_FAILURE
    });
    loop {
        cortex_m::asm::wfi();
    }
}
