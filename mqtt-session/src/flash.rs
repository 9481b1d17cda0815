//! A session in flash memory, safe from power that fails at any moment (feature `flash`).
//!
//! [`Flash`] writes [snapshots](crate::snapshot) to two areas in turn, over the traits of
//! `embedded-storage` that flash drivers implement. The older area is erased and written while the
//! newer one is left alone; what makes it the newer one, its header, is written last, and has a
//! checksum over everything. So whatever step the power fails at, one of the areas holds a whole
//! session: the last, or the one before, where nothing that follows it had left.
//!
//! ```
//! use mqtt_session::flash::{Flash, FlashError};
//! use mqtt_session::{Action, Client, Config, Fixed, Instant, RxBuffer};
//! # use embedded_storage::nor_flash::NorFlash;
//!
//! /// What is done for [`Action::Send`], here for a session of up to 2 KiB.
//! fn send<F: NorFlash>(
//!     client: &mut Client<Fixed<8, 8, 1024, 256>>,
//!     flash: &mut Flash<F>,
//!     now: Instant,
//!     write: impl FnOnce(&[u8]) -> usize,
//! ) -> Result<(), FlashError<F::Error>> {
//!     flash.save(client, now)?; // writes only what has changed
//!     let [bytes, ..] = client.offer_all();
//!     let count = write(bytes);
//!     client.sent(now, count);
//!     Ok(())
//! }
//!
//! /// What is done after the power has come.
//! fn restore<F: NorFlash>(flash: F) -> Result<Flash<F>, Box<dyn std::error::Error>>
//! where
//!     F::Error: 'static,
//! {
//!     let mut client = Client::new(Config::default(), Fixed::<8, 8, 1024, 256>::new());
//!     let mut flash = Flash::new(flash, 0, 4096)?; // two areas of 4 KiB from address 0 on
//!     let mut buffer = [0; 2048];
//!     if let Some(session) = flash.load(&mut buffer)? {
//!         client.import(Instant::from_secs(0), session)?;
//!     }
//!     Ok(flash)
//! }
//! ```
//!
//! Each save erases an area: flash stands some ten thousand of these. Where much is published,
//! fewer and larger saves come by polling until `Send` before anything is written.

use crate::client::Client;
use crate::instant::Instant;
use crate::snapshot::{Crc32, SessionMark};
use crate::store::Store;
use core::fmt;
use embedded_storage::nor_flash::NorFlash;

const MAGIC: [u8; 4] = *b"mq5f";
/// Magic, number, length of the session, checksum over the last two and the session.
const HEADER: usize = 16;
/// Erased flash.
const BLANK: u8 = 0xff;

/// Two areas of a flash memory, one behind the other, and which of them is the newer one.
///
/// `PAGE` is how many bytes are written and read at a time: a multiple of the memory's own sizes,
/// at least 16. The first page of each area is its header.
#[derive(Debug)]
pub struct Flash<F, const PAGE: usize = 64> {
    flash: F,
    start: u32,
    /// Of one area.
    len: u32,
    state: State,
    /// What stands for the session in the newer area, where that is known.
    saved: Option<SessionMark>,
}

/// Where it is.
#[cfg(feature = "defmt")]
impl<F, const PAGE: usize> defmt::Format for Flash<F, PAGE> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Flash {{ start: {=u32}, len: {=u32} }}",
            self.start,
            self.len
        );
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The areas were not looked at.
    Unknown,
    /// There is no session.
    Empty,
    Newest(Found),
}

/// A whole session in an area.
#[derive(Clone, Copy, Debug)]
struct Found {
    second: bool,
    number: u32,
    len: u32,
}

/// What is in an area.
enum Content {
    Blank,
    Damaged,
    Whole(Found),
}

/// Why a session could not be saved or loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlashError<E> {
    /// The driver failed.
    Driver(E),
    /// The areas do not begin and end where the memory can be erased, have no room for a header
    /// and a page, or are not all there.
    Place,
    /// The session has so many bytes, and an area, or the buffer, has room for less.
    TooSmall {
        /// Bytes of the session.
        needed: usize,
    },
    /// Both areas hold something, and neither a whole session: this is no failure of power.
    /// [`Flash::clear`] begins anew.
    Damaged,
}

impl<E: fmt::Debug> fmt::Display for FlashError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(error) => write!(f, "the flash memory failed: {error:?}"),
            Self::Place => f.write_str("the areas do not fit the flash memory"),
            Self::TooSmall { needed } => write!(f, "there is no room for {needed} bytes"),
            Self::Damaged => f.write_str("both areas are damaged"),
        }
    }
}

#[cfg(feature = "defmt")]
impl<E: defmt::Format> defmt::Format for FlashError<E> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Driver(error) => defmt::write!(f, "the flash memory failed: {}", error),
            Self::Place => defmt::write!(f, "the areas do not fit the flash memory"),
            Self::TooSmall { needed } => defmt::write!(f, "there is no room for {} bytes", needed),
            Self::Damaged => defmt::write!(f, "both areas are damaged"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for FlashError<E> {}

impl<F: NorFlash, const PAGE: usize> Flash<F, PAGE> {
    /// Two areas of `len` bytes each, from `start` on.
    ///
    /// # Errors
    /// [`FlashError::Place`].
    pub fn new(flash: F, start: u32, len: u32) -> Result<Self, FlashError<F::Error>> {
        const {
            assert!(PAGE >= HEADER, "PAGE is at least 16");
            assert!(
                PAGE.is_multiple_of(F::WRITE_SIZE),
                "a multiple of WRITE_SIZE"
            );
            assert!(PAGE.is_multiple_of(F::READ_SIZE), "a multiple of READ_SIZE");
        }
        let unit = u32::try_from(F::ERASE_SIZE).unwrap_or(u32::MAX);
        let end = len.checked_mul(2).and_then(|both| both.checked_add(start));
        let fits = end.is_some_and(|end| end as usize <= flash.capacity());
        let aligned = start.checked_rem(unit) == Some(0) && len.checked_rem(unit) == Some(0);
        if !fits || !aligned || (len as usize) < PAGE.saturating_mul(2) {
            return Err(FlashError::Place);
        }
        Ok(Self {
            flash,
            start,
            len,
            state: State::Unknown,
            saved: None,
        })
    }

    /// Gives the memory back.
    pub fn into_inner(self) -> F {
        self.flash
    }

    fn area(&self, second: bool) -> u32 {
        if second {
            self.start.saturating_add(self.len)
        } else {
            self.start
        }
    }

    /// The newer session that is whole, read into `buffer`; None where nothing was ever saved.
    ///
    /// # Errors
    /// See [`FlashError`].
    pub fn load<'b>(
        &mut self,
        buffer: &'b mut [u8],
    ) -> Result<Option<&'b [u8]>, FlashError<F::Error>> {
        self.saved = None;
        self.state = State::Unknown;
        let Some(found) = self.newest()? else {
            return Ok(None);
        };
        let needed = found.len as usize;
        let session = buffer
            .get_mut(..needed)
            .ok_or(FlashError::TooSmall { needed })?;
        let mut rest = &mut *session;
        self.read(found.second, found.len, &mut |piece| {
            let (place, behind) = core::mem::take(&mut rest)
                .split_at_mut_checked(piece.len())
                .unwrap_or_default();
            place.copy_from_slice(piece);
            rest = behind;
        })?;
        Ok(Some(session))
    }

    /// Writes the session of a client, if it is another than that of the last save; whether it
    /// was. Call it for each [`Action::Send`](crate::Action::Send), before anything is written.
    ///
    /// # Errors
    /// See [`FlashError`]. What was saved before is still there.
    pub fn save<S: Store>(
        &mut self,
        client: &mut Client<S>,
        now: Instant,
    ) -> Result<bool, FlashError<F::Error>> {
        let mark = client.session_mark();
        if self.saved == Some(mark) {
            return Ok(false);
        }
        let newest = self.newest()?;
        let (second, number) = match newest {
            Some(found) => (!found.second, found.number.wrapping_add(1)),
            None => (false, 1),
        };
        let needed = client.export_len();
        let room = (self.len as usize).saturating_sub(PAGE);
        let len = u32::try_from(needed).unwrap_or(u32::MAX);
        if needed > room {
            return Err(FlashError::TooSmall { needed });
        }
        let area = self.area(second);
        let end = area.saturating_add(self.len);
        self.flash.erase(area, end).map_err(FlashError::Driver)?;
        let mut crc = checksum_of(number, len);
        let mut writer = Writer {
            flash: &mut self.flash,
            at: area.saturating_add(PAGE as u32),
            page: [BLANK; PAGE],
            filled: 0,
        };
        client.export(now, |piece| {
            crc.update(piece);
            writer.put(piece)
        })?;
        writer.finish()?;
        let mut header = [BLANK; PAGE];
        let fields = MAGIC
            .into_iter()
            .chain(number.to_le_bytes())
            .chain(len.to_le_bytes())
            .chain(crc.value().to_le_bytes());
        for (place, byte) in header.iter_mut().zip(fields) {
            *place = byte;
        }
        self.flash
            .write(area, &header)
            .map_err(FlashError::Driver)?;
        self.state = State::Newest(Found {
            second,
            number,
            len,
        });
        self.saved = Some(mark);
        Ok(true)
    }

    /// Erases both areas: there is no session any more.
    ///
    /// # Errors
    /// [`FlashError::Driver`].
    pub fn clear(&mut self) -> Result<(), FlashError<F::Error>> {
        self.state = State::Unknown;
        self.saved = None;
        let end = self.area(true).saturating_add(self.len);
        self.flash
            .erase(self.start, end)
            .map_err(FlashError::Driver)
    }

    /// Which area is the newer one.
    fn newest(&mut self) -> Result<Option<Found>, FlashError<F::Error>> {
        match self.state {
            State::Newest(found) => return Ok(Some(found)),
            State::Empty => return Ok(None),
            State::Unknown => {}
        }
        let newest = match (self.look(false)?, self.look(true)?) {
            (Content::Whole(first), Content::Whole(second)) => {
                // Numbers wrap: a distance in the upper half of the range is one behind.
                let ahead = second.number.wrapping_sub(first.number);
                Some(if ahead <= u32::MAX / 2 { second } else { first })
            }
            (Content::Whole(found), _) | (_, Content::Whole(found)) => Some(found),
            (Content::Damaged, Content::Damaged) => return Err(FlashError::Damaged),
            _ => None,
        };
        self.state = newest.map_or(State::Empty, State::Newest);
        Ok(newest)
    }

    /// What is in an area.
    fn look(&mut self, second: bool) -> Result<Content, FlashError<F::Error>> {
        let mut page = [0; PAGE];
        let area = self.area(second);
        self.flash
            .read(area, &mut page)
            .map_err(FlashError::Driver)?;
        if page.iter().all(|byte| *byte == BLANK) {
            return Ok(Content::Blank);
        }
        let Some(header) = page.first_chunk::<HEADER>() else {
            return Ok(Content::Damaged);
        };
        let [
            m0,
            m1,
            m2,
            m3,
            n0,
            n1,
            n2,
            n3,
            l0,
            l1,
            l2,
            l3,
            checksum @ ..,
        ] = *header;
        let number = u32::from_le_bytes([n0, n1, n2, n3]);
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        let room = (self.len as usize).saturating_sub(PAGE);
        if [m0, m1, m2, m3] != MAGIC || len as usize > room {
            return Ok(Content::Damaged);
        }
        let mut crc = checksum_of(number, len);
        self.read(second, len, &mut |piece| crc.update(piece))?;
        Ok(if crc.value() == u32::from_le_bytes(checksum) {
            Content::Whole(Found {
                second,
                number,
                len,
            })
        } else {
            Content::Damaged
        })
    }

    /// Reads `len` bytes behind the header of an area, a page at a time.
    fn read(
        &mut self,
        second: bool,
        len: u32,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), FlashError<F::Error>> {
        let mut at = self.area(second).saturating_add(PAGE as u32);
        let mut left = len as usize;
        let mut page = [0; PAGE];
        while left > 0 {
            self.flash.read(at, &mut page).map_err(FlashError::Driver)?;
            each(page.get(..left.min(PAGE)).unwrap_or_default());
            left = left.saturating_sub(PAGE);
            at = at.saturating_add(PAGE as u32);
        }
        Ok(())
    }
}

fn checksum_of(number: u32, len: u32) -> Crc32 {
    let mut crc = Crc32::new();
    crc.update(&number.to_le_bytes());
    crc.update(&len.to_le_bytes());
    crc
}

/// Pieces on their way to the memory, a page at a time.
struct Writer<'f, F, const PAGE: usize> {
    flash: &'f mut F,
    at: u32,
    page: [u8; PAGE],
    filled: usize,
}

impl<F: NorFlash, const PAGE: usize> Writer<'_, F, PAGE> {
    fn put(&mut self, mut piece: &[u8]) -> Result<(), FlashError<F::Error>> {
        while !piece.is_empty() {
            let room = self.page.get_mut(self.filled..).unwrap_or_default();
            let count = room.len().min(piece.len());
            let (now, later) = piece.split_at_checked(count).unwrap_or_default();
            if let Some(place) = room.get_mut(..count) {
                place.copy_from_slice(now);
            }
            piece = later;
            self.filled = self.filled.saturating_add(count);
            if self.filled == PAGE {
                self.write()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), FlashError<F::Error>> {
        if self.filled == 0 {
            return Ok(());
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), FlashError<F::Error>> {
        self.flash
            .write(self.at, &self.page)
            .map_err(FlashError::Driver)?;
        self.at = self.at.saturating_add(PAGE as u32);
        self.page = [BLANK; PAGE];
        self.filled = 0;
        Ok(())
    }
}
