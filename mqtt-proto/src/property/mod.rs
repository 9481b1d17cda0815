//! Properties (section 2.2.2): one type both ways.
//!
//! Decoded, [`Properties`] is a view over bytes that have been validated once; to be encoded, it
//! is a list of [`Property`] that is checked then. Reading it is the same in both cases.

mod accessors;
#[cfg(not(feature = "fast"))]
#[path = "encode_compact.rs"]
mod encode;
#[cfg(feature = "fast")]
#[path = "encode_fast.rs"]
mod encode;
mod id;
mod iter;
mod legality;
#[cfg(not(feature = "fast"))]
#[path = "rules_compact.rs"]
mod rules;
#[cfg(feature = "fast")]
#[path = "rules_fast.rs"]
mod rules;
mod value;
#[cfg(not(feature = "fast"))]
mod walk;
mod wire;

pub use id::PropertyId;
pub use iter::PropertyIter;
#[cfg(not(feature = "fast"))]
pub(crate) use legality::{Known, Shape};
pub(crate) use rules::PropertyRules;
#[cfg(not(feature = "fast"))]
pub(crate) use rules::{Gate, Present};
pub use value::{PayloadFormat, Property};
pub(crate) use wire::{Validated, read_properties, read_will_properties};

/// The properties of a packet or of a will, in their order.
///
/// ```
/// use mqtt_proto::{Packet, Properties, Property, Publish, QoS, Sender, TopicName};
///
/// let list = [Property::MessageExpiryInterval(60), Property::UserProperty("unit", "celsius")];
/// let publish = Publish {
///     dup: false,
///     qos: QoS::AtMostOnce,
///     retain: false,
///     topic: Some(TopicName::new("t")?),
///     packet_id: None,
///     properties: Properties::new(&list),
///     payload: b"21",
/// };
/// let mut bytes = [0; 64];
/// let len = publish.encode(Sender::Client, &mut bytes)?;
///
/// let Packet::Publish(decoded) = Packet::decode(&bytes[..len], Sender::Client)? else {
///     unreachable!()
/// };
/// assert_eq!(decoded.properties, Properties::new(&list));
/// assert_eq!(decoded.properties.message_expiry_interval(), Some(60));
/// assert_eq!(decoded.properties.user_properties().next(), Some(("unit", "celsius")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Properties<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    /// A block without its length.
    Wire(Validated<'a>),
    /// The second list follows the first.
    List(&'a [Property<'a>], &'a [Property<'a>]),
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Self = Self(Source::List(&[], &[]));

    /// These properties, in this order.
    #[must_use]
    pub const fn new(list: &'a [Property<'a>]) -> Self {
        Self(Source::List(list, &[]))
    }

    /// The properties of both lists, in this order.
    #[must_use]
    pub const fn chain(first: &'a [Property<'a>], rest: &'a [Property<'a>]) -> Self {
        Self(Source::List(first, rest))
    }

    /// The properties one by one.
    #[must_use]
    #[inline]
    pub fn iter(&self) -> PropertyIter<'a> {
        PropertyIter::new(self.0)
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Source::Wire(validated) => validated.block().is_empty(),
            Source::List(first, rest) => first.is_empty() && rest.is_empty(),
        }
    }

    /// If decoded, the encoded properties without the length before them.
    #[must_use]
    #[inline]
    pub const fn wire_bytes(&self) -> Option<&'a [u8]> {
        match self.0 {
            Source::Wire(validated) => Some(validated.block()),
            Source::List(..) => None,
        }
    }

    /// What is decoded where properties are left out, or have the length 0.
    pub(crate) const NONE_ON_WIRE: Self = Validated::NONE.properties();

    /// Whether there is a property of this kind.
    #[must_use]
    #[inline]
    pub fn contains(&self, id: PropertyId) -> bool {
        match self.0 {
            #[cfg(feature = "fast")]
            Source::Wire(validated) => validated.has(id),
            #[cfg(not(feature = "fast"))]
            Source::Wire(validated) => validated.four(id).is_some(),
            Source::List(first, rest) => {
                first.iter().chain(rest).any(|property| property.id() == id)
            }
        }
    }

    /// Shows each property whose value is a number, a flag or the like: for who looks for many.
    #[doc(hidden)]
    #[inline]
    pub fn each_number(&self, mut show: impl FnMut(u32, u32)) {
        for property in self {
            if let value::Value::Number(number) = property.value() {
                show(property.id() as u32, number);
            }
        }
    }

    /// The first property of this kind.
    #[cfg(feature = "fast")]
    fn find(&self, id: PropertyId) -> Option<Property<'a>> {
        match self.0 {
            Source::Wire(validated) => {
                if validated.has(id) {
                    iter::find(validated.block(), id)
                } else {
                    None
                }
            }
            Source::List(first, rest) => first
                .iter()
                .chain(rest)
                .find(|property| property.id() == id)
                .copied(),
        }
    }
}

impl Default for Properties<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for Properties<'_> {
    /// The same properties in the same order, decoded or not.
    fn eq(&self, other: &Self) -> bool {
        match (self.wire_bytes(), other.wire_bytes()) {
            // Numbers have one encoding only, so equal blocks and equal sequences are the same.
            (Some(block), Some(others)) => block == others,
            _ => self.iter().eq(other.iter()),
        }
    }
}

impl Eq for Properties<'_> {}

impl core::hash::Hash for Properties<'_> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        for property in self.iter() {
            property.hash(state);
        }
        state.write_u8(0xff);
    }
}

impl core::fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Properties<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        crate::log::list(f, self.iter());
    }
}
