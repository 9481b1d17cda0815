use super::PropertyId as Id;
use super::legality::{allows, bit, has, needs_method, needs_method_for_data, repeats};
use crate::carrier::Carrier;
use crate::{PacketType, Sender};

/// The rules of one carrier, looked up property by property.
#[derive(Clone, Copy)]
pub(crate) struct PropertyRules {
    carrier: Carrier,
    packet: PacketType,
}

/// How the rules are handed on.
pub(super) type Rules = PropertyRules;

impl PropertyRules {
    /// Of the will in a CONNECT.
    pub(crate) const WILL: Self = Self {
        carrier: Carrier::WILL,
        packet: PacketType::Connect,
    };

    /// Of a packet from this sender.
    #[inline]
    pub(crate) const fn of(packet: PacketType, sender: Sender) -> Self {
        Self {
            carrier: Carrier::of(packet, sender),
            packet,
        }
    }

    #[inline]
    pub(super) const fn packet(self) -> PacketType {
        self.packet
    }

    pub(super) const fn allows(self, id: Id) -> bool {
        allows(self.carrier, id)
    }

    pub(super) const fn repeats(self, id: Id) -> bool {
        repeats(self.carrier, id)
    }

    /// Whether the property, which is not allowed, would be if the other end sent the packet.
    pub(super) const fn peer_only(self, id: Id) -> bool {
        allows(self.carrier.of_peer(), id)
    }

    /// Whether Authentication Method is missing among the properties that are present.
    pub(super) const fn lacks_method(self, present: u64) -> bool {
        !has(present, Id::AuthenticationMethod)
            && (needs_method(self.carrier)
                || needs_method_for_data(self.carrier)
                    && present & bit(Id::AuthenticationData) != 0)
    }
}
