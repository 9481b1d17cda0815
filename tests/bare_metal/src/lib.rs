//! Programs without an operating system, built, looked into and run: what the firmware's test and
//! the table of budgets share.

pub mod cross;
pub mod emulator;
pub mod freestanding;
pub mod image;
pub mod peer;
pub mod reached;
pub mod relay;
pub mod writes;
