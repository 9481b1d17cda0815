#[cfg(not(feature = "fast"))]
use crate::property::Shape;
use crate::text::{self, Flaw, Kind};
use crate::varint::{self, VarintError};
use crate::{
    DecodeError, DecodeErrorKind, Field, FixedHeader, PacketId, PacketType, ReasonCode, Sender,
    TopicError, TopicFilter, TopicName,
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

/// Which packet is being read, for its rules and for its errors.
#[derive(Clone, Copy)]
pub(crate) struct Context {
    pub(crate) packet_type: PacketType,
    pub(crate) sender: Sender,
}

/// Where a reader leaves the first error.
pub(crate) struct Fault(Option<(Place, DecodeErrorKind)>);

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
    const fn plus(self, bytes: usize) -> Self {
        Self {
            to_end: self.to_end.wrapping_sub(bytes),
        }
    }
}

impl Fault {
    pub(crate) const NONE: Self = Self(None);

    /// Whether there is an error.
    pub(crate) const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    #[cold]
    #[inline(never)]
    fn record(&mut self, place: Place, kind: DecodeErrorKind) {
        #[cfg(not(feature = "fast"))]
        if self.is_some() {
            return;
        }
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
        DecodeError::new(kind, offset, Some(header.packet_type()), Some(sender))
    }
}

/// Runs `read` over the body of a packet.
#[cfg(feature = "fast")]
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
    #[cfg_attr(feature = "fast", inline(always))]
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

    /// Over bytes that have been validated.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn over(rest: &'a [u8], fault: &'f mut Fault) -> Self {
        let context = Context {
            packet_type: PacketType::Publish,
            sender: Sender::Server,
        };
        Self::new(rest, 0, context, fault)
    }

    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) const fn context(&self) -> Context {
        self.context
    }

    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) const fn fault(&mut self) -> &mut Fault {
        self.fault
    }

    /// Where the next field begins.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) const fn place(&self) -> Place {
        Place {
            to_end: self.rest.len().wrapping_add(self.after),
        }
    }

    /// The next field is wrong.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn fail<T>(&mut self, kind: DecodeErrorKind) -> Option<T> {
        self.fail_at(self.place(), kind)
    }

    /// An earlier field is wrong.
    #[inline(always)]
    pub(crate) fn fail_at<T>(&mut self, place: Place, kind: DecodeErrorKind) -> Option<T> {
        self.fault.record(place, kind);
        None
    }

    /// An earlier field is wrong, and reading goes on.
    #[cfg(not(feature = "fast"))]
    pub(crate) fn note(&mut self, place: Place, kind: DecodeErrorKind) {
        self.fault.record(place, kind);
    }

    /// The next field, which is looked at by itself, is wrong. Built for size, reading goes on with a
    /// field that is empty, and whether there was an error is asked once, when all has been read:
    /// the compiler sees that there is always a field, and drops the questions in between.
    #[cfg_attr(feature = "fast", inline(always))]
    fn fail_field<T: Default>(&mut self, kind: DecodeErrorKind) -> Option<T> {
        self.fault.record(self.place(), kind);
        #[cfg(feature = "fast")]
        return None;
        #[cfg(not(feature = "fast"))]
        {
            self.rest = &[];
            Some(T::default())
        }
    }

    #[cfg_attr(feature = "fast", inline(always))]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Some(taken)
            }
            None => self.fail_field(DecodeErrorKind::Truncated),
        }
    }

    /// Reads a block within the packet next, after which the body goes on for `after` bytes; what
    /// was to be read.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn turn_to(&mut self, block: &'a [u8], after: usize) -> &'a [u8] {
        self.after = after;
        core::mem::replace(&mut self.rest, block)
    }

    /// The value of a property, or of two texts the next: its bytes, or its number. The other is
    /// left as it is, or empty.
    #[cfg(not(feature = "fast"))]
    #[inline(never)]
    pub(crate) fn value(&mut self, shape: Shape, number: &mut u32) -> &'a [u8] {
        let value = match shape.width() {
            0 if shape.is_number() => self.varint(),
            0 => return self.binary().unwrap_or_default(),
            width => self.number(width),
        };
        *number = value.unwrap_or_default();
        &[]
    }

    /// A number of so many bytes.
    #[cfg(not(feature = "fast"))]
    #[inline(never)]
    fn number(&mut self, len: usize) -> Option<u32> {
        let bytes = self.take(len).unwrap_or_default();
        Some(
            bytes
                .iter()
                .fold(0, |number, byte| number << 8 | u32::from(*byte)),
        )
    }

    /// A byte.
    #[cfg(not(feature = "fast"))]
    #[expect(clippy::cast_possible_truncation, reason = "it is one byte")]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.number(1).map(|number| number as u8)
    }

    /// Two bytes.
    #[cfg(not(feature = "fast"))]
    #[expect(clippy::cast_possible_truncation, reason = "it is two bytes")]
    pub(crate) fn two(&mut self) -> Option<u16> {
        self.number(2).map(|number| number as u16)
    }

    #[cfg(feature = "fast")]
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

    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) fn two(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) fn four(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    #[cfg_attr(feature = "fast", inline(always))]
    #[cfg_attr(not(feature = "fast"), inline(never))]
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
        self.fail_field(kind)
    }

    /// Binary data: two bytes of length, then that many bytes (section 1.5.6).
    #[cfg_attr(feature = "fast", inline(always))]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn binary(&mut self) -> Option<&'a [u8]> {
        let len = self.two()?;
        self.take(usize::from(len))
    }

    /// Text: binary data that is UTF-8 without U+0000 (section 1.5.4).
    #[cfg_attr(feature = "fast", inline(always))]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn text(&mut self, field: Field) -> Option<&'a str> {
        self.scanned(field, Kind::Any)
    }

    /// A topic name. An empty one is `Some(None)`.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn topic_name(&mut self, field: Field) -> Option<Option<TopicName<'a>>> {
        match self.scanned(field, Kind::TopicName)? {
            "" => Some(None),
            name => Some(Some(TopicName::checked(name))),
        }
    }

    /// A topic name that must not be empty.
    #[cfg_attr(feature = "fast", inline(always))]
    pub(crate) fn nonempty_topic_name(&mut self, field: Field) -> Option<TopicName<'a>> {
        let place = self.place();
        match self.topic_name(field)? {
            Some(name) => Some(name),
            None => self.fail_at(place, DecodeErrorKind::EmptyTopic(field)),
        }
    }

    /// A topic filter.
    #[cfg_attr(feature = "fast", inline(always))]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn topic_filter(&mut self) -> Option<TopicFilter<'a>> {
        let place = self.place();
        let filter = self.text(Field::TopicFilter)?;
        match TopicFilter::new(filter) {
            Ok(filter) => Some(filter),
            Err(error) => {
                let (at, kind) = wrong_with_filter(error);
                self.fail_at(place.plus(at), kind)
            }
        }
    }

    /// A packet identifier; 0 is none (section 2.2.1).
    #[cfg_attr(feature = "fast", inline(always))]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn packet_id(&mut self) -> Option<PacketId> {
        let place = self.place();
        match PacketId::new(self.two()?) {
            Some(id) => Some(id),
            None => self.fail_at(place, DecodeErrorKind::ZeroPacketId),
        }
    }

    /// A reason code that this packet may carry.
    #[cfg_attr(feature = "fast", inline(always))]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn reason_code(&mut self) -> Option<ReasonCode> {
        let place = self.place();
        let number = self.byte()?;
        let code = ReasonCode::received(number, self.context.packet_type, self.context.sender);
        if code.is_none() {
            self.fault
                .record(place, DecodeErrorKind::ReasonCode(number));
            if !cfg!(feature = "fast") {
                return Some(ReasonCode::default());
            }
        }
        code
    }

    /// Nothing may follow the last field.
    #[cfg_attr(feature = "fast", inline(always))]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn finish(&mut self) -> Option<()> {
        if self.rest.is_empty() {
            return Some(());
        }
        let count = u32::try_from(self.rest.len()).unwrap_or(u32::MAX);
        self.fail_field(DecodeErrorKind::TrailingBytes { count })
    }

    /// Text of this kind.
    #[cfg_attr(feature = "fast", inline(always))]
    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn scanned(&mut self, field: Field, kind: Kind) -> Option<&'a str> {
        let place = self.place();
        let bytes = self.binary()?;
        #[cfg(feature = "fast")]
        {
            if let Some(text) = text::scan(bytes, kind) {
                return Some(text);
            }
            match text::look_at(bytes, kind) {
                Ok(text) => Some(text),
                Err((at, flaw)) => self.fail_at(place.plus(2).plus(at), flaw.of(field)),
            }
        }
        #[cfg(not(feature = "fast"))]
        Some(self.text_of(bytes, place, field, kind))
    }

    /// The text that these bytes are, before which its length is at this place.
    #[cfg(not(feature = "fast"))]
    #[inline(never)]
    pub(crate) fn text_of(
        &mut self,
        bytes: &'a [u8],
        place: Place,
        field: Field,
        kind: Kind,
    ) -> &'a str {
        match text::look_at(bytes, kind) {
            Ok(text) => text,
            Err((at, flaw)) => {
                self.fault.record(place.plus(2).plus(at), flaw.of(field));
                ""
            }
        }
    }

    /// Passes over text that is to be valid.
    #[cfg(feature = "fast")]
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

impl Flaw {
    /// The error when this is wrong with a field.
    const fn of(self, field: Field) -> DecodeErrorKind {
        match self {
            Self::NotUtf8 => DecodeErrorKind::InvalidUtf8(field),
            Self::Nul => DecodeErrorKind::NulInText(field),
            Self::Wildcard => DecodeErrorKind::WildcardInTopicName(field),
        }
    }
}

/// What is wrong with a topic filter that is text, and at which byte after its length began.
#[cold]
#[inline(never)]
fn wrong_with_filter(error: TopicError) -> (usize, DecodeErrorKind) {
    let kind = match error {
        TopicError::MisplacedMultiLevel { .. } => DecodeErrorKind::MultiLevelWildcard,
        TopicError::MisplacedSingleLevel { .. } => DecodeErrorKind::SingleLevelWildcard,
        TopicError::EmptyShareName { .. } => DecodeErrorKind::ShareName,
        TopicError::WildcardInShareName { .. } | TopicError::ShareWithoutFilter { .. } => {
            DecodeErrorKind::ShareFilter
        }
        // Text on the wire is never too long, and NUL has been looked for.
        _ => return (0, DecodeErrorKind::EmptyTopic(Field::TopicFilter)),
    };
    (error.position().wrapping_add(2), kind)
}
