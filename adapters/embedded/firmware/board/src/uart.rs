//! The serial lines: PL011 as in the lm3s6965. No interrupt moves bytes; one wakes the processor.

use crate::clock::millis;
use core::fmt;
use core::ptr;
use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;
use embedded_io::{Error, ErrorKind, ErrorType, Read, ReadReady, Write};

const SYSTEM_CONTROL: usize = 0x400f_e000;
const CLOCK_GATES_1: usize = 0x104;
const CLOCK_GATES_2: usize = 0x108;
const PORT_A: usize = 0x4000_4000;
const PORT_D: usize = 0x4000_7000;
const ALTERNATE_FUNCTION: usize = 0x420;
const DIGITAL: usize = 0x51c;
const UART0: usize = 0x4000_c000;
const UART1: usize = 0x4000_d000;
const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const BAUD_WHOLE: usize = 0x24;
const BAUD_FRACTION: usize = 0x28;
const LINE_CONTROL: usize = 0x2c;
const CONTROL: usize = 0x30;
const INTERRUPT_MASK: usize = 0x38;

const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;
/// Framing, parity, break and overrun: bytes are missing or wrong.
const FAULTS: u32 = 0xf00;
/// A byte has come, or some have waited for a while.
const RECEIVED: u32 = 1 << 4 | 1 << 6;
const EIGHT_BITS_WITH_FIFO: u32 = 0x70;
const ENABLED: u32 = 0x301;

/// How long the line has to be silent before it is open, in milliseconds.
const SILENCE: u64 = 20;
/// How long that is waited for.
const PATIENCE: u64 = 1000;

#[derive(Clone, Copy)]
struct Uart0;

// SAFETY: the number of UART0's interrupt is 5 on this processor.
unsafe impl cortex_m::interrupt::InterruptNumber for Uart0 {
    fn number(self) -> u16 {
        5
    }
}

fn read(address: usize) -> u32 {
    // SAFETY: every address here is a register of this processor, which reading cannot harm.
    unsafe { ptr::read_volatile(ptr::with_exposed_provenance::<u32>(address)) }
}

fn write(address: usize, value: u32) {
    // SAFETY: every address here is a register of this processor that may be written so, and
    // none of them changes memory.
    unsafe { ptr::write_volatile(ptr::with_exposed_provenance_mut::<u32>(address), value) }
}

/// Both lines: 115,200 baud, eight bits, no parity, one stop bit.
pub(crate) fn start() -> Log {
    for (gates, bits) in [(CLOCK_GATES_1, 0b11), (CLOCK_GATES_2, 0b1001)] {
        write(SYSTEM_CONTROL + gates, read(SYSTEM_CONTROL + gates) | bits);
    }
    for (port, uart, pins) in [(PORT_A, UART0, 0b11), (PORT_D, UART1, 0b1100)] {
        for function in [ALTERNATE_FUNCTION, DIGITAL] {
            write(port + function, read(port + function) | pins);
        }
        write(uart + CONTROL, 0);
        // 12 MHz by 16 times 115,200 is 6 and 33 of 64.
        write(uart + BAUD_WHOLE, 6);
        write(uart + BAUD_FRACTION, 33);
        write(uart + LINE_CONTROL, EIGHT_BITS_WITH_FIFO);
        write(uart + CONTROL, ENABLED);
    }
    // SAFETY: the handler below is ready for it, and no critical section relies on its mask.
    unsafe { NVIC::unmask(Uart0) };
    Log { _alone: () }
}

/// The only interrupt that is enabled: it has woken the processor, and that was all.
#[exception]
unsafe fn DefaultHandler(_number: i16) {
    write(UART0 + INTERRUPT_MASK, 0);
}

fn is_empty() -> bool {
    read(UART0 + FLAGS) & RECEIVE_EMPTY != 0
}

fn transmit(uart: usize, byte: u8) {
    while read(uart + FLAGS) & TRANSMIT_FULL != 0 {}
    write(uart + DATA, u32::from(byte));
}

/// Sleeps until a byte has come, or at most a millisecond: the clock wakes it as well.
pub fn doze() {
    cortex_m::interrupt::free(|_| {
        write(UART0 + INTERRUPT_MASK, RECEIVED);
        if is_empty() {
            // An interrupt that is held back wakes it nonetheless.
            cortex_m::asm::wfi();
        }
    });
}

/// The line to the broker, from one [`Line::open`] to the next.
///
/// What it does is not inlined: so it is the same code in every program, those that are compared for
/// their size among them.
#[derive(Debug)]
pub struct Line {
    _opened: (),
}

impl Line {
    /// Begins anew: what the line still brings belongs to what was before, and is thrown away until
    /// nothing has come for a while. A broker does not speak first, so it ends; where the old
    /// connection goes on talking, it ends after a second all the same.
    #[must_use]
    #[inline(never)]
    pub fn open() -> Self {
        let begun = millis();
        let mut last = begun;
        while millis() - last < SILENCE && millis() - begun < PATIENCE {
            doze();
            while !is_empty() {
                read(UART0 + DATA);
                last = millis();
            }
        }
        Self { _opened: () }
    }
}

/// The line lost bytes or received them wrong: what comes after cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineError;

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the serial line lost bytes")
    }
}

impl core::error::Error for LineError {}

impl Error for LineError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidData
    }
}

impl ErrorType for Line {
    type Error = LineError;
}

impl Read for Line {
    #[inline(never)]
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, LineError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while is_empty() {
            doze();
        }
        let mut count = 0;
        for place in buffer {
            if is_empty() {
                break;
            }
            let data = read(UART0 + DATA);
            if data & FAULTS != 0 {
                return Err(LineError);
            }
            *place = data as u8;
            count += 1;
        }
        Ok(count)
    }
}

impl ReadReady for Line {
    fn read_ready(&mut self) -> Result<bool, LineError> {
        Ok(!is_empty())
    }
}

impl Write for Line {
    #[inline(never)]
    fn write(&mut self, bytes: &[u8]) -> Result<usize, LineError> {
        for byte in bytes {
            transmit(UART0, *byte);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), LineError> {
        Ok(())
    }
}

/// The log. What it is told leaves before the call returns.
#[derive(Debug)]
pub struct Log {
    _alone: (),
}

impl Log {
    /// A word, or a part of one.
    pub fn text(&mut self, text: &str) -> &mut Self {
        text.bytes().for_each(|byte| transmit(UART1, byte));
        self
    }

    /// A space, and a number of eight hexadecimal digits. The machinery of `core::fmt` would be
    /// larger than the rest of the program.
    pub fn number(&mut self, value: u32) -> &mut Self {
        transmit(UART1, b' ');
        for shift in (0..8).rev() {
            let digit = (value >> (shift * 4)) as u8 & 15;
            let letter = if digit < 10 { b'0' } else { b'a' - 10 };
            transmit(UART1, letter + digit);
        }
        self
    }

    /// The end of a line.
    pub fn end(&mut self) {
        transmit(UART1, b'\n');
    }
}
