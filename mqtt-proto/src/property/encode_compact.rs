use super::legality::{Admission, Shape};
use super::rules::{Present, Rules};
use super::{Properties, Property, PropertyId, Source, iter};
use crate::writer::Writer;
use crate::{EncodeError, Field, varint};

impl Properties<'_> {
    /// Writes the length and the properties, if the packet may carry them and they are valid.
    #[inline(never)]
    pub(crate) fn write(&self, rules: Rules, writer: &mut Writer<'_>) -> Option<()> {
        let len = Writer::len_of(&|writer| self.write_each(rules, writer));
        writer.varint(len);
        self.write_each(rules, writer);
        Some(())
    }

    /// Bytes that the properties take with the length before them.
    pub(crate) fn prefixed_len(&self) -> usize {
        Writer::len_of(&|writer| _ = self.write(Rules::WILL, writer))
    }

    #[inline(never)]
    fn write_each(&self, rules: Rules, writer: &mut Writer<'_>) {
        let mut present = Present::NONE;
        match self.0 {
            Source::Wire(validated) => {
                let block = validated.block();
                writer.block(block);
                let mut rest = block;
                while let Some((id, _)) = iter::split_first(&mut rest) {
                    admit(id, &mut present, rules, writer);
                }
            }
            Source::List(first, rest) => {
                for list in [first, rest] {
                    for property in list {
                        admit(property.id(), &mut present, rules, writer);
                        property.write(writer);
                    }
                }
            }
        }
        if rules.lacks_method(&present) {
            writer.fail(EncodeError::MissingProperty(
                PropertyId::AuthenticationMethod,
            ));
        }
    }
}

/// Whether the property may be there, or be there again.
#[inline(never)]
fn admit(id: PropertyId, present: &mut Present, rules: Rules, writer: &mut Writer<'_>) {
    let error = match rules.admit(id, present) {
        Admission::Granted => return,
        Admission::NotAllowed => EncodeError::PropertyNotAllowed(id, rules.packet()),
        Admission::Again => EncodeError::DuplicateProperty(id),
    };
    writer.fail(error);
}

impl<'a> Property<'a> {
    fn write(&self, writer: &mut Writer<'_>) {
        let id = self.id();
        let field = Field::Property(id);
        let shape = id.shape();
        writer.byte(id as u8);
        match *self {
            Self::UserProperty(name, value) => {
                writer.text(name, field);
                writer.text(value, field);
            }
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => _ = writer.text(text, field),
            Self::ResponseTopic(topic) => _ = writer.known(topic.as_str().as_bytes()),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => {
                writer.binary(bytes, field);
            }
            _ => {
                let number = self.number();
                if !shape.admits(number) {
                    writer.fail(EncodeError::PropertyValue(id));
                }
                if shape == Shape::Varint {
                    writer.varint(number.min(varint::MAX) as usize);
                } else {
                    let bytes = number.to_be_bytes();
                    let front = bytes.len().wrapping_sub(shape.width());
                    writer.block(bytes.get(front..).unwrap_or_default());
                }
            }
        }
    }

    /// The value of a property that is one text or binary data; empty if it is not.
    pub(super) fn bytes(&self) -> &'a [u8] {
        match *self {
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => text.as_bytes(),
            Self::ResponseTopic(topic) => topic.as_str().as_bytes(),
            Self::CorrelationData(bytes) | Self::AuthenticationData(bytes) => bytes,
            _ => &[],
        }
    }

    /// The value of a property that is a number, a flag or the like; 0 if it is not.
    #[inline(never)]
    pub(super) fn number(&self) -> u32 {
        match *self {
            Self::PayloadFormatIndicator(format) => format as u32,
            Self::MaximumQoS(qos) => qos as u32,
            Self::RequestProblemInformation(flag)
            | Self::RequestResponseInformation(flag)
            | Self::RetainAvailable(flag)
            | Self::WildcardSubscriptionAvailable(flag)
            | Self::SubscriptionIdentifierAvailable(flag)
            | Self::SharedSubscriptionAvailable(flag) => u32::from(flag),
            Self::ServerKeepAlive(value)
            | Self::ReceiveMaximum(value)
            | Self::TopicAliasMaximum(value)
            | Self::TopicAlias(value) => u32::from(value),
            Self::MessageExpiryInterval(value)
            | Self::SessionExpiryInterval(value)
            | Self::WillDelayInterval(value)
            | Self::MaximumPacketSize(value)
            | Self::SubscriptionIdentifier(value) => value,
            _ => 0,
        }
    }
}
