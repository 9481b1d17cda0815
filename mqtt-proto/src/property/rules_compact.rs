use super::PropertyId as Id;
use super::legality::{Known, needs_method, needs_method_for_data, repeats};
use crate::carrier::Carrier;
use crate::wrong::What;
use crate::{PacketType, Sender};

/// Whose properties they are.
#[derive(Clone, Copy)]
pub(crate) struct PropertyRules(Carrier);

impl PropertyRules {
    /// Of the will in a CONNECT.
    pub(crate) const WILL: Self = Self(Carrier::WILL);

    /// Of a packet from this sender.
    #[inline(always)]
    pub(crate) const fn of(packet: PacketType, sender: Sender) -> Self {
        Self(Carrier::of(packet, sender))
    }

    /// Whether Authentication Method is missing where this is present.
    #[inline(always)]
    pub(super) const fn lacks_method(self, present: Present) -> bool {
        (needs_method(self.0)
            || needs_method_for_data(self.0) && present.has(Id::AuthenticationData))
            && !present.has(Id::AuthenticationMethod)
    }
}

/// The properties of one carrier as they come, and the rules for that.
pub(crate) struct Gate {
    carrier: Carrier,
    present: Present,
}

impl Gate {
    #[inline(always)]
    pub(crate) const fn new(rules: PropertyRules) -> Self {
        Self {
            carrier: rules.0,
            present: Present::NONE,
        }
    }

    /// The packet that it is about.
    #[inline]
    pub(super) const fn packet(&self) -> PacketType {
        self.carrier.packet()
    }

    /// What has come.
    pub(crate) const fn present(&self) -> Present {
        self.present
    }

    /// What is wrong with it if the property stands after those that are present, among which it is
    /// then.
    #[inline(never)]
    pub(crate) fn admit(&mut self, property: Known) -> Option<What> {
        let carriers = property.carriers();
        if !self.carrier.is_in(carriers) {
            return Some(if self.carrier.peer().is_in(carriers) {
                What::PropertyFromWrongSender
            } else {
                What::PropertyNotAllowed
            });
        }
        let before = self.present.0;
        self.present.0 |= property.bit();
        (before == self.present.0 && !repeats(self.carrier, property.number()))
            .then_some(What::DuplicateProperty)
    }
}

/// A set of properties.
#[derive(Clone, Copy)]
pub(crate) struct Present(u32);

impl Present {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn has(self, id: Id) -> bool {
        self.0 & Known::id(id).bit() != 0
    }
}
