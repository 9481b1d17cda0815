use crate::PropertyId;

/// The field of a packet that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Field {
    /// The protocol name of CONNECT.
    ProtocolName,
    /// The client identifier of CONNECT.
    ClientId,
    /// The topic name of the will.
    WillTopic,
    /// The payload of the will.
    WillPayload,
    /// The user name of CONNECT.
    UserName,
    /// The password of CONNECT.
    Password,
    /// The topic name of PUBLISH.
    TopicName,
    /// A topic filter of SUBSCRIBE or UNSUBSCRIBE.
    TopicFilter,
    /// The value of a property.
    Property(PropertyId),
}

impl core::fmt::Display for Field {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::ProtocolName => f.write_str("protocol name"),
            Self::ClientId => f.write_str("client identifier"),
            Self::WillTopic => f.write_str("will topic"),
            Self::WillPayload => f.write_str("will payload"),
            Self::UserName => f.write_str("user name"),
            Self::Password => f.write_str("password"),
            Self::TopicName => f.write_str("topic name"),
            Self::TopicFilter => f.write_str("topic filter"),
            Self::Property(id) => write!(f, "property {id}"),
        }
    }
}
