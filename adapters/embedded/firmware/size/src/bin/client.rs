//! What is measured: the same, and the client with its conversation.
#![no_std]
#![no_main]

use board::Line;
use core::convert::Infallible;
use mqtt_embedded::Clock;
use mqtt_session::Instant;

#[board::entry]
fn main() -> ! {
    static mut MACHINE: conversation::Machine = conversation::MACHINE;
    static mut INPUT: [u8; conversation::INPUT] = [0; conversation::INPUT];
    let Some(mut log) = board::start() else {
        board::exit(false)
    };
    let dial = || Ok::<_, Infallible>(Line::open());
    let mut client = conversation::client(MACHINE, INPUT, dial, Time);
    let told = conversation::converse(&mut client);
    log.text("stack").number(board::peak() as u32).end();
    let machine = size_of::<conversation::Machine>();
    log.text("machine").number(machine as u32).end();
    board::exit(told.is_all())
}

struct Time;

impl Clock for Time {
    #[inline(always)] // It is but another name.
    fn now(&mut self) -> Instant {
        Instant::from_millis(board::millis())
    }

    fn idle(&mut self, _: Instant) {
        board::doze();
    }
}
