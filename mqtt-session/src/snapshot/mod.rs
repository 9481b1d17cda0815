//! A session outlives the process: it is written down, for flash or a file, and read again.
//!
//! [`Client::export`] writes all that a session is: messages that are not settled, the packet
//! identifiers of messages that are coming in at QoS 2, whose session it is, and which numbers go
//! on. [`Client::import`] reads it into a new client, which then behaves like one whose transport
//! was just cut: with its next connection it resumes. What is written depends on the session
//! alone, not on the sizes of the store or on where things lie in it, so that a store of another
//! size or kind can take it, if it has room.
//!
//! # When to save
//!
//! Nothing leaves but by [`Action::Send`](crate::Action::Send). So the rule is: **before the bytes
//! of a `Send` are written, save if [`Client::session_mark`] is another than that of the last
//! save.** Then whatever the server has seen is known after a restart:
//!
//! - A PUBLISH that may have reached the server is sent again with its identifier and DUP, so
//!   that the server recognises it.
//! - PUBREL is answered for by a session that knows PUBREC has come: the message is never
//!   published again.
//! - PUBREC promises that a message will not be delivered again; its identifier is known.
//!
//! `session_mark` changes only with these; settling a message, too, changes it. It costs a walk
//! over what is unsettled, and nothing where it is not called.
//!
//! ```
//! use mqtt_session::{Action, Client, Config, Connect, Fixed, Instant, RxBuffer};
//! # use mqtt_session::{Publish, QoS, TopicName};
//!
//! let mut client = Client::new(Config::default(), Fixed::<8, 8, 1024, 256>::new());
//! # let (mut input, now, mut stream) = (RxBuffer::new([0; 64]), Instant::from_secs(1), Vec::new());
//! let mut flash = [0; 512];
//! let mut saved = client.session_mark();
//! # client.publish(now, &Publish::new(TopicName::new("t")?, b"21.5").qos(QoS::ExactlyOnce))?;
//! # client.start(now);
//! # assert!(matches!(client.poll(now, &mut input), Action::Open));
//! # client.opened(now, &Connect::new("sensor-7"))?;
//! match client.poll(now, &mut input) {
//!     Action::Send(_) => {
//!         if client.session_mark() != saved {
//!             let len = client.export_into(now, &mut flash)?;
//!             saved = client.session_mark();
//! #           assert!(len > 40);
//!         }
//!         // What `Send` offers, once more: it was not kept over the saving.
//!         let [bytes, ..] = client.offer_all();
//!         stream.extend_from_slice(bytes);
//!         let count = bytes.len();
//!         client.sent(now, count);
//!     }
//! #   other => panic!("{other:?}"),
//!     // …
//! }
//! # assert_eq!(stream[0], 0x10);
//!
//! // After a restart, with a clock that has begun anew:
//! let mut again = Client::new(Config::default(), Fixed::<4, 4, 512, 256>::new());
//! # client.export_into(now, &mut flash)?;
//! again.import(Instant::from_secs(0), &flash)?;
//! assert_eq!(again.unsettled(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//!
//! - **Outbound**, a message that was saved after it was published is never lost, and reaches the
//!   server exactly once at QoS 2, whatever moment the power fails at. One that was published and
//!   not saved was never seen by anybody: `publish` promises what it does once it is saved.
//! - **Inbound** at QoS 2, a message that was acknowledged and saved is never delivered again. What
//!   the application does with a message lies outside: between its own act and the saved
//!   acknowledgement the power can fail. So it should acknowledge itself
//!   ([`Acknowledge::Manually`](crate::Acknowledge::Manually)), in this order: act on the message
//!   and make that durable, acknowledge, save, send. Power that fails in between has the message
//!   delivered again, to an application that finds it done; it is not lost. Where the act and the
//!   snapshot are kept by one write that happens whole or not at all, it is done exactly once.
//!   With automatic acknowledgement the message counts as received when it is delivered: power
//!   that fails once that is saved, and before the application has acted, loses it.
//!
//! # What is not kept
//!
//! QoS 0 messages, SUBSCRIBE and UNSUBSCRIBE: none is part of a session. Subscriptions live at the
//! server; when it has lost them, [`Event::SessionLost`](crate::Event::SessionLost) tells so.
//! Nor are payloads that are drawn from the application: what is kept of such a message is that it is
//! to be sent, and how long its payload is. After the restart it is asked for by
//! `Event::PayloadWanted`, or the application abandons the message.
//!
//! Tickets of messages that are kept stay valid, and each is settled by one event after the
//! restart: [`Client::each_unsettled`] shows them. New tickets have higher numbers than any that
//! was issued before the snapshot. A ticket settled right before the power failed may be settled
//! once more.

mod crc;
mod error;
mod export;
mod import;
mod layout;

pub use crc::Crc32;
pub use error::{ImportError, TooSmall};

#[cfg(feature = "alloc")]
pub(crate) use export::{expires, write_identity, write_record};
#[cfg(feature = "alloc")]
pub(crate) use layout::{
    ACCEPTED, CHECKSUM, HAS_SESSION, HEAD, Head, IDENTITY_NUMBERS, Kind, LASTS, LONGEST_INTERVAL,
    MAGIC, PREAMBLE, VERSION, has_session, identity_parts, walk, walk_from,
};

use crate::client::Client;
use crate::connection::{Fingerprint, fingerprint};
use crate::event::Ticket;
use crate::instant::Instant;
use crate::record::{Flags, Stage};
use crate::store::{InboundStore, OutboundStore, Store};
use mqtt_proto::{FixedHeader, HeaderFrame, Publish as Packet, QoS, Sender as From};

/// Stands for the state of a session, as far as it must not be forgotten. Two that are the same
/// stand for the same state of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SessionMark(u64);

/// A message of QoS 1 or 2 that is not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled<'a> {
    /// What settles it.
    pub ticket: Ticket,
    /// At least once or exactly once.
    pub qos: QoS,
    /// The packet identifier, once the message may have been sent.
    pub packet_id: Option<u16>,
    /// The topic name, while the message is held: it is freed when PUBREC comes.
    pub topic: Option<&'a str>,
    /// The payload, while the message is held.
    pub payload: &'a [u8],
    /// How many bytes the payload has that is drawn from the application, in place of `payload`:
    /// after a restart it is asked for again.
    pub drawn: Option<usize>,
}

#[cfg(feature = "defmt")]
impl defmt::Format for Unsettled<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Unsettled {{ ticket: {}, qos: {}, packet_id: {}, topic: {:?}, payload: {}, drawn: {} }}",
            self.ticket,
            self.qos,
            self.packet_id,
            self.topic,
            crate::log::Size::of(self.payload),
            self.drawn
        );
    }
}

/// FNV-1a over a few numbers, with an avalanche behind it, so that sums of them tell apart.
fn mix(numbers: &[u64]) -> u64 {
    let hash = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

impl<S: Store> Client<S> {
    /// Stands for the present state of the session: what has to be saved is told by another mark
    /// than that of the last save. It says nothing about QoS 0 messages and requests.
    #[must_use]
    pub fn session_mark(&mut self) -> SessionMark {
        let (machine, stores) = self.split();
        let identity = &machine.identity;
        let flags = u64::from(identity.accepted) | u64::from(identity.has_session) << 1;
        let client = identity.client.map_or(0, Fingerprint::get);
        let assigned = fingerprint(stores.inbound.assigned_client_id().as_bytes()).get();
        let mut mark = mix(&[flags, u64::from(client), u64::from(assigned)]);
        // The order of the records counts, that of the identifiers does not.
        layout::walk(
            &machine.out.exchanges,
            stores.outbound,
            &mut |_, head, _, _| {
                let what = u64::from(head.id) << 8 | head.kind as u64;
                mark = mix(&[mark, what, head.ticket]);
                true
            },
        );
        let mut received = 0u64;
        stores.inbound.each_received(&mut |id| {
            received = received.wrapping_add(mix(&[u64::from(id)]));
        });
        SessionMark(mix(&[mark, received]))
    }

    /// How many bytes [`Client::export`] writes.
    #[must_use]
    pub fn export_len(&mut self) -> usize {
        let (machine, stores) = self.split();
        export::len(machine, stores)
    }

    /// Writes the session in pieces, one behind the other; there are [`Client::export_len`] bytes.
    /// Moments are written as what is left until them at `now`.
    ///
    /// # Errors
    /// What the sink failed with; it got no more then.
    pub fn export<E>(
        &mut self,
        now: Instant,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let len = self.export_len();
        let (machine, stores) = self.split();
        machine.out.clock.advance(now);
        let mut result = Ok(());
        export::export(machine, stores, len, &mut |piece| {
            result = sink(piece);
            result.is_ok()
        });
        result
    }

    /// Writes the session to the front of a buffer; how many bytes it has.
    ///
    /// # Errors
    /// The buffer is too small. What it holds is of no use then.
    pub fn export_into(&mut self, now: Instant, buffer: &mut [u8]) -> Result<usize, TooSmall> {
        let needed = self.export_len();
        let mut rest = buffer.get_mut(..needed).ok_or(TooSmall { needed })?;
        self.export(now, |piece| {
            let (place, behind) = core::mem::take(&mut rest)
                .split_at_mut_checked(piece.len())
                .ok_or(TooSmall { needed })?;
            place.copy_from_slice(piece);
            rest = behind;
            Ok(())
        })?;
        Ok(needed)
    }

    /// Takes a session over that [`Client::export`] wrote, from the front of `bytes`; what lies
    /// behind it is not looked at. The client must be new: at rest, and with nothing in it.
    ///
    /// The clock may have another epoch than that of the client that wrote: messages that expire
    /// have as long from `now` on as they had left. The time in between does not count.
    ///
    /// # Errors
    /// See [`ImportError`]; nothing has changed then.
    pub fn import(&mut self, now: Instant, bytes: &[u8]) -> Result<(), ImportError> {
        let (machine, stores) = self.split();
        import::import(machine, stores, now, bytes)
    }

    /// Shows every message of QoS 1 and 2 that is not settled, in the order in which they leave:
    /// after [`Client::import`], what an earlier process left, with the tickets it had.
    pub fn each_unsettled(&mut self, mut each: impl FnMut(Unsettled<'_>)) {
        let (machine, stores) = self.split();
        layout::walk(
            &machine.out.exchanges,
            stores.outbound,
            &mut |store, head, slot, record| {
                let mut unsettled = Unsettled {
                    ticket: Ticket::of(head.ticket),
                    qos: if record.stage == Stage::AwaitPubAck {
                        QoS::AtLeastOnce
                    } else {
                        QoS::ExactlyOnce
                    },
                    packet_id: (head.id != 0).then_some(head.id),
                    topic: None,
                    payload: &[],
                    drawn: None,
                };
                if !record.stage.is_exchange() {
                    return true;
                }
                if head.kind.has_packet() {
                    let (start, end) = crate::pump::packet_range(&record);
                    let (_, arena) = store.buffers();
                    let packet = arena.get(start..end).unwrap_or_default();
                    if let Some(kept) = Kept::of(packet) {
                        unsettled.topic = kept.publish.topic.map(|topic| topic.as_str());
                        unsettled.payload = if record.flags.has(Flags::PAYLOAD_APART) {
                            export::payload_apart(store, slot, &record)
                        } else {
                            kept.payload
                        };
                        unsettled.drawn = (head.reason == layout::DRAWN).then_some(kept.missing);
                    }
                }
                each(unsettled);
                true
            },
        );
    }
}

/// What a stored packet, or its header, says.
struct Kept<'p> {
    /// All but its payload.
    publish: Packet<'p>,
    /// As much of the payload as is there, and how much is not.
    payload: &'p [u8],
    missing: usize,
}

impl<'p> Kept<'p> {
    /// Of a PUBLISH of a client, or of the front of one.
    fn of(packet: &'p [u8]) -> Option<Self> {
        let fixed = FixedHeader::parse(packet, u32::MAX).ok()??;
        let body = packet.get(fixed.len()..)?;
        match Packet::decode_header(fixed, body, From::Client).ok()? {
            HeaderFrame::Whole {
                publish,
                header_len,
            } => Some(Self {
                publish,
                payload: body.get(header_len..)?,
                missing: fixed.packet_len().checked_sub(packet.len())?,
            }),
            HeaderFrame::Partial { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::layout::{
        ACCEPTED, CHECKSUM, DRAWN, HAS_SESSION, HEAD, Head, Kind, LEAST, PREAMBLE,
    };
    use super::*;
    use crate::Action;
    use crate::config::Config;
    use crate::connected::connected;
    use crate::request::Publish;
    use crate::store::Fixed;
    use mqtt_proto::TopicName;
    use std::vec::Vec;

    fn written<S: Store>(client: &mut Client<S>, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        let whole = client.export(now, |piece| {
            bytes.extend_from_slice(piece);
            Ok::<(), ()>(())
        });
        assert_eq!(whole, Ok(()));
        bytes
    }

    fn check(bytes: &mut [u8]) {
        let content = bytes.len() - CHECKSUM;
        let mut crc = Crc32::new();
        crc.update(&bytes[..content]);
        bytes[content..].copy_from_slice(&crc.value().to_le_bytes());
    }

    /// Otherwise flash would be written for it, once when it has left and once when that is told.
    #[test]
    fn a_message_of_qos_0_that_has_left_is_nothing_to_save() {
        let now = Instant::from_secs(1);
        let (mut client, mut input) = connected(now, Fixed::<4, 2, 256, 128>::new());
        let saved = (client.session_mark(), client.export_len());
        let publish = Publish::new(TopicName::new("t").unwrap(), b"21.5");
        client.publish(now, &publish).unwrap();
        assert!(matches!(client.poll(now, &mut input), Action::Send(_)));
        assert_eq!((client.session_mark(), client.export_len()), saved);
        client.sent(now, 100);
        assert_eq!((client.session_mark(), client.export_len()), saved);
        // The session ends with the connection, which is to be saved; of the message nothing is.
        client.closed(now);
        assert_eq!(client.export_len(), saved.1);
    }

    /// A record has half of the bits of a ticket, and what is reserved has none.
    #[test]
    fn what_is_reserved_is_kept_however_many_tickets_were_issued() {
        let now = Instant::from_secs(1);
        let mut client = Client::new(Config::default(), Fixed::<2, 2, 64, 64>::new());
        let mut bytes = written(&mut client, now);
        let records = LEAST - CHECKSUM - 2;
        let flags = PREAMBLE;
        bytes[flags] = ACCEPTED | HAS_SESSION;
        // The next ticket.
        bytes[flags + 7..flags + 15].copy_from_slice(&(1u64 << 40).to_le_bytes());
        bytes[records] = 1;
        let head = Head {
            kind: Kind::Reserved,
            reason: 0,
            id: 7,
            ticket: 0,
        };
        bytes.splice(records + 2..records + 2, head.bytes());
        let len = u32::try_from(bytes.len()).unwrap();
        bytes[6..10].copy_from_slice(&len.to_le_bytes());
        check(&mut bytes);
        let mut again = Client::new(Config::default(), Fixed::<2, 2, 64, 64>::new());
        assert_eq!(again.import(now, &bytes), Ok(()));
        assert_eq!(written(&mut again, now), bytes);
    }

    /// Its deadline could have come and change nothing.
    #[test]
    fn a_message_that_lasts_longer_than_any_interval_is_refused() {
        let now = Instant::from_micros(5);
        let mut client = Client::new(Config::default(), Fixed::<2, 2, 64, 64>::new());
        let publish = Publish::new(TopicName::new("t").unwrap(), &[])
            .qos(QoS::AtLeastOnce)
            .message_expiry_interval(u32::MAX);
        client.publish(now, &publish).unwrap();
        let mut bytes = written(&mut client, now);
        let import = |bytes: &[u8]| {
            Client::new(Config::default(), Fixed::<2, 2, 64, 64>::new()).import(now, bytes)
        };
        assert_eq!(import(&bytes), Ok(()));
        let left = LEAST - CHECKSUM + HEAD;
        for longer in [layout::LONGEST_INTERVAL + 1, layout::LASTS - 1] {
            bytes[left..left + 8].copy_from_slice(&longer.to_le_bytes());
            check(&mut bytes);
            let refused = import(&bytes);
            assert!(matches!(refused, Err(ImportError::Inconsistent { .. })));
        }
    }

    /// A build that cannot draw payloads says so, and does not send a message without its payload.
    #[test]
    fn a_message_whose_payload_is_drawn_is_for_builds_that_draw() {
        let now = Instant::from_secs(1);
        let mut client = Client::new(Config::default(), Fixed::<2, 2, 64, 64>::new());
        let publish = Publish::new(TopicName::new("t").unwrap(), &[]).qos(QoS::AtLeastOnce);
        client.publish(now, &publish).unwrap();
        let mut bytes = written(&mut client, now);
        // Its first record begins where a session without records ends.
        let record = LEAST - CHECKSUM;
        bytes[record + 1] = DRAWN;
        // The header announces 5 bytes.
        bytes[record + HEAD + 8 + 4 + 1] += 5;
        check(&mut bytes);
        let mut again = Client::new(Config::default(), Fixed::<2, 2, 64, 64>::new());
        let result = again.import(now, &bytes);
        if cfg!(feature = "draw") {
            assert_eq!(result, Ok(()));
            let mut drawn = None;
            again.each_unsettled(|left| drawn = left.drawn);
            assert_eq!(drawn, Some(5));
        } else {
            assert_eq!(result, Err(ImportError::PayloadDrawn));
            assert_eq!(again.unsettled(), 0);
        }
    }
}
