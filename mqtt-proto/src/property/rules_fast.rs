use super::PropertyId as Id;
use super::legality::{
    Admission, REPEATED_SUBSCRIPTION_ID, allows, bit, needs_method, needs_method_for_data, repeats,
};
use crate::carrier::Carrier;
use crate::{PacketType, Sender};

/// The rules of one carrier as sets of identifiers, made when the crate is compiled.
#[derive(Clone, Copy)]
pub(crate) struct PropertyRules {
    /// May occur.
    pub(super) allowed: u64,
    /// May occur only when the other end sends the packet.
    pub(super) peer_only: u64,
    /// May occur more than once.
    pub(super) repeatable: u64,
    /// If one of these is there, Authentication Method must be.
    pub(super) demand_method: u64,
    /// Where.
    pub(super) packet: PacketType,
}

/// How the rules are handed on.
pub(super) type Rules = &'static PropertyRules;

/// No property; so it is in no set of those that are allowed, and always among those that are not.
pub(super) const ALWAYS: u64 = 1 << 62;

/// By sender and packet type; a will is the packet type 0.
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
static RULES: [[PropertyRules; 16]; 2] = {
    let will = PropertyRules::new(Carrier::WILL, Carrier::WILL, PacketType::Connect);
    let mut rules = [[will; 16]; 2];
    let mut packets: &[PacketType] = &PacketType::ALL;
    while let [packet, rest @ ..] = packets {
        let client = Carrier::of(*packet, Sender::Client);
        let server = Carrier::of(*packet, Sender::Server);
        rules[Sender::Client as usize][*packet as usize] =
            PropertyRules::new(client, server, *packet);
        rules[Sender::Server as usize][*packet as usize] =
            PropertyRules::new(server, client, *packet);
        packets = rest;
    }
    rules
};

impl PropertyRules {
    /// Of the will in a CONNECT.
    pub(crate) const WILL: &Self = &RULES[0][0];

    /// Of a packet from this sender.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "both numbers are in range")]
    pub(crate) const fn of(packet: PacketType, sender: Sender) -> &'static Self {
        &RULES[sender as usize][packet as usize]
    }

    /// Whether the property may stand after those that are present, among which it is then.
    #[inline(always)]
    pub(super) fn admit(&self, id: Id, present: &mut Present) -> Admission {
        if self.allowed & bit(id) == 0 {
            return Admission::NotAllowed;
        }
        if present.0 & bit(id) != 0 {
            if self.repeatable & bit(id) == 0 {
                return Admission::Again;
            }
            if id == Id::SubscriptionIdentifier {
                present.0 |= REPEATED_SUBSCRIPTION_ID;
            }
        }
        present.0 |= bit(id);
        Admission::Granted
    }

    #[inline]
    pub(super) const fn peer_only(&self, id: Id) -> bool {
        self.peer_only & bit(id) != 0
    }

    const fn new(carrier: Carrier, of_peer: Carrier, packet: PacketType) -> Self {
        let mut rules = Self {
            allowed: 0,
            peer_only: 0,
            repeatable: 0,
            demand_method: 0,
            packet,
        };
        let mut ids: &[Id] = &Id::ALL;
        while let [id, rest @ ..] = ids {
            if allows(carrier, *id) {
                rules.allowed |= bit(*id);
            } else if allows(of_peer, *id) {
                rules.peer_only |= bit(*id);
            }
            if repeats(carrier, *id as u32) {
                rules.repeatable |= bit(*id);
            }
            ids = rest;
        }
        if needs_method(carrier) {
            rules.demand_method = ALWAYS;
        } else if needs_method_for_data(carrier) {
            rules.demand_method = bit(Id::AuthenticationData);
        }
        rules
    }
}

/// A set of properties.
#[derive(Clone, Copy)]
pub(super) struct Present(pub(super) u64);

impl Present {
    pub(super) const NONE: Self = Self(0);
}
