//! Rules that show only when both streams of a client's transports are watched together: when
//! DUP may be set, how long an identifier is in use, what may be on the wire at a time.
//!
//! The watcher sees what the client's transport took and what was delivered to the client, which
//! with a cut is not what the server saw.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_proto::{
    FixedHeader, Frame, HeaderFrame, Packet, PacketId, Publish, QoS, ReasonCode, Sender, frame,
};

use crate::server::Message;

/// The watcher of one client.
#[derive(Debug, Default)]
pub struct WireRules {
    /// Rules that the client broke.
    pub broken: Vec<String>,
    /// Messages of which the last byte was taken.
    pub completed: BTreeSet<Message>,
    /// QoS 2 messages for which PUBREC with success was delivered.
    pub received: BTreeSet<Message>,
    /// The most messages that were on the wire at a time.
    pub most_in_flight: usize,
    /// Receive Maximum of the present connection.
    pub receive_maximum: Option<u16>,
    begun: Vec<Begun>,
    /// The client's identifiers in use.
    exchanges: BTreeMap<u16, Exchange>,
    aliases: BTreeMap<u16, String>,
    /// Bytes of a packet that is not whole yet.
    taken: Vec<u8>,
    delivered: Vec<u8>,
}

/// A message of which at least the first byte was taken, as far as it is known.
#[derive(Debug)]
struct Begun {
    topic: String,
    qos: QoS,
    payload_start: Vec<u8>,
}

#[derive(Debug, Default)]
struct Exchange {
    message: Option<Message>,
    /// A byte of its PUBLISH was taken by an earlier transport.
    seen_before: bool,
    /// Its PUBLISH was taken by this transport.
    sent: bool,
    /// Past PUBREC.
    released: bool,
    /// PUBRELs that are owed.
    pubrels: usize,
    /// It is a SUBSCRIBE or UNSUBSCRIBE.
    request: bool,
}

impl WireRules {
    /// Whether a byte of this message can have been taken by a transport.
    #[must_use]
    pub fn has_begun(&self, message: &Message) -> bool {
        self.completed.contains(message)
            || self.begun.iter().any(|begun| {
                begun.topic == message.topic
                    && begun.qos == message.qos
                    && message.payload.starts_with(&begun.payload_start)
            })
    }

    /// The transport took these bytes.
    pub fn took(&mut self, bytes: &[u8]) {
        let mut stream = core::mem::take(&mut self.taken);
        stream.extend_from_slice(bytes);
        let mut rest = &stream[..];
        while let Ok(Frame::Whole(raw)) = frame(rest, u32::MAX) {
            match raw.decode(Sender::Client) {
                Ok(packet) => self.client_sent(&packet),
                Err(error) => self.broken.push(error.to_string()),
            }
            rest = &rest[raw.len()..];
        }
        self.taken = rest.to_vec();
    }

    /// These bytes were delivered to the client.
    pub fn delivered(&mut self, bytes: &[u8]) {
        let mut stream = core::mem::take(&mut self.delivered);
        stream.extend_from_slice(bytes);
        let mut rest = &stream[..];
        while let Ok(Frame::Whole(raw)) = frame(rest, u32::MAX) {
            if let Ok(packet) = raw.decode(Sender::Server) {
                self.server_sent(&packet);
            }
            rest = &rest[raw.len()..];
        }
        self.delivered = rest.to_vec();
    }

    /// The transport is gone; `rest` was offered to it and not taken.
    pub fn cut(&mut self, rest: &[u8]) {
        let mut partial = core::mem::take(&mut self.taken);
        if !partial.is_empty() {
            partial.extend_from_slice(rest);
            self.began(&partial);
        }
        self.delivered.clear();
        self.aliases.clear();
        self.receive_maximum = None;
        self.exchanges.retain(|_, exchange| !exchange.request);
        for exchange in self.exchanges.values_mut() {
            exchange.seen_before = true;
            exchange.sent = false;
            exchange.pubrels = usize::from(exchange.released);
        }
    }

    /// The first bytes of a packet were taken before the cut: was it a PUBLISH?
    fn began(&mut self, start: &[u8]) {
        let Ok(Some(header)) = FixedHeader::parse(start, u32::MAX) else {
            return;
        };
        let body = &start[header.len()..];
        let Ok(HeaderFrame::Whole {
            publish,
            header_len,
        }) = Publish::decode_header(header, body, Sender::Client)
        else {
            return;
        };
        let Some(topic) = self.topic_of(&publish) else {
            return self.broken.push(format!("no topic for {publish:?}"));
        };
        let payload_len = header.packet_len() - header.len() - header_len;
        let payload = &body[header_len..];
        self.begun.push(Begun {
            topic,
            qos: publish.qos,
            payload_start: payload[..payload.len().min(payload_len)].to_vec(),
        });
        if let Some(id) = publish.packet_id {
            self.published(id, publish.dup, None);
        }
    }

    fn topic_of(&mut self, publish: &Publish<'_>) -> Option<String> {
        let topic = publish.topic.map(|topic| topic.as_str().to_owned());
        let Some(alias) = publish.properties.topic_alias() else {
            return topic;
        };
        if let Some(topic) = topic {
            self.aliases.insert(alias, topic);
        }
        self.aliases.get(&alias).cloned()
    }

    fn client_sent(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::Publish(publish) => {
                let Some(topic) = self.topic_of(publish) else {
                    return self.broken.push(format!("no topic for {publish:?}"));
                };
                let message = Message {
                    topic,
                    qos: publish.qos,
                    payload: publish.payload.to_vec(),
                };
                self.completed.insert(message.clone());
                if let Some(id) = publish.packet_id {
                    self.published(id, publish.dup, Some(message));
                }
            }
            Packet::PubRel(ack) => self.pubrel(ack.packet_id, ack.reason),
            Packet::Subscribe(subscribe) => self.requested(subscribe.packet_id),
            Packet::Unsubscribe(unsubscribe) => self.requested(unsubscribe.packet_id),
            _ => {}
        }
    }

    fn requested(&mut self, id: PacketId) {
        let request = Exchange {
            request: true,
            ..Exchange::default()
        };
        if self.exchanges.insert(id.value(), request).is_some() {
            self.broken.push(format!("identifier {id} is in use"));
        }
    }

    fn published(&mut self, id: PacketId, dup: bool, message: Option<Message>) {
        let known = self.exchanges.contains_key(&id.value());
        let exchange = self.exchanges.entry(id.value()).or_default();
        let other = |known: &Message| message.as_ref().is_some_and(|m| m != known);
        let wrong = if exchange.request || exchange.message.as_ref().is_some_and(other) {
            Some("is used while it is in use")
        } else if exchange.sent {
            Some("is sent again on a live connection")
        } else if exchange.released {
            Some("is published again though PUBREC came")
        } else if known && !dup {
            Some("is published again without DUP")
        } else if !known && dup {
            Some("is published for the first time with DUP")
        } else {
            None
        };
        exchange.sent = true;
        exchange.message = message.or(exchange.message.take());
        if let Some(wrong) = wrong {
            self.broken.push(format!("identifier {id} {wrong}"));
        }
        let in_flight = self.exchanges.values().filter(|e| e.sent).count();
        self.most_in_flight = self.most_in_flight.max(in_flight);
        let most = self.receive_maximum.map_or(usize::MAX, usize::from);
        if in_flight > most {
            self.broken
                .push(format!("{in_flight} in flight, {most} are allowed"));
        }
    }

    fn pubrel(&mut self, id: PacketId, reason: ReasonCode) {
        let known = self.exchanges.get_mut(&id.value());
        let wrong = match known.filter(|exchange| exchange.released) {
            Some(exchange) if exchange.pubrels == 0 => Some("is released once more"),
            Some(exchange) => {
                exchange.pubrels -= 1;
                None
            }
            None if reason == ReasonCode::PACKET_IDENTIFIER_NOT_FOUND => None,
            None => Some("is released though it is unknown"),
        };
        if let Some(wrong) = wrong {
            self.broken.push(format!("identifier {id} {wrong}"));
        }
    }

    fn server_sent(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::ConnAck(connack) => {
                self.receive_maximum = connack.properties.receive_maximum();
                if !connack.session_present {
                    self.exchanges.clear();
                }
            }
            Packet::PubRec(ack) if !ack.reason.is_failure() => {
                if let Some(exchange) = self.exchanges.get_mut(&ack.packet_id.value()) {
                    exchange.released = true;
                    exchange.pubrels += 1;
                    self.received.extend(exchange.message.clone());
                }
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => {
                self.exchanges.remove(&ack.packet_id.value());
            }
            Packet::SubAck(ack) => {
                self.exchanges.remove(&ack.packet_id.value());
            }
            Packet::UnsubAck(ack) => {
                self.exchanges.remove(&ack.packet_id.value());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_proto::{Ack, Properties, TopicName};

    fn publish(qos: QoS, id: u16, dup: bool, payload: &[u8]) -> Vec<u8> {
        let publish = Publish {
            dup,
            qos,
            retain: false,
            topic: TopicName::new("a").ok(),
            packet_id: PacketId::new(id),
            properties: Properties::EMPTY,
            payload,
        };
        Packet::Publish(publish).to_vec(Sender::Client).unwrap()
    }

    fn ack(kind: fn(Ack<'static>) -> Packet<'static>, id: u16, sender: Sender) -> Vec<u8> {
        let ack = Ack {
            packet_id: PacketId::new(id).unwrap(),
            reason: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        };
        kind(ack).to_vec(sender).unwrap()
    }

    #[test]
    fn a_message_may_have_dup_from_the_byte_on_that_an_earlier_transport_took() {
        let bytes = publish(QoS::AtLeastOnce, 1, false, b"x");
        for taken in 0..=bytes.len() {
            for dup in [false, true] {
                let mut rules = WireRules::default();
                rules.took(&bytes[..taken]);
                rules.cut(&bytes[taken..]);
                rules.took(&publish(QoS::AtLeastOnce, 1, dup, b"x"));
                assert_eq!(rules.broken.is_empty(), dup == (taken > 0), "{taken} {dup}");
            }
        }
    }

    #[test]
    fn a_message_is_not_sent_again_before_the_transport_is_gone_or_after_pubrec() {
        let again = publish(QoS::ExactlyOnce, 1, true, b"x");
        let mut rules = WireRules::default();
        rules.took(&publish(QoS::ExactlyOnce, 1, false, b"x"));
        rules.took(&again);
        assert_eq!(rules.broken.len(), 1);
        rules.cut(&[]);
        rules.took(&again);
        assert_eq!(rules.broken.len(), 1);
        rules.delivered(&ack(Packet::PubRec, 1, Sender::Server));
        rules.took(&ack(Packet::PubRel, 1, Sender::Client));
        rules.cut(&[]);
        rules.took(&ack(Packet::PubRel, 1, Sender::Client));
        assert_eq!(rules.broken.len(), 1);
        rules.took(&again);
        assert_eq!(rules.broken.len(), 2);
        rules.took(&ack(Packet::PubRel, 1, Sender::Client));
        assert_eq!(rules.broken.len(), 3);
    }

    #[test]
    fn an_identifier_is_free_when_its_exchange_has_ended() {
        let mut rules = WireRules::default();
        rules.took(&publish(QoS::AtLeastOnce, 1, false, b"x"));
        rules.delivered(&ack(Packet::PubAck, 1, Sender::Server));
        rules.took(&publish(QoS::AtLeastOnce, 1, false, b"y"));
        assert!(rules.broken.is_empty());
        rules.took(&publish(QoS::ExactlyOnce, 1, false, b"z"));
        assert_eq!(rules.broken.len(), 1);
    }
}
