//! Ctrl-C and the signals that ask a program to end.

use crate::exit::{Failure, Kind};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a shell reports for a program that Ctrl-C has ended.
const KILLED: i32 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Has `tell` called when the program is asked to end. Asked again, it ends at once: what it
/// waits for, such as a reader of its output, may never come.
pub(crate) fn on_interrupt(tell: impl Fn() + Send + 'static) -> Result<(), Failure> {
    ctrlc::set_handler(move || {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(KILLED);
        }
        tell();
    })
    .map_err(|error| Failure::new(Kind::Local, format_args!("signals: {error}")))
}

/// Whether the program was asked to end.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
