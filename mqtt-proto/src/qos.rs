/// The quality of service of a message (section 4.3): how hard both ends try to deliver it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    /// 0: sent once, never acknowledged; may be lost.
    #[default]
    AtMostOnce = 0,
    /// 1: acknowledged with PUBACK; may arrive more than once.
    AtLeastOnce = 1,
    /// 2: PUBREC, PUBREL, PUBCOMP; arrives exactly once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The quality of service with this number; `None` above 2 (MQTT-3.3.1-4).
    #[must_use]
    #[inline]
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

crate::words::words! { QoS:
    Self::AtMostOnce => "QoS 0";
    Self::AtLeastOnce => "QoS 1";
    Self::ExactlyOnce => "QoS 2";
}
