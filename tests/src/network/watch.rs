//! What the wire shows: one end of a connection, watched in both directions.
//!
//! The watcher sees the bytes that a transport took from a machine, and those that the machine has
//! read. It holds the machine against the rules for both: the same for client and broker.

use super::broken::{Broken, Found, Property};
use super::letter::Key;
use mqtt_proto::{
    Ack, FixedHeader, Frame, HeaderFrame, Packet, Publish, QoS, ReasonCode, Sender, frame,
};
use mqtt_session::Instant;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What outlives a connection: the exchanges that this end began, by their identifiers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    exchanges: BTreeMap<u16, Exchange>,
    /// Messages that were begun by an earlier connection, too little of which left to tell which.
    begun: usize,
    /// Something may have left, or have come, without the watcher seeing it: the machine's own
    /// farewell, or packets that it had no room to answer.
    pub(crate) unsure: bool,
    /// How many exchanges were begun.
    count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Exchange {
    what: Doing,
    /// Its place in the order of first sending.
    since: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// PUBLISH was sent, or begun; which one, if that was to be seen.
    Publishing(Option<Key>),
    /// PUBREC came.
    Releasing(Key),
    /// SUBSCRIBE or UNSUBSCRIBE was sent.
    Asking,
}

/// One connection, as one end sees it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    side: Sender,
    sent: Vec<u8>,
    heard: Vec<u8>,
    has_spoken: bool,
    /// When CONNECT or CONNACK came: what was written before that was written for another one.
    pub(crate) accepted_at: Instant,
    pub(crate) limits: Limits,
    aliases: BTreeMap<u16, String>,
    /// PUBLISHes of this connection that count for the peer's Receive Maximum.
    in_flight: BTreeSet<u16>,
    /// The last message that was sent again, by its place in the order.
    again: u64,
    /// Something new was sent.
    fresh: bool,
    /// PUBACKs and PUBRECs that this end owes, in the order of arrival.
    owed: [VecDeque<(u16, Key)>; 2],
    /// PUBRELs that came.
    releases: VecDeque<u16>,
    /// PUBRECs that came and want PUBREL.
    to_release: VecDeque<u16>,
    /// Exchanges past PUBREC from earlier connections, whose PUBREL may be sent once.
    to_release_again: BTreeSet<u16>,
}

/// What the peer allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    receive_maximum: usize,
    packet_size: usize,
    aliases: u16,
}

/// What others have to know of what was sent or heard.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A PUBLISH was sent.
    Published {
        key: Key,
        dup: bool,
        expiry: Option<u32>,
    },
    /// PUBACK, or PUBREC, was sent for a message.
    Acknowledged {
        key: Key,
        exactly_once: bool,
        reason: ReasonCode,
    },
    /// A PUBLISH was heard.
    Came { key: Key, expiry: Option<u32> },
    /// A SUBSCRIBE was heard.
    AsksFor { id: u16, filters: Vec<String> },
    /// Its SUBACK was sent.
    Granted { id: u16, reasons: Vec<ReasonCode> },
    /// An UNSUBSCRIBE was heard.
    AsksNoMore { filters: Vec<String> },
}

impl Line {
    pub(crate) fn new(side: Sender) -> Self {
        Self {
            side,
            sent: Vec::new(),
            heard: Vec::new(),
            has_spoken: false,
            accepted_at: Instant::NEVER,
            limits: Limits {
                receive_maximum: usize::from(u16::MAX),
                packet_size: usize::MAX,
                aliases: 0,
            },
            aliases: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            again: 0,
            fresh: false,
            owed: [VecDeque::new(), VecDeque::new()],
            releases: VecDeque::new(),
            to_release: VecDeque::new(),
            to_release_again: BTreeSet::new(),
        }
    }

    /// The transport took these bytes.
    pub(crate) fn sent(
        &mut self,
        bytes: &[u8],
        memory: &mut Memory,
        mut see: impl FnMut(&Packet<'_>),
    ) -> Result<Vec<Fact>, Broken> {
        let mut stream = core::mem::take(&mut self.sent);
        stream.extend_from_slice(bytes);
        let mut rest = &stream[..];
        let mut facts = Vec::new();
        loop {
            match frame(rest, u32::MAX) {
                Ok(Frame::Whole(raw)) => {
                    let packet = raw
                        .decode(self.side)
                        .map_err(|error| Property::Streams.broken(format!("{error}")))?;
                    see(&packet);
                    facts.extend(self.on_sent(&packet, raw.len(), memory)?);
                    rest = &rest[raw.len()..];
                }
                Ok(Frame::Partial { .. }) => break,
                Err(error) => return Err(Property::Streams.broken(format!("{error}"))),
            }
        }
        self.sent = rest.to_vec();
        Ok(facts)
    }

    fn on_sent(
        &mut self,
        packet: &Packet<'_>,
        len: usize,
        memory: &mut Memory,
    ) -> Result<Option<Fact>, Broken> {
        let begins = match packet {
            Packet::Connect(_) | Packet::ConnAck(_) => true,
            Packet::Auth(_) => !self.has_spoken,
            _ => false,
        };
        Property::Streams.holds(begins != self.has_spoken, || {
            format!("a connection goes on with {:?}", packet.packet_type())
        })?;
        self.has_spoken = true;
        Property::PacketSize.holds(len <= self.limits.packet_size, || {
            let most = self.limits.packet_size;
            format!(
                "{:?} of {len} bytes, {most} are allowed",
                packet.packet_type()
            )
        })?;
        match packet {
            Packet::ConnAck(connack) => self.resume(connack.session_present, memory),
            Packet::Publish(publish) => return self.on_publish(publish, memory).map(Some),
            Packet::PubAck(ack) => return self.on_ack(0, ack).map(Some),
            Packet::PubRec(ack) => return self.on_ack(1, ack).map(Some),
            Packet::PubRel(ack) => self.on_pubrel(ack, memory.unsure)?,
            Packet::PubComp(ack) => {
                let id = ack.packet_id.value();
                Property::Acknowledgement.holds(self.releases.pop_front() == Some(id), || {
                    format!("PUBCOMP {id} out of the order of PUBREL")
                })?;
            }
            Packet::Subscribe(subscribe) => self.on_asking(subscribe.packet_id.value(), memory)?,
            Packet::Unsubscribe(request) => self.on_asking(request.packet_id.value(), memory)?,
            Packet::SubAck(suback) => {
                return Ok(Some(Fact::Granted {
                    id: suback.packet_id.value(),
                    reasons: suback.reasons.iter().collect(),
                }));
            }
            _ => {}
        }
        Ok(None)
    }

    fn on_publish(&mut self, publish: &Publish<'_>, memory: &mut Memory) -> Result<Fact, Broken> {
        let key = key(publish)?;
        self.resolve(publish)?;
        if let Some(id) = publish.packet_id {
            self.on_exchange(id.value(), publish.dup, key, memory)?;
        }
        Ok(Fact::Published {
            key,
            dup: publish.dup,
            expiry: publish.properties.message_expiry_interval(),
        })
    }

    fn resolve(&mut self, publish: &Publish<'_>) -> Found {
        let Some(alias) = publish.properties.topic_alias() else {
            return Ok(());
        };
        let most = self.limits.aliases;
        Property::Aliases.holds(alias <= most, || {
            format!("topic alias {alias}, {most} are allowed")
        })?;
        if let Some(topic) = publish.topic {
            self.aliases.insert(alias, topic.as_str().into());
        }
        Property::Aliases.holds(self.aliases.contains_key(&alias), || {
            format!("topic alias {alias} was not set on this connection")
        })
    }

    /// A PUBLISH of QoS 1 or 2 was sent.
    fn on_exchange(&mut self, id: u16, dup: bool, key: Key, memory: &mut Memory) -> Found {
        Property::Retransmission.holds(!self.in_flight.contains(&id), || {
            format!("PUBLISH {key} with identifier {id}, unanswered on this connection")
        })?;
        let known = memory.exchanges.get(&id).copied();
        let since = match known.map(|open| open.what) {
            None if !dup => {
                self.fresh = true;
                memory.next()
            }
            Some(Doing::Publishing(of)) if of.is_none_or(|of| of == key) => {
                Property::Retransmission
                    .holds(dup, || format!("{key} is sent again without DUP"))?;
                known.map_or(0, |open| open.since)
            }
            None if memory.begun > 0 => {
                memory.begun -= 1;
                memory.next()
            }
            None => {
                Property::Retransmission.holds(memory.unsure, || {
                    format!("{key} has DUP and was never sent")
                })?;
                memory.next()
            }
            Some(Doing::Releasing(of)) if of == key && !memory.unsure => {
                let what = format!("{key} is published again after PUBREC");
                return Err(Property::Retransmission.broken(what));
            }
            Some(Doing::Releasing(of)) if of == key => known.map_or(0, |open| open.since),
            Some(what) => {
                let what = format!("identifier {id} for {key} while {what:?}");
                return Err(Property::Identifiers.broken(what));
            }
        };
        if dup {
            Property::Retransmission.holds(!self.fresh || memory.unsure, || {
                format!("{key} is sent again behind something new")
            })?;
            Property::Retransmission.holds(since > self.again || memory.unsure, || {
                format!("{key} is sent again out of the order of first sending")
            })?;
            self.again = since;
        }
        let what = Doing::Publishing(Some(key));
        memory.exchanges.insert(id, Exchange { what, since });
        self.in_flight.insert(id);
        let (open, most) = (self.in_flight.len(), self.limits.receive_maximum);
        Property::ReceiveMaximum.holds(open <= most, || {
            format!("{key} is the {open}th unacknowledged message, {most} are allowed")
        })
    }

    fn on_ack(&mut self, kind: usize, ack: &Ack<'_>) -> Result<Fact, Broken> {
        let id = ack.packet_id.value();
        match self.owed[kind].pop_front() {
            Some((owed, key)) if owed == id => Ok(Fact::Acknowledged {
                key,
                exactly_once: kind == 1,
                reason: ack.reason,
            }),
            owed => {
                let what = format!("{id} is acknowledged, and {owed:?} is to be");
                Err(Property::Acknowledgement.broken(what))
            }
        }
    }

    fn on_pubrel(&mut self, ack: &Ack<'_>, unsure: bool) -> Found {
        let id = ack.packet_id.value();
        if self.to_release.front() == Some(&id) {
            self.to_release.pop_front();
            return Ok(());
        }
        let again = self.to_release_again.remove(&id);
        let unknown = ack.reason == ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
        let most = &self.to_release;
        Property::Retransmission.holds(again || unknown || unsure, || {
            format!("PUBREL {id}, and {most:?} are to be released")
        })
    }

    fn on_asking(&mut self, id: u16, memory: &mut Memory) -> Found {
        let open = memory.exchanges.get(&id);
        Property::Identifiers.holds(open.is_none(), || {
            format!("identifier {id} for a request while {open:?}")
        })?;
        let since = memory.next();
        let what = Doing::Asking;
        memory.exchanges.insert(id, Exchange { what, since });
        Ok(())
    }

    /// The machine has read these bytes.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        bytes: &[u8],
        memory: &mut Memory,
    ) -> Result<Vec<Fact>, Broken> {
        let peer = match self.side {
            Sender::Client => Sender::Server,
            Sender::Server => Sender::Client,
        };
        let mut stream = core::mem::take(&mut self.heard);
        stream.extend_from_slice(bytes);
        let mut rest = &stream[..];
        let mut facts = Vec::new();
        while let Ok(Frame::Whole(raw)) = frame(rest, u32::MAX) {
            // What the peer may not send is found out where it is sent.
            if let Ok(packet) = raw.decode(peer) {
                facts.extend(self.on_heard(now, &packet, memory)?);
            }
            rest = &rest[raw.len()..];
        }
        self.heard = rest.to_vec();
        Ok(facts)
    }

    fn on_heard(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        memory: &mut Memory,
    ) -> Result<Option<Fact>, Broken> {
        match packet {
            Packet::Connect(connect) => self.agree(now, &connect.properties),
            Packet::ConnAck(connack) => {
                self.agree(now, &connack.properties);
                self.resume(connack.session_present, memory);
            }
            Packet::Publish(publish) => {
                let key = key(publish)?;
                if let Some(id) = publish.packet_id {
                    let kind = usize::from(publish.qos == QoS::ExactlyOnce);
                    self.owed[kind].push_back((id.value(), key));
                }
                let expiry = publish.properties.message_expiry_interval();
                return Ok(Some(Fact::Came { key, expiry }));
            }
            Packet::PubRec(ack) if !ack.reason.is_failure() => {
                let id = ack.packet_id.value();
                if let Some(open) = memory.exchanges.get_mut(&id)
                    && let Doing::Publishing(Some(key)) = open.what
                {
                    open.what = Doing::Releasing(key);
                    self.to_release.push_back(id);
                }
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => {
                self.is_answered(ack.packet_id.value(), memory);
            }
            Packet::PubRel(ack) => self.releases.push_back(ack.packet_id.value()),
            Packet::SubAck(suback) => self.is_answered(suback.packet_id.value(), memory),
            Packet::UnsubAck(unsuback) => self.is_answered(unsuback.packet_id.value(), memory),
            Packet::Subscribe(subscribe) => {
                let filters = subscribe.subscriptions.iter();
                return Ok(Some(Fact::AsksFor {
                    id: subscribe.packet_id.value(),
                    filters: filters.map(|given| given.filter.as_str().into()).collect(),
                }));
            }
            Packet::Unsubscribe(unsubscribe) => {
                let filters = unsubscribe.filters.iter();
                return Ok(Some(Fact::AsksNoMore {
                    filters: filters.map(|filter| filter.as_str().into()).collect(),
                }));
            }
            _ => {}
        }
        Ok(None)
    }

    fn agree(&mut self, now: Instant, properties: &mqtt_proto::Properties<'_>) {
        self.accepted_at = now;
        self.limits = Limits {
            receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX).into(),
            packet_size: properties
                .maximum_packet_size()
                .map_or(usize::MAX, |size| size as usize),
            aliases: properties.topic_alias_maximum().unwrap_or(0),
        };
    }

    fn is_answered(&mut self, id: u16, memory: &mut Memory) {
        self.in_flight.remove(&id);
        memory.exchanges.remove(&id);
    }

    /// The connection is accepted: a session goes on, or all that was begun is over.
    fn resume(&mut self, session_present: bool, memory: &mut Memory) {
        if !session_present {
            memory.exchanges.clear();
            memory.begun = 0;
            memory.unsure = false;
        }
        let open = memory.exchanges.iter();
        let released = open.filter(|(_, open)| matches!(open.what, Doing::Releasing(_)));
        self.to_release_again = released.map(|(id, _)| *id).collect();
    }

    /// The transport is gone.
    pub(crate) fn ends(self, memory: &mut Memory) {
        memory
            .exchanges
            .retain(|_, open| open.what != Doing::Asking);
        let Some(first) = self.sent.first() else {
            return;
        };
        // PUBLISH at QoS 1 or 2, part of which has left.
        if first & 0xf0 != 0x30 || first & 0x06 == 0 {
            return;
        }
        let since = memory.next();
        let what = Doing::Publishing(None);
        match (begun_id(&self.sent, self.side), first & 0x08 != 0) {
            (Some(id), _) => {
                let begun = Exchange { what, since };
                memory.exchanges.entry(id).or_insert(begun);
            }
            // It was known before.
            (None, true) => {}
            (None, false) => memory.begun += 1,
        }
    }
}

impl Memory {
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

/// The identifier of a PUBLISH that is not whole, if it has come so far.
fn begun_id(start: &[u8], side: Sender) -> Option<u16> {
    let header = FixedHeader::parse(start, u32::MAX).ok()??;
    let body = &start[header.len()..];
    match Publish::decode_header(header, body, side) {
        Ok(HeaderFrame::Whole { publish, .. }) => publish.packet_id.map(|id| id.value()),
        _ => {
            let (topic, rest) = body.split_first_chunk::<2>()?;
            let id = rest.get(usize::from(u16::from_be_bytes(*topic))..)?;
            Some(u16::from_be_bytes(*id.first_chunk::<2>()?))
        }
    }
}

fn key(publish: &Publish<'_>) -> Result<Key, Broken> {
    Key::of(publish.payload).ok_or_else(|| {
        let what = format!("a payload that nobody published: {:?}", publish.payload);
        Property::Content.broken(what)
    })
}
