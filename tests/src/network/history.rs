//! What happened in a run, in words; kept only when a run is repeated to be told.

use super::letter::Key;
use mqtt_proto::{Packet, PacketType, Property};
use mqtt_session::Instant;

/// The lines of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// Whether lines are kept.
    pub(crate) on: bool,
    /// The lines.
    pub(crate) lines: Vec<String>,
}

impl History {
    /// Adds a line.
    pub(crate) fn note(&mut self, now: Instant, line: impl FnOnce() -> String) {
        if self.on {
            let millis = (now.as_micros() - super::START.as_micros()) as f64 / 1_000.0;
            self.lines.push(format!("{millis:>10.1}  {}", line()));
        }
    }
}

/// A packet in one line.
#[must_use]
pub(crate) fn shown(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Publish(publish) => {
            let key = Key::of(publish.payload).map_or("?".into(), |key| key.to_string());
            let dup = if publish.dup { " DUP" } else { "" };
            let id = publish
                .packet_id
                .map_or(String::new(), |id| format!(" id {}", id.value()));
            let topic = publish.topic.map_or("-", |topic| topic.as_str());
            let alias = publish.properties.topic_alias();
            let alias = alias.map_or(String::new(), |alias| format!(" alias {alias}"));
            let expiry = publish.properties.iter().find_map(|given| match given {
                Property::MessageExpiryInterval(seconds) => Some(format!(" expiry {seconds}")),
                _ => None,
            });
            let (qos, expiry) = (publish.qos as u8, expiry.unwrap_or_default());
            format!("PUBLISH {key} qos {qos}{id}{dup} to {topic:?}{alias}{expiry}")
        }
        Packet::PubAck(ack) => acknowledgement(PacketType::PubAck, ack),
        Packet::PubRec(ack) => acknowledgement(PacketType::PubRec, ack),
        Packet::PubRel(ack) => acknowledgement(PacketType::PubRel, ack),
        Packet::PubComp(ack) => acknowledgement(PacketType::PubComp, ack),
        other => format!("{other:?}"),
    }
}

fn acknowledgement(kind: PacketType, ack: &mqtt_proto::Ack<'_>) -> String {
    let reason = if ack.reason.value() == 0 {
        String::new()
    } else {
        format!(" {}", ack.reason)
    };
    format!("{kind:?} id {}{reason}", ack.packet_id.value())
}
