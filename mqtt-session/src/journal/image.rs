//! The session that the entries of a log make up.

use super::tag;
use crate::snapshot::{
    ACCEPTED, CHECKSUM, Crc32, HAS_SESSION, HEAD, Head, IDENTITY_NUMBERS, Kind, LASTS,
    LONGEST_INTERVAL, MAGIC, PREAMBLE, VERSION, has_session, identity_parts,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// An entry that no [`Journal`](super::Journal) writes where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unreadable;

crate::words::words! { Unreadable:
    Self => "an entry that no journal writes there";
}

impl core::error::Error for Unreadable {}

/// What the entries of a log say, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Image {
    identity: Vec<u8>,
    messages: BTreeMap<u64, Message>,
    /// Which ticket has an identifier.
    ids: BTreeMap<u16, u64>,
    received: BTreeSet<u16>,
    /// In the order in which they were given up.
    reserved: Vec<u16>,
    last_id: u16,
    last_ticket: u64,
    /// How many messages were released so far.
    released: u64,
}

/// How much there is; what it says is in the messages.
#[cfg(feature = "defmt")]
impl defmt::Format for Image {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Image {{ unsettled: {=usize} }}", self.unsettled());
    }
}

#[derive(Clone, Debug)]
struct Message {
    head: Head,
    /// When it expires, by the clock that goes on.
    expires: u64,
    packet: Vec<u8>,
    /// In which order PUBREC came.
    released: u64,
}

impl Image {
    /// Of no entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many messages are not settled.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.messages.len()
    }

    /// Whether the server should have a session that this is the client's part of.
    #[must_use]
    pub fn has_session(&self) -> bool {
        has_session(&self.identity)
    }

    /// Takes an entry in.
    ///
    /// # Errors
    /// It is not one that a journal writes there. Nothing has changed then.
    pub fn apply(&mut self, entry: &[u8]) -> Result<(), Unreadable> {
        let (tag, rest) = entry.split_first().ok_or(Unreadable)?;
        match *tag {
            tag::MESSAGE => self.apply_message(rest),
            tag::MOVED => {
                let head = rest.first_chunk::<HEAD>().filter(|_| rest.len() == HEAD);
                let head = head.and_then(|head| Head::of(*head)).ok_or(Unreadable)?;
                self.apply_head(head)
            }
            tag::SETTLED => {
                let ticket = u64::from_le_bytes(rest.try_into().map_err(|_| Unreadable)?);
                let message = self.messages.remove(&ticket).ok_or(Unreadable)?;
                self.let_go(&message.head);
                Ok(())
            }
            tag::IDENTITY => {
                let (last_id, next_ticket) = identity_parts(rest).ok_or(Unreadable)?;
                self.identity = rest.to_vec();
                self.last_id = last_id;
                self.last_ticket = self.last_ticket.max(next_ticket.saturating_sub(1));
                Ok(())
            }
            tag => {
                let id = u16::from_le_bytes(rest.try_into().map_err(|_| Unreadable)?);
                let known = match tag {
                    tag::RECEIVED => self.received.insert(id),
                    tag::FORGOTTEN => self.received.remove(&id),
                    tag::RESERVED => {
                        let new = !self.reserved.contains(&id);
                        self.reserved.extend(new.then_some(id));
                        new
                    }
                    tag::FREED => {
                        let count = self.reserved.len();
                        self.reserved.retain(|other| *other != id);
                        self.reserved.len() < count
                    }
                    _ => false,
                };
                if known && id != 0 {
                    Ok(())
                } else {
                    Err(Unreadable)
                }
            }
        }
    }

    fn apply_message(&mut self, rest: &[u8]) -> Result<(), Unreadable> {
        let (head, rest) = rest.split_first_chunk::<HEAD>().ok_or(Unreadable)?;
        let head = Head::of(*head).ok_or(Unreadable)?;
        let mut message = Message {
            head,
            expires: LASTS,
            packet: Vec::new(),
            released: 0,
        };
        let mut rest = rest;
        if head.kind.has_packet() {
            let (expires, behind) = rest.split_first_chunk().ok_or(Unreadable)?;
            let (len, packet) = behind.split_first_chunk().ok_or(Unreadable)?;
            if u32::from_le_bytes(*len) as usize != packet.len() {
                return Err(Unreadable);
            }
            message.expires = u64::from_le_bytes(*expires);
            message.packet = packet.to_vec();
            rest = &[];
        }
        let open = head.kind == Kind::Released || head.kind.has_packet();
        if !open || !rest.is_empty() || self.messages.contains_key(&head.ticket) {
            return Err(Unreadable);
        }
        self.messages.insert(head.ticket, message);
        self.last_ticket = self.last_ticket.max(head.ticket);
        if head.kind == Kind::Sent {
            self.last_id = head.id;
        }
        self.apply_head(head)
    }

    /// A message has gone on.
    fn apply_head(&mut self, head: Head) -> Result<(), Unreadable> {
        let message = self.messages.get_mut(&head.ticket).ok_or(Unreadable)?;
        if !(head.kind == Kind::Released || head.kind.has_packet()) {
            return Err(Unreadable);
        }
        let former = core::mem::replace(&mut message.head, head);
        match head.kind {
            Kind::Released => {
                message.packet = Vec::new();
                self.released = self.released.wrapping_add(1);
                message.released = self.released;
            }
            // One that is sent again has the identifier that it had.
            Kind::Sent if former.id != head.id => self.last_id = head.id,
            _ => {}
        }
        self.let_go(&former);
        if head.id != 0
            && let Some(other) = self.ids.insert(head.id, head.ticket)
            && other != head.ticket
            && let Some(other) = self.messages.get_mut(&other)
        {
            // It was written for a transport that took nothing of it, and lost its identifier.
            other.head.kind = Kind::Queued;
            other.head.id = 0;
        }
        Ok(())
    }

    /// The identifier of a message is its own no more.
    fn let_go(&mut self, head: &Head) {
        if self.ids.get(&head.id) == Some(&head.ticket) {
            self.ids.remove(&head.id);
        }
    }

    /// The session, as [`Client::import`](crate::Client::import) takes it over; `wall` is the
    /// time.
    #[must_use]
    pub fn snapshot(&self, wall: u64) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 4]);
        debug_assert_eq!(out.len(), PREAMBLE);
        self.write_identity(&mut out);
        out.extend(count(self.received.len()));
        for id in &self.received {
            out.extend(id.to_le_bytes());
        }
        out.extend(count(
            self.messages.len().saturating_add(self.reserved.len()),
        ));
        let mut released: Vec<&Message> = self.of(Kind::Released).collect();
        released.sort_by_key(|message| message.released);
        for message in released {
            out.extend(message.head.bytes());
        }
        for message in self.of(Kind::Sent).chain(self.of(Kind::Queued)) {
            let left = if message.expires == LASTS {
                LASTS
            } else {
                // The wall clock may have been set back.
                message.expires.saturating_sub(wall).min(LONGEST_INTERVAL)
            };
            out.extend(message.head.bytes());
            out.extend(left.to_le_bytes());
            let len = u32::try_from(message.packet.len()).unwrap_or(u32::MAX);
            out.extend(len.to_le_bytes());
            out.extend_from_slice(&message.packet);
        }
        for id in &self.reserved {
            let head = Head {
                kind: Kind::Reserved,
                reason: 0,
                id: *id,
                ticket: 0,
            };
            out.extend(head.bytes());
        }
        let len = u32::try_from(out.len().saturating_add(CHECKSUM)).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(PREAMBLE.saturating_sub(4)..PREAMBLE) {
            place.copy_from_slice(&len.to_le_bytes());
        }
        let mut crc = Crc32::new();
        crc.update(&out);
        out.extend(crc.value().to_le_bytes());
        out
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Message> {
        self.messages
            .values()
            .filter(move |message| message.head.kind == kind)
    }

    /// Whose session it is, with the numbers as they have risen since that was written.
    fn write_identity(&self, out: &mut Vec<u8>) {
        let nobody = [0; IDENTITY_NUMBERS + 2 + 8 + 2];
        let identity = if self.identity.is_empty() {
            &nobody[..]
        } else {
            &self.identity
        };
        let (front, behind) = identity
            .split_at_checked(IDENTITY_NUMBERS)
            .unwrap_or_default();
        let at = out.len();
        out.extend_from_slice(front);
        // The session has ended, and what became of its messages was not noted any more: the
        // next connection finds out.
        let left = self.of(Kind::Sent).chain(self.of(Kind::Released)).next();
        let knows = left.is_some() || !self.received.is_empty() || !self.reserved.is_empty();
        if let Some(flags) = out.get_mut(at)
            && knows
            && *flags & ACCEPTED != 0
        {
            *flags |= HAS_SESSION;
        }
        out.extend(self.last_id.to_le_bytes());
        out.extend(self.last_ticket.saturating_add(1).to_le_bytes());
        out.extend_from_slice(behind.get(10..).unwrap_or_default());
    }
}

fn count(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes()
}
