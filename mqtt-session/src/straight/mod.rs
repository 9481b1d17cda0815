//! The straight ways (feature `fast`): what nearly every message does, over a live connection on
//! which nothing else is to be done.
//!
//! Each does its work whole or leaves everything as it was, for the careful way beside it, which
//! knows every case and works on the same state. Without them the machine does the same.

mod calm;
mod plain;
mod poll;
mod publish;
mod receive;
mod send;
mod settle;
mod short_ack;
mod taken;

pub(crate) use calm::ShortAck;
