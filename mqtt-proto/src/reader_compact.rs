use core::marker::PhantomData;

use super::Context;
use crate::carrier::Carrier;
use crate::cursor::{Cursor, Place};
use crate::property::{Gate, Present, PropertyRules, Shape, Validated};
use crate::text;
use crate::wrong::{Named, Of, What, Wrong};
use crate::{
    DecodeError, DecodeErrorKind, Field, FixedHeader, PropertyId, ReasonCode, Sender, TopicName,
};

/// Reads the fields of one packet, or of one property block in it, from front to back.
///
/// Hardly anything stops it: the first error is kept, reading goes on with a field that is empty,
/// and whether there was an error is asked once, when all has been read. The results, which are
/// nearly always `Some`, are those of the reader that is built for speed, and the compiler sees
/// that nobody needs to look at them.
#[repr(C)] // Short instructions reach what lies in front.
pub(crate) struct Reader<'a, 'f> {
    cursor: Cursor<'a>,
    /// Where reason codes are.
    reasons: Carrier,
    /// Of the block of properties that is read, or was read last.
    gate: Gate,
    /// Built for speed, the error is elsewhere.
    elsewhere: PhantomData<&'f ()>,
}

impl<'a> Reader<'a, '_> {
    pub(crate) const fn new(rest: &'a [u8], context: Context) -> Self {
        Self {
            cursor: Cursor::over(rest),
            gate: Gate::new(PropertyRules::of(context.packet_type, context.sender)),
            reasons: Carrier::of_reason(context.packet_type, context.sender),
            elsewhere: PhantomData,
        }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.cursor.rest()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Where the next field begins.
    pub(crate) fn place(&self) -> Place {
        self.cursor.place()
    }

    /// Whether something was wrong.
    pub(crate) const fn has_failed(&self) -> bool {
        self.cursor.fault().is_some()
    }

    /// What was wrong, if something was, with a packet of this header and body.
    #[inline(always)]
    pub(crate) fn outcome(
        &self,
        header: &FixedHeader,
        body: &[u8],
        sender: Sender,
    ) -> Result<(), DecodeError> {
        let Some((place, wrong)) = self.cursor.fault() else {
            return Ok(());
        };
        let offset = place.behind(body).wrapping_add(header.len());
        Err(DecodeError::new(
            wrong,
            offset,
            Some(header.packet_type()),
            Some(sender),
        ))
    }

    /// A field is wrong, and reading goes on.
    #[inline(always)]
    pub(crate) fn note(&mut self, place: Place, kind: DecodeErrorKind) {
        let Wrong { named, number } = Wrong::of(kind);
        self.keep(place, number, named);
    }

    fn keep(&mut self, place: Place, number: u32, named: Named) {
        self.cursor.keep(place, number, named);
    }

    /// The next field is wrong.
    pub(crate) fn fail<T>(&mut self, kind: DecodeErrorKind) -> Option<T> {
        self.fail_at(self.place(), kind)
    }

    /// An earlier field is wrong.
    #[inline(always)]
    pub(crate) fn fail_at<T>(&mut self, place: Place, kind: DecodeErrorKind) -> Option<T> {
        self.note(place, kind);
        None
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        Some(self.cursor.take(len))
    }

    /// Reads a block of properties of a will next.
    pub(crate) const fn turn_to_will(&mut self) {
        self.gate = Gate::new(PropertyRules::WILL);
    }

    /// A block of properties with its length, checked.
    #[inline(never)]
    pub(crate) fn block(&mut self) -> &'a [u8] {
        let place = self.place();
        let (len, wrong) = if self.is_empty() {
            (0, Some(What::MissingPropertyLength))
        } else {
            let len = self.cursor.number(0);
            let too_long = len as usize > self.rest().len();
            (len, too_long.then_some(What::PropertiesTooLong))
        };
        if let Some(what) = wrong {
            self.keep(place, len, Named::new(what, Of::NOTHING));
        }
        let block = self.cursor.take(len as usize);
        let rest = self.rest();
        self.cursor.turn_to(block);
        while !self.is_empty() {
            self.property();
        }
        self.cursor.turn_to(rest);
        block
    }

    /// Whether there was a property of this kind in the block that was read last.
    pub(crate) const fn has(&self, _: &Validated<'a>, id: PropertyId) -> bool {
        self.gate.present().has(id)
    }

    /// What was in that.
    pub(crate) const fn present(&self) -> Present {
        self.gate.present()
    }

    /// Checks the next property of the block that is read.
    #[inline(always)]
    fn property(&mut self) {
        let place = self.place();
        let Some(property) = self.cursor.property() else {
            return;
        };
        let of = Of::property(property.number());
        if let Some(what) = self.gate.admit(property) {
            self.keep(place, 0, Named::new(what, of));
        }
        self.value(of, property.shape());
    }

    fn value(&mut self, of: Of, shape: Shape) -> &'a [u8] {
        self.cursor.value(of, shape)
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is one byte")]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        Some(self.cursor.number(1) as u8)
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is two bytes")]
    pub(crate) fn two(&mut self) -> Option<u16> {
        Some(self.cursor.number(2) as u16)
    }

    /// Binary data: two bytes of length, then that many bytes (section 1.5.6).
    pub(crate) fn binary(&mut self) -> Option<&'a [u8]> {
        Some(self.value(Of::NOTHING, Shape::Binary))
    }

    /// Text: binary data that is UTF-8 without U+0000 (section 1.5.4).
    pub(crate) fn text(&mut self, field: Field) -> Option<&'a str> {
        Some(text::string(self.value(Of::field(field), Shape::Text)))
    }

    /// A topic name. An empty one is `Some(None)`.
    pub(crate) fn topic_name(&mut self, field: Field) -> Option<Option<TopicName<'a>>> {
        Some(match self.value(Of::field(field), Shape::Topic) {
            [] => None,
            name => Some(TopicName::checked(name)),
        })
    }

    /// A reason code that this packet may carry.
    pub(crate) fn reason_code(&mut self) -> Option<ReasonCode> {
        Some(self.reason())
    }

    #[inline(never)]
    fn reason(&mut self) -> ReasonCode {
        let place = self.place();
        #[expect(clippy::cast_possible_truncation, reason = "it is one byte")]
        let number = self.cursor.number(1) as u8;
        let code = ReasonCode::received(number, self.reasons);
        if code.is_none() {
            self.note(place, DecodeErrorKind::ReasonCode(number));
        }
        code.unwrap_or_default()
    }

    /// As many as there are, at least one.
    pub(crate) fn reason_codes(&mut self) -> Option<()> {
        loop {
            self.reason();
            if self.is_empty() {
                return Some(());
            }
        }
    }

    /// Nothing may follow the last field.
    pub(crate) fn finish(&mut self) -> Option<()> {
        if !self.rest().is_empty() {
            let count = u32::try_from(self.rest().len()).unwrap_or(u32::MAX);
            self.note(self.place(), DecodeErrorKind::TrailingBytes { count });
        }
        Some(())
    }
}
