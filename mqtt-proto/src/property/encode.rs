use super::legality::{REPEATED_SUBSCRIPTION_ID, bit};
use super::{Properties, Property, PropertyId, PropertyRules, Source};
use crate::text::{check_binary, check_text};
use crate::writer::Writer;
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
    /// Bytes of the encoded properties with the length before them.
    #[inline]
    pub(crate) fn prefixed_len(&self) -> usize {
        let len = u32::try_from(self.len).unwrap_or(varint::MAX);
        self.len.saturating_add(varint::len(len))
    }
}

impl Properties<'_> {
    /// Checks everything that could be wrong with the properties in such a packet.
    #[inline]
    pub(crate) fn plan(
        &self,
        packet: PacketType,
        rules: &PropertyRules,
    ) -> Result<PropertiesPlan, EncodeError> {
        match self.0 {
            Source::List([], []) => Ok(PropertiesPlan { len: 0, present: 0 }),
            Source::List(first, rest) => plan_list(first, rest, packet, rules),
            Source::Wire { block, present } => plan_wire(block, present, packet, rules),
        }
    }

    /// Writes the length and the properties.
    #[inline]
    pub(crate) fn write(&self, plan: &PropertiesPlan, writer: &mut Writer<'_>) -> Option<()> {
        writer.varint(u32::try_from(plan.len).ok()?)?;
        match self.0 {
            Source::Wire { block, .. } => writer.bytes(block),
            Source::List(first, rest) => {
                for property in first {
                    property.write(writer)?;
                }
                for property in rest {
                    property.write(writer)?;
                }
                Some(())
            }
        }
    }
}

fn plan_list(
    first: &[Property<'_>],
    rest: &[Property<'_>],
    packet: PacketType,
    rules: &PropertyRules,
) -> Result<PropertiesPlan, EncodeError> {
    let mut plan = PropertiesPlan { len: 0, present: 0 };
    for property in first.iter().chain(rest) {
        let id = property.id();
        if rules.allowed & bit(id) == 0 {
            return Err(EncodeError::PropertyNotAllowed(id, packet));
        }
        if plan.present & bit(id) & !rules.repeatable != 0 {
            return Err(EncodeError::DuplicateProperty(id));
        }
        plan.present |= bit(id);
        plan.len = plan.len.saturating_add(property.encoded_len()?);
    }
    Ok(plan)
}

/// Properties that were decoded, perhaps from another packet.
fn plan_wire(
    block: &[u8],
    present: u64,
    packet: PacketType,
    rules: &PropertyRules,
) -> Result<PropertiesPlan, EncodeError> {
    if present & !rules.allowed & !REPEATED_SUBSCRIPTION_ID != 0 {
        for id in PropertyId::ALL {
            if present & !rules.allowed & bit(id) != 0 {
                return Err(EncodeError::PropertyNotAllowed(id, packet));
            }
        }
    }
    let id = PropertyId::SubscriptionIdentifier;
    if present & REPEATED_SUBSCRIPTION_ID != 0 && rules.repeatable & bit(id) == 0 {
        return Err(EncodeError::DuplicateProperty(id));
    }
    Ok(PropertiesPlan {
        len: block.len(),
        present,
    })
}

impl Property<'_> {
    /// Bytes the property takes with its identifier, after a check of its value.
    #[inline]
    fn encoded_len(&self) -> Result<usize, EncodeError> {
        let field = Field::Property(self.id());
        Ok(match *self {
            Self::UserProperty(name, value) => {
                check_text(name, field)?;
                check_text(value, field)?;
                name.len().saturating_add(value.len()).saturating_add(5)
            }
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => {
                check_text(text, field)?;
                text.len().saturating_add(3)
            }
            Self::ResponseTopic(topic) => topic.as_str().len().saturating_add(3),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                check_binary(bytes, field)?;
                bytes.len().saturating_add(3)
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
                varint::len(value).saturating_add(1)
            }
            Self::MaximumPacketSize(0)
            | Self::ReceiveMaximum(0)
            | Self::TopicAlias(0)
            | Self::MaximumQoS(QoS::ExactlyOnce)
            | Self::SubscriptionIdentifier(_) => return Err(EncodeError::PropertyValue(self.id())),
        })
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) -> Option<()> {
        writer.byte(self.id() as u8)?;
        match *self {
            Self::UserProperty(name, value) => {
                writer.prefixed(name.as_bytes())?;
                writer.prefixed(value.as_bytes())
            }
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => writer.prefixed(text.as_bytes()),
            Self::ResponseTopic(topic) => writer.prefixed(topic.as_str().as_bytes()),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                writer.prefixed(bytes)
            }
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
