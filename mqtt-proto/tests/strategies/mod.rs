//! Strategies for valid packets of every type, from either end.
//!
//! A test crate includes this file with `#[path]` and lends what it gets:
//! `proptest!(|(sent in strategies::packet())| sent.with(|packet| …))`.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each including crate uses its own part"
)]

mod properties;

use mqtt_proto::{
    Ack, Auth, ConnAck, Connect, Disconnect, Filters, Packet, PacketId, PacketType, Properties,
    PropertyId, Publish, QoS, ReasonCode, ReasonCodes, RetainHandling, Sender, SubAck, Subscribe,
    Subscription, SubscriptionOptions, Subscriptions, TopicFilter, TopicName, UnsubAck,
    Unsubscribe, Will,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use properties::{
    CONNACK, CONNECT, CONNECT_WITH_DATA, Owned, PUBLISH, REASON, WILL, binary, lend, properties,
    properties_of,
};
pub use properties::{filter_text, text, topic_text};

/// A packet that owns what it is made of, and who sends it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Who sends it.
    pub sender: Sender,
    parts: Parts,
}

#[derive(Clone, Debug)]
enum Parts {
    Connect {
        properties: Vec<Owned>,
        connect: ConnectParts,
        will: Option<WillParts>,
    },
    ConnAck {
        session_present: bool,
        reason: ReasonCode,
        properties: Vec<Owned>,
    },
    Publish {
        parts: PublishParts,
        properties: Vec<Owned>,
    },
    Ack {
        kind: PacketType,
        packet_id: PacketId,
        reason: ReasonCode,
        properties: Vec<Owned>,
    },
    Subscribe {
        packet_id: PacketId,
        properties: Vec<Owned>,
        entries: Vec<(String, SubscriptionOptions)>,
    },
    SubAck {
        kind: PacketType,
        packet_id: PacketId,
        properties: Vec<Owned>,
        reasons: Vec<ReasonCode>,
    },
    Unsubscribe {
        packet_id: PacketId,
        properties: Vec<Owned>,
        filters: Vec<String>,
    },
    PingReq,
    PingResp,
    Disconnect {
        reason: ReasonCode,
        properties: Vec<Owned>,
    },
    Auth {
        reason: ReasonCode,
        properties: Vec<Owned>,
    },
}

#[derive(Clone, Debug)]
struct ConnectParts {
    clean_start: bool,
    keep_alive: u16,
    client_id: String,
    user_name: Option<String>,
    password: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct WillParts {
    qos: QoS,
    retain: bool,
    topic: String,
    payload: Vec<u8>,
    properties: Vec<Owned>,
}

#[derive(Clone, Debug)]
struct PublishParts {
    dup: bool,
    qos: QoS,
    retain: bool,
    topic: Option<String>,
    packet_id: PacketId,
    payload: Vec<u8>,
}

impl Sent {
    /// Lends the packet.
    pub fn with<R>(&self, work: impl FnOnce(Packet<'_>) -> R) -> R {
        match &self.parts {
            Parts::Connect {
                properties,
                connect,
                will,
            } => {
                let properties = lend(properties);
                let will_properties = will
                    .as_ref()
                    .map(|will| lend(&will.properties))
                    .unwrap_or_default();
                work(Packet::Connect(Connect {
                    clean_start: connect.clean_start,
                    keep_alive: connect.keep_alive,
                    client_id: &connect.client_id,
                    properties: Properties::new(&properties),
                    will: will.as_ref().map(|will| Will {
                        qos: will.qos,
                        retain: will.retain,
                        topic: name(&will.topic),
                        payload: &will.payload,
                        properties: Properties::new(&will_properties),
                    }),
                    user_name: connect.user_name.as_deref(),
                    password: connect.password.as_deref(),
                }))
            }
            Parts::ConnAck {
                session_present,
                reason,
                properties,
            } => {
                let properties = lend(properties);
                work(Packet::ConnAck(ConnAck {
                    session_present: *session_present,
                    reason: *reason,
                    properties: Properties::new(&properties),
                }))
            }
            Parts::Publish { parts, properties } => {
                let properties = lend(properties);
                // In two lists, as a caller does who adds to what the application gave.
                let (first, rest) = properties.split_at(properties.len() / 2);
                work(Packet::Publish(Publish {
                    dup: parts.dup && parts.qos != QoS::AtMostOnce,
                    qos: parts.qos,
                    retain: parts.retain,
                    topic: parts.topic.as_deref().map(name),
                    packet_id: (parts.qos != QoS::AtMostOnce).then_some(parts.packet_id),
                    properties: Properties::chain(first, rest),
                    payload: &parts.payload,
                }))
            }
            Parts::Ack {
                kind,
                packet_id,
                reason,
                properties,
            } => {
                let properties = lend(properties);
                let ack = Ack {
                    packet_id: *packet_id,
                    reason: *reason,
                    properties: Properties::new(&properties),
                };
                work(match kind {
                    PacketType::PubAck => Packet::PubAck(ack),
                    PacketType::PubRec => Packet::PubRec(ack),
                    PacketType::PubRel => Packet::PubRel(ack),
                    _ => Packet::PubComp(ack),
                })
            }
            Parts::Subscribe {
                packet_id,
                properties,
                entries,
            } => {
                let properties = lend(properties);
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(text, options)| {
                        let filter = filter(text);
                        // MQTT-3.8.3-4
                        let no_local = options.no_local && !filter.is_shared();
                        Subscription {
                            filter,
                            options: SubscriptionOptions {
                                no_local,
                                ..*options
                            },
                        }
                    })
                    .collect();
                work(Packet::Subscribe(Subscribe {
                    packet_id: *packet_id,
                    properties: Properties::new(&properties),
                    subscriptions: Subscriptions::new(&entries),
                }))
            }
            Parts::SubAck {
                kind,
                packet_id,
                properties,
                reasons,
            } => {
                let (packet_id, properties, reasons) =
                    (*packet_id, lend(properties), ReasonCodes::new(reasons));
                let properties = Properties::new(&properties);
                work(match kind {
                    PacketType::SubAck => Packet::SubAck(SubAck {
                        packet_id,
                        properties,
                        reasons,
                    }),
                    _ => Packet::UnsubAck(UnsubAck {
                        packet_id,
                        properties,
                        reasons,
                    }),
                })
            }
            Parts::Unsubscribe {
                packet_id,
                properties,
                filters,
            } => {
                let properties = lend(properties);
                let filters: Vec<_> = filters.iter().map(|text| filter(text)).collect();
                work(Packet::Unsubscribe(Unsubscribe {
                    packet_id: *packet_id,
                    properties: Properties::new(&properties),
                    filters: Filters::new(&filters),
                }))
            }
            Parts::PingReq => work(Packet::PingReq),
            Parts::PingResp => work(Packet::PingResp),
            Parts::Disconnect { reason, properties } => {
                let properties = lend(properties);
                work(Packet::Disconnect(Disconnect {
                    reason: *reason,
                    properties: Properties::new(&properties),
                }))
            }
            Parts::Auth { reason, properties } => {
                let properties = lend(properties);
                work(Packet::Auth(Auth {
                    reason: *reason,
                    properties: Properties::new(&properties),
                }))
            }
        }
    }

    /// The encoded packet.
    pub fn encoded(&self) -> Vec<u8> {
        self.with(|packet| {
            let mut bytes = vec![0; packet.encoded_len().expect("the packet is valid")];
            let len = packet
                .encode(self.sender, &mut bytes)
                .expect("the packet is valid");
            assert_eq!(len, bytes.len(), "encoded_len is exact");
            bytes
        })
    }
}

/// Any valid packet.
pub fn packet() -> impl Strategy<Value = Sent> {
    let packet_type = select(PacketType::ALL.to_vec());
    (packet_type, select(vec![Sender::Client, Sender::Server])).prop_flat_map(
        |(packet_type, either)| {
            let sender = if packet_type.may_come_from(either) {
                either
            } else {
                either.peer()
            };
            packet_of(packet_type, sender)
        },
    )
}

/// Any valid packet of this type. The sender must be one that may send it.
pub fn packet_of(packet_type: PacketType, sender: Sender) -> BoxedStrategy<Sent> {
    let parts = match packet_type {
        PacketType::Connect => connect().boxed(),
        PacketType::ConnAck => (
            any::<bool>(),
            reason(packet_type, sender),
            properties(CONNACK, &[]),
        )
            .prop_map(|(present, reason, properties)| Parts::ConnAck {
                session_present: present && reason == ReasonCode::SUCCESS,
                reason,
                properties,
            })
            .boxed(),
        PacketType::Publish => publish(sender).boxed(),
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => (
            packet_id(),
            reason(packet_type, sender),
            properties(REASON, &[]),
        )
            .prop_map(move |(packet_id, reason, properties)| Parts::Ack {
                kind: packet_type,
                packet_id,
                reason,
                properties,
            })
            .boxed(),
        PacketType::Subscribe => {
            let entries = vec((filter_text(), options()), 1..5);
            (
                packet_id(),
                properties(&[PropertyId::SubscriptionIdentifier], &[]),
                entries,
            )
                .prop_map(|(packet_id, properties, entries)| Parts::Subscribe {
                    packet_id,
                    properties,
                    entries,
                })
                .boxed()
        }
        PacketType::SubAck | PacketType::UnsubAck => (
            packet_id(),
            properties(REASON, &[]),
            vec(reason(packet_type, sender), 1..5),
        )
            .prop_map(move |(packet_id, properties, reasons)| Parts::SubAck {
                kind: packet_type,
                packet_id,
                properties,
                reasons,
            })
            .boxed(),
        PacketType::Unsubscribe => (packet_id(), properties(&[], &[]), vec(filter_text(), 1..5))
            .prop_map(|(packet_id, properties, filters)| Parts::Unsubscribe {
                packet_id,
                properties,
                filters,
            })
            .boxed(),
        PacketType::PingReq => Just(Parts::PingReq).boxed(),
        PacketType::PingResp => Just(Parts::PingResp).boxed(),
        PacketType::Disconnect => {
            let own = match sender {
                Sender::Client => PropertyId::SessionExpiryInterval,
                Sender::Server => PropertyId::ServerReference,
            };
            (
                reason(packet_type, sender),
                properties_of(vec![PropertyId::ReasonString, own], vec![]),
            )
                .prop_map(|(reason, properties)| Parts::Disconnect { reason, properties })
                .boxed()
        }
        PacketType::Auth => {
            let optional = &[PropertyId::AuthenticationData, PropertyId::ReasonString];
            (
                reason(packet_type, sender),
                properties(optional, &[PropertyId::AuthenticationMethod]),
            )
                .prop_map(|(reason, properties)| Parts::Auth { reason, properties })
                .boxed()
        }
    };
    parts.prop_map(move |parts| Sent { sender, parts }).boxed()
}

fn connect() -> impl Strategy<Value = Parts> {
    let method = &[PropertyId::AuthenticationMethod];
    let with_data = properties(CONNECT_WITH_DATA, method);
    let properties = prop_oneof![properties(CONNECT, &[]), with_data];
    let connect = (
        any::<bool>(),
        any::<u16>(),
        text(),
        option(text()),
        option(binary()),
    )
        .prop_map(
            |(clean_start, keep_alive, client_id, user_name, password)| ConnectParts {
                clean_start,
                keep_alive,
                client_id,
                user_name,
                password,
            },
        );
    (properties, connect, option(will())).prop_map(|(properties, connect, will)| Parts::Connect {
        properties,
        connect,
        will,
    })
}

fn will() -> impl Strategy<Value = WillParts> {
    (
        qos(),
        any::<bool>(),
        topic_text(),
        binary(),
        properties(WILL, &[]),
    )
        .prop_map(|(qos, retain, topic, payload, properties)| WillParts {
            qos,
            retain,
            topic,
            payload,
            properties,
        })
}

fn publish(sender: Sender) -> impl Strategy<Value = Parts> {
    let parts = (
        any::<bool>(),
        qos(),
        any::<bool>(),
        topic_text(),
        packet_id(),
        payload(),
    )
        .prop_map(
            |(dup, qos, retain, topic, packet_id, payload)| PublishParts {
                dup,
                qos,
                retain,
                topic: Some(topic),
                packet_id,
                payload,
            },
        );
    let ids = match sender {
        Sender::Client => 0..1,
        Sender::Server => 0..4_usize,
    };
    let ids = vec(
        (1..=268_435_455_u32).prop_map(|id| Owned::Number(PropertyId::SubscriptionIdentifier, id)),
        ids,
    );
    let named = properties(PUBLISH, &[]);
    let aliased = properties(PUBLISH, &[PropertyId::TopicAlias]);
    (parts, any::<bool>(), named, aliased, ids).prop_map(
        |(mut parts, alias, named, aliased, ids)| {
            let mut properties = if alias { aliased } else { named };
            if alias {
                parts.topic = None;
            }
            properties.extend(ids);
            Parts::Publish { parts, properties }
        },
    )
}

fn name(text: &str) -> TopicName<'_> {
    TopicName::new(text).expect("the strategy makes topic names")
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).expect("the strategy makes topic filters")
}

fn reason(packet: PacketType, sender: Sender) -> impl Strategy<Value = ReasonCode> {
    let codes: Vec<_> = (0..=255)
        .filter_map(ReasonCode::new)
        .filter(|code| code.is_allowed(packet, sender))
        .collect();
    select(codes)
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|number| PacketId::new(number).expect("not 0"))
}

fn qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn options() -> impl Strategy<Value = SubscriptionOptions> {
    let handling = select(vec![
        RetainHandling::SendAtSubscribe,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ]);
    (qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        |(qos, no_local, retain_as_published, retain_handling)| SubscriptionOptions {
            qos,
            no_local,
            retain_as_published,
            retain_handling,
        },
    )
}

fn option<T: std::fmt::Debug + Clone + 'static>(
    some: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(some)
}

fn payload() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![8 => vec(any::<u8>(), 0..140), 1 => vec(any::<u8>(), 16_300..16_500)].boxed()
}
