use crate::property::{Known, Shape};
use crate::text::{self, Kind};
use crate::wrong::{Named, Of, What, Wrong};
use crate::{DecodeErrorKind, PropertyId, varint};

/// A place in the body, as the address of what lies there: of what is in the body that tells most
/// for least.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    address: usize,
}

impl Place {
    fn of(bytes: &[u8]) -> Self {
        Self {
            address: bytes.as_ptr().addr(),
        }
    }

    /// How many bytes it lies behind the front of these.
    pub(crate) fn behind(self, bytes: &[u8]) -> usize {
        self.address.wrapping_sub(Self::of(bytes).address)
    }

    /// The place so many bytes before.
    pub(crate) const fn minus(self, bytes: usize) -> Self {
        Self {
            address: self.address.wrapping_sub(bytes),
        }
    }

    /// The place so many bytes further on.
    pub(crate) const fn plus(self, bytes: usize) -> Self {
        Self {
            address: self.address.wrapping_add(bytes),
        }
    }
}

/// Reads numbers and bytes from front to back.
///
/// Nothing stops it: the first error is kept, and reading goes on with nothing.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    fault: Option<(Place, Wrong)>,
    /// What was read last.
    number: u32,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn over(rest: &'a [u8]) -> Self {
        Self {
            rest,
            fault: None,
            number: 0,
        }
    }

    /// What has not been read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Goes on with this.
    pub(crate) const fn turn_to(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// Where the next field begins.
    pub(crate) fn place(&self) -> Place {
        Place::of(self.rest)
    }

    /// The value of the property that was read last, if it is a number of any width, a flag or the
    /// like; of text and binary data, the length of what ends here.
    pub(crate) const fn last(&self) -> u32 {
        self.number
    }

    /// What was wrong first, and where.
    pub(crate) const fn fault(&self) -> Option<(Place, Wrong)> {
        self.fault
    }

    /// Something is wrong there, and reading goes on.
    #[inline(always)]
    pub(crate) fn keep(&mut self, place: Place, number: u32, named: Named) {
        keep(Some(named), place, number, self);
    }

    /// Something without a number is wrong there, and reading goes on.
    #[inline(always)]
    fn note(&mut self, place: Place, kind: DecodeErrorKind) {
        let Wrong { named, number } = Wrong::of(kind);
        self.keep(place, number, named);
    }

    /// So many bytes. Where there are not so many, it is not known where the next field begins: there
    /// is none.
    #[inline(never)]
    pub(crate) fn take(&mut self, mut len: usize) -> &'a [u8] {
        if len > self.rest.len() {
            self.note(self.place(), DecodeErrorKind::Truncated);
            len = self.rest.len();
        }
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or_default();
        self.rest = rest;
        taken
    }

    /// A number of so many bytes; of none, a variable byte integer.
    #[inline(never)]
    pub(crate) fn number(&mut self, len: usize) -> u32 {
        if len == 0 {
            self.packed();
        } else {
            self.number = self
                .take(len)
                .iter()
                .fold(0, |number, byte| number << 8 | u32::from(*byte));
        }
        self.number
    }

    /// Which property comes next; none where nothing comes, or what nobody knows.
    #[inline(never)]
    pub(crate) fn property(&mut self) -> Option<Known> {
        let place = self.place();
        let number = self.number(0);
        let property = Known::of(number);
        if property.is_none() {
            // Of a number that no property has, all bytes are told.
            // What is wrong behind it is not told, whatever it is taken for.
            self.note(place, DecodeErrorKind::UnknownProperty(number));
        }
        property
    }

    /// A value of this shape; the bytes of it, if it is text or binary data.
    #[inline(never)]
    pub(crate) fn value(&mut self, of: Of, mut shape: Shape) -> &'a [u8] {
        loop {
            let place = self.place();
            let mut number = self.number(shape.prefix());
            if shape.is_number() {
                if !shape.admits(number) {
                    let what = What::PropertyValue;
                    self.keep(place, number, Named::new(what, of));
                }
                number = 0;
            }
            let bytes = self.take(number as usize);
            let kind = if shape == Shape::Topic {
                Kind::TopicName
            } else {
                Kind::Any
            };
            let wrong = if bytes.is_empty() && of.is(PropertyId::ResponseTopic) {
                // An alias may stand for the topic of a PUBLISH. This is told where the length is.
                Some((0_usize.wrapping_sub(2), What::EmptyTopic))
            } else if shape == Shape::Binary {
                None
            } else {
                text::flaw(bytes, kind)
            };
            if let Some((at, what)) = wrong {
                self.keep(place.plus(2).plus(at), 0, Named::new(what, of));
            }
            if shape != Shape::Pair {
                return bytes;
            }
            shape = Shape::Text;
        }
    }

    /// Goes behind a variable byte integer.
    fn packed(&mut self) {
        let mut len;
        (self.number, len) = varint::read_long(self.rest);
        if len >= varint::TOO_LONG {
            keep(varint::wrong(len), self.place(), 0, self);
            // Nothing is left to be read.
            len = usize::MAX;
        }
        self.take(len);
    }
}

/// As [`Cursor::keep`]. What most callers have in common comes last, so that it is there once for
/// those that call this at the same end.
#[cold]
#[inline(never)]
fn keep(named: Option<Named>, place: Place, number: u32, cursor: &mut Cursor<'_>) {
    if cursor.fault.is_none() {
        cursor.fault = named.map(|named| (place, Wrong { named, number }));
    }
}
