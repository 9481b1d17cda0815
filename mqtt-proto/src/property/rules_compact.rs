use super::PropertyId as Id;
use super::legality::{carriers, needs_method, needs_method_for_data, repeats};
use crate::carrier::Carrier;
use crate::wrong::What;
use crate::{PacketType, Sender};

/// The rules of one carrier, looked up property by property.
#[derive(Clone, Copy)]
pub(crate) struct PropertyRules(Carrier);

/// How the rules are handed on.
pub(super) type Rules = PropertyRules;

impl PropertyRules {
    /// Of the will in a CONNECT.
    pub(crate) const WILL: Self = Self(Carrier::WILL);

    /// Of a packet from this sender.
    #[inline(always)]
    pub(crate) const fn of(packet: PacketType, sender: Sender) -> Self {
        Self(Carrier::of(packet, sender))
    }

    /// The packet that it is about.
    #[inline]
    pub(super) const fn packet(self) -> PacketType {
        self.0.packet()
    }

    /// What is wrong with it if the property stands after those that are present, among which it is
    /// then.
    #[inline(never)]
    pub(crate) fn admit(self, id: Id, present: &mut Present) -> Option<What> {
        let carriers = carriers(id);
        if !self.0.is_in(carriers) {
            return Some(if self.0.peer().is_in(carriers) {
                What::PropertyFromWrongSender
            } else {
                What::PropertyNotAllowed
            });
        }
        let again = present.has(id);
        present.0 |= id.bit();
        (again && !repeats(self.0, id)).then_some(What::DuplicateProperty)
    }

    /// Whether Authentication Method is missing among the properties that are present.
    pub(super) fn lacks_method(self, present: Present) -> bool {
        !present.has(Id::AuthenticationMethod)
            && (needs_method(self.0)
                || needs_method_for_data(self.0) && present.has(Id::AuthenticationData))
    }
}

/// A set of properties.
#[derive(Clone, Copy)]
pub(crate) struct Present(u32);

impl Present {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn has(self, id: Id) -> bool {
        self.0 & id.bit() != 0
    }
}
