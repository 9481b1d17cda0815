use crate::PropertyId;

/// The field of a packet that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

crate::words::words! { Field:
    Self::ProtocolName => "protocol name";
    Self::ClientId => "client identifier";
    Self::WillTopic => "will topic";
    Self::WillPayload => "will payload";
    Self::UserName => "user name";
    Self::Password => "password";
    Self::TopicName => "topic name";
    Self::TopicFilter => "topic filter";
    Self::Property(id) => "property {}", id;
}
