use super::PropertyId as Id;
use super::legality::{
    Admission, allows, is_of_peer, needs_method, needs_method_for_data, repeats,
};
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

    /// Whether the property may stand after those that are present, among which it is then.
    #[inline(never)]
    pub(super) fn admit(self, id: Id, present: &mut Present) -> Admission {
        if !allows(self.carrier, id) {
            return Admission::NotAllowed;
        }
        let again = present.has(id);
        present.0 |= id.bit();
        if again && !repeats(self.carrier, id) {
            return Admission::Again;
        }
        Admission::Granted
    }

    /// Whether the property, which is not allowed, would be if the other end sent the packet.
    pub(super) const fn peer_only(self, id: Id) -> bool {
        is_of_peer(self.packet, id)
    }

    /// Whether Authentication Method is missing among the properties that are present.
    pub(super) fn lacks_method(self, present: Present) -> bool {
        !present.has(Id::AuthenticationMethod)
            && (needs_method(self.carrier)
                || needs_method_for_data(self.carrier) && present.has(Id::AuthenticationData))
    }
}

/// A set of properties.
#[derive(Clone, Copy)]
pub(super) struct Present(u32);

impl Present {
    pub(super) const NONE: Self = Self(0);

    const fn has(self, id: Id) -> bool {
        self.0 & id.bit() != 0
    }
}
