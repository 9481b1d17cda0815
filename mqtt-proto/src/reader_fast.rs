use super::Context;
use crate::property::Validated;
use crate::text::{self, Kind};
use crate::varint::{self, VarintError};
use crate::wrong::Wrong;
use crate::{
    DecodeError, DecodeErrorKind, Field, FixedHeader, PropertyId, ReasonCode, Sender, TopicName,
};

/// Reads the fields of one packet, or of one property block in it, from front to back.
///
/// A field that is wrong is `None`, and what is wrong with it is left in `fault`. An error as a
/// return value would be moved through memory at every step, for packets that have none; for the
/// same reason nothing that is not inlined gets a reader by reference.
pub(crate) struct Reader<'a, 'f> {
    rest: &'a [u8],
    /// Bytes of the body after `rest`: 0, but for a property block.
    after: usize,
    context: Context,
    fault: &'f mut Fault,
}

/// A place in the body, as the number of bytes from there to its end: the only one a reader knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    to_end: usize,
}

impl Place {
    /// The place so many bytes before.
    pub(crate) const fn minus(self, bytes: usize) -> Self {
        Self {
            to_end: self.to_end.wrapping_add(bytes),
        }
    }

    /// The place so many bytes further on.
    pub(crate) const fn plus(self, bytes: usize) -> Self {
        Self {
            to_end: self.to_end.wrapping_sub(bytes),
        }
    }
}

/// Where a reader leaves the first error.
pub(crate) struct Fault(Option<(Place, DecodeErrorKind)>);

impl Fault {
    pub(crate) const NONE: Self = Self(None);

    #[cold]
    #[inline(never)]
    fn record(&mut self, place: Place, kind: DecodeErrorKind) {
        self.0 = Some((place, kind));
    }

    /// The error in a packet of which `body_len` bytes were looked at after the header.
    #[cold]
    #[inline(never)]
    pub(crate) fn into_error(
        self,
        header: &FixedHeader,
        body_len: usize,
        sender: Sender,
    ) -> DecodeError {
        // Whoever answers `None` records why.
        let (place, kind) = self
            .0
            .unwrap_or((Place { to_end: 0 }, DecodeErrorKind::Truncated));
        let offset = header
            .len()
            .wrapping_add(body_len)
            .wrapping_sub(place.to_end);
        DecodeError::new(
            Wrong::of(kind),
            offset,
            Some(header.packet_type()),
            Some(sender),
        )
    }
}

/// Runs `read` over the body of a packet.
#[inline(always)]
pub(crate) fn decode<'a, T>(
    body: &'a [u8],
    header: &FixedHeader,
    sender: Sender,
    read: impl FnOnce(&mut Reader<'a, '_>) -> Option<T>,
) -> Result<T, DecodeError> {
    let mut fault = Fault::NONE;
    let context = Context {
        packet_type: header.packet_type(),
        sender,
    };
    match read(&mut Reader::new(body, 0, context, &mut fault)) {
        Some(packet) => Ok(packet),
        None => Err(fault.into_error(header, body.len(), sender)),
    }
}

impl<'a, 'f> Reader<'a, 'f> {
    #[inline(always)]
    pub(crate) const fn new(
        rest: &'a [u8],
        after: usize,
        context: Context,
        fault: &'f mut Fault,
    ) -> Self {
        Self {
            rest,
            after,
            context,
            fault,
        }
    }

    #[inline(always)]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline(always)]
    pub(crate) const fn context(&self) -> Context {
        self.context
    }

    #[inline(always)]
    pub(crate) const fn fault(&mut self) -> &mut Fault {
        self.fault
    }

    /// Whether there is a property of this kind among them.
    #[inline(always)]
    #[expect(clippy::unused_self, reason = "built for size, the reader knows")]
    pub(crate) const fn has(&self, properties: &Validated<'a>, id: PropertyId) -> bool {
        properties.has(id)
    }

    /// Where the next field begins.
    #[inline(always)]
    pub(crate) const fn place(&self) -> Place {
        Place {
            to_end: self.rest.len().wrapping_add(self.after),
        }
    }

    /// The next field is wrong.
    #[inline(always)]
    pub(crate) fn fail<T>(&mut self, kind: DecodeErrorKind) -> Option<T> {
        self.fail_at(self.place(), kind)
    }

    /// An earlier field is wrong.
    #[inline(always)]
    pub(crate) fn fail_at<T>(&mut self, place: Place, kind: DecodeErrorKind) -> Option<T> {
        self.fault.record(place, kind);
        None
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Some(taken)
            }
            None => self.fail(DecodeErrorKind::Truncated),
        }
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Some(*taken)
            }
            None => self.fail(DecodeErrorKind::Truncated),
        }
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline(always)]
    pub(crate) fn two(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline(always)]
    pub(crate) fn four(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Option<u32> {
        let kind = match varint::read(self.rest) {
            Ok(Some((value, len))) => {
                // So many bytes have just been looked at.
                _ = self.take(len);
                return Some(value);
            }
            Ok(None) => DecodeErrorKind::Truncated,
            Err(VarintError::TooLong) => DecodeErrorKind::VarintTooLong,
            Err(VarintError::NotMinimal) => DecodeErrorKind::VarintNotMinimal,
        };
        self.fail(kind)
    }

    /// Binary data: two bytes of length, then that many bytes (section 1.5.6).
    #[inline(always)]
    pub(crate) fn binary(&mut self) -> Option<&'a [u8]> {
        let len = self.two()?;
        self.take(usize::from(len))
    }

    /// Text: binary data that is UTF-8 without U+0000 (section 1.5.4).
    #[inline(always)]
    pub(crate) fn text(&mut self, field: Field) -> Option<&'a str> {
        self.scanned(field, Kind::Any)
    }

    /// A topic name. An empty one is `Some(None)`.
    #[inline(always)]
    pub(crate) fn topic_name(&mut self, field: Field) -> Option<Option<TopicName<'a>>> {
        match self.scanned(field, Kind::TopicName)? {
            "" => Some(None),
            name => Some(Some(TopicName::checked(name))),
        }
    }

    /// A reason code that this packet may carry.
    #[inline(always)]
    pub(crate) fn reason_code(&mut self) -> Option<ReasonCode> {
        let place = self.place();
        let number = self.byte()?;
        let code = ReasonCode::received(number, self.context.packet_type, self.context.sender);
        if code.is_none() {
            self.fault
                .record(place, DecodeErrorKind::ReasonCode(number));
        }
        code
    }

    /// As many as there are, at least one.
    #[inline(always)]
    pub(crate) fn reason_codes(&mut self) -> Option<()> {
        while !self.is_empty() {
            self.reason_code()?;
        }
        Some(())
    }

    /// Nothing may follow the last field.
    #[inline(always)]
    pub(crate) fn finish(&mut self) -> Option<()> {
        if self.rest.is_empty() {
            return Some(());
        }
        let count = u32::try_from(self.rest.len()).unwrap_or(u32::MAX);
        self.fail(DecodeErrorKind::TrailingBytes { count })
    }

    /// Text of this kind.
    #[inline(always)]
    fn scanned(&mut self, field: Field, kind: Kind) -> Option<&'a str> {
        let place = self.place();
        let bytes = self.binary()?;
        if let Some(text) = text::scan(bytes, kind) {
            return Some(text);
        }
        match text::look_at(bytes, kind) {
            Ok(text) => Some(text),
            Err((at, flaw)) => self.fail_at(place.plus(2).plus(at), flaw.of(field)),
        }
    }

    /// Passes over text that is to be valid.
    #[inline(always)]
    pub(crate) fn check_text(&mut self, field: Field) -> Option<()> {
        let place = self.place();
        let bytes = self.binary()?;
        if text::is_text(bytes) {
            return Some(());
        }
        match text::look_at(bytes, Kind::Any) {
            Ok(_) => Some(()),
            Err((at, flaw)) => self.fail_at(place.plus(2).plus(at), flaw.of(field)),
        }
    }
}
