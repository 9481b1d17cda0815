//! What comes in frame by frame, as far as it is here.

use super::mask;
use crate::websocket_error::WebSocketError;
use std::io::{self, Cursor, Read};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// What a handshake may be long at most.
const HEAD: usize = 16 << 10;

/// What the payload of a ping, a pong or a close is long at most.
const CONTROL: usize = 125;

pub(super) struct Incoming {
    /// Whether frames have to be masked: a client's are, a server's are not.
    masked: bool,
    /// What has come, of which `used` bytes are done with.
    bytes: Vec<u8>,
    used: usize,
    /// How far the end of the handshake was looked for.
    searched: usize,
    /// Of the data frame that is being read: what is to come, what has been, and its mask.
    left: u64,
    passed: u64,
    mask: [u8; 4],
    /// A message of several frames is not whole yet.
    continued: bool,
}

/// What a look at what is here gives.
pub(super) enum Next {
    /// So many bytes of a data frame.
    Payload(usize),
    /// A ping, with so many bytes.
    Ping([u8; CONTROL], usize),
    /// A pong, which nobody has asked for.
    Pong,
    /// The other side closes.
    Close { code: Option<u16>, reason: String },
    /// More has to come first.
    More,
}

fn broken(reason: impl ToString) -> WebSocketError {
    WebSocketError::Frame(reason.to_string())
}

impl Incoming {
    pub(super) fn new(masked: bool) -> Self {
        Self {
            masked,
            bytes: Vec::new(),
            used: 0,
            searched: 0,
            left: 0,
            passed: 0,
            mask: [0; 4],
            continued: false,
        }
    }

    /// Reads on; `false` at the end of the stream.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> io::Result<bool> {
        self.bytes.drain(..self.used.min(self.bytes.len()));
        self.used = 0;
        let len = self.bytes.len();
        self.bytes.resize(len.saturating_add(super::CHUNK), 0);
        let result = stream.read(self.bytes.get_mut(len..).unwrap_or_default());
        let came = result.as_ref().copied().unwrap_or_default();
        self.bytes.truncate(len.saturating_add(came));
        if self.bytes.is_empty() {
            // Who is idle keeps no memory for it.
            self.bytes = Vec::new();
        }
        result.map(|count| count > 0)
    }

    /// The other side's part of the handshake, once it is here to its empty line.
    pub(super) fn head(&mut self) -> Result<Option<&[u8]>, &'static str> {
        let from = self.searched.saturating_sub(3);
        let new = self.bytes.get(from..).unwrap_or_default();
        if let Some(at) = new.windows(4).position(|window| window == b"\r\n\r\n") {
            self.searched = from.saturating_add(at);
            let end = self.searched.saturating_add(4);
            return Ok(self.bytes.get(..end));
        }
        self.searched = self.bytes.len();
        if self.searched > HEAD {
            return Err("its header does not end");
        }
        Ok(None)
    }

    /// The handshake is done with: frames follow.
    pub(super) fn take_head(&mut self) {
        self.used = self.searched.saturating_add(4).min(self.bytes.len());
    }

    /// Takes the next thing that is here. Payload goes to `room`.
    pub(super) fn next(&mut self, room: &mut [u8]) -> Result<Next, WebSocketError> {
        if self.left == 0
            && let Some(other) = self.next_frame()?
        {
            return Ok(other);
        }
        let here = self.bytes.get(self.used..).unwrap_or_default();
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let count = left.min(here.len()).min(room.len());
        let (Some(from), Some(to)) = (here.get(..count), room.get_mut(..count)) else {
            return Ok(Next::More);
        };
        to.copy_from_slice(from);
        self.used = self.used.saturating_add(count);
        self.passed(to);
        // A frame may be empty.
        if count == 0 && self.left > 0 {
            return Ok(Next::More);
        }
        Ok(Next::Payload(count))
    }

    /// Begins the next frame; None for one of data.
    fn next_frame(&mut self) -> Result<Option<Next>, WebSocketError> {
        let here = self.bytes.get(self.used..).unwrap_or_default();
        let mut cursor = Cursor::new(here);
        let Some((header, len)) = FrameHeader::parse(&mut cursor).map_err(broken)? else {
            return Ok(Some(Next::More));
        };
        let start = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(broken("a reserved bit is set"));
        }
        if header.mask.is_some() != self.masked {
            return Err(broken(if self.masked {
                "a client's frame is not masked"
            } else {
                "a server's frame is masked"
            }));
        }
        let mask = header.mask.unwrap_or_default();
        match header.opcode {
            OpCode::Data(data) => {
                match (data, self.continued) {
                    (Data::Binary, false) | (Data::Continue, true) => {}
                    (Data::Binary, true) => return Err(broken("a message in another's middle")),
                    (Data::Continue, false) => return Err(broken("nothing is to be continued")),
                    _ => return Err(WebSocketError::NotBinary),
                }
                if len > i64::MAX as u64 {
                    return Err(broken("a length that no frame has"));
                }
                self.continued = !header.is_final;
                self.used = self.used.saturating_add(start);
                (self.left, self.passed, self.mask) = (len, 0, mask);
                Ok(None)
            }
            OpCode::Control(control) => {
                let fits = usize::try_from(len).ok().filter(|len| *len <= CONTROL);
                let (true, Some(len)) = (header.is_final, fits) else {
                    return Err(broken("a control frame that is too long, or in parts"));
                };
                let end = start.saturating_add(len);
                let Some(from) = here.get(start..end) else {
                    return Ok(Some(Next::More));
                };
                let mut payload = [0; CONTROL];
                let to = payload.get_mut(..len).unwrap_or_default();
                to.copy_from_slice(from);
                mask::apply(mask, 0, to);
                let next = match control {
                    Control::Ping => Next::Ping(payload, len),
                    Control::Close => closing(to)?,
                    _ => Next::Pong,
                };
                self.used = self.used.saturating_add(end);
                Ok(Some(next))
            }
        }
    }

    /// Where what is left of a data frame can be read to without stopping here, if that pays.
    pub(super) fn room<'a>(&self, buffer: &'a mut [u8], least: usize) -> Option<&'a mut [u8]> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let len = left.min(buffer.len());
        let empty = self.used >= self.bytes.len();
        buffer.get_mut(..len).filter(|_| empty && len >= least)
    }

    /// These bytes of a data frame have come: the mask is taken off.
    pub(super) fn passed(&mut self, bytes: &mut [u8]) {
        if self.masked {
            mask::apply(self.mask, self.passed, bytes);
        }
        let count = bytes.len() as u64;
        self.passed = self.passed.saturating_add(count);
        self.left = self.left.saturating_sub(count);
    }
}

/// What a close says.
fn closing(payload: &[u8]) -> Result<Next, WebSocketError> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        if payload.is_empty() {
            let reason = String::new();
            return Ok(Next::Close { code: None, reason });
        }
        return Err(broken("half a reason for closing"));
    };
    Ok(Next::Close {
        code: Some(u16::from_be_bytes(*code)),
        reason: String::from_utf8_lossy(reason).into_owned(),
    })
}
