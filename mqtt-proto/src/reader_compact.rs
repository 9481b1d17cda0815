use core::marker::PhantomData;

use super::{Context, Place};
use crate::carrier::Carrier;
use crate::property::{Present, PropertyRules, Shape, Validated};
use crate::text::{self, Kind};
use crate::varint::{self, VarintError};
use crate::wrong::Wrong;
use crate::{
    DecodeError, DecodeErrorKind, Field, FixedHeader, PacketType, PropertyId, ReasonCode, Sender,
    TopicName,
};

/// Reads the fields of one packet, or of one property block in it, from front to back.
///
/// Hardly anything stops it: the first error is kept, reading goes on with a field that is empty,
/// and whether there was an error is asked once, when all has been read. The results, which are
/// nearly always `Some`, are those of the reader that is built for speed, and the compiler sees
/// that nobody needs to look at them.
pub(crate) struct Reader<'a, 'f> {
    rest: &'a [u8],
    /// Bytes of the body after `rest`: 0, but for a property block.
    after: usize,
    context: Context,
    /// Of the block of properties that is read, or was read last.
    rules: PropertyRules,
    /// Where reason codes are.
    reasons: Carrier,
    /// The properties that were in it.
    present: Present,
    fault: Option<(Place, Wrong)>,
    /// Built for speed, the error is elsewhere.
    elsewhere: PhantomData<&'f ()>,
}

impl<'a> Reader<'a, '_> {
    pub(crate) const fn new(rest: &'a [u8], context: Context) -> Self {
        Self {
            rest,
            after: 0,
            context,
            rules: PropertyRules::of(context.packet_type, context.sender),
            reasons: Carrier::of_reason(context.packet_type, context.sender),
            present: Present::NONE,
            fault: None,
            elsewhere: PhantomData,
        }
    }

    /// Over bytes that have been validated.
    pub(crate) const fn over(rest: &'a [u8]) -> Self {
        let context = Context {
            packet_type: PacketType::Publish,
            sender: Sender::Server,
        };
        Self::new(rest, context)
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) const fn context(&self) -> Context {
        self.context
    }

    /// Where the next field begins.
    pub(crate) const fn place(&self) -> Place {
        Place {
            to_end: self.rest.len().wrapping_add(self.after),
        }
    }

    /// Whether something was wrong.
    pub(crate) const fn has_failed(&self) -> bool {
        self.fault.is_some()
    }

    /// What was wrong, if something was, with a packet of which `body_len` bytes were looked at
    /// after the header.
    pub(crate) fn outcome(&self, header: &FixedHeader, body_len: usize) -> Result<(), DecodeError> {
        let Some((place, wrong)) = self.fault else {
            return Ok(());
        };
        let offset = header
            .len()
            .wrapping_add(body_len)
            .wrapping_sub(place.to_end);
        let Context {
            packet_type,
            sender,
        } = self.context;
        Err(DecodeError::new(
            wrong,
            offset,
            Some(packet_type),
            Some(sender),
        ))
    }

    /// A field is wrong, and reading goes on.
    #[inline(always)]
    pub(crate) fn note(&mut self, place: Place, kind: DecodeErrorKind) {
        self.keep(place, Wrong::of(kind));
    }

    #[cold]
    #[inline(never)]
    fn keep(&mut self, place: Place, wrong: Wrong) {
        self.fault.get_or_insert((place, wrong));
    }

    /// Where the next field ends is not known: all after it is empty.
    #[inline(always)]
    fn stop(&mut self, kind: DecodeErrorKind) {
        self.note(self.place(), kind);
        self.rest = &[];
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
        Some(self.taken(len))
    }

    #[inline(never)]
    fn taken(&mut self, len: usize) -> &'a [u8] {
        if let Some((taken, rest)) = self.rest.split_at_checked(len) {
            self.rest = rest;
            return taken;
        }
        self.stop(DecodeErrorKind::Truncated);
        &[]
    }

    /// The rules for the properties of the packet, until those of a will have been read.
    pub(crate) const fn rules(&self) -> PropertyRules {
        self.rules
    }

    /// Reads a block of properties with these rules next, after which the body goes on for `after`
    /// bytes.
    pub(crate) const fn turn_to(&mut self, block: &'a [u8], after: usize, rules: PropertyRules) {
        self.rest = block;
        self.after = after;
        self.rules = rules;
        self.present = Present::NONE;
    }

    /// Goes on with this, to the end of the body.
    pub(crate) const fn turn_back(&mut self, rest: &'a [u8]) {
        self.rest = rest;
        self.after = 0;
    }

    /// Whether there was a property of this kind in the block that was read last.
    pub(crate) const fn has(&self, _: &Validated<'a>, id: PropertyId) -> bool {
        self.present.has(id)
    }

    /// A property stands at this place in the block that is read.
    pub(crate) fn admit(&mut self, place: Place, id: PropertyId) {
        if let Some(what) = self.rules.admit(id, &mut self.present) {
            self.keep(place, Wrong::in_field(what, Field::Property(id)));
        }
    }

    /// A number of so many bytes.
    #[inline(never)]
    pub(crate) fn number(&mut self, len: usize) -> u32 {
        let bytes = self.taken(len);
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte))
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is one byte")]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        Some(self.number(1) as u8)
    }

    #[expect(clippy::cast_possible_truncation, reason = "it is two bytes")]
    pub(crate) fn two(&mut self) -> Option<u16> {
        Some(self.number(2) as u16)
    }

    pub(crate) fn varint(&mut self) -> Option<u32> {
        Some(self.packed())
    }

    /// A variable byte integer.
    #[inline(never)]
    fn packed(&mut self) -> u32 {
        let kind = match varint::read(self.rest) {
            Ok(Some((value, len))) => {
                // So many bytes have just been looked at.
                self.taken(len);
                return value;
            }
            Ok(None) => DecodeErrorKind::Truncated,
            Err(VarintError::TooLong) => DecodeErrorKind::VarintTooLong,
            Err(VarintError::NotMinimal) => DecodeErrorKind::VarintNotMinimal,
        };
        self.stop(kind);
        0
    }

    /// Binary data: two bytes of length, then that many bytes (section 1.5.6).
    pub(crate) fn binary(&mut self) -> Option<&'a [u8]> {
        Some(self.prefixed())
    }

    fn prefixed(&mut self) -> &'a [u8] {
        let len = self.number(2);
        self.taken(len as usize)
    }

    /// Text: binary data that is UTF-8 without U+0000 (section 1.5.4).
    pub(crate) fn text(&mut self, field: Field) -> Option<&'a str> {
        Some(text::string(self.scanned(field, Shape::Text)))
    }

    /// A topic name. An empty one is `Some(None)`.
    pub(crate) fn topic_name(&mut self, field: Field) -> Option<Option<TopicName<'a>>> {
        Some(match self.scanned(field, Shape::Topic) {
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
        let number = self.number(1) as u8;
        let code = ReasonCode::received(number, self.reasons);
        if code.is_none() {
            self.note(place, DecodeErrorKind::ReasonCode(number));
        }
        code.unwrap_or_default()
    }

    /// Nothing may follow the last field.
    pub(crate) fn finish(&mut self) -> Option<()> {
        if !self.rest.is_empty() {
            let count = u32::try_from(self.rest.len()).unwrap_or(u32::MAX);
            self.note(self.place(), DecodeErrorKind::TrailingBytes { count });
        }
        Some(())
    }

    /// Text, or binary data, of this shape.
    #[inline(never)]
    pub(crate) fn scanned(&mut self, field: Field, shape: Shape) -> &'a [u8] {
        let place = self.place();
        let bytes = self.prefixed();
        let kind = if shape == Shape::Topic {
            Kind::TopicName
        } else {
            Kind::Any
        };
        if shape != Shape::Binary
            && let Some((at, what)) = text::flaw(bytes, kind)
        {
            self.keep(place.plus(2).plus(at), Wrong::in_field(what, field));
        }
        bytes
    }
}
