//! TLS over a stream that does not block.

use crate::line::Carrier;
use crate::tls_error::TlsError;
use rustls::Connection;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

/// How much is encrypted at a time: the most that lies here while the stream beneath takes
/// nothing.
const PIECE: usize = 128 << 10;

/// How much is held until the handshake is over: more than the largest CONNECT that is sent.
const HELD: usize = 1 << 20;

/// How much is read from the stream beneath at a time. rustls would ask for 4 KiB, a quarter of
/// what the other side encrypts at once.
const AHEAD: usize = 64 << 10;

/// How often one call takes something in though nothing comes that is the caller's: whoever sends
/// empty records without end is not to hold up others on the same thread.
const PULLS: usize = 64;

/// TLS over another stream, on either side.
///
/// The handshake goes on in whatever is called. Until it is over, what is written is held here,
/// and leaves with the read that ends it; so nobody has to write again for the sake of reading,
/// or the reverse. [`Write::flush`] is `Ok` when the stream beneath has taken everything, which
/// before the end of the handshake it cannot. Whoever gets [`ErrorKind::WouldBlock`] reads, and
/// flushes what it has written, whenever the stream beneath becomes ready for anything.
///
/// Where much has come that is not the caller's, reading ends with [`ErrorKind::Interrupted`]: others
/// may have their turn before it goes on.
///
/// Errors are [`TlsError`] inside [`io::Error`].
pub struct TlsStream<S> {
    connection: Box<Connection>,
    stream: S,
    /// What has come from the stream beneath, of which rustls has taken `used` bytes.
    ahead: Vec<u8>,
    used: usize,
    /// Something was written before the handshake was over.
    held: bool,
    /// Why nothing more comes.
    failed: Option<TlsError>,
}

impl<S> TlsStream<S> {
    pub(super) fn new(mut connection: Connection, stream: S) -> Self {
        connection.set_buffer_limit(Some(HELD));
        Self {
            connection: Box::new(connection),
            stream,
            ahead: Vec::new(),
            used: 0,
            held: false,
            failed: None,
        }
    }

    /// The stream beneath.
    pub fn beneath(&mut self) -> &mut S {
        &mut self.stream
    }

    /// What is known of the connection: version, cipher, protocol, certificates.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl<S: Read + Write> TlsStream<S> {
    /// Has the stream beneath take what is encrypted.
    fn push(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.stream) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.stream.flush()
    }

    fn fail(&mut self, error: TlsError) -> io::Error {
        self.failed = Some(error.clone());
        // The alert that says why.
        let _ = self.push();
        error.into()
    }

    /// What has come and was not looked at.
    fn rest(&self) -> &[u8] {
        self.ahead.get(self.used..).unwrap_or_default()
    }

    /// Reads on from the stream beneath; `false` at its end.
    fn fill(&mut self) -> io::Result<bool> {
        // What cannot be sent now, or never, does not keep from hearing why.
        let _ = self.push();
        self.used = 0;
        self.ahead.resize(AHEAD, 0);
        match self.stream.read(&mut self.ahead) {
            Ok(count) => {
                self.ahead.truncate(count);
                Ok(count > 0)
            }
            Err(error) => {
                // Who is idle keeps no memory for it.
                self.ahead = Vec::new();
                Err(error)
            }
        }
    }

    /// Takes in some of what comes from the stream beneath, or its end.
    fn pull(&mut self) -> io::Result<()> {
        if self.rest().is_empty() {
            let handshaking = self.connection.is_handshaking();
            match self.fill() {
                Ok(false) if handshaking => return Err(self.fail(TlsError::ClosedEarly)),
                Err(error) if handshaking && error.kind() == ErrorKind::ConnectionReset => {
                    return Err(self.fail(TlsError::ClosedEarly));
                }
                other => other.map(drop)?,
            }
        }
        let mut rest = self.ahead.get(self.used..).unwrap_or_default();
        let taken = self.connection.read_tls(&mut rest)?;
        self.used = self.used.saturating_add(taken);
        match self.connection.process_new_packets() {
            Ok(_) => {
                // An answer, or what was held until now.
                let _ = self.push();
                Ok(())
            }
            Err(error) => Err(self.fail(error.into())),
        }
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut filled, mut pulls) = (0, 0..PULLS);
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.connection.reader().read(room) {
                Ok(count @ 1..) => {
                    filled = filled.saturating_add(count);
                    continue;
                }
                // What came before the end is first.
                _ if filled > 0 && self.rest().is_empty() => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The end is as good without a word of TLS: MQTT has its own.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                other => return if filled > 0 { Ok(filled) } else { other },
            }
            let result = match &self.failed {
                Some(error) => Err(error.clone().into()),
                None if pulls.next().is_none() => Err(ErrorKind::Interrupted.into()),
                None => self.pull(),
            };
            match result {
                Err(error) if filled == 0 => return Err(error),
                Err(_) => break,
                Ok(()) => {}
            }
        }
        Ok(filled)
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        match self.push() {
            Ok(()) => {}
            Err(error)
                if error.kind() == ErrorKind::WouldBlock && self.connection.is_handshaking() => {}
            Err(error) => return Err(error),
        }
        self.held = self.connection.is_handshaking();
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        let taken = self.connection.writer().write(piece)?;
        if taken == 0 && !piece.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        // It is taken whatever becomes of it; trouble is told by the next call.
        let _ = self.push();
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()?;
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        if self.held && self.connection.is_handshaking() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.held = false;
        Ok(())
    }
}

impl<C: Carrier> Carrier for TlsStream<C> {
    fn close(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        let _ = self.push();
        self.stream.close()
    }
}

impl<S: fmt::Debug> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("stream", &self.stream)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
