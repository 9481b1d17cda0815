use super::{PayloadFormat, Properties, Property, PropertyId, Source, Validated, wire};
use crate::reader::Reader;
use crate::{QoS, TopicName, text};

/// The value of a property.
pub(super) struct Shown<'a> {
    /// If it is a number of any width, a flag or the like.
    pub(super) number: u32,
    /// If it is text or binary data.
    pub(super) bytes: &'a [u8],
    /// Its name, if it has one.
    pub(super) name: &'a [u8],
}

impl Shown<'_> {
    pub(super) const fn nothing() -> Self {
        Self {
            number: 0,
            bytes: &[],
            name: &[],
        }
    }
}

/// Takes the first property off, encoded or not, and shows each in the same way.
#[inline(never)]
pub(super) fn advance<'a>(left: &mut Source<'a>, shown: &mut Shown<'a>) -> Option<PropertyId> {
    match left {
        Source::Wire(validated) => {
            // All of it has been validated; what it may be together with is not asked again.
            let mut reader = Reader::over(validated.block());
            let id = wire::next(&mut reader, shown);
            *validated = Validated::known(reader.rest());
            id
        }
        Source::List(first, rest) => {
            if first.is_empty() {
                *first = core::mem::take(rest);
            }
            let (property, tail) = first.split_first()?;
            *first = tail;
            shown.show(property);
            Some(property.id())
        }
    }
}

impl<'a> Shown<'a> {
    fn show(&mut self, property: &Property<'a>) {
        match *property {
            Property::UserProperty(name, value) => {
                self.name = name.as_bytes();
                self.bytes = value.as_bytes();
            }
            Property::ContentType(text)
            | Property::AssignedClientIdentifier(text)
            | Property::AuthenticationMethod(text)
            | Property::ResponseInformation(text)
            | Property::ServerReference(text)
            | Property::ReasonString(text) => self.bytes = text.as_bytes(),
            Property::ResponseTopic(topic) => self.bytes = topic.as_bytes(),
            Property::CorrelationData(bytes) | Property::AuthenticationData(bytes) => {
                self.bytes = bytes;
            }
            Property::PayloadFormatIndicator(format) => self.number = format as u32,
            Property::MaximumQoS(qos) => self.number = qos as u32,
            Property::RequestProblemInformation(flag)
            | Property::RequestResponseInformation(flag)
            | Property::RetainAvailable(flag)
            | Property::WildcardSubscriptionAvailable(flag)
            | Property::SubscriptionIdentifierAvailable(flag)
            | Property::SharedSubscriptionAvailable(flag) => self.number = u32::from(flag),
            Property::ServerKeepAlive(value)
            | Property::ReceiveMaximum(value)
            | Property::TopicAliasMaximum(value)
            | Property::TopicAlias(value) => self.number = u32::from(value),
            Property::MessageExpiryInterval(value)
            | Property::SessionExpiryInterval(value)
            | Property::WillDelayInterval(value)
            | Property::MaximumPacketSize(value)
            | Property::SubscriptionIdentifier(value) => self.number = value,
        }
    }
}

/// The value of the first property of a kind, which has such values.
impl<'a> Properties<'a> {
    #[inline(never)]
    pub(super) fn find(&self, wanted: PropertyId, shown: &mut Shown<'a>) -> Option<()> {
        let mut left = self.0;
        while advance(&mut left, shown)? != wanted {}
        Some(())
    }

    #[inline(never)]
    pub(super) fn four(&self, id: PropertyId) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        let mut shown = Shown::nothing();
        self.find(id, &mut shown)?;
        Some(shown.number)
    }

    #[expect(clippy::cast_possible_truncation, reason = "it has two bytes")]
    pub(super) fn two(&self, id: PropertyId) -> Option<u16> {
        Some(self.four(id)? as u16)
    }

    pub(super) fn flag(&self, id: PropertyId) -> Option<bool> {
        Some(self.four(id)? != 0)
    }

    pub(super) fn qos(&self, id: PropertyId) -> Option<QoS> {
        QoS::from_u8(u8::try_from(self.four(id)?).ok()?)
    }

    pub(super) fn payload_format(&self, id: PropertyId) -> Option<PayloadFormat> {
        Some(if self.flag(id)? {
            PayloadFormat::Utf8
        } else {
            PayloadFormat::Unspecified
        })
    }

    #[inline(never)]
    pub(super) fn binary(&self, id: PropertyId) -> Option<&'a [u8]> {
        if self.is_empty() {
            return None;
        }
        let mut shown = Shown::nothing();
        self.find(id, &mut shown)?;
        Some(shown.bytes)
    }

    pub(super) fn text(&self, id: PropertyId) -> Option<&'a str> {
        Some(text::string(self.binary(id)?))
    }

    pub(super) fn topic(&self, id: PropertyId) -> Option<TopicName<'a>> {
        Some(TopicName::checked(self.binary(id)?))
    }
}
