use crate::topic::check_length;
use crate::{TopicError, TopicName, text};

const SHARE: &str = "$share/";

/// A topic filter: which topic names a subscription is about (sections 4.7 and 4.8.2).
///
/// `+` stands for one level, `#` for the parent level and all below it. `$share/name/filter` is a
/// shared subscription to `filter`.
///
/// ```
/// use mqtt_proto::{TopicFilter, TopicName};
///
/// let filter = TopicFilter::new("sport/+/score/#")?;
/// assert!(filter.matches(TopicName::new("sport/tennis/score")?));
/// assert!(filter.matches(TopicName::new("sport/tennis/score/final")?));
/// assert!(!filter.matches(TopicName::new("sport/tennis")?));
///
/// let shared = TopicFilter::new("$share/workers/jobs/#")?;
/// assert_eq!(shared.share_name(), Some("workers"));
/// assert!(shared.matches(TopicName::new("jobs/7")?));
/// # Ok::<(), mqtt_proto::TopicError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a> {
    text: &'a str,
    kind: Kind,
}

/// What a filter is, which is seen when it is made: for one that is a constant, by the compiler.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Kind(u8);

impl Kind {
    const WILDCARD: u8 = 1 << 1;
    const SHARED: u8 = 1 << 2;

    /// That of a filter that has been checked: a wildcard stands nowhere but at its place, and a name
    /// and a filter follow `$share/`.
    fn of(filter: &[u8]) -> Self {
        let mut kind = Self(0);
        if filter.iter().any(|byte| matches!(byte, b'+' | b'#')) {
            kind.0 |= Self::WILDCARD;
        }
        if filter.first_chunk() == Some(b"$share/") {
            kind.0 |= Self::SHARED;
        }
        kind
    }

    const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }
}

impl<'a> TopicFilter<'a> {
    /// Checks that the text is a topic filter.
    ///
    /// # Errors
    /// Empty (MQTT-4.7.3-1), longer than 65,535 bytes (MQTT-4.7.3-3), U+0000 (MQTT-4.7.3-2), a
    /// misplaced wildcard (MQTT-4.7.1-1, MQTT-4.7.1-2), or `$share/` without a proper name and
    /// filter (MQTT-4.8.2-1, MQTT-4.8.2-2).
    pub fn new(filter: &'a str) -> Result<Self, TopicError> {
        check_length(filter)?;
        #[cfg(feature = "fast")]
        let nul = text::find_nul(filter.as_bytes());
        #[cfg(not(feature = "fast"))]
        let nul = text::flaw(filter.as_bytes(), text::Kind::Any).map(|(at, _)| at);
        if let Some(at) = nul {
            return Err(TopicError::Nul { at });
        }
        let kind = check_levels(filter.as_bytes())?;
        Ok(Self { text: filter, kind })
    }

    /// As [`TopicFilter::new`], for a constant: the compiler checks the filter, and there is no check
    /// in the program. `None` where it is no topic filter.
    ///
    /// ```
    /// use mqtt_proto::TopicFilter;
    ///
    /// const ORDERS: TopicFilter<'static> = TopicFilter::constant("order/#").unwrap();
    /// assert_eq!(ORDERS.as_str(), "order/#");
    /// assert!(TopicFilter::constant("order/#/new").is_none());
    /// ```
    #[must_use]
    pub const fn constant(filter: &'a str) -> Option<Self> {
        if check_length(filter).is_err() || !is_plain(filter.as_bytes()) {
            return None;
        }
        match check_levels(filter.as_bytes()) {
            Ok(kind) => Some(Self { text: filter, kind }),
            Err(_) => None,
        }
    }

    /// For views over bytes that have been validated.
    pub(crate) fn checked(text: &'a str) -> Self {
        let kind = Kind::of(text.as_bytes());
        Self { text, kind }
    }

    /// The whole text, with `$share/name/` if it is shared.
    #[must_use]
    #[inline]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether the filter matches the topic name. A shared filter matches by what follows its
    /// share name; `#` and `+` in the first level do not match a leading `$` (MQTT-4.7.2-1).
    #[must_use]
    pub fn matches(&self, topic: TopicName<'_>) -> bool {
        level_by_level(self.unshared().text, topic.as_str())
    }

    /// Whether this is a shared subscription.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.kind.has(Kind::SHARED)
    }

    /// The name of the shared subscription.
    #[must_use]
    pub fn share_name(&self) -> Option<&'a str> {
        self.split_share().map(|(name, _)| name)
    }

    /// The filter without `$share/name/`; the filter itself if it is not shared.
    #[must_use]
    pub fn unshared(&self) -> TopicFilter<'a> {
        self.split_share()
            .map_or(*self, |(_, filter)| TopicFilter::checked(filter))
    }

    /// Whether a level is `+` or `#`.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.kind.has(Kind::WILDCARD)
    }

    fn split_share(&self) -> Option<(&'a str, &'a str)> {
        self.text.strip_prefix(SHARE)?.split_once('/')
    }
}

/// Whether there is no U+0000.
const fn is_plain(mut filter: &[u8]) -> bool {
    while let Some((byte, behind)) = filter.split_first() {
        if *byte == 0 {
            return false;
        }
        filter = behind;
    }
    true
}

/// Looks at the share name, where there is one, and at the wildcards.
const fn check_levels(filter: &[u8]) -> Result<Kind, TopicError> {
    match filter {
        [b'$', b's', b'h', b'a', b'r', b'e', b'/', rest @ ..] => match behind_share_name(rest) {
            Ok(levels) => check_wildcards(levels, filter.len(), Kind::SHARED),
            Err(error) => Err(error),
        },
        _ => check_wildcards(filter, filter.len(), 0),
    }
}

/// The filter proper of a shared one: what lies behind the share name, which this begins with, and
/// its slash.
const fn behind_share_name(mut rest: &[u8]) -> Result<&[u8], TopicError> {
    let start = SHARE.len();
    let end = start.wrapping_add(rest.len());
    let mut at = start;
    while let [byte, behind @ ..] = rest {
        match byte {
            b'/' if at == start => break,
            b'/' if behind.is_empty() => break,
            b'/' => return Ok(behind),
            b'+' | b'#' => return Err(TopicError::WildcardInShareName { at }),
            _ => {}
        }
        at = at.wrapping_add(1);
        rest = behind;
    }
    Err(if at == start {
        TopicError::EmptyShareName { at }
    } else {
        TopicError::ShareWithoutFilter { at: end }
    })
}

/// Looks at the levels that this begins with, which ends at a place of the filter; what that is,
/// beside what is known already.
const fn check_wildcards(mut rest: &[u8], end: usize, mut kind: u8) -> Result<Kind, TopicError> {
    let mut before = b'/';
    while let [byte, behind @ ..] = rest {
        let at = end.wrapping_sub(rest.len());
        let is_alone = before == b'/' && matches!(behind, [] | [b'/', ..]);
        if *byte == b'#' && !(is_alone && behind.is_empty()) {
            return Err(TopicError::MisplacedMultiLevel { at });
        }
        if *byte == b'+' && !is_alone {
            return Err(TopicError::MisplacedSingleLevel { at });
        }
        if matches!(*byte, b'+' | b'#') {
            kind |= Kind::WILDCARD;
        }
        before = *byte;
        rest = behind;
    }
    Ok(Kind(kind))
}

fn level_by_level(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut filter_levels = filter.split('/');
    let mut topic_levels = topic.split('/');
    loop {
        match (filter_levels.next(), topic_levels.next()) {
            // "a/#" also matches "a" itself.
            (Some("#"), _) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

impl core::fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.text)
    }
}

impl core::fmt::Debug for TopicFilter<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self.text, f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for TopicFilter<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=str}", self.text);
    }
}

impl<'a> TryFrom<&'a str> for TopicFilter<'a> {
    type Error = TopicError;

    fn try_from(filter: &'a str) -> Result<Self, TopicError> {
        Self::new(filter)
    }
}
