use super::legality::{REPEATED_SUBSCRIPTION_ID, bit};
use super::{Properties, Property, PropertyId, PropertyRules, Source};
use crate::writer::{EncodeFault, Writer, binary_len, text_len};
use crate::{EncodeError, Field, PacketType, QoS, varint};

/// What has been found out about properties before they are written.
#[derive(Clone, Copy)]
pub(crate) struct PropertiesPlan {
    /// Bytes of the encoded properties, without the length before them.
    pub(crate) len: usize,
    /// The set of what is in them.
    pub(crate) present: u64,
}

impl PropertiesPlan {
    /// Of no properties.
    pub(crate) const EMPTY: Self = Self { len: 0, present: 0 };

    /// Bytes of the encoded properties with the length before them.
    #[inline(always)]
    pub(crate) fn prefixed_len(&self) -> usize {
        let len = u32::try_from(self.len).unwrap_or(varint::MAX);
        self.len.saturating_add(varint::len(len))
    }
}

impl Properties<'_> {
    /// Measures the properties and checks that they may occur in such a packet, and their numbers.
    /// Texts are checked as they are written.
    #[inline(always)]
    pub(crate) fn plan(
        &self,
        packet: PacketType,
        rules: &PropertyRules,
        fault: &mut EncodeFault,
    ) -> Option<PropertiesPlan> {
        let mut plan = PropertiesPlan::EMPTY;
        match self.0 {
            Source::List([], []) => {}
            Source::List(first, rest) => {
                plan_lists(&mut plan, [first, rest], packet, rules, fault)?
            }
            Source::Wire { block, present } => {
                plan = PropertiesPlan {
                    len: block.len(),
                    present,
                };
                plan_wire(present, packet, rules, fault)?;
            }
        }
        Some(plan)
    }

    /// Writes the length and the properties.
    #[inline(always)]
    pub(crate) fn write(&self, plan: &PropertiesPlan, writer: &mut Writer<'_, '_>) -> Option<()> {
        writer.varint(u32::try_from(plan.len).ok()?)?;
        match self.0 {
            Source::List([], []) => Some(()),
            Source::List(first, rest) => {
                writer.lend(|out, fault| write_lists([first, rest], out, fault))
            }
            Source::Wire { block, .. } => writer.bytes(block),
        }
    }
}

#[inline(never)]
fn plan_lists(
    plan: &mut PropertiesPlan,
    lists: [&[Property<'_>]; 2],
    packet: PacketType,
    rules: &PropertyRules,
    fault: &mut EncodeFault,
) -> Option<()> {
    let (mut len, mut present) = (0_usize, 0);
    for list in lists {
        for property in list {
            let id = property.id();
            if rules.allowed & bit(id) == 0 {
                return fault.fail(EncodeError::PropertyNotAllowed(id, packet));
            }
            if present & bit(id) & !rules.repeatable != 0 {
                return fault.fail(EncodeError::DuplicateProperty(id));
            }
            present |= bit(id);
            len = len.saturating_add(property.encoded_len(fault)?);
        }
    }
    *plan = PropertiesPlan { len, present };
    Some(())
}

/// Properties that were decoded, perhaps from another packet.
#[inline(never)]
fn plan_wire(
    present: u64,
    packet: PacketType,
    rules: &PropertyRules,
    fault: &mut EncodeFault,
) -> Option<()> {
    if let Some(id) = PropertyId::ALL
        .into_iter()
        .find(|id| present & !rules.allowed & bit(*id) != 0)
    {
        return fault.fail(EncodeError::PropertyNotAllowed(id, packet));
    }
    let id = PropertyId::SubscriptionIdentifier;
    if present & REPEATED_SUBSCRIPTION_ID != 0 && rules.repeatable & bit(id) == 0 {
        return fault.fail(EncodeError::DuplicateProperty(id));
    }
    Some(())
}

#[inline(never)]
fn write_lists<'o>(
    lists: [&[Property<'_>]; 2],
    out: &'o mut [u8],
    fault: &mut EncodeFault,
) -> Option<&'o mut [u8]> {
    let mut writer = Writer::resume(out, fault);
    for list in lists {
        for property in list {
            property.write(&mut writer)?;
        }
    }
    Some(writer.into_rest())
}

impl Property<'_> {
    /// Bytes the property takes with its identifier, after a check of its length or number.
    #[inline(always)]
    fn encoded_len(&self, fault: &mut EncodeFault) -> Option<usize> {
        let field = Field::Property(self.id());
        Some(match *self {
            Self::UserProperty(name, value) => {
                let name = text_len(name, field, fault)?;
                let value = text_len(value, field, fault)?;
                name.wrapping_add(value).wrapping_add(1)
            }
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => text_len(text, field, fault)?.wrapping_add(1),
            Self::ResponseTopic(topic) => topic.as_str().len().wrapping_add(3),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                binary_len(bytes, field, fault)?.wrapping_add(1)
            }
            Self::MessageExpiryInterval(_)
            | Self::SessionExpiryInterval(_)
            | Self::WillDelayInterval(_) => 5,
            Self::MaximumPacketSize(1..) => 5,
            Self::ServerKeepAlive(_) | Self::TopicAliasMaximum(_) => 3,
            Self::ReceiveMaximum(1..) | Self::TopicAlias(1..) => 3,
            Self::MaximumQoS(QoS::AtMostOnce | QoS::AtLeastOnce)
            | Self::PayloadFormatIndicator(_)
            | Self::RequestProblemInformation(_)
            | Self::RequestResponseInformation(_)
            | Self::RetainAvailable(_)
            | Self::WildcardSubscriptionAvailable(_)
            | Self::SubscriptionIdentifierAvailable(_)
            | Self::SharedSubscriptionAvailable(_) => 2,
            Self::SubscriptionIdentifier(value @ 1..=varint::MAX) => {
                varint::len(value).wrapping_add(1)
            }
            Self::MaximumPacketSize(0)
            | Self::ReceiveMaximum(0)
            | Self::TopicAlias(0)
            | Self::MaximumQoS(QoS::ExactlyOnce)
            | Self::SubscriptionIdentifier(_) => {
                return fault.fail(EncodeError::PropertyValue(self.id()));
            }
        })
    }

    #[inline(always)]
    fn write(&self, writer: &mut Writer<'_, '_>) -> Option<()> {
        let field = Field::Property(self.id());
        writer.byte(self.id() as u8)?;
        match *self {
            Self::UserProperty(name, value) => {
                writer.text(name, field)?;
                writer.text(value, field)
            }
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => writer.text(text, field),
            Self::ResponseTopic(topic) => writer.binary(topic.as_str().as_bytes()),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => writer.binary(bytes),
            Self::MessageExpiryInterval(value)
            | Self::SessionExpiryInterval(value)
            | Self::WillDelayInterval(value)
            | Self::MaximumPacketSize(value) => writer.four(value),
            Self::ServerKeepAlive(value)
            | Self::TopicAliasMaximum(value)
            | Self::ReceiveMaximum(value)
            | Self::TopicAlias(value) => writer.two(value),
            Self::MaximumQoS(qos) => writer.byte(qos as u8),
            Self::PayloadFormatIndicator(format) => writer.byte(format as u8),
            Self::RequestProblemInformation(flag)
            | Self::RequestResponseInformation(flag)
            | Self::RetainAvailable(flag)
            | Self::WildcardSubscriptionAvailable(flag)
            | Self::SubscriptionIdentifierAvailable(flag)
            | Self::SharedSubscriptionAvailable(flag) => writer.byte(u8::from(flag)),
            Self::SubscriptionIdentifier(value) => writer.varint(value),
        }
    }
}
