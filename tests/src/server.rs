//! A small honest server for one client, without a network or a clock.
//!
//! It takes the client's bytes, answers as the standard demands, keeps its session across
//! transports or loses it when it is told to, and records what was published to it. Where the
//! client breaks a rule that a server can see, it notes a complaint and goes on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtt_proto::{
    Ack, ConnAck, Connect, Frame, Packet, PacketId, Properties, Property, Publish, QoS, ReasonCode,
    ReasonCodes, Sender, SubAck, TopicName, UnsubAck, frame,
};

/// A message as it was published, to the server or by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    /// The topic name, whole also where an alias stood for it.
    pub topic: String,
    /// The QoS.
    pub qos: QoS,
    /// The payload.
    pub payload: Vec<u8>,
}

/// What the server wants of its client: the properties of its CONNACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Receive Maximum, for the client's messages.
    pub receive_maximum: Option<u16>,
    /// Receive Maximum of every connection but the first.
    pub receive_maximum_later: Option<u16>,
    /// Topic Alias Maximum, for the client's aliases. 0 for none.
    pub topic_alias_maximum: u16,
    /// Whether the server gives each of its own topics an alias, as far as the client allows.
    pub uses_aliases: bool,
}

impl Terms {
    /// No limits, no aliases.
    pub const NONE: Self = Self {
        receive_maximum: None,
        receive_maximum_later: None,
        topic_alias_maximum: 0,
        uses_aliases: false,
    };
}

/// The server.
#[derive(Debug)]
pub struct Server {
    terms: Terms,
    session: Option<Session>,
    line: Option<Line>,
    /// What the client published, QoS 2 once for each exchange.
    pub published: Vec<Message>,
    /// How often a session began. A session is the same as long as this number is.
    pub sessions: usize,
    /// Rules that the client broke.
    pub complaints: Vec<String>,
    connections: usize,
}

/// What outlives a transport.
#[derive(Debug, Default)]
struct Session {
    /// The client's QoS 2 messages between PUBLISH and PUBREL.
    received: BTreeMap<u16, Message>,
    /// The server's own messages that are not acknowledged to the end, in order of sending.
    unacknowledged: Vec<Outgoing>,
    /// The server's own messages that were never sent.
    waiting: VecDeque<Message>,
    last_id: u16,
}

#[derive(Debug)]
struct Outgoing {
    id: u16,
    message: Message,
    awaited: Awaited,
    /// Whether it was sent over the present transport.
    sent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "they are the names of packets")]
enum Awaited {
    PubAck,
    PubRec,
    PubComp,
}

/// What ends with a transport.
#[derive(Debug)]
struct Line {
    /// Bytes that are no whole packet yet.
    input: Vec<u8>,
    output: VecDeque<u8>,
    accepted: bool,
    ended: bool,
    receive_maximum: u16,
    topic_alias_maximum: u16,
    /// The client's aliases.
    aliases: BTreeMap<u16, String>,
    /// The server's own, from 1.
    own_aliases: Vec<String>,
}

impl Server {
    /// A server without a session and without a transport.
    #[must_use]
    pub const fn new(terms: Terms) -> Self {
        Self {
            terms,
            session: None,
            line: None,
            published: Vec::new(),
            sessions: 0,
            complaints: Vec::new(),
            connections: 0,
        }
    }

    /// A transport is open.
    pub fn opened(&mut self) {
        self.line = Some(Line {
            input: Vec::new(),
            output: VecDeque::new(),
            accepted: false,
            ended: false,
            receive_maximum: u16::MAX,
            topic_alias_maximum: 0,
            aliases: BTreeMap::new(),
            own_aliases: Vec::new(),
        });
    }

    /// The transport is gone, with what was on its way.
    pub fn closed(&mut self) {
        self.line = None;
        if let Some(session) = &mut self.session {
            for outgoing in &mut session.unacknowledged {
                outgoing.sent = false;
            }
        }
    }

    /// Forgets the session, as a server without persistence does when it restarts.
    pub fn loses_session(&mut self) {
        self.session = None;
    }

    /// Publishes a message to the client: now, or as soon as the client and its Receive Maximum
    /// allow. False: there is no session, so there is nobody to publish to.
    pub fn publishes(&mut self, message: Message) -> bool {
        let Some(session) = &mut self.session else {
            return false;
        };
        session.waiting.push_back(message);
        self.sends_waiting();
        true
    }

    /// Whether every message of the server has been acknowledged to the end.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let idle = |session: &Session| {
            session.unacknowledged.is_empty()
                && session.waiting.is_empty()
                && session.received.is_empty()
        };
        self.session.as_ref().is_none_or(idle)
    }

    /// How many bytes wait to be taken.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.line.as_ref().map_or(0, |line| line.output.len())
    }

    /// Takes up to `most` bytes that are on their way to the client.
    pub fn takes(&mut self, most: usize) -> Vec<u8> {
        let Some(line) = &mut self.line else {
            return Vec::new();
        };
        let count = most.min(line.output.len());
        line.output.drain(..count).collect()
    }

    /// Bytes from the client.
    pub fn receives(&mut self, bytes: &[u8]) {
        let Some(line) = &mut self.line else {
            return;
        };
        let mut input = core::mem::take(&mut line.input);
        input.extend_from_slice(bytes);
        let mut rest = &input[..];
        loop {
            match frame(rest, u32::MAX) {
                Ok(Frame::Whole(raw)) => {
                    match raw.decode(Sender::Client) {
                        Ok(packet) => self.processes(packet),
                        Err(error) => self.complaints.push(error.to_string()),
                    }
                    rest = &rest[raw.len()..];
                }
                Ok(Frame::Partial { .. }) => break,
                Err(error) => {
                    self.complaints.push(error.to_string());
                    break;
                }
            }
        }
        if let Some(line) = &mut self.line {
            line.input = rest.to_vec();
        }
    }

    fn complains(&mut self, what: impl Into<String>) {
        self.complaints.push(what.into());
    }

    fn processes(&mut self, packet: Packet<'_>) {
        let Some(line) = &self.line else { return };
        if line.ended {
            return self.complains(format!("{packet:?} after DISCONNECT"));
        }
        if line.accepted == matches!(packet, Packet::Connect(_)) {
            return self.complains(format!("{packet:?} at a wrong moment"));
        }
        match packet {
            Packet::Connect(connect) => self.accepts(&connect),
            Packet::Publish(publish) => self.is_published_to(&publish),
            Packet::PubRel(ack) => self.is_released(ack.packet_id),
            Packet::PubAck(ack) => self.is_acknowledged(&ack, Awaited::PubAck),
            Packet::PubRec(ack) => self.is_acknowledged(&ack, Awaited::PubRec),
            Packet::PubComp(ack) => self.is_acknowledged(&ack, Awaited::PubComp),
            Packet::Subscribe(subscribe) => {
                let granted: Vec<ReasonCode> = subscribe
                    .subscriptions
                    .iter()
                    .map(|subscription| match subscription.options.qos {
                        QoS::AtMostOnce => ReasonCode::GRANTED_QOS_0,
                        QoS::AtLeastOnce => ReasonCode::GRANTED_QOS_1,
                        QoS::ExactlyOnce => ReasonCode::GRANTED_QOS_2,
                    })
                    .collect();
                self.sends(&Packet::SubAck(SubAck {
                    packet_id: subscribe.packet_id,
                    properties: Properties::EMPTY,
                    reasons: ReasonCodes::new(&granted),
                }));
            }
            Packet::Unsubscribe(unsubscribe) => {
                let done = vec![ReasonCode::SUCCESS; unsubscribe.filters.len()];
                self.sends(&Packet::UnsubAck(UnsubAck {
                    packet_id: unsubscribe.packet_id,
                    properties: Properties::EMPTY,
                    reasons: ReasonCodes::new(&done),
                }));
            }
            Packet::PingReq => self.sends(&Packet::PingResp),
            Packet::Disconnect(_) => {
                if let Some(line) = &mut self.line {
                    line.ended = true;
                }
            }
            other => self.complains(format!("{other:?} from a client")),
        }
    }

    fn sends(&mut self, packet: &Packet<'_>) {
        let bytes = packet.to_vec(Sender::Server);
        if let (Ok(bytes), Some(line)) = (bytes, &mut self.line) {
            line.output.extend(bytes);
        }
    }

    fn accepts(&mut self, connect: &Connect<'_>) {
        if connect.clean_start {
            self.session = None;
        }
        let session_present = self.session.is_some();
        if !session_present {
            self.session = Some(Session::default());
            self.sessions += 1;
        }
        if let Some(line) = &mut self.line {
            line.accepted = true;
            let asked = &connect.properties;
            line.receive_maximum = asked.receive_maximum().unwrap_or(u16::MAX);
            if self.terms.uses_aliases {
                line.topic_alias_maximum = asked.topic_alias_maximum().unwrap_or(0);
            }
        }
        let mut terms = Vec::new();
        self.connections += 1;
        let window = match self.connections {
            1 => self.terms.receive_maximum,
            _ => self.terms.receive_maximum_later,
        };
        if let Some(count) = window {
            terms.push(Property::ReceiveMaximum(count));
        }
        if self.terms.topic_alias_maximum > 0 {
            terms.push(Property::TopicAliasMaximum(self.terms.topic_alias_maximum));
        }
        self.sends(&Packet::ConnAck(ConnAck {
            session_present,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(&terms),
        }));
        self.resumes();
        self.sends_waiting();
    }

    /// Everything unacknowledged goes out again, in its order (MQTT-4.4.0-1).
    fn resumes(&mut self) {
        let count = self.unacknowledged().len();
        for index in 0..count {
            self.sends_outgoing(index, true);
        }
    }

    fn unacknowledged(&mut self) -> &mut Vec<Outgoing> {
        &mut self.session.get_or_insert_default().unacknowledged
    }

    fn sends_outgoing(&mut self, index: usize, dup: bool) {
        let outgoing = &mut self.unacknowledged()[index];
        outgoing.sent = true;
        let packet_id = PacketId::new(outgoing.id);
        if outgoing.awaited == Awaited::PubComp {
            return self.sends_ack(Packet::PubRel, packet_id, ReasonCode::SUCCESS);
        }
        let message = outgoing.message.clone();
        self.sends_publish(&message, packet_id, dup);
    }

    fn sends_publish(&mut self, message: &Message, packet_id: Option<PacketId>, dup: bool) {
        let Some(line) = &mut self.line else { return };
        let known = line.own_aliases.iter().position(|t| *t == message.topic);
        let mut alias = known.map(|index| index + 1);
        if alias.is_none() && line.own_aliases.len() < usize::from(line.topic_alias_maximum) {
            line.own_aliases.push(message.topic.clone());
            alias = Some(line.own_aliases.len());
        }
        let alias = alias.and_then(|alias| u16::try_from(alias).ok());
        let alias = alias.map(Property::TopicAlias);
        let topic = TopicName::new(&message.topic).ok();
        self.sends(&Packet::Publish(Publish {
            dup,
            qos: message.qos,
            retain: false,
            topic: topic.filter(|_| known.is_none()),
            packet_id,
            properties: Properties::new(alias.as_slice()),
            payload: &message.payload,
        }));
    }

    /// Sends what has never been sent, as far as the client's Receive Maximum allows.
    fn sends_waiting(&mut self) {
        loop {
            let Some(line) = self.line.as_ref().filter(|line| line.accepted) else {
                return;
            };
            let window = usize::from(line.receive_maximum);
            let session = self.session.get_or_insert_default();
            let full = session.unacknowledged.len() >= window;
            let first = session.waiting.front();
            if first.is_none_or(|message| full && message.qos != QoS::AtMostOnce) {
                return;
            }
            let Some(message) = session.waiting.pop_front() else {
                return;
            };
            let awaited = match message.qos {
                QoS::AtMostOnce => {
                    self.sends_publish(&message, None, false);
                    continue;
                }
                QoS::AtLeastOnce => Awaited::PubAck,
                QoS::ExactlyOnce => Awaited::PubRec,
            };
            session.last_id = session.last_id % u16::MAX + 1;
            let taken: BTreeSet<u16> = session.unacknowledged.iter().map(|o| o.id).collect();
            while taken.contains(&session.last_id) {
                session.last_id = session.last_id % u16::MAX + 1;
            }
            session.unacknowledged.push(Outgoing {
                id: session.last_id,
                message,
                awaited,
                sent: false,
            });
            let index = session.unacknowledged.len() - 1;
            self.sends_outgoing(index, false);
        }
    }

    fn sends_ack(
        &mut self,
        kind: fn(Ack<'static>) -> Packet<'static>,
        packet_id: Option<PacketId>,
        reason: ReasonCode,
    ) {
        if let Some(packet_id) = packet_id {
            self.sends(&kind(Ack {
                packet_id,
                reason,
                properties: Properties::EMPTY,
            }));
        }
    }

    fn is_published_to(&mut self, publish: &Publish<'_>) {
        let Some(topic) = self.topic_of(publish) else {
            return self.complains(format!("no topic for {publish:?}"));
        };
        let message = Message {
            topic,
            qos: publish.qos,
            payload: publish.payload.to_vec(),
        };
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, id) => {
                self.published.push(message);
                self.sends_ack(Packet::PubAck, id, ReasonCode::SUCCESS);
            }
            (QoS::ExactlyOnce, Some(id)) => {
                let session = self.session.get_or_insert_default();
                match session.received.get(&id.value()) {
                    Some(known) if *known != message => {
                        self.complains(format!("identifier {id} used while it is open"));
                    }
                    Some(_) if !publish.dup => {
                        self.complains(format!("{publish:?} again without DUP"));
                    }
                    Some(_) => {}
                    None => {
                        session.received.insert(id.value(), message.clone());
                        self.published.push(message);
                    }
                }
                self.sends_ack(Packet::PubRec, Some(id), ReasonCode::SUCCESS);
            }
            _ => self.published.push(message),
        }
    }

    fn topic_of(&mut self, publish: &Publish<'_>) -> Option<String> {
        let line = self.line.as_mut()?;
        let topic = publish.topic.map(|topic| topic.as_str().to_owned());
        let Some(alias) = publish.properties.topic_alias() else {
            return topic;
        };
        if alias > self.terms.topic_alias_maximum {
            return None;
        }
        if let Some(topic) = topic {
            line.aliases.insert(alias, topic);
        }
        line.aliases.get(&alias).cloned()
    }

    fn is_released(&mut self, id: PacketId) {
        let session = self.session.get_or_insert_default();
        let reason = match session.received.remove(&id.value()) {
            Some(_) => ReasonCode::SUCCESS,
            None => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
        };
        self.sends_ack(Packet::PubComp, Some(id), reason);
    }

    /// PUBACK, PUBREC or PUBCOMP, which leave in the order of what they answer (MQTT-4.6.0-2,
    /// MQTT-4.6.0-3).
    fn is_acknowledged(&mut self, ack: &Ack<'_>, awaited: Awaited) {
        let id = ack.packet_id.value();
        let unacknowledged = self.unacknowledged();
        let first = unacknowledged
            .iter()
            .find(|outgoing| outgoing.awaited == awaited && outgoing.sent)
            .map(|outgoing| outgoing.id);
        let index = unacknowledged
            .iter()
            .position(|outgoing| outgoing.id == id && outgoing.awaited == awaited && outgoing.sent);
        let Some(index) = index else {
            return self.complains(format!("{ack:?} for nothing that is at {awaited:?}"));
        };
        if awaited == Awaited::PubRec && !ack.reason.is_failure() {
            unacknowledged[index].awaited = Awaited::PubComp;
            self.sends_ack(Packet::PubRel, Some(ack.packet_id), ReasonCode::SUCCESS);
        } else {
            unacknowledged.remove(index);
        }
        if first != Some(id) && awaited != Awaited::PubComp {
            self.complains(format!("{ack:?} before that for {first:?}"));
        }
        self.sends_waiting();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that took this CONNECT, and what it answered.
    fn connected(server: &mut Server, clean_start: bool) -> Vec<u8> {
        server.opened();
        let connect = Packet::Connect(Connect {
            clean_start,
            keep_alive: 0,
            client_id: "c",
            properties: Properties::new(&[Property::SessionExpiryInterval(60)]),
            will: None,
            user_name: None,
            password: None,
        });
        receives(server, &connect)
    }

    fn receives(server: &mut Server, packet: &Packet<'_>) -> Vec<u8> {
        for byte in packet.to_vec(Sender::Client).unwrap() {
            server.receives(&[byte]);
        }
        server.takes(usize::MAX)
    }

    fn publish(qos: QoS, id: u16, dup: bool) -> Packet<'static> {
        Packet::Publish(Publish {
            dup,
            qos,
            retain: false,
            topic: TopicName::new("a").ok(),
            packet_id: PacketId::new(id),
            properties: Properties::EMPTY,
            payload: b"x",
        })
    }

    fn pubrel(id: u16) -> Packet<'static> {
        Packet::PubRel(Ack {
            packet_id: PacketId::new(id).unwrap(),
            reason: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        })
    }

    #[test]
    fn a_qos_2_message_is_published_once_until_its_identifier_is_released() {
        let mut server = Server::new(Terms::NONE);
        assert_eq!(connected(&mut server, true), [0x20, 3, 0, 0, 0]);
        let pubrec = [0x50, 2, 0, 7];
        let first = publish(QoS::ExactlyOnce, 7, false);
        let again = publish(QoS::ExactlyOnce, 7, true);
        assert_eq!(receives(&mut server, &first), pubrec);
        server.closed();
        assert_eq!(connected(&mut server, false), [0x20, 3, 1, 0, 0]);
        assert_eq!(receives(&mut server, &again), pubrec);
        assert_eq!(server.published.len(), 1);
        assert_eq!(receives(&mut server, &pubrel(7)), [0x70, 2, 0, 7]);
        assert_eq!(receives(&mut server, &pubrel(7)), [0x70, 3, 0, 7, 0x92]);
        assert_eq!(receives(&mut server, &first), pubrec);
        assert_eq!(server.published.len(), 2);
        assert!(server.complaints.is_empty());
        assert_eq!(receives(&mut server, &first), pubrec);
        assert_eq!(server.complaints.len(), 1);
    }

    #[test]
    fn its_own_messages_go_out_again_with_dup_until_they_are_acknowledged() {
        let mut server = Server::new(Terms::NONE);
        connected(&mut server, true);
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            assert!(server.publishes(Message {
                topic: "a".to_owned(),
                qos,
                payload: b"x".to_vec(),
            }));
        }
        assert_eq!(server.takes(1), [0x32]);
        server.closed();
        connected(&mut server, false);
        assert!(!server.is_settled());
        let ack = |id| Ack {
            packet_id: PacketId::new(id).unwrap(),
            reason: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        };
        let pubrel = receives(&mut server, &Packet::PubRec(ack(2)));
        assert_eq!(pubrel, [0x62, 2, 0, 2]);
        server.closed();
        let mut resumed = vec![0x20, 3, 1, 0, 0];
        resumed.extend([0x3a, 7, 0, 1, b'a', 0, 1, 0, b'x']);
        resumed.extend([0x62, 2, 0, 2]);
        assert_eq!(connected(&mut server, false), resumed);
        receives(&mut server, &Packet::PubAck(ack(1)));
        receives(&mut server, &Packet::PubComp(ack(2)));
        assert!(server.is_settled() && server.complaints.is_empty());
        receives(&mut server, &Packet::PubAck(ack(1)));
        assert_eq!(server.complaints.len(), 1);
    }

    #[test]
    fn a_lost_session_takes_everything_with_it() {
        let mut server = Server::new(Terms::NONE);
        connected(&mut server, true);
        receives(&mut server, &publish(QoS::ExactlyOnce, 7, false));
        server.closed();
        server.loses_session();
        assert!(server.is_settled());
        assert_eq!(connected(&mut server, false), [0x20, 3, 0, 0, 0]);
        assert_eq!(server.sessions, 2);
        assert_eq!(receives(&mut server, &pubrel(7)), [0x70, 3, 0, 7, 0x92]);
    }
}
