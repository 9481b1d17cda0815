//! A client that is driven by a task, for any runtime that has tasks, timers and sockets.
//!
//! An adapter implements [`Runtime`], and gives [`Client`] and [`Subscription`] of it to its
//! users. Everything is a future here, and every future may be dropped at any time: nothing that
//! was accepted is lost by it, and nothing is half done.

mod asking;
mod bridge;
mod client;
mod dialer;
mod link;
mod messages;
mod publishing;
mod runtime;
mod subscription;
mod task;
mod token;
mod wait;

pub use asking::{Asking, Requester};
pub use bridge::{Bridge, Stream};
pub use client::Client;
pub use dialer::Dial;
pub use messages::{Messages, States};
pub use publishing::Publishing;
pub use runtime::{NoRuntime, Runtime};
pub use subscription::Subscription;
pub use token::{Acknowledged, Restored, Token};
