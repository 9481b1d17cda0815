#[cfg(feature = "fast")]
use super::legality::Admission;
use super::legality::Shape;
#[cfg(feature = "fast")]
use super::legality::bit;
#[cfg(feature = "fast")]
use super::rules::Present;
use super::rules::Rules;
#[cfg(not(feature = "fast"))]
use super::walk::Shown;
use super::{Properties, PropertyId, PropertyRules, Source};
#[cfg(feature = "fast")]
use crate::reader::Context;
#[cfg(feature = "fast")]
use crate::reader::Fault;
use crate::reader::Reader;
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

    /// What is left of a block that has been validated.
    #[cfg(not(feature = "fast"))]
    pub(super) const fn known(block: &'a [u8]) -> Self {
        Self { block }
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
    {
        let rules = reader.rules();
        read(reader, || rules)
    }
}

/// As [`read_properties`], for the properties of a will.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn read_will_properties<'a>(reader: &mut Reader<'a, '_>) -> Option<Validated<'a>> {
    read(reader, || PropertyRules::WILL)
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

/// What is wrong is left to the reader.
#[cfg(not(feature = "fast"))]
fn read<'a>(reader: &mut Reader<'a, '_>, rules: impl FnOnce() -> Rules) -> Option<Validated<'a>> {
    Some(block(reader, rules()))
}

#[cfg(not(feature = "fast"))]
fn block<'a>(reader: &mut Reader<'a, '_>, rules: Rules) -> Validated<'a> {
    let place = reader.place();
    if reader.is_empty() {
        reader.note(place, DecodeErrorKind::MissingPropertyLength);
    }
    let len = reader.varint().unwrap_or_default();
    let (block, rest) = match reader.rest().split_at_checked(len as usize) {
        Some(parts) => parts,
        None => {
            reader.note(place, DecodeErrorKind::PropertiesTooLong { len });
            Default::default()
        }
    };
    reader.turn_to(block, rest.len(), rules);
    let mut shown = Shown::nothing();
    while next(reader, &mut shown).is_some() {}
    reader.turn_back(rest);
    Validated { block }
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

/// The next property, whose value is shown. What is wrong with it is left to the reader.
#[cfg(not(feature = "fast"))]
#[inline(never)]
pub(super) fn next<'a>(block: &mut Reader<'a, '_>, shown: &mut Shown<'a>) -> Option<PropertyId> {
    if block.is_empty() {
        return None;
    }
    let place = block.place();
    // Of a number that no property has, all bytes are told.
    let number = block.varint().unwrap_or_default();
    let Some(property) = PropertyId::from_u32(number) else {
        block.note(place, DecodeErrorKind::UnknownProperty(number));
        return None;
    };
    let field = Field::Property(property);
    block.admit(place, property);
    let shape = property.shape();
    let place = block.place();
    if shape.is_number() {
        let value = match shape.width() {
            0 => block.varint().unwrap_or_default(),
            width => block.number(width),
        };
        if !shape.admits(value) {
            block.note(place, DecodeErrorKind::PropertyValue { property, value });
        }
        shown.number = value;
        return Some(property);
    }
    if shape == Shape::Pair {
        shown.name = block.scanned(field, shape);
    }
    shown.bytes = block.scanned(field, shape);
    if shape == Shape::Topic && shown.bytes.is_empty() {
        block.note(place, DecodeErrorKind::EmptyTopic(field));
    }
    Some(property)
}
