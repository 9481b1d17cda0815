//! One client's connection.

use crate::transport::Socket;
use mqtt_driver::{Layered, Line as Stream};

pub(super) struct Line {
    pub(super) stream: Stream<Layered<Socket>>,
    /// It has its place among those to be read.
    pub(super) queued: bool,
}

/// What became of bytes to be written.
pub(super) enum Written {
    /// So many were taken.
    Taken(usize),
    /// None are taken now.
    Blocked,
    /// None will be taken any more.
    Broken,
}

impl Line {
    pub(super) fn new(stream: Layered<Socket>) -> Self {
        Self {
            stream: Stream::new(stream),
            queued: false,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Written {
        match self.stream.write(bytes) {
            Some(count) => Written::Taken(count),
            None if self.stream.is_broken() => Written::Broken,
            None => Written::Blocked,
        }
    }
}
