//! Linux, called without a library.

use core::arch::{asm, global_asm};
use core::fmt;
use embedded_io::{Error, ErrorKind, ErrorType, Read, ReadReady, Write};

#[cfg(target_arch = "x86_64")]
mod number {
    pub(super) const READ: usize = 0;
    pub(super) const WRITE: usize = 1;
    pub(super) const CLOCK_GETTIME: usize = 228;
    pub(super) const EXIT_GROUP: usize = 231;
    pub(super) const PPOLL: usize = 271;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub(super) const READ: usize = 63;
    pub(super) const WRITE: usize = 64;
    pub(super) const PPOLL: usize = 73;
    pub(super) const EXIT_GROUP: usize = 94;
    pub(super) const CLOCK_GETTIME: usize = 113;
}

// The kernel jumps here, with nothing on the stack that could be returned to.
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {main}", main = sym crate::main);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, xzr", "mov x30, xzr", "bl {main}", main = sym crate::main);

/// Calls the kernel; below zero is an error.
///
/// # Safety
/// Whatever the call asks of its arguments.
#[cfg(target_arch = "x86_64")]
unsafe fn call(number: usize, [a, b, c, d, e]: [usize; 5]) -> isize {
    let result;
    // SAFETY: these are the registers that the kernel takes and changes; the rest is the caller's.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// Calls the kernel; below zero is an error.
///
/// # Safety
/// Whatever the call asks of its arguments.
#[cfg(target_arch = "aarch64")]
unsafe fn call(number: usize, [a, b, c, d, e]: [usize; 5]) -> isize {
    let result;
    // SAFETY: these are the registers that the kernel takes and changes; the rest is the caller's.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c,
            in("x3") d, in("x4") e, options(nostack));
    }
    result
}

/// Ends the program.
pub(crate) fn exit(code: usize) -> ! {
    loop {
        // SAFETY: it takes a number.
        unsafe { call(number::EXIT_GROUP, [code, 0, 0, 0, 0]) };
    }
}

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanos: i64,
}

#[repr(C)]
struct Pollfd {
    file: i32,
    wanted: i16,
    came: i16,
}

/// Microseconds since the system started.
pub(crate) fn micros() -> u64 {
    const MONOTONIC: usize = 1;
    let mut time = Timespec {
        seconds: 0,
        nanos: 0,
    };
    // SAFETY: the kernel writes a time where there is one.
    unsafe {
        call(
            number::CLOCK_GETTIME,
            [MONOTONIC, (&raw mut time).expose_provenance(), 0, 0, 0],
        )
    };
    (time.seconds as u64)
        .wrapping_mul(1_000_000)
        .wrapping_add(time.nanos as u64 / 1000)
}

/// Waits until there is something to read, or so many microseconds have passed.
pub(crate) fn wait_for_input(micros: u64) -> bool {
    const INPUT: i16 = 1;
    // A year is as good as for ever.
    let micros = micros.min(31_536_000_000_000);
    let time = Timespec {
        seconds: (micros / 1_000_000) as i64,
        nanos: (micros % 1_000_000 * 1000) as i64,
    };
    let mut input = Pollfd {
        file: 0,
        wanted: INPUT,
        came: 0,
    };
    let arguments = [
        (&raw mut input).expose_provenance(),
        1,
        (&raw const time).expose_provenance(),
        0,
        0,
    ];
    // SAFETY: one file, a time, and no set of signals.
    unsafe { call(number::PPOLL, arguments) > 0 }
}

/// Standard input and output.
#[derive(Debug)]
pub(crate) struct Pipes;

/// The number that the kernel gave.
#[derive(Debug)]
pub(crate) struct Errno(isize);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Errno {}

impl Error for Errno {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Pipes {
    type Error = Errno;
}

impl Read for Pipes {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let arguments = [
            0,
            buffer.as_mut_ptr().expose_provenance(),
            buffer.len(),
            0,
            0,
        ];
        // SAFETY: the kernel writes no more than the buffer holds.
        let count = unsafe { call(number::READ, arguments) };
        usize::try_from(count).map_err(|_| Errno(count))
    }
}

impl ReadReady for Pipes {
    fn read_ready(&mut self) -> Result<bool, Errno> {
        Ok(wait_for_input(0))
    }
}

impl Write for Pipes {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        let arguments = [1, bytes.as_ptr().expose_provenance(), bytes.len(), 0, 0];
        // SAFETY: the kernel reads what is in the slice.
        let count = unsafe { call(number::WRITE, arguments) };
        usize::try_from(count).map_err(|_| Errno(count))
    }

    fn flush(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}
