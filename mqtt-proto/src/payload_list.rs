//! The lists in the payloads of SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK: decoded, a view over
//! bytes that have been validated once; to be encoded, a slice.

use crate::{ReasonCode, Subscription, SubscriptionOptions, TopicFilter};

macro_rules! payload_list {
    ($(#[$doc:meta])* $list:ident, $iter:ident, $(#[$iter_doc:meta])* $item:ident $(<$life:lifetime>)?, $first:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $list<'a>(Source<'a, $item$(<$life>)?>);

        impl<'a> $list<'a> {
            /// These entries, in this order.
            #[must_use]
            pub const fn new(list: &'a [$item$(<$life>)?]) -> Self {
                Self(Source::List(list))
            }

            /// Bytes that have been validated, and how many entries they hold.
            pub(crate) const fn wire(bytes: &'a [u8], len: usize) -> Self {
                Self(Source::Wire { bytes, len })
            }

            /// Where the entries are.
            pub(crate) const fn source(&self) -> Source<'a, $item$(<$life>)?> {
                self.0
            }

            /// The entries one by one.
            #[must_use]
            pub fn iter(&self) -> $iter<'a> {
                $iter(self.0)
            }

            /// How many there are.
            #[must_use]
            pub const fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether there are none: never when decoded.
            #[must_use]
            pub const fn is_empty(&self) -> bool {
                self.0.len() == 0
            }
        }

        $(#[$iter_doc])*
        #[derive(Clone)]
        pub struct $iter<'a>(Source<'a, $item$(<$life>)?>);

        impl<'a> Iterator for $iter<'a> {
            type Item = $item$(<$life>)?;

            fn next(&mut self) -> Option<Self::Item> {
                self.0.next($first)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                (self.0.len(), Some(self.0.len()))
            }
        }

        impl ExactSizeIterator for $iter<'_> {}
        impl core::iter::FusedIterator for $iter<'_> {}

        impl core::fmt::Debug for $iter<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_list().entries(self.clone()).finish()
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for $iter<'_> {
            fn format(&self, f: defmt::Formatter<'_>) {
                crate::log::list(f, self.clone());
            }
        }

        impl<'a> IntoIterator for $list<'a> {
            type Item = $item$(<$life>)?;
            type IntoIter = $iter<'a>;

            fn into_iter(self) -> $iter<'a> {
                self.iter()
            }
        }

        impl<'a> IntoIterator for &$list<'a> {
            type Item = $item$(<$life>)?;
            type IntoIter = $iter<'a>;

            fn into_iter(self) -> $iter<'a> {
                self.iter()
            }
        }

        impl PartialEq for $list<'_> {
            /// The same entries in the same order, decoded or not.
            fn eq(&self, other: &Self) -> bool {
                self.iter().eq(other.iter())
            }
        }

        impl Eq for $list<'_> {}

        impl core::hash::Hash for $list<'_> {
            fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
                state.write_usize(self.len());
                for item in self.iter() {
                    item.hash(state);
                }
            }
        }

        impl core::fmt::Debug for $list<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_list().entries(self.iter()).finish()
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for $list<'_> {
            fn format(&self, f: defmt::Formatter<'_>) {
                crate::log::list(f, self.iter());
            }
        }
    };
}

payload_list! {
    /// The subscriptions of a SUBSCRIBE, in their order (section 3.8.3).
    Subscriptions,
    SubscriptionIter,
    /// The subscriptions of a SUBSCRIBE, one by one.
    Subscription<'a>,
    first_subscription
}

payload_list! {
    /// The topic filters of an UNSUBSCRIBE, in their order (section 3.10.3).
    Filters,
    FilterIter,
    /// The topic filters of an UNSUBSCRIBE, one by one.
    TopicFilter<'a>,
    first_filter
}

payload_list! {
    /// The reason codes of a SUBACK or UNSUBACK, in the order of what was asked for
    /// (MQTT-3.9.3-1, MQTT-3.11.3-1).
    ReasonCodes,
    ReasonCodeIter,
    /// The reason codes of a SUBACK or UNSUBACK, one by one.
    ReasonCode,
    first_reason_code
}

#[derive(Clone, Copy)]
pub(crate) enum Source<'a, T> {
    Wire { bytes: &'a [u8], len: usize },
    List(&'a [T]),
}

/// Reads the first entry of validated bytes, and what follows it.
type ReadFirst<'a, T> = fn(&'a [u8]) -> Option<(T, &'a [u8])>;

impl<'a, T: Copy> Source<'a, T> {
    const fn len(&self) -> usize {
        match self {
            Self::Wire { len, .. } => *len,
            Self::List(list) => list.len(),
        }
    }

    /// Takes the first entry off; `first` reads it from bytes, of which enough have been validated.
    fn next(&mut self, first: ReadFirst<'a, T>) -> Option<T> {
        match self {
            Self::Wire { bytes, len } => {
                let (item, rest) = first(bytes)?;
                *bytes = rest;
                *len = len.saturating_sub(1);
                Some(item)
            }
            Self::List(list) => {
                let (item, rest) = list.split_first()?;
                *list = rest;
                Some(*item)
            }
        }
    }
}

fn first_subscription(bytes: &[u8]) -> Option<(Subscription<'_>, &[u8])> {
    let (filter, rest) = first_filter(bytes)?;
    let (&options, rest) = rest.split_first()?;
    let options = SubscriptionOptions::from_byte(options).ok()?;
    Some((Subscription { filter, options }, rest))
}

fn first_filter(bytes: &[u8]) -> Option<(TopicFilter<'_>, &[u8])> {
    let (&len, rest) = bytes.split_first_chunk()?;
    let (filter, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(len)))?;
    Some((
        TopicFilter::checked(core::str::from_utf8(filter).ok()?),
        rest,
    ))
}

fn first_reason_code(bytes: &[u8]) -> Option<(ReasonCode, &[u8])> {
    let (&number, rest) = bytes.split_first()?;
    Some((ReasonCode::new(number)?, rest))
}
