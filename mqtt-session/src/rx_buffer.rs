//! The caller's input bytes, read from the transport and consumed by the machine.

use crate::copy::move_down;

/// The buffer between the transport and the machine, over bytes that the caller brings.
///
/// The adapter reads into [`RxBuffer::spare`] and says how much with [`RxBuffer::filled`];
/// [`Client::poll`](crate::Client::poll) takes packets off the front by itself. There is nothing
/// to remember, and a message that was delivered stays readable until the next poll.
///
/// ```
/// use mqtt_session::RxBuffer;
///
/// let mut input = RxBuffer::new([0u8; 64]);
/// let from_the_network = [0xd0, 0x00];
/// input.spare()[..2].copy_from_slice(&from_the_network);
/// input.filled(2);
/// assert_eq!(input.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RxBuffer<B> {
    bytes: B,
    cursor: RxCursor,
}

/// How full it is.
#[cfg(feature = "defmt")]
impl<B: AsRef<[u8]> + AsMut<[u8]>> defmt::Format for RxBuffer<B> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "RxBuffer {{ len: {=usize}, capacity: {=usize} }}",
            self.len(),
            self.capacity()
        );
    }
}

/// Where in the bytes the unread part lies, and what is known of the packet at its start.
///
/// A PUBLISH larger than the buffer keeps its header at the start while its payload passes
/// behind it: these bytes stay, the `gap` behind them was delivered already and is closed
/// when room is next made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RxCursor {
    start: usize,
    end: usize,
    /// Unread bytes that must have come before looking again pays: what keeps a packet that
    /// drips in from being parsed once for every drip. Where there is a gap, it is the header,
    /// which always has come: then looking pays.
    wanted: usize,
    gap: usize,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> RxBuffer<B> {
    /// A buffer over `bytes`: an array, a vector, a static slice.
    ///
    /// It must hold the largest packet that is not a PUBLISH; of a larger PUBLISH the header (topic
    /// name and properties) may take three quarters of it, and the payload is delivered in parts.
    pub const fn new(bytes: B) -> Self {
        Self {
            bytes,
            cursor: RxCursor {
                start: 0,
                end: 0,
                wanted: 0,
                gap: 0,
            },
        }
    }

    /// The free part, to read into. It is empty only when the buffer is full of unread bytes that
    /// wait until the transport takes some: do not read then, for a read of no bytes looks like
    /// the end of the stream.
    pub fn spare(&mut self) -> &mut [u8] {
        // Nearly always all that came is read.
        #[cfg(feature = "fast")]
        if self.cursor.start == self.cursor.end {
            self.cursor.start = 0;
            self.cursor.end = 0;
            return self.bytes.as_mut();
        }
        self.spare_behind_unread()
    }

    #[cfg_attr(feature = "fast", inline(never))]
    fn spare_behind_unread(&mut self) -> &mut [u8] {
        let bytes = self.bytes.as_mut();
        self.cursor.make_room(bytes);
        let end = self.cursor.end.min(bytes.len());
        bytes.get_mut(end..).unwrap_or_default()
    }

    /// Says that `count` bytes were written to the front of [`RxBuffer::spare`]; more than fit
    /// there are not counted.
    pub fn filled(&mut self, count: usize) {
        // The end never passes that of the bytes.
        let room = self.bytes.as_ref().len().wrapping_sub(self.cursor.end);
        self.cursor.end = self.cursor.end.wrapping_add(count.min(room));
    }

    /// Unread bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cursor.len()
    }

    /// Whether no byte is unread.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes the buffer can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.as_ref().len()
    }

    /// Forgets what is unread. The machine does this itself when a transport is gone.
    pub fn clear(&mut self) {
        self.cursor.clear();
    }

    #[cfg(feature = "fast")]
    pub(crate) fn cursor(&self) -> &RxCursor {
        &self.cursor
    }

    /// The first byte that is unread.
    #[cfg(feature = "fast")]
    #[inline]
    pub(crate) fn first_unread(&self) -> Option<u8> {
        if self.is_empty() {
            return None;
        }
        self.bytes.as_ref().get(self.cursor.start).copied()
    }

    pub(crate) fn parts(&mut self) -> Rx<'_> {
        Rx {
            bytes: self.bytes.as_ref(),
            cursor: &mut self.cursor,
        }
    }
}

/// The buffer as the machine sees it: bytes that only the caller changes, a cursor that only
/// the machine moves.
pub(crate) struct Rx<'a> {
    bytes: &'a [u8],
    pub(crate) cursor: &'a mut RxCursor,
}

impl<'a, B: AsRef<[u8]> + AsMut<[u8]>> From<&'a mut RxBuffer<B>> for Rx<'a> {
    fn from(buffer: &'a mut RxBuffer<B>) -> Self {
        buffer.parts()
    }
}

impl<'a> Rx<'a> {
    /// The first `N` unread bytes, if so many are there and looking at them can bring news.
    #[cfg(feature = "fast")]
    #[inline]
    pub(crate) fn front<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.news()?.first_chunk()
    }

    /// The unread bytes, if looking at them can bring news.
    #[cfg(any(feature = "fast", test))]
    pub(crate) fn news(&self) -> Option<&'a [u8]> {
        if !self.cursor.brings_news() {
            return None;
        }
        self.bytes.get(self.cursor.start..self.cursor.end)
    }

    /// The unread bytes, with those behind the header that have passed.
    #[inline]
    pub(crate) fn all(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.cursor.start..self.cursor.end)
    }

    /// As [`all`](Self::all).
    #[cfg(feature = "fast")]
    #[inline]
    pub(crate) fn unread(&self) -> &'a [u8] {
        self.all().unwrap_or_default()
    }

    /// So many of these from this one on, if they have come.
    #[inline]
    pub(crate) fn part(&self, from: usize, len: usize) -> Option<&'a [u8]> {
        let start = self.cursor.start.wrapping_add(from);
        let end = start.wrapping_add(len);
        if end > self.cursor.end {
            return None;
        }
        self.bytes.get(start..end)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl RxCursor {
    /// Unread bytes; what was delivered of a large payload does not count.
    pub(crate) fn len(&self) -> usize {
        // Neither can be larger: the start never passes the end, nor does the gap.
        self.end.wrapping_sub(self.start).wrapping_sub(self.gap)
    }

    /// Whether looking at the unread bytes can bring news.
    #[inline]
    pub(crate) fn brings_news(&self) -> bool {
        let len = self.len();
        len != 0 && len >= self.wanted
    }

    /// Takes a whole packet off the front.
    pub(crate) fn consume(&mut self, len: usize) {
        // It lies among the unread bytes.
        debug_assert!(len <= self.end.wrapping_sub(self.start));
        self.start = self.start.wrapping_add(len);
        self.wanted = 0;
    }

    /// As [`RxCursor::consume`], for a packet of which some may have passed; this is its length without
    /// that.
    pub(crate) fn consume_passed(&mut self, len: usize) {
        let len = len.wrapping_add(self.gap);
        self.gap = 0;
        self.consume(len);
    }

    /// There is no news before this many bytes are unread. What has passed is not looked at for
    /// that: once there is room again, it is gone.
    pub(crate) fn want(&mut self, total: usize) {
        if self.gap == 0 {
            self.wanted = total;
        }
    }

    /// How many bytes behind the header at the start were delivered already.
    pub(crate) fn passed(&self) -> usize {
        self.gap
    }

    /// Keeps the first `header` bytes in place, and counts the `len` payload bytes behind them and
    /// behind those that passed before as delivered; they stay readable until room is made.
    pub(crate) fn pass(&mut self, header: usize, len: usize) {
        self.wanted = header;
        self.gap = self.gap.wrapping_add(len);
    }

    /// Drops everything: the transport it came from is gone.
    pub(crate) fn clear(&mut self) {
        self.consume_passed(self.len());
    }

    /// Closes the gap, and moves what is unread to the front: with `fast` when the room behind it is
    /// used up, otherwise, which takes less code, whenever there is room before it. A packet that has
    /// come in part is moved at most once, so this stays linear in the bytes.
    fn make_room(&mut self, bytes: &mut [u8]) {
        let cut = self.start.wrapping_add(self.gap);
        if cut > 0 {
            self.close_up(bytes, cut);
        }
    }

    #[cfg_attr(feature = "fast", inline(never))]
    fn close_up(&mut self, bytes: &mut [u8], cut: usize) {
        // Nothing here is longer than the bytes.
        let is_needed = cfg!(not(feature = "fast"))
            || self.gap > 0
            || self.end == bytes.len()
            || self.start == self.end
            || self.start.wrapping_add(self.wanted) > bytes.len();
        if !is_needed {
            return;
        }
        let mut header = 0;
        if self.gap > 0 {
            header = self.wanted;
            self.wanted = 0;
        }
        move_down(bytes, self.start, self.start.wrapping_add(header), 0);
        move_down(bytes, header.wrapping_add(cut), self.end, header);
        self.end = self.end.wrapping_sub(cut);
        self.start = 0;
        self.gap = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &mut RxBuffer<[u8; 8]>, bytes: &[u8]) {
        input.spare()[..bytes.len()].copy_from_slice(bytes);
        input.filled(bytes.len());
    }

    #[test]
    fn a_packet_is_moved_to_the_front_and_with_fast_only_when_the_room_is_used_up() {
        let mut input = RxBuffer::new([0; 8]);
        read(&mut input, &[1, 2, 3, 4, 5, 6]);
        input.parts().cursor.consume(4);
        let room = if cfg!(feature = "fast") { 2 } else { 6 };
        assert_eq!(input.spare().len(), room);
        read(&mut input, &[7, 8]);
        assert_eq!(input.parts().news(), Some(&[5, 6, 7, 8][..]));
        assert_eq!(input.spare().len(), 4);
        assert_eq!(input.parts().news(), Some(&[5, 6, 7, 8][..]));
    }

    #[test]
    fn a_pinned_header_stays_while_the_payload_passes() {
        let mut input = RxBuffer::new([0; 8]);
        read(&mut input, &[1, 2, 3, 10, 11, 12, 13, 14]);
        input.parts().cursor.pass(3, 5);
        assert_eq!(input.len(), 3);
        read(&mut input, &[15, 16, 99]);
        assert_eq!(input.parts().news(), Some(&[1, 2, 3, 15, 16, 99][..]));
        input.parts().cursor.consume_passed(5);
        assert_eq!(input.parts().news(), Some(&[99][..]));
    }

    #[test]
    fn no_news_before_what_is_wanted_has_come() {
        let mut input = RxBuffer::new([0; 8]);
        read(&mut input, &[1, 2]);
        input.parts().cursor.want(3);
        assert_eq!(input.parts().news(), None);
        read(&mut input, &[3]);
        assert_eq!(input.parts().news(), Some(&[1, 2, 3][..]));
    }

    #[test]
    fn counting_more_than_fits_counts_what_fits() {
        let mut input = RxBuffer::new([0; 8]);
        input.filled(usize::MAX);
        assert_eq!(input.len(), 8);
        assert!(input.spare().is_empty());
    }
}
