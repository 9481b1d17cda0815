//! One client's socket, and what it was last known to be ready for.

use mio::net::TcpStream;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

pub(super) struct Line {
    pub(super) stream: TcpStream,
    /// Reading may give something.
    pub(super) readable: bool,
    /// It has its place among those to be read.
    pub(super) queued: bool,
    /// The machine's bytes were not taken: it is told when there is room again.
    pub(super) blocked: bool,
    /// Writing failed. What the peer said before may still be read.
    pub(super) broken: bool,
}

/// What a read brought.
pub(super) enum Heard {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// Nothing ever again.
    End,
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
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            readable: true,
            queued: false,
            blocked: false,
            broken: false,
        }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Heard {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Heard::End,
                Ok(count) => return Heard::Bytes(count),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => {
                        self.readable = false;
                        return Heard::Nothing;
                    }
                    _ => return Heard::End,
                },
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Written {
        if self.broken {
            return Written::Broken;
        }
        loop {
            match self.stream.write(bytes) {
                Ok(0) => break,
                Ok(count) => return Written::Taken(count),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => {
                        self.blocked = true;
                        return Written::Blocked;
                    }
                    _ => break,
                },
            }
        }
        self.broken = true;
        Written::Broken
    }

    /// Closes in good order: what was written is to reach the peer (MQTT-3.14.4-2).
    pub(super) fn hang_up(mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        // Unread bytes would have the system reset the connection, and the peer lose what it has
        // not read. What comes later than now is the peer's risk.
        let mut rest = [0; 4096];
        for _ in 0..64 {
            if !matches!(self.stream.read(&mut rest), Ok(1..)) {
                break;
            }
        }
    }
}
