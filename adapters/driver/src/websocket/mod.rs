//! MQTT in WebSocket frames, over any stream that does not block (chapter 6).

mod handshake;
mod incoming;
mod mask;
#[cfg(test)]
mod tests;

use crate::line::Carrier;
use crate::websocket_error::WebSocketError;
use handshake::Awaited;
use incoming::{Incoming, Next};
use mask::Masks;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// How much is read at a time, beside what is read straight into the caller's buffer.
const CHUNK: usize = 8 << 10;

/// What one frame carries at most: the most that lies here while the stream beneath takes
/// nothing.
const PIECE: usize = 64 << 10;

/// How much is held until the handshake is over: more than the largest CONNECT that is sent.
const HELD: usize = 1 << 20;

/// Pongs are left out while so much waits to be sent: whoever only pings and never reads is owed
/// nothing.
const PONGS: usize = PIECE + (8 << 10);

/// How often one call reads on though nothing comes that is the caller's: whoever pings without end
/// is not to hold up others on the same thread.
const FILLS: usize = 16;

/// The numbers of reasons for closing.
const NORMAL: u16 = 1000;
const AWAY: u16 = 1001;
const PROTOCOL: u16 = 1002;
const UNSUPPORTED: u16 = 1003;

/// MQTT over WebSocket over another stream, on either side.
///
/// What is written leaves in binary frames, and what binary frames carry is read as one stream of
/// bytes: packets and frames need not align (MQTT-6.0.0-2). No frame is too large, because none
/// is held; a frame of text ends the connection (MQTT-6.0.0-1). Pings are answered.
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
/// Errors are [`WebSocketError`] inside [`io::Error`], and those of the stream beneath.
pub struct WebSocket<S> {
    stream: S,
    /// What a client masks its frames with.
    masks: Option<Masks>,
    /// What the other side has to say for the handshake to be over.
    awaited: Option<Awaited>,
    incoming: Incoming,
    /// Frames for the stream beneath, of which it has taken `sent` bytes.
    output: Vec<u8>,
    sent: usize,
    /// Frames that leave when the handshake is over.
    held: Vec<u8>,
    /// Nothing more is sent.
    closing: bool,
    /// The other side has ended in good order.
    over: bool,
    /// Why nothing more comes.
    failed: Option<WebSocketError>,
}

impl<S> WebSocket<S> {
    /// A client's side: it asks the server at `host` (with a port that is not the default) for
    /// `path`, which begins with `/`. Nothing is sent before the stream is used.
    pub fn client(stream: S, host: &str, path: &str) -> Self {
        let (request, awaited) = handshake::request(host, path);
        Self::new(stream, Some(Masks::new()), awaited, request)
    }

    /// A server's side: it waits for a client to ask, whatever the path.
    pub fn server(stream: S) -> Self {
        Self::new(stream, None, Awaited::Request, Vec::new())
    }

    fn new(stream: S, masks: Option<Masks>, awaited: Awaited, output: Vec<u8>) -> Self {
        Self {
            stream,
            incoming: Incoming::new(masks.is_none()),
            masks,
            awaited: Some(awaited),
            output,
            sent: 0,
            held: Vec::new(),
            closing: false,
            over: false,
            failed: None,
        }
    }

    /// The stream beneath.
    pub fn beneath(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Puts a frame behind the others.
    fn put(&mut self, opcode: OpCode, payload: &[u8]) {
        let mask = self.masks.as_mut().map(Masks::next);
        let header = FrameHeader {
            opcode,
            mask,
            ..FrameHeader::default()
        };
        let output = match self.awaited {
            None => &mut self.output,
            Some(_) => &mut self.held,
        };
        output.reserve(payload.len() + 14);
        // Memory takes everything.
        let _ = header.format(payload.len() as u64, output);
        let start = output.len();
        output.extend_from_slice(payload);
        if let (Some(mask), Some(payload)) = (mask, output.get_mut(start..)) {
            mask::apply(mask, 0, payload);
        }
    }

    /// Says goodbye, once.
    fn put_close(&mut self, payload: &[u8]) {
        if !self.closing && self.awaited.is_none() {
            self.put(OpCode::Control(Control::Close), payload);
        }
        self.closing = true;
    }
}

impl<S: Read + Write> WebSocket<S> {
    /// Has the stream beneath take what waits for it.
    fn push(&mut self) -> io::Result<()> {
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.sent = self.sent.saturating_add(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.sent = 0;
        self.output.clear();
        // Who is idle keeps no memory for it.
        self.output.shrink_to(CHUNK);
        self.stream.flush()
    }

    fn fail(&mut self, error: WebSocketError) {
        let code = match error {
            WebSocketError::NotBinary => UNSUPPORTED,
            _ => PROTOCOL,
        };
        self.put_close(&code.to_be_bytes());
        self.failed = Some(error);
        let _ = self.push();
    }

    /// Reads on into what is kept here; `false` at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        // What cannot be sent now, or never, does not keep from hearing why.
        let _ = self.push();
        self.incoming.fill(&mut self.stream)
    }

    /// Reads on until the handshake is over, or has failed.
    fn shake_hands(&mut self, awaited: &Awaited) -> io::Result<()> {
        let closed = match self.fill() {
            Ok(more) => !more,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => true,
            Err(error) => return Err(error),
        };
        if closed {
            match awaited {
                Awaited::Answer { .. } => self.failed = Some(WebSocketError::ClosedEarly),
                Awaited::Request => self.over = true,
            }
            return Ok(());
        }
        let head = match self.incoming.head() {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.output.extend(handshake::refusal(awaited));
                self.fail(awaited.blame(error));
                return Ok(());
            }
        };
        match awaited.check(head) {
            Ok(answer) => {
                self.incoming.take_head();
                self.awaited = None;
                self.output.extend(answer);
                self.output.append(&mut self.held);
                let _ = self.push();
            }
            Err(error) => {
                self.output.extend(handshake::refusal(awaited));
                self.fail(error);
            }
        }
        Ok(())
    }

    /// What frames that are here carry, as far as it fits.
    fn unpack(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.incoming.next(room) {
                Ok(Next::Payload(count)) => filled += count,
                Ok(Next::Ping(payload, len)) => {
                    let waiting = self.output.len().saturating_sub(self.sent);
                    if waiting < PONGS && !self.closing {
                        let payload = payload.get(..len).unwrap_or_default();
                        self.put(OpCode::Control(Control::Pong), payload);
                    }
                }
                Ok(Next::Pong) => {}
                Ok(Next::Close { code, reason }) => {
                    let code = code.map(u16::to_be_bytes);
                    self.put_close(code.as_ref().map_or(&[][..], |code| code));
                    let _ = self.push();
                    match code.map(u16::from_be_bytes) {
                        None | Some(NORMAL | AWAY) => self.over = true,
                        Some(code) => self.failed = Some(WebSocketError::Closed { code, reason }),
                    }
                    break;
                }
                Ok(Next::More) => break,
                Err(error) => {
                    self.fail(error);
                    break;
                }
            }
        }
        filled
    }
}

impl<S: Read + Write> Read for WebSocket<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..FILLS {
            if let Some(error) = &self.failed {
                return Err(error.clone().into());
            }
            if self.over {
                return Ok(0);
            }
            if let Some(awaited) = self.awaited.take() {
                // It is put back unless the handshake is over.
                self.awaited = Some(awaited.clone());
                self.shake_hands(&awaited)?;
                continue;
            }
            let count = self.unpack(buffer);
            if count > 0 {
                return Ok(count);
            }
            if self.over || self.failed.is_some() {
                continue;
            }
            // The rest of a large frame needs no stop here.
            if let Some(room) = self.incoming.room(buffer, CHUNK) {
                let _ = self.push();
                let count = self.stream.read(room)?;
                let came = room.get_mut(..count).unwrap_or_default();
                self.incoming.passed(came);
                return Ok(count);
            }
            self.over = !self.fill()?;
        }
        // There may be more: it is for the next call.
        Err(ErrorKind::Interrupted.into())
    }
}

impl<S: Read + Write> Write for WebSocket<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        if self.closing {
            return Err(ErrorKind::BrokenPipe.into());
        }
        match self.push() {
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.awaited.is_some() => {}
            other => other?,
        }
        if self.held.len() > HELD {
            return Err(ErrorKind::WouldBlock.into());
        }
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        if !piece.is_empty() {
            self.put(OpCode::Data(Data::Binary), piece);
        }
        // It is taken whatever becomes of it; trouble is told by the next call.
        let _ = self.push();
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()?;
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        if self.held.is_empty() {
            Ok(())
        } else {
            Err(ErrorKind::WouldBlock.into())
        }
    }
}

impl<C: Carrier> Carrier for WebSocket<C> {
    fn close(&mut self) -> io::Result<()> {
        self.put_close(&NORMAL.to_be_bytes());
        let _ = self.push();
        self.stream.close()
    }
}

impl<S: fmt::Debug> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("stream", &self.stream)
            .field("open", &self.awaited.is_none())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
