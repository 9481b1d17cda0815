use super::legality::Known;
use super::{PayloadFormat, PropertyId, Validated};
use crate::cursor::Cursor;
use crate::wrong::Of;
use crate::{QoS, TopicName, text};

/// Goes over a block of properties that has been validated, with what validated it: all of it is asked
/// again, which takes no code of its own, and is not looked at.
pub(super) struct Walk<'a>(Cursor<'a>);

impl<'a> Walk<'a> {
    pub(super) const fn over(block: &'a [u8]) -> Self {
        Self(Cursor::over(block))
    }

    /// What has not been passed yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0.rest()
    }

    /// What the value was of the property that was passed last: a number of any width, a flag or the
    /// like; of text and binary data, the length of what ends here.
    const fn last(&self) -> u32 {
        self.0.last()
    }

    /// Passes a property, if there is one: which it is.
    #[inline(never)]
    pub(super) fn step(&mut self) -> Option<Known> {
        let property = self.0.property()?;
        self.0
            .value(Of::property(property.number()), property.shape());
        Some(property)
    }
}

/// The value of the first property of a kind, which has such values.
impl<'a> Validated<'a> {
    pub(super) const fn walk(self) -> Walk<'a> {
        Walk::over(self.block())
    }

    /// Shows the number and the value of each property; of one whose value is none, its length.
    #[inline]
    pub(crate) fn each_number(self, mut show: impl FnMut(u32, u32)) {
        let mut walk = self.walk();
        while let Some(property) = walk.step() {
            show(property.number(), walk.last());
        }
    }

    /// What [`Walk::last`] says of the first one of this kind, and where in the block it ends; 0 if
    /// there is none.
    #[inline(never)]
    fn find(self, id: PropertyId) -> (u32, usize) {
        let mut walk = self.walk();
        while let Some(property) = walk.step() {
            if property.is(id) {
                let end = self.block().len().wrapping_sub(walk.rest().len());
                return (walk.last(), end);
            }
        }
        (1, 0)
    }

    #[inline(always)]
    pub(super) fn four(self, id: PropertyId) -> Option<u32> {
        let (value, end) = self.find(id);
        (end != 0).then_some(value)
    }

    #[expect(clippy::cast_possible_truncation, reason = "it has two bytes")]
    #[inline(always)]
    pub(super) fn two(self, id: PropertyId) -> Option<u16> {
        Some(self.four(id)? as u16)
    }

    pub(super) fn flag(self, id: PropertyId) -> Option<bool> {
        Some(self.four(id)? != 0)
    }

    pub(super) fn qos(self, id: PropertyId) -> Option<QoS> {
        QoS::from_u8(u8::try_from(self.four(id)?).ok()?)
    }

    pub(super) fn payload_format(self, id: PropertyId) -> Option<PayloadFormat> {
        Some(if self.flag(id)? {
            PayloadFormat::Utf8
        } else {
            PayloadFormat::Unspecified
        })
    }

    #[inline(always)]
    pub(super) fn binary(self, id: PropertyId) -> Option<&'a [u8]> {
        let (len, end) = self.find(id);
        // If there is none, it would begin in front of the block.
        self.block().get(end.wrapping_sub(len as usize)..end)
    }

    pub(super) fn text(self, id: PropertyId) -> Option<&'a str> {
        Some(text::string(self.binary(id)?))
    }

    pub(super) fn topic(self, id: PropertyId) -> Option<TopicName<'a>> {
        Some(TopicName::checked(self.binary(id)?))
    }
}
