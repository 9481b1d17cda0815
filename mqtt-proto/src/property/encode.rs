use super::legality::{REPEATED_SUBSCRIPTION_ID, bit};
use super::{Properties, Property, PropertyId, PropertyRules, Source};
use crate::writer::{EncodeFault, Writer, binary_len, text_len};
use crate::{EncodeError, Field, QoS, varint};

/// What has been found out about properties before they are written.
#[derive(Clone, Copy)]
pub(crate) struct PropertiesPlan {
    /// Bytes of the encoded properties, without the length before them: at most 268,435,455.
    pub(crate) len: usize,
    /// The set of what is in them.
    pub(crate) present: u64,
}

impl PropertiesPlan {
    /// Of no properties.
    pub(crate) const EMPTY: Self = Self { len: 0, present: 0 };

    /// Of properties that cannot be encoded. An `Option` would not be returned in registers.
    const FAILED: Self = Self {
        len: usize::MAX,
        present: 0,
    };

    /// Bytes of the encoded properties with the length before them.
    #[inline(always)]
    pub(crate) const fn prefixed_len(&self) -> usize {
        self.len.wrapping_add(varint::len(self.len_u32()))
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation)]
    const fn len_u32(&self) -> u32 {
        self.len as u32
    }
}

impl Properties<'_> {
    /// Measures the properties and checks that they may occur in such a packet, and their numbers.
    /// Texts are checked as they are written.
    #[inline(always)]
    pub(crate) fn plan(
        &self,
        rules: &PropertyRules,
        fault: &mut EncodeFault,
    ) -> Option<PropertiesPlan> {
        let plan = match self.0 {
            Source::List([], []) => PropertiesPlan::EMPTY,
            Source::List(first, []) => plan_list(first, PropertiesPlan::EMPTY, rules, fault),
            Source::List(first, rest) => {
                let plan = plan_list(first, PropertiesPlan::EMPTY, rules, fault);
                plan_list(rest, plan, rules, fault)
            }
            Source::Wire { block, present } => plan_wire(block.len(), present, rules, fault),
        };
        if plan.len > varint::MAX as usize {
            None
        } else {
            Some(plan)
        }
    }

    /// Writes the length and the properties.
    #[inline(always)]
    pub(crate) fn write(&self, plan: &PropertiesPlan, writer: &mut Writer<'_, '_>) -> Option<()> {
        writer.varint(plan.len_u32())?;
        match self.0 {
            Source::List(first, rest) => {
                if !first.is_empty() {
                    writer.lend(|out, fault| write_list(first, out, fault))?;
                }
                if !rest.is_empty() {
                    writer.lend(|out, fault| write_list(rest, out, fault))?;
                }
                Some(())
            }
            Source::Wire { block, .. } => writer.payload(block),
        }
    }
}

/// Goes on with the plan of the properties before these.
#[inline(never)]
fn plan_list(
    list: &[Property<'_>],
    plan: PropertiesPlan,
    rules: &PropertyRules,
    fault: &mut EncodeFault,
) -> PropertiesPlan {
    if plan.len > varint::MAX as usize {
        return plan;
    }
    let PropertiesPlan {
        mut len,
        mut present,
    } = plan;
    for property in list {
        let id = property.id();
        let bit = bit(id);
        if !rules.allowed & bit | present & bit & !rules.repeatable != 0 {
            return refused(id, rules, fault);
        }
        present |= bit;
        let Some(property_len) = property.encoded_len(fault) else {
            return PropertiesPlan::FAILED;
        };
        len = len.saturating_add(property_len);
    }
    if len > varint::MAX as usize {
        fault.fail::<()>(EncodeError::TooLarge {
            remaining_length: len,
        });
    }
    PropertiesPlan { len, present }
}

/// Properties that were decoded, perhaps from another packet.
#[inline(never)]
fn plan_wire(
    len: usize,
    present: u64,
    rules: &PropertyRules,
    fault: &mut EncodeFault,
) -> PropertiesPlan {
    for id in PropertyId::ALL {
        if present & !rules.allowed & bit(id) != 0 {
            return refused(id, rules, fault);
        }
    }
    let id = PropertyId::SubscriptionIdentifier;
    if present & REPEATED_SUBSCRIPTION_ID != 0 && rules.repeatable & bit(id) == 0 {
        return refused(id, rules, fault);
    }
    PropertiesPlan { len, present }
}

/// A property that may not occur, or not again.
#[cold]
#[inline(never)]
fn refused(id: PropertyId, rules: &PropertyRules, fault: &mut EncodeFault) -> PropertiesPlan {
    fault.fail::<()>(if rules.allowed & bit(id) == 0 {
        EncodeError::PropertyNotAllowed(id, rules.packet)
    } else {
        EncodeError::DuplicateProperty(id)
    });
    PropertiesPlan::FAILED
}

/// What is left of the buffer.
#[inline(never)]
fn write_list<'o>(
    list: &[Property<'_>],
    out: &'o mut [u8],
    fault: &mut EncodeFault,
) -> Option<&'o mut [u8]> {
    let mut writer = Writer::resume(out, fault);
    for property in list {
        property.write(&mut writer)?;
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
