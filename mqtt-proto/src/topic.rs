use crate::text::{self, Checked};
use crate::words::{Plain, words};
#[cfg(not(feature = "fast"))]
use crate::wrong::What;

/// A topic name: the address of a message (section 4.7).
///
/// 1..=65,535 bytes, no U+0000 and no wildcards. Empty levels are real levels, case matters,
/// nothing is normalised (MQTT-4.7.3-4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(Checked<'a>);

impl<'a> TopicName<'a> {
    /// Checks that the text is a topic name.
    ///
    /// # Errors
    /// Empty (MQTT-4.7.3-1), longer than 65,535 bytes (MQTT-4.7.3-3), U+0000 (MQTT-4.7.3-2), or
    /// one of the wildcards `+` and `#` (MQTT-4.7.0-1).
    pub fn new(name: &'a str) -> Result<Self, TopicError> {
        check_length(name)?;
        #[cfg(feature = "fast")]
        return match text::find_in_topic_name(name.as_bytes()) {
            None => Ok(Self(name)),
            Some((at, 0)) => Err(TopicError::Nul { at }),
            Some((at, _)) => Err(TopicError::Wildcard { at }),
        };
        #[cfg(not(feature = "fast"))]
        match text::flaw(name.as_bytes(), text::Kind::TopicName) {
            None => Ok(Self(name.as_bytes())),
            Some((at, What::NulInText)) => Err(TopicError::Nul { at }),
            Some((at, _)) => Err(TopicError::Wildcard { at }),
        }
    }

    /// As [`TopicName::new`], for a constant: the compiler checks the name, and there is no check in
    /// the program. `None` where it is no topic name.
    ///
    /// ```
    /// use mqtt_proto::TopicName;
    ///
    /// const STATUS: TopicName<'static> = TopicName::constant("sensor/7/status").unwrap();
    /// assert_eq!(STATUS.as_str(), "sensor/7/status");
    /// assert!(TopicName::constant("sensor/+").is_none());
    /// ```
    #[must_use]
    pub const fn constant(name: &'a str) -> Option<Self> {
        if check_length(name).is_err() {
            return None;
        }
        let mut rest = name.as_bytes();
        while let Some((byte, behind)) = rest.split_first() {
            if matches!(byte, 0 | b'+' | b'#') {
                return None;
            }
            rest = behind;
        }
        #[cfg(feature = "fast")]
        return Some(Self(name));
        #[cfg(not(feature = "fast"))]
        Some(Self(name.as_bytes()))
    }

    /// The topic name that the bytes are, if they are one.
    #[doc(hidden)]
    #[must_use]
    pub fn from_bytes(name: &'a [u8]) -> Option<Self> {
        if name.is_empty() || name.len() > text::MAX_LEN {
            return None;
        }
        text::scan(name, text::Kind::TopicName).map(Self)
    }

    /// For the decoder, which has made the same checks on the way.
    #[inline]
    pub(crate) const fn checked(name: Checked<'a>) -> Self {
        Self(name)
    }

    /// The text. Without the feature `fast`, which keeps a string, it is checked to be UTF-8 again, by
    /// code that nothing else needs: comparing topic names, or [`TopicName::as_bytes`], does without.
    #[must_use]
    #[inline]
    pub const fn as_str(&self) -> &'a str {
        #[cfg(feature = "fast")]
        return self.0;
        #[cfg(not(feature = "fast"))]
        text::string(self.0)
    }

    /// The bytes of the text.
    #[must_use]
    #[inline]
    pub const fn as_bytes(&self) -> &'a [u8] {
        #[cfg(feature = "fast")]
        return self.0.as_bytes();
        #[cfg(not(feature = "fast"))]
        self.0
    }
}

/// The length rules that names and filters share.
pub(crate) const fn check_length(text: &str) -> Result<(), TopicError> {
    match text.len() {
        0 => Err(TopicError::Empty),
        1..=65_535 => Ok(()),
        len => Err(TopicError::TooLong { len }),
    }
}

impl core::fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

impl core::fmt::Debug for TopicName<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for TopicName<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=str}", self.as_str());
    }
}

impl<'a> TryFrom<&'a str> for TopicName<'a> {
    type Error = TopicError;

    fn try_from(name: &'a str) -> Result<Self, TopicError> {
        Self::new(name)
    }
}

/// Why a text is not a topic name or not a topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TopicError {
    /// It has no character (MQTT-4.7.3-1).
    Empty,
    /// It is longer than 65,535 bytes (MQTT-4.7.3-3).
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It contains U+0000 (MQTT-4.7.3-2).
    Nul {
        /// Byte index of the character.
        at: usize,
    },
    /// A topic name contains `+` or `#` (MQTT-4.7.0-1).
    Wildcard {
        /// Byte index of the wildcard.
        at: usize,
    },
    /// `#` shares its level with something, or is not in the last level (MQTT-4.7.1-1).
    MisplacedMultiLevel {
        /// Byte index of the `#`.
        at: usize,
    },
    /// `+` shares its level with something (MQTT-4.7.1-2).
    MisplacedSingleLevel {
        /// Byte index of the `+`.
        at: usize,
    },
    /// The name of a shared subscription is empty (MQTT-4.8.2-1).
    EmptyShareName {
        /// Byte index at which the name should begin.
        at: usize,
    },
    /// The name of a shared subscription contains `+` or `#` (MQTT-4.8.2-2).
    WildcardInShareName {
        /// Byte index of the wildcard.
        at: usize,
    },
    /// `$share/name` is not followed by a slash and a filter (MQTT-4.8.2-2).
    ShareWithoutFilter {
        /// Byte index at which the filter is missing: the length of the text.
        at: usize,
    },
}

impl TopicError {
    /// Byte index at which the rule is broken.
    #[must_use]
    pub const fn position(&self) -> usize {
        match *self {
            Self::Empty => 0,
            Self::TooLong { .. } => 65_535,
            Self::Nul { at }
            | Self::Wildcard { at }
            | Self::MisplacedMultiLevel { at }
            | Self::MisplacedSingleLevel { at }
            | Self::EmptyShareName { at }
            | Self::WildcardInShareName { at }
            | Self::ShareWithoutFilter { at } => at,
        }
    }

    /// The statement of the standard that is broken.
    #[must_use]
    pub const fn statement(&self) -> &'static str {
        match self {
            Self::Empty => "MQTT-4.7.3-1",
            Self::TooLong { .. } => "MQTT-4.7.3-3",
            Self::Nul { .. } => "MQTT-4.7.3-2",
            Self::Wildcard { .. } => "MQTT-4.7.0-1",
            Self::MisplacedMultiLevel { .. } => "MQTT-4.7.1-1",
            Self::MisplacedSingleLevel { .. } => "MQTT-4.7.1-2",
            Self::EmptyShareName { .. } => "MQTT-4.8.2-1",
            Self::WildcardInShareName { .. } | Self::ShareWithoutFilter { .. } => "MQTT-4.8.2-2",
        }
    }
}

words! { TopicError:
    error => "{} ({})", Broken(error), Plain(error.statement());
}

/// What is wrong, without the statement.
struct Broken<'a>(&'a TopicError);

words! { Broken<'_>:
    Self(TopicError::Empty) => "it is empty";
    Self(TopicError::TooLong { len }) => "it has {} bytes, at most 65535 are allowed", len;
    Self(TopicError::Nul { at }) => "U+0000 at byte {}", at;
    Self(TopicError::Wildcard { at }) => "a wildcard at byte {}", at;
    Self(TopicError::MisplacedMultiLevel { at }) =>
        "'#' at byte {} must stand alone in the last level", at;
    Self(TopicError::MisplacedSingleLevel { at }) =>
        "'+' at byte {} must stand alone in its level", at;
    Self(TopicError::EmptyShareName { at }) => "no share name at byte {}", at;
    Self(TopicError::WildcardInShareName { at }) => "a wildcard in the share name at byte {}", at;
    Self(TopicError::ShareWithoutFilter { at }) => "no filter after the share name at byte {}", at;
}

impl core::error::Error for TopicError {}
