use super::PropertyId as Id;
use crate::{PacketType, Sender};

/// Which properties a packet may carry (section 2.2.2.2), as sets of identifiers.
#[derive(Clone, Copy)]
pub(crate) struct PropertyRules {
    /// May occur.
    pub(crate) allowed: u64,
    /// May occur only when the other end sends the packet.
    pub(crate) peer_only: u64,
    /// May occur more than once.
    pub(crate) repeatable: u64,
    /// If one of these is there, Authentication Method must be.
    pub(crate) demand_method: u64,
    /// Where.
    pub(crate) packet: PacketType,
}

/// Set in a set of present properties when Subscription Identifier occurs more than once.
pub(crate) const REPEATED_SUBSCRIPTION_ID: u64 = 1 << 63;

/// No property; so it is in no set of those that are allowed, and always among those that are not.
pub(crate) const ALWAYS: u64 = 1 << 62;

/// All identifiers are below 43, so that a set of them is one word.
#[inline]
pub(crate) const fn bit(id: Id) -> u64 {
    1 << (id as u8)
}

#[inline]
pub(crate) const fn has(set: u64, id: Id) -> bool {
    set & bit(id) != 0
}

const fn set(ids: &[Id]) -> u64 {
    let mut bits = bit(Id::UserProperty);
    let mut rest = ids;
    while let [first, tail @ ..] = rest {
        bits |= bit(*first);
        rest = tail;
    }
    bits
}

const CONNECT: u64 = set(&[
    Id::SessionExpiryInterval,
    Id::AuthenticationMethod,
    Id::AuthenticationData,
    Id::RequestProblemInformation,
    Id::RequestResponseInformation,
    Id::ReceiveMaximum,
    Id::TopicAliasMaximum,
    Id::MaximumPacketSize,
]);
const WILL: u64 = set(&[
    Id::PayloadFormatIndicator,
    Id::MessageExpiryInterval,
    Id::ContentType,
    Id::ResponseTopic,
    Id::CorrelationData,
    Id::WillDelayInterval,
]);
const CONNACK: u64 = set(&[
    Id::SessionExpiryInterval,
    Id::AssignedClientIdentifier,
    Id::ServerKeepAlive,
    Id::AuthenticationMethod,
    Id::AuthenticationData,
    Id::ResponseInformation,
    Id::ServerReference,
    Id::ReasonString,
    Id::ReceiveMaximum,
    Id::TopicAliasMaximum,
    Id::MaximumQoS,
    Id::RetainAvailable,
    Id::MaximumPacketSize,
    Id::WildcardSubscriptionAvailable,
    Id::SubscriptionIdentifierAvailable,
    Id::SharedSubscriptionAvailable,
]);
const PUBLISH: u64 = set(&[
    Id::PayloadFormatIndicator,
    Id::MessageExpiryInterval,
    Id::ContentType,
    Id::ResponseTopic,
    Id::CorrelationData,
    Id::TopicAlias,
]);
const REASON_STRING: u64 = set(&[Id::ReasonString]);
const SUBSCRIBE: u64 = set(&[Id::SubscriptionIdentifier]);
const UNSUBSCRIBE: u64 = set(&[]);
const AUTH: u64 = set(&[
    Id::AuthenticationMethod,
    Id::AuthenticationData,
    Id::ReasonString,
]);

impl PropertyRules {
    /// Of the will in a CONNECT.
    pub(crate) const WILL: &Self = &Self::both_ways(PacketType::Connect, WILL);

    /// Of a packet from this sender.
    #[inline]
    pub(crate) const fn of(packet: PacketType, sender: Sender) -> &'static Self {
        // A server repeats Subscription Identifier (MQTT-3.3.4-4), a client never sends it
        // (MQTT-3.3.4-6). In DISCONNECT, Session Expiry Interval is the client's (MQTT-3.14.2-2)
        // and Server Reference the server's.
        match (packet, sender) {
            (PacketType::Connect, _) => {
                const {
                    &Self {
                        // Data say nothing without a method (section 3.1.2.11.10).
                        demand_method: bit(Id::AuthenticationData),
                        ..Self::both_ways(PacketType::Connect, CONNECT)
                    }
                }
            }
            (PacketType::ConnAck, _) => const { &Self::both_ways(PacketType::ConnAck, CONNACK) },
            (PacketType::Publish, Sender::Client) => {
                const {
                    &Self {
                        peer_only: bit(Id::SubscriptionIdentifier),
                        ..Self::both_ways(PacketType::Publish, PUBLISH)
                    }
                }
            }
            (PacketType::Publish, Sender::Server) => {
                const {
                    &Self {
                        repeatable: bit(Id::UserProperty) | bit(Id::SubscriptionIdentifier),
                        ..Self::both_ways(
                            PacketType::Publish,
                            PUBLISH | bit(Id::SubscriptionIdentifier),
                        )
                    }
                }
            }
            (PacketType::Subscribe, _) => {
                const { &Self::both_ways(PacketType::Subscribe, SUBSCRIBE) }
            }
            (PacketType::Unsubscribe, _) => {
                const { &Self::both_ways(PacketType::Unsubscribe, UNSUBSCRIBE) }
            }
            (PacketType::Disconnect, Sender::Client) => {
                const {
                    &Self {
                        peer_only: bit(Id::ServerReference),
                        ..Self::both_ways(
                            PacketType::Disconnect,
                            REASON_STRING | bit(Id::SessionExpiryInterval),
                        )
                    }
                }
            }
            (PacketType::Disconnect, Sender::Server) => {
                const {
                    &Self {
                        peer_only: bit(Id::SessionExpiryInterval),
                        ..Self::both_ways(
                            PacketType::Disconnect,
                            REASON_STRING | bit(Id::ServerReference),
                        )
                    }
                }
            }
            (PacketType::Auth, _) => {
                const {
                    &Self {
                        demand_method: ALWAYS,
                        ..Self::both_ways(PacketType::Auth, AUTH)
                    }
                }
            }
            (PacketType::PubAck, _) => {
                const { &Self::both_ways(PacketType::PubAck, REASON_STRING) }
            }
            (PacketType::PubRec, _) => {
                const { &Self::both_ways(PacketType::PubRec, REASON_STRING) }
            }
            (PacketType::PubRel, _) => {
                const { &Self::both_ways(PacketType::PubRel, REASON_STRING) }
            }
            (PacketType::PubComp, _) => {
                const { &Self::both_ways(PacketType::PubComp, REASON_STRING) }
            }
            (PacketType::SubAck, _) => {
                const { &Self::both_ways(PacketType::SubAck, REASON_STRING) }
            }
            (PacketType::UnsubAck, _) => {
                const { &Self::both_ways(PacketType::UnsubAck, REASON_STRING) }
            }
            (PacketType::PingReq, _) => const { &Self::both_ways(PacketType::PingReq, 0) },
            (PacketType::PingResp, _) => const { &Self::both_ways(PacketType::PingResp, 0) },
        }
    }

    const fn both_ways(packet: PacketType, allowed: u64) -> Self {
        Self {
            allowed,
            peer_only: 0,
            repeatable: bit(Id::UserProperty),
            demand_method: 0,
            packet,
        }
    }
}
