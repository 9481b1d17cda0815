use crate::varint::{self, VarintError};
use crate::{
    DecodeError, DecodeErrorKind, Field, PacketId, PacketType, ReasonCode, Sender, TopicError,
    TopicFilter, TopicName, text,
};

/// Reads the fields of one packet, or of one property block in it, from front to back.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Where `rest` ends, in bytes from the packet's first byte.
    end: usize,
    pub(crate) packet_type: PacketType,
    pub(crate) sender: Sender,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) const fn new(
        rest: &'a [u8],
        end: usize,
        packet_type: PacketType,
        sender: Sender,
    ) -> Self {
        Self {
            rest,
            end,
            packet_type,
            sender,
        }
    }

    #[inline]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Where the next field begins, in bytes from the packet's first byte.
    pub(crate) const fn offset(&self) -> usize {
        self.end.wrapping_sub(self.rest.len())
    }

    /// An error about the next field.
    #[cold]
    #[inline(never)]
    pub(crate) fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        self.error_at(self.offset(), kind)
    }

    /// An error about an earlier field.
    #[cold]
    #[inline(never)]
    pub(crate) fn error_at(&self, offset: usize, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind, offset, Some(self.packet_type), Some(self.sender))
    }

    #[inline]
    fn advance(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        match self.advance(len) {
            Some(taken) => Ok(taken),
            None => Err(self.error(DecodeErrorKind::Truncated)),
        }
    }

    /// The next `len` bytes as a reader of their own.
    #[inline]
    pub(crate) fn take_part(&mut self, len: usize) -> Option<Reader<'a>> {
        let part = self.advance(len)?;
        Some(Self {
            rest: part,
            end: self.offset(),
            ..*self
        })
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.error(DecodeErrorKind::Truncated)),
        }
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn two(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn four(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u32, DecodeError> {
        match varint::read(self.rest) {
            Ok(Some((value, len))) => {
                self.advance(len);
                Ok(value)
            }
            Ok(None) => Err(self.error(DecodeErrorKind::Truncated)),
            Err(VarintError::TooLong) => Err(self.error(DecodeErrorKind::VarintTooLong)),
            Err(VarintError::NotMinimal) => Err(self.error(DecodeErrorKind::VarintNotMinimal)),
        }
    }

    /// Binary data: two bytes of length, then that many bytes (section 1.5.6).
    #[inline]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.two()?;
        self.take(usize::from(len))
    }

    /// Text: binary data that is UTF-8 without U+0000 (section 1.5.4).
    #[inline]
    pub(crate) fn text(&mut self, field: Field) -> Result<&'a str, DecodeError> {
        let bytes = self.binary()?;
        if text::has_nul(bytes) {
            return Err(self.bad_text(bytes, field));
        }
        core::str::from_utf8(bytes).map_err(|_| self.bad_text(bytes, field))
    }

    /// Passes over text that is to be valid.
    #[inline]
    pub(crate) fn check_text(&mut self, field: Field) -> Result<(), DecodeError> {
        let bytes = self.binary()?;
        if text::is_plain(bytes) || text::is_valid(bytes) {
            Ok(())
        } else {
            Err(self.bad_text(bytes, field))
        }
    }

    /// A topic name. An empty one is `None`.
    #[inline]
    pub(crate) fn topic_name(
        &mut self,
        field: Field,
    ) -> Result<Option<TopicName<'a>>, DecodeError> {
        let bytes = self.binary()?;
        if text::has_forbidden_in_topic_name(bytes) {
            return Err(self.bad_topic_name(bytes, field));
        }
        match core::str::from_utf8(bytes) {
            Ok("") => Ok(None),
            Ok(name) => Ok(Some(TopicName::checked(name))),
            Err(_) => Err(self.bad_text(bytes, field)),
        }
    }

    /// Passes over a topic name that is to be valid and not empty.
    pub(crate) fn check_topic_name(&mut self, field: Field) -> Result<(), DecodeError> {
        let offset = self.offset();
        match self.topic_name(field)? {
            Some(_) => Ok(()),
            None => Err(self.error_at(offset, DecodeErrorKind::EmptyTopic(field))),
        }
    }

    /// A topic filter.
    pub(crate) fn topic_filter(&mut self) -> Result<TopicFilter<'a>, DecodeError> {
        let start = self.offset();
        let filter = self.text(Field::TopicFilter)?;
        TopicFilter::new(filter).map_err(|error| {
            let kind = match error {
                TopicError::MisplacedMultiLevel { .. } => DecodeErrorKind::MultiLevelWildcard,
                TopicError::MisplacedSingleLevel { .. } => DecodeErrorKind::SingleLevelWildcard,
                TopicError::EmptyShareName { .. } => DecodeErrorKind::ShareName,
                TopicError::WildcardInShareName { .. } | TopicError::ShareWithoutFilter { .. } => {
                    DecodeErrorKind::ShareFilter
                }
                // Text on the wire is never too long, and NUL has been looked for.
                _ => return self.error_at(start, DecodeErrorKind::EmptyTopic(Field::TopicFilter)),
            };
            self.error_at(start.wrapping_add(2).wrapping_add(error.position()), kind)
        })
    }

    /// A packet identifier; 0 is none (section 2.2.1).
    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        let offset = self.offset();
        match PacketId::new(self.two()?) {
            Some(id) => Ok(id),
            None => Err(self.error_at(offset, DecodeErrorKind::ZeroPacketId)),
        }
    }

    /// A reason code that this packet may carry.
    #[inline]
    pub(crate) fn reason_code(&mut self) -> Result<ReasonCode, DecodeError> {
        let offset = self.offset();
        let number = self.byte()?;
        match ReasonCode::received(number, self.packet_type, self.sender) {
            Some(code) => Ok(code),
            None => Err(self.error_at(offset, DecodeErrorKind::ReasonCode(number))),
        }
    }

    /// Nothing may follow the last field.
    #[inline]
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let count = u32::try_from(self.rest.len()).unwrap_or(u32::MAX);
        Err(self.error(DecodeErrorKind::TrailingBytes { count }))
    }

    /// What is wrong with the text that has just been read, and where.
    #[cold]
    #[inline(never)]
    fn bad_text(&self, bytes: &[u8], field: Field) -> DecodeError {
        let start = self.offset().wrapping_sub(bytes.len());
        let valid = core::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
        match text::find_nul(bytes) {
            Some(at) if at < valid => {
                self.error_at(start.wrapping_add(at), DecodeErrorKind::NulInText(field))
            }
            _ => self.error_at(
                start.wrapping_add(valid),
                DecodeErrorKind::InvalidUtf8(field),
            ),
        }
    }

    /// What is wrong with the topic name that has just been read, and where.
    #[cold]
    #[inline(never)]
    fn bad_topic_name(&self, bytes: &[u8], field: Field) -> DecodeError {
        let start = self.offset().wrapping_sub(bytes.len());
        match text::find_in_topic_name(bytes) {
            Some((at, b'+' | b'#')) if core::str::from_utf8(bytes).is_ok() => self.error_at(
                start.wrapping_add(at),
                DecodeErrorKind::WildcardInTopicName(field),
            ),
            _ => self.bad_text(bytes, field),
        }
    }
}
