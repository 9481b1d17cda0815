use super::{PayloadFormat, Properties, Property, PropertyId, Source, iter};
use crate::{QoS, TopicName};

/// The value of a property that has been looked for, in the form in which it is there.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// Encoded.
    Wire(&'a [u8]),
    List(&'a Property<'a>),
}

impl<'a> Properties<'a> {
    /// The first property of this kind.
    #[inline(never)]
    pub(super) fn value(&self, id: PropertyId) -> Option<Value<'a>> {
        match self.0 {
            Source::Wire(validated) => iter::find(validated.block(), id).map(Value::Wire),
            Source::List(first, rest) => [first, rest]
                .into_iter()
                .flatten()
                .find(|property| property.id() == id)
                .map(Value::List),
        }
    }
}

/// What has another type than asked for does not occur, since the identifier was looked for.
impl<'a> Value<'a> {
    /// A number of any width.
    #[inline(never)]
    fn number(self) -> u32 {
        match self {
            Self::Wire(bytes) => bytes
                .iter()
                .fold(0, |number, byte| number << 8 | u32::from(*byte)),
            Self::List(property) => property.number(),
        }
    }

    #[inline(never)]
    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Wire(bytes) => bytes.get(2..),
            Self::List(property) => Some(property.bytes()),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "as those that may fail")]
    pub(super) fn four(self) -> Option<u32> {
        Some(self.number())
    }

    #[expect(clippy::cast_possible_truncation, reason = "it has two bytes")]
    #[expect(clippy::unnecessary_wraps, reason = "as those that may fail")]
    pub(super) fn two(self) -> Option<u16> {
        Some(self.number() as u16)
    }

    #[expect(clippy::unnecessary_wraps, reason = "as those that may fail")]
    pub(super) fn flag(self) -> Option<bool> {
        Some(self.number() != 0)
    }

    pub(super) fn qos(self) -> Option<QoS> {
        QoS::from_u8(u8::try_from(self.number()).ok()?)
    }

    #[expect(clippy::unnecessary_wraps, reason = "as those that may fail")]
    pub(super) fn payload_format(self) -> Option<PayloadFormat> {
        Some(if self.number() == 0 {
            PayloadFormat::Unspecified
        } else {
            PayloadFormat::Utf8
        })
    }

    pub(super) fn binary(self) -> Option<&'a [u8]> {
        self.bytes()
    }

    pub(super) fn text(self) -> Option<&'a str> {
        core::str::from_utf8(self.bytes()?).ok()
    }

    pub(super) fn topic(self) -> Option<TopicName<'a>> {
        Some(TopicName::checked(self.text()?))
    }
}
