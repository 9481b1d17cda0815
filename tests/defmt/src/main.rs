//! How a program logs with `defmt` what the machine does, here on the host instead of a
//! microcontroller: `mqtt-defmt | defmt-print -e mqtt-defmt`.
//!
//! `tests/tests/defmt.rs` builds it, has its output decoded, and knows every line.

mod conversation;
mod formats;
mod logger;
mod values;
mod words;

fn main() {
    formats::all_can_be_logged();
    match std::env::args().nth(1).as_deref() {
        None | Some("conversation") => conversation::hold(),
        Some("values") => values::log_each(),
        Some("words") => words::say_all_twice(),
        Some(other) => panic!("conversation, values or words, not {other}"),
    }
}
