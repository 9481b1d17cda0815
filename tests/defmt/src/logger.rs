//! The log goes to standard output, in frames, as a microcontroller writes it to a probe.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static ENCODER: Mutex<defmt::Encoder> = Mutex::new(defmt::Encoder::new());

/// What the program's clock shows, in microseconds.
pub static NOW: AtomicU64 = AtomicU64::new(0);

defmt::timestamp!("{=u64:us}", NOW.load(Ordering::Relaxed));

#[defmt::global_logger]
struct Frames;

fn encoder() -> MutexGuard<'static, defmt::Encoder> {
    ENCODER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn out(bytes: &[u8]) {
    std::io::stdout()
        .write_all(bytes)
        .expect("somebody reads the log");
}

// SAFETY: the program has one thread, so that `acquire` and `release` come in pairs and nothing
// between them; none of the calls logs.
unsafe impl defmt::Logger for Frames {
    fn acquire() {
        encoder().start_frame(out);
    }

    unsafe fn flush() {
        std::io::stdout().flush().expect("somebody reads the log");
    }

    unsafe fn release() {
        encoder().end_frame(out);
    }

    unsafe fn write(bytes: &[u8]) {
        encoder().write(bytes, out);
    }
}
