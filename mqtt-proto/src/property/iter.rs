#[cfg(feature = "fast")]
use super::legality::Shape;
#[cfg(not(feature = "fast"))]
use super::walk::Walk;
use super::{PayloadFormat, Property, PropertyId, Source};
use crate::{QoS, TopicName, varint};

/// The properties of a packet, one by one.
#[derive(Clone)]
pub struct PropertyIter<'a>(Rest<'a>);

#[derive(Clone)]
enum Rest<'a> {
    Wire(&'a [u8]),
    List(
        core::iter::Chain<core::slice::Iter<'a, Property<'a>>, core::slice::Iter<'a, Property<'a>>>,
    ),
}

impl<'a> PropertyIter<'a> {
    #[inline]
    pub(super) fn new(source: Source<'a>) -> Self {
        Self(match source {
            Source::Wire(validated) => Rest::Wire(validated.block()),
            Source::List(first, rest) => Rest::List(first.iter().chain(rest)),
        })
    }
}

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        match &mut self.0 {
            Rest::Wire(block) => {
                let (id, value) = split_first(block)?;
                property(id, value)
            }
            Rest::List(list) => list.next().copied(),
        }
    }
}

impl core::iter::FusedIterator for PropertyIter<'_> {}

impl core::fmt::Debug for PropertyIter<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for PropertyIter<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::log::list(f, self.clone());
    }
}

/// The first property of this kind in a validated block; the values of others are passed over.
#[cfg(feature = "fast")]
pub(super) fn find<'a>(mut block: &'a [u8], wanted: PropertyId) -> Option<Property<'a>> {
    loop {
        let (id, value) = split_first(&mut block)?;
        if id == wanted {
            return property(id, value);
        }
    }
}

/// Takes the first property off a validated block: its identifier and its encoded value.
#[cfg(not(feature = "fast"))]
fn split_first<'a>(block: &mut &'a [u8]) -> Option<(PropertyId, &'a [u8])> {
    let mut walk = Walk::over(block);
    let property = walk.step()?;
    let value = block.get(1..block.len().checked_sub(walk.rest().len())?)?;
    *block = walk.rest();
    Some((PropertyId::from_u32(property.number())?, value))
}

/// Takes the first property off a validated block: its identifier and its encoded value.
#[cfg(feature = "fast")]
fn split_first<'a>(block: &mut &'a [u8]) -> Option<(PropertyId, &'a [u8])> {
    let (&number, rest) = block.split_first()?;
    let id = PropertyId::from_u32(u32::from(number))?;
    let len = match id.shape() {
        Shape::Flag => 1,
        Shape::Two | Shape::Count => 2,
        Shape::Four | Shape::Size => 4,
        Shape::Varint => varint::read(rest).ok()??.1,
        Shape::Text | Shape::Topic | Shape::Binary => prefixed_len(rest)?,
        Shape::Pair => {
            let name = prefixed_len(rest)?;
            name.saturating_add(prefixed_len(rest.get(name..)?)?)
        }
    };
    let (value, rest) = rest.split_at_checked(len)?;
    *block = rest;
    Some((id, value))
}

/// Length of a text or of binary data with the two bytes before it.
fn prefixed_len(bytes: &[u8]) -> Option<usize> {
    let len = u16::from_be_bytes(*bytes.first_chunk()?);
    Some(usize::from(len).saturating_add(2))
}

/// The property with this value, whose bytes have been validated: `None` does not happen.
fn property<'a>(id: PropertyId, value: &'a [u8]) -> Option<Property<'a>> {
    Some(match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(if flag(value)? {
            PayloadFormat::Utf8
        } else {
            PayloadFormat::Unspecified
        }),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(four(value)?),
        PropertyId::ContentType => Property::ContentType(text(value)?),
        PropertyId::ResponseTopic => Property::ResponseTopic(topic(value)?),
        PropertyId::CorrelationData => Property::CorrelationData(binary(value)?),
        PropertyId::SubscriptionIdentifier => {
            Property::SubscriptionIdentifier(varint::read(value).ok()??.0)
        }
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(four(value)?),
        PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(text(value)?),
        PropertyId::ServerKeepAlive => Property::ServerKeepAlive(two(value)?),
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text(value)?),
        PropertyId::AuthenticationData => Property::AuthenticationData(binary(value)?),
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(flag(value)?),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(four(value)?),
        PropertyId::RequestResponseInformation => {
            Property::RequestResponseInformation(flag(value)?)
        }
        PropertyId::ResponseInformation => Property::ResponseInformation(text(value)?),
        PropertyId::ServerReference => Property::ServerReference(text(value)?),
        PropertyId::ReasonString => Property::ReasonString(text(value)?),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(two(value)?),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(two(value)?),
        PropertyId::TopicAlias => Property::TopicAlias(two(value)?),
        PropertyId::MaximumQoS => Property::MaximumQoS(if flag(value)? {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        }),
        PropertyId::RetainAvailable => Property::RetainAvailable(flag(value)?),
        PropertyId::UserProperty => {
            let (name, value) = value.split_at_checked(prefixed_len(value)?)?;
            Property::UserProperty(text(name)?, text(value)?)
        }
        PropertyId::MaximumPacketSize => Property::MaximumPacketSize(four(value)?),
        PropertyId::WildcardSubscriptionAvailable => {
            Property::WildcardSubscriptionAvailable(flag(value)?)
        }
        PropertyId::SubscriptionIdentifierAvailable => {
            Property::SubscriptionIdentifierAvailable(flag(value)?)
        }
        PropertyId::SharedSubscriptionAvailable => {
            Property::SharedSubscriptionAvailable(flag(value)?)
        }
    })
}

fn flag(value: &[u8]) -> Option<bool> {
    Some(*value.first()? != 0)
}

fn two(value: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(*value.first_chunk()?))
}

fn four(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*value.first_chunk()?))
}

fn binary(value: &[u8]) -> Option<&[u8]> {
    value.get(2..)
}

fn topic(value: &[u8]) -> Option<TopicName<'_>> {
    #[cfg(feature = "fast")]
    return text(value).map(TopicName::checked);
    #[cfg(not(feature = "fast"))]
    binary(value).map(TopicName::checked)
}

fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(binary(value)?).ok()
}
