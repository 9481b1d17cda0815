use crate::property::{Validated, read_properties};
use crate::reader::Reader;
use crate::{
    DecodeErrorKind, Field, FixedHeader, PacketId, PacketType, Properties, PropertyId, Publish,
    ReasonCode, ReasonCodes, TopicName,
};

/// What is in a packet that a server may send. They are made of the same few fields, in the same
/// order; so one function reads them all, and where packets differ is a question to their type.
#[doc(hidden)]
#[expect(
    missing_debug_implementations,
    reason = "out of reach but for the machine"
)]
pub struct Fields<'a> {
    /// CONNACK.
    pub session_present: bool,
    /// PUBLISH, if it has one.
    pub(crate) topic: Option<TopicName<'a>>,
    /// All that are acknowledged or acknowledge.
    pub packet_id: Option<PacketId>,
    /// All but PUBLISH, SUBACK and UNSUBACK.
    pub reason: ReasonCode,
    /// All but PINGREQ and PINGRESP.
    pub(crate) properties: Validated<'a>,
    /// What follows: the payload of PUBLISH, the reason codes of SUBACK and UNSUBACK.
    pub(crate) rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// To be filled.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    #[must_use]
    pub const fn none() -> Self {
        Self {
            session_present: false,
            topic: None,
            packet_id: None,
            reason: ReasonCode::SUCCESS,
            properties: Validated::NONE,
            rest: &[],
        }
    }

    /// The properties.
    #[must_use]
    pub const fn properties(&self) -> Properties<'a> {
        self.properties.properties()
    }

    /// A PUBLISH of this header, of which it has the payload that is given here.
    #[must_use]
    #[inline]
    pub fn publish(&self, header: FixedHeader, payload: &'a [u8]) -> Publish<'a> {
        let flags = header.publish_flags();
        Publish {
            dup: flags.dup(),
            qos: flags.qos(),
            retain: flags.retain(),
            topic: self.topic,
            packet_id: self.packet_id,
            properties: self.properties(),
            payload,
        }
    }

    /// What follows, as the reason codes that it is.
    #[must_use]
    pub const fn reasons(&self) -> ReasonCodes<'a> {
        ReasonCodes::wire(self.rest, self.rest.len())
    }

    /// `with_id` tells whether there is a packet identifier.
    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) fn fill(&mut self, reader: &mut Reader<'a, '_>, with_id: bool) -> Option<()> {
        use PacketType as Type;
        let fields = self;
        let kind = reader.context().packet_type;
        let place = reader.place();
        if kind == Type::ConnAck {
            let flags = reader.byte()?;
            if flags > 1 {
                return reader.fail_at(place, DecodeErrorKind::ConnAckFlags(flags));
            }
            fields.session_present = flags == 1;
        }
        if kind == Type::Publish {
            fields.topic = reader.topic_name(Field::TopicName)?;
        }
        if with_id {
            fields.packet_id = Some(reader.packet_id()?);
        }
        let is_list = matches!(kind, Type::SubAck | Type::UnsubAck);
        let is_ping = matches!(kind, Type::PingReq | Type::PingResp);
        // Their shortest forms leave out a reason of success and an empty list of properties.
        // Section 3.15.2.1 has AUTH among them, section 3.15.2.2.2 wants a method in every AUTH:
        // only what has a method is accepted.
        let may_end = matches!(
            kind,
            Type::PubAck
                | Type::PubRec
                | Type::PubRel
                | Type::PubComp
                | Type::Disconnect
                | Type::Auth
        );
        if (may_end || kind == Type::ConnAck) && !(may_end && reader.is_empty()) {
            fields.reason = reader.reason_code()?;
            if fields.session_present && fields.reason != ReasonCode::SUCCESS {
                return reader.fail_at(place, DecodeErrorKind::SessionPresentWithFailure);
            }
        }
        let properties_place = reader.place();
        if !(is_ping || may_end && reader.is_empty()) {
            fields.properties = read_properties(reader)?;
        }
        fields.rest = reader.rest();
        if kind == Type::Publish {
            if fields.topic.is_none() && !fields.properties.has(PropertyId::TopicAlias) {
                return reader.fail_at(place, DecodeErrorKind::EmptyTopic(Field::TopicName));
            }
            return Some(());
        }
        if is_list {
            if reader.is_empty() {
                return reader.fail(DecodeErrorKind::EmptyPayload);
            }
            while !reader.is_empty() {
                reader.reason_code()?;
            }
            return Some(());
        }
        reader.finish()?;
        if kind == Type::Auth && !fields.properties.has(PropertyId::AuthenticationMethod) {
            let missing = DecodeErrorKind::MissingProperty(PropertyId::AuthenticationMethod);
            return reader.fail_at(properties_place, missing);
        }
        Some(())
    }
}
