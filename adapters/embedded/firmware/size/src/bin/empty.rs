//! The runtime alone: startup, clock, both lines, and what measures the stack.
#![no_std]
#![no_main]

use board::Line;
use embedded_io::{Read, ReadReady, Write};

#[board::entry]
fn main() -> ! {
    let Some(mut log) = board::start() else {
        board::exit(false)
    };
    // All that the other program calls of the board, so that it is in this image as well.
    let mut line = Line::open();
    let mut bytes = [0; 64];
    let until = board::millis() + 1000;
    while board::millis() < until {
        if line.read_ready() == Ok(true)
            && let Ok(count) = line.read(&mut bytes)
        {
            let _ = line.write(bytes.get(..count).unwrap_or_default());
        } else {
            board::doze();
        }
    }
    log.text("stack").number(board::peak() as u32).end();
    // What is told of the measurement is the same, and no part of what is measured.
    log.text("machine").number(0).end();
    board::exit(true)
}
