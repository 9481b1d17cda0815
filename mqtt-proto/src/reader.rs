#[cfg(feature = "fast")]
use crate::text::Flaw;
use crate::{
    DecodeErrorKind, Field, PacketId, PacketType, Sender, TopicError, TopicFilter, TopicName,
};

#[cfg(not(feature = "fast"))]
#[path = "reader_compact.rs"]
mod read;
#[cfg(feature = "fast")]
#[path = "reader_fast.rs"]
mod read;

pub(crate) use read::Reader;
#[cfg(feature = "fast")]
pub(crate) use read::{Fault, decode};

/// Which packet is being read, for its rules and for its errors.
#[derive(Clone, Copy)]
pub(crate) struct Context {
    pub(crate) packet_type: PacketType,
    pub(crate) sender: Sender,
}

/// What both kinds of reader read alike.
impl<'a> Reader<'a, '_> {
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
    pub(crate) fn packet_id(&mut self) -> Option<PacketId> {
        let place = self.place();
        match PacketId::new(self.two()?) {
            Some(id) => Some(id),
            None => self.fail_at(place, DecodeErrorKind::ZeroPacketId),
        }
    }
}

#[cfg(feature = "fast")]
impl Flaw {
    /// The error when this is wrong with a field.
    pub(crate) const fn of(self, field: Field) -> DecodeErrorKind {
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
