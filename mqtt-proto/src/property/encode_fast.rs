use core::num::NonZeroUsize;

use super::legality::{REPEATED_SUBSCRIPTION_ID, bit, has};
use super::rules::ALWAYS;
use super::{Properties, Property, PropertyId, PropertyRules, Source};
use crate::writer::{EncodeFault, Writer, low_byte, shift};
use crate::{EncodeError, Field, QoS, varint};

impl Properties<'_> {
    /// Bytes that the properties take with the length before them.
    pub(crate) fn prefixed_len(&self) -> usize {
        let len = match self.0 {
            Source::Wire(validated) => validated.block().len(),
            Source::List(first, rest) => first
                .iter()
                .chain(rest)
                .map(Property::encoded_len)
                .fold(0, usize::saturating_add),
        };
        len.saturating_add(varint::len_of(len))
    }

    /// Writes the length and the properties, if the packet may carry them and they are valid.
    #[inline(always)]
    pub(crate) fn write(
        &self,
        rules: &'static PropertyRules,
        writer: &mut Writer<'_>,
    ) -> Option<()> {
        if self.is_empty() && rules.demand_method & ALWAYS == 0 {
            return writer.byte(0);
        }
        writer.lend(|out, fault| write_prefixed(self, rules, out, fault))
    }
}

/// Writes the length and the properties; how many bytes that takes.
#[inline(never)]
fn write_prefixed(
    properties: &Properties<'_>,
    rules: &'static PropertyRules,
    out: &mut [u8],
    fault: &mut EncodeFault,
) -> Option<NonZeroUsize> {
    let mut list = match properties.0 {
        Source::Wire(validated) => {
            return write_wire(validated.block(), validated.present(), rules, out, fault);
        }
        Source::List(first, _) => first,
    };
    // The length takes one byte more often than not; if it takes more, the properties are moved.
    let (len_place, place) = out.split_first_mut()?;
    let room = place.len();
    let mut writer = Writer::new(place, fault);
    // What must not come any more: what the packet does not allow, and what has come.
    let mut refused = !rules.allowed;
    let mut at_rest = false;
    loop {
        while let Some((property, others)) = list.split_first() {
            list = others;
            if has(refused, property.id()) {
                return writer.fail(refusal(property.id(), rules));
            }
            refused |= bit(property.id()) & !rules.repeatable;
            if property.write(&mut writer).is_none() {
                return property.explain(fault);
            }
        }
        match properties.0 {
            Source::List(_, rest) if !at_rest => (list, at_rest) = (rest, true),
            _ => break,
        }
    }
    if lacks_method(refused, rules) {
        return writer.fail(EncodeError::MissingProperty(
            PropertyId::AuthenticationMethod,
        ));
    }
    let len = room.wrapping_sub(writer.room());
    if len >= 0x80 {
        return widen(out, len, fault);
    }
    *len_place = low_byte(len);
    NonZeroUsize::new(len.wrapping_add(1))
}

/// Makes room for a length of more than one byte and writes it.
#[cold]
#[inline(never)]
fn widen(out: &mut [u8], len: usize, fault: &mut EncodeFault) -> Option<NonZeroUsize> {
    if len > varint::MAX as usize {
        return fault.fail(EncodeError::TooLarge {
            remaining_length: len,
        });
    }
    let len_len = varint::len_of(len);
    shift(out, 1, len, len_len)?;
    Writer::new(out, fault).varint(len)?;
    NonZeroUsize::new(len.checked_add(len_len)?)
}

/// Properties that were decoded, perhaps from another packet.
#[inline(never)]
fn write_wire(
    block: &[u8],
    present: u64,
    rules: &'static PropertyRules,
    out: &mut [u8],
    fault: &mut EncodeFault,
) -> Option<NonZeroUsize> {
    for id in PropertyId::ALL {
        if present & !rules.allowed & bit(id) != 0 {
            return fault.fail(refusal(id, rules));
        }
    }
    let id = PropertyId::SubscriptionIdentifier;
    if present & REPEATED_SUBSCRIPTION_ID != 0 && rules.repeatable & bit(id) == 0 {
        return fault.fail(refusal(id, rules));
    }
    if lacks_method(present | !rules.allowed, rules) {
        return fault.fail(EncodeError::MissingProperty(
            PropertyId::AuthenticationMethod,
        ));
    }
    let mut writer = Writer::new(out, fault);
    writer.varint(block.len())?;
    writer.block(block)?;
    NonZeroUsize::new(block.len().checked_add(varint::len_of(block.len()))?)
}

/// Whether Authentication Method is missing, given what is refused after the last property: none
/// of those that matter here may repeat, so that they are refused if they are there.
#[inline(always)]
fn lacks_method(refused: u64, rules: &PropertyRules) -> bool {
    refused & rules.demand_method != 0 && refused & bit(PropertyId::AuthenticationMethod) == 0
}

/// Why a property may not occur, or not again.
#[cold]
#[inline(never)]
fn refusal(id: PropertyId, rules: &PropertyRules) -> EncodeError {
    if rules.allowed & bit(id) == 0 {
        EncodeError::PropertyNotAllowed(id, rules.packet)
    } else {
        EncodeError::DuplicateProperty(id)
    }
}

impl Property<'_> {
    /// Bytes the property takes with its identifier.
    fn encoded_len(&self) -> usize {
        let value_len = match *self {
            Self::UserProperty(name, value) => {
                name.len().saturating_add(value.len()).saturating_add(4)
            }
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => text.len().saturating_add(2),
            Self::ResponseTopic(topic) => topic.as_str().len().saturating_add(2),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                bytes.len().saturating_add(2)
            }
            Self::MessageExpiryInterval(_)
            | Self::SessionExpiryInterval(_)
            | Self::WillDelayInterval(_)
            | Self::MaximumPacketSize(_) => 4,
            Self::ServerKeepAlive(_)
            | Self::TopicAliasMaximum(_)
            | Self::ReceiveMaximum(_)
            | Self::TopicAlias(_) => 2,
            Self::MaximumQoS(_)
            | Self::PayloadFormatIndicator(_)
            | Self::RequestProblemInformation(_)
            | Self::RequestResponseInformation(_)
            | Self::RetainAvailable(_)
            | Self::WildcardSubscriptionAvailable(_)
            | Self::SubscriptionIdentifierAvailable(_)
            | Self::SharedSubscriptionAvailable(_) => 1,
            Self::SubscriptionIdentifier(value) => varint::len_of(value as usize),
        };
        value_len.saturating_add(1)
    }

    /// Writes the property. If that fails, [`explain`](Self::explain) knows why.
    #[inline(always)]
    fn write(&self, writer: &mut Writer<'_>) -> Option<()> {
        let id = self.id() as u8;
        match *self {
            Self::UserProperty(name, value) => {
                writer.byte_and_text_inline(id, name)?;
                writer.text(value, Field::Property(PropertyId::UserProperty))
            }
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => {
                writer.byte(id)?;
                writer.text_by_call(text)
            }
            Self::ResponseTopic(topic) => {
                writer.byte(id)?;
                writer.binary_by_call(topic.as_str().as_bytes())
            }
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                writer.byte(id)?;
                writer.binary_by_call(bytes)
            }
            Self::MaximumPacketSize(0)
            | Self::ReceiveMaximum(0)
            | Self::TopicAlias(0)
            | Self::MaximumQoS(QoS::ExactlyOnce)
            | Self::SubscriptionIdentifier(0 | 268_435_456..) => None,
            Self::MessageExpiryInterval(value)
            | Self::SessionExpiryInterval(value)
            | Self::WillDelayInterval(value)
            | Self::MaximumPacketSize(value) => writer.byte_and_array(id, value.to_be_bytes()),
            Self::ServerKeepAlive(value)
            | Self::TopicAliasMaximum(value)
            | Self::ReceiveMaximum(value)
            | Self::TopicAlias(value) => writer.byte_and_array(id, value.to_be_bytes()),
            Self::MaximumQoS(qos) => writer.array([id, qos as u8]),
            Self::PayloadFormatIndicator(format) => writer.array([id, format as u8]),
            Self::RequestProblemInformation(flag)
            | Self::RequestResponseInformation(flag)
            | Self::RetainAvailable(flag)
            | Self::WildcardSubscriptionAvailable(flag)
            | Self::SubscriptionIdentifierAvailable(flag)
            | Self::SharedSubscriptionAvailable(flag) => writer.array([id, u8::from(flag)]),
            Self::SubscriptionIdentifier(value) => {
                writer.byte(id)?;
                writer.varint(value as usize)
            }
        }
    }

    /// Why the property was not written, if the buffer is not the reason.
    #[cold]
    #[inline(never)]
    fn explain<T>(&self, fault: &mut EncodeFault) -> Option<T> {
        let field = Field::Property(self.id());
        match *self {
            Self::UserProperty(name, value) => {
                fault.look_at_text(name, field);
                fault.look_at_text(value, field);
            }
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => fault.look_at_text(text, field),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                fault.look_at_binary(bytes, field);
            }
            Self::MaximumPacketSize(0)
            | Self::ReceiveMaximum(0)
            | Self::TopicAlias(0)
            | Self::MaximumQoS(QoS::ExactlyOnce)
            | Self::SubscriptionIdentifier(0 | 268_435_456..) => {
                return fault.fail(EncodeError::PropertyValue(self.id()));
            }
            _ => {}
        }
        None
    }
}
