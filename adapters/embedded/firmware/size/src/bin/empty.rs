//! The runtime alone: startup, clock, both lines, and what measures the stack.
#![no_std]
#![no_main]

use board::Board;
use embedded_io::{Read, ReadReady, Write};

#[board::entry]
fn main() -> ! {
    let Some(mut board) = Board::take() else {
        board::exit(false)
    };
    // All that the other program calls of the board, so that it is in this image as well.
    let mut bytes = [0; 64];
    let until = board::millis() + 1000;
    while board::millis() < until {
        if board.line.read_ready() == Ok(true)
            && let Ok(count) = board.line.read(&mut bytes)
        {
            let _ = board.line.write(bytes.get(..count).unwrap_or_default());
        } else {
            board.line.doze();
        }
    }
    board.log.number("stack", board::peak() as u32);
    board.log.number("writes", board.line.writes());
    board::exit(true)
}
