use crate::DecodeErrorKind;
use crate::varint;
use crate::wrong::{Named, Wrong};

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
}

impl<'a> Cursor<'a> {
    pub(crate) const fn over(rest: &'a [u8]) -> Self {
        Self { rest, fault: None }
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

    /// What was wrong first, and where.
    pub(crate) const fn fault(&self) -> Option<(Place, Wrong)> {
        self.fault
    }

    /// Something is wrong there, and reading goes on.
    #[inline(always)]
    pub(crate) fn keep(&mut self, place: Place, number: u32, named: Named) {
        keep(named, number, place, self);
    }

    /// Where the next field ends is not known: all after it is empty.
    #[inline(always)]
    fn stop(&mut self, kind: DecodeErrorKind) {
        let Wrong { named, number } = Wrong::of(kind);
        self.keep(self.place(), number, named);
        self.rest = &[];
    }

    #[inline(never)]
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        if let Some((taken, rest)) = self.rest.split_at_checked(len) {
            self.rest = rest;
            return taken;
        }
        self.stop(DecodeErrorKind::Truncated);
        &[]
    }

    /// A number of so many bytes; of none, a variable byte integer.
    #[inline(never)]
    pub(crate) fn number(&mut self, len: usize) -> u32 {
        if len == 0 {
            return self.packed();
        }
        self.take(len)
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte))
    }

    /// A variable byte integer.
    fn packed(&mut self) -> u32 {
        let place = self.place();
        let (value, mut len) = varint::read_long(self.rest);
        if let Some(named) = varint::wrong(len) {
            self.keep(place, 0, named);
            // Nothing is left to be read.
            len = usize::MAX;
        }
        self.take(len);
        value
    }
}

/// As [`Cursor::keep`]. What most callers have in common comes last, so that it is there once for
/// those that call this at the same end.
#[cold]
#[inline(never)]
fn keep(named: Named, number: u32, place: Place, cursor: &mut Cursor<'_>) {
    if cursor.fault.is_none() {
        cursor.fault = Some((place, Wrong { named, number }));
    }
}
