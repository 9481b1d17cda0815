//! A client without an operating system's libraries: its line to the server is its standard input
//! and output, and the kernel is all that it calls.
#![no_std]
#![no_main]

mod kernel;
mod memory;

use conversation::{INPUT, MACHINE, client, converse};
use core::convert::Infallible;
use kernel::Pipes;
use mqtt_embedded::Clock;
use mqtt_session::Instant;

/// Called with an empty stack; the exit code is 0 where the conversation came to its end.
extern "C" fn main() -> ! {
    let dial = || Ok::<_, Infallible>(Pipes);
    let (mut machine, mut input) = (MACHINE, [0; INPUT]);
    let told = converse(&mut client(&mut machine, &mut input, dial, Time));
    kernel::exit(if told.is_all() { 0 } else { 1 })
}

struct Time;

impl Clock for Time {
    fn now(&mut self) -> Instant {
        Instant::from_micros(kernel::micros())
    }

    fn idle(&mut self, until: Instant) {
        let micros = until.as_micros().saturating_sub(kernel::micros());
        kernel::wait_for_input(micros);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_can_be_reached() -> !;
    }
    // SAFETY: it is never called. The linker finds no such function.
    unsafe { a_panic_can_be_reached() }
}
