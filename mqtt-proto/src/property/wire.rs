#[cfg(feature = "fast")]
use super::legality::Admission;
#[cfg(feature = "fast")]
use super::legality::Shape;
#[cfg(feature = "fast")]
use super::legality::bit;
#[cfg(feature = "fast")]
use super::rules::Present;
#[cfg(feature = "fast")]
use super::rules::Rules;
use super::{Properties, Source};
#[cfg(feature = "fast")]
use super::{PropertyId, PropertyRules};
#[cfg(feature = "fast")]
use crate::reader::Context;
#[cfg(feature = "fast")]
use crate::reader::Fault;
use crate::reader::Reader;
#[cfg(feature = "fast")]
use crate::{DecodeErrorKind, Field};

/// A block of properties that has been validated.
#[derive(Clone, Copy)]
pub(crate) struct Validated<'a> {
    block: &'a [u8],
    /// What is in it.
    #[cfg(feature = "fast")]
    present: Present,
}

impl<'a> Validated<'a> {
    /// No properties.
    pub(crate) const NONE: Self = Self {
        block: &[],
        #[cfg(feature = "fast")]
        present: Present::NONE,
    };

    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) const fn properties(self) -> Properties<'a> {
        Properties(Source::Wire(self))
    }

    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) const fn block(self) -> &'a [u8] {
        self.block
    }

    /// What is in it.
    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(super) const fn present(self) -> u64 {
        self.present.0
    }

    /// Whether there is a property of this kind.
    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) const fn has(self, id: PropertyId) -> bool {
        self.present.0 & bit(id) != 0
    }
}

impl<'a> Validated<'a> {
    /// As [`read_properties`], to its place.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn read(&mut self, reader: &mut Reader<'a, '_>) -> Option<()> {
        #[cfg(feature = "fast")]
        {
            *self = read_properties(reader)?;
        }
        #[cfg(not(feature = "fast"))]
        {
            self.block = reader.block();
        }
        Some(())
    }
}

/// Reads the property length and the properties of a packet, and validates them once and for all.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn read_properties<'a>(reader: &mut Reader<'a, '_>) -> Option<Validated<'a>> {
    #[cfg(feature = "fast")]
    {
        let Context {
            packet_type,
            sender,
        } = reader.context();
        read(reader, || PropertyRules::of(packet_type, sender))
    }
    #[cfg(not(feature = "fast"))]
    Some(Validated {
        block: reader.block(),
    })
}

/// As [`read_properties`], for the properties of a will.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn read_will_properties<'a>(reader: &mut Reader<'a, '_>) -> Option<Validated<'a>> {
    #[cfg(feature = "fast")]
    return read(reader, || PropertyRules::WILL);
    #[cfg(not(feature = "fast"))]
    {
        reader.turn_to_will();
        read_properties(reader)
    }
}

#[cfg(feature = "fast")]
#[inline(always)]
fn read<'a>(reader: &mut Reader<'a, '_>, rules: impl FnOnce() -> Rules) -> Option<Validated<'a>> {
    if let [0, ..] = reader.rest() {
        reader.byte()?;
        return Some(Validated::NONE);
    }
    if reader.is_empty() {
        return reader.fail(DecodeErrorKind::MissingPropertyLength);
    }
    let place = reader.place();
    let len = reader.varint()?;
    if len as usize > reader.rest().len() {
        return reader.fail_at(place, DecodeErrorKind::PropertiesTooLong { len });
    }
    let block = reader.take(len as usize)?;
    let after = reader.rest().len();
    let present = validate_apart(block, after, reader.context(), rules(), reader.fault())?;
    Some(Validated { block, present })
}

/// As [`validate`], for a block of a packet, after which the body goes on for `after` bytes.
#[cfg(feature = "fast")]
#[inline(never)]
fn validate_apart(
    block: &[u8],
    after: usize,
    context: Context,
    rules: Rules,
    fault: &mut Fault,
) -> Option<Present> {
    validate(&mut Reader::new(block, after, context, fault), rules)
}

/// Checks every property; the set of those that are present.
#[cfg(feature = "fast")]
#[inline(always)]
fn validate(block: &mut Reader<'_, '_>, rules: Rules) -> Option<Present> {
    let mut present = Present::NONE;
    while let Some(&number) = block.rest().first() {
        let Some(id) = PropertyId::from_u32(u32::from(number)) else {
            return not_allowed(block, rules);
        };
        match rules.admit(id, &mut present) {
            Admission::Granted => {}
            Admission::NotAllowed => return not_allowed(block, rules),
            Admission::Again => return block.fail(DecodeErrorKind::DuplicateProperty(id)),
        }
        block.byte()?;
        check_value(block, id)?;
    }
    Some(present)
}

#[cfg(feature = "fast")]
#[inline(always)]
fn check_value(block: &mut Reader<'_, '_>, id: PropertyId) -> Option<()> {
    let field = Field::Property(id);
    let place = block.place();
    let shape = id.shape();
    let value = match shape {
        Shape::Pair => {
            block.check_text(field)?;
            return block.check_text(field);
        }
        Shape::Text => return block.check_text(field),
        Shape::Topic => return block.nonempty_topic_name(field).map(|_| ()),
        Shape::Binary => return block.binary().map(|_| ()),
        Shape::Flag => u32::from(block.byte()?),
        Shape::Two | Shape::Count => u32::from(block.two()?),
        Shape::Four | Shape::Size => block.four()?,
        Shape::Varint => block.varint()?,
    };
    if shape.admits(value) {
        return Some(());
    }
    block.fail_at(
        place,
        DecodeErrorKind::PropertyValue {
            property: id,
            value,
        },
    )
}

/// Why the next property is not one of those that may come here.
#[cfg(feature = "fast")]
#[inline(always)]
fn not_allowed(block: &mut Reader<'_, '_>, rules: Rules) -> Option<Present> {
    let place = block.place();
    let number = block.varint()?;
    let kind = match PropertyId::from_u32(number) {
        None => DecodeErrorKind::UnknownProperty(number),
        Some(id) if rules.peer_only(id) => DecodeErrorKind::PropertyFromWrongSender(id),
        Some(id) => DecodeErrorKind::PropertyNotAllowed(id),
    };
    block.fail_at(place, kind)
}
