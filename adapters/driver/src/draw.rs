//! Payloads that are drawn from the application while they are sent, so that they need not lie in
//! memory.

use crate::error::DeliveryError;
use crate::shared::Shared;
use mqtt_session::{GiveUp, Ticket};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

/// Gives the bytes of a payload from an offset on, as many as it likes; none ends it.
type Draw = dyn FnMut(usize, &mut [u8]) -> io::Result<usize> + Send;

/// Where a payload is drawn from.
#[derive(Clone)]
pub struct PayloadSource {
    len: usize,
    draw: Arc<Mutex<Draw>>,
}

impl fmt::Debug for PayloadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayloadSource")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl PayloadSource {
    /// A payload of `len` bytes.
    pub(crate) fn new(
        len: usize,
        draw: impl FnMut(usize, &mut [u8]) -> io::Result<usize> + Send + 'static,
    ) -> Self {
        Self {
            len,
            draw: Arc::new(Mutex::new(draw)),
        }
    }

    /// A payload of `len` bytes, from where the reader is now.
    pub(crate) fn reading(len: usize, mut reader: impl Read + Seek + Send + 'static) -> Self {
        let mut start = None;
        let mut at = 0;
        Self::new(len, move |offset, part| {
            let start = match start {
                Some(start) => start,
                None => *start.insert(reader.stream_position()?),
            };
            if at != offset {
                reader.seek(SeekFrom::Start(start + offset as u64))?;
                at = offset;
            }
            let count = reader.read(part)?;
            at += count;
            Ok(count)
        })
    }

    /// Bytes of the payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether that is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next part: some bytes.
    fn next(&self, offset: usize, part: &mut [u8]) -> io::Result<usize> {
        // Only a panic in the application's function poisons it, and that ends the client.
        let mut draw = self.draw.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match draw(offset, part) {
                Ok(0) => {
                    let ended = format!("the payload ends at {offset} of {} bytes", self.len);
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, ended));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                drawn => return drawn.map(|count| count.min(part.len())),
            }
        }
    }
}

/// The sources of what is not settled, by ticket, and what those that failed said.
#[derive(Debug, Default)]
pub(crate) struct Sources(BTreeMap<Ticket, (PayloadSource, Option<Arc<io::Error>>)>);

impl Sources {
    pub(crate) fn add(&mut self, ticket: Ticket, source: PayloadSource) {
        self.0.insert(ticket, (source, None));
    }

    /// The source of a message was an earlier program's.
    pub(crate) fn lost(&mut self, ticket: Ticket) {
        let gone = || io::Error::new(ErrorKind::NotFound, "the program that had it has ended");
        let source = PayloadSource::new(0, move |_, _| Err(gone()));
        self.0.insert(ticket, (source, Some(Arc::new(gone()))));
    }

    /// A message is settled, or was given up for this cause: what that means for the application.
    pub(crate) fn settled(
        &mut self,
        ticket: Ticket,
        cause: Option<GiveUp>,
    ) -> Option<DeliveryError> {
        let failed = self.0.remove(&ticket).and_then(|(_, error)| error);
        Some(match (cause?, failed) {
            (GiveUp::PayloadUnfinished | GiveUp::Abandoned, Some(error)) => {
                DeliveryError::Source(error)
            }
            (cause, _) => DeliveryError::GivenUp(cause),
        })
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Shared {
    /// Has the next part of a payload drawn, for which the machine asked. The lock is free while
    /// the application's function is at it, and `part` holds the bytes.
    pub(crate) fn supply(&self, ticket: Ticket, part: &mut Vec<u8>) {
        let mut core = self.lock();
        let Some((source, _)) = core.ledger.sources.0.get(&ticket) else {
            return;
        };
        let source = source.clone();
        let Some((offset, room)) = core
            .machine
            .draw(self.now())
            .map(|mut draw| (draw.offset, draw.room().len()))
        else {
            return;
        };
        drop(core);
        if part.len() < room {
            part.resize(room, 0);
        }
        let drawn = source.next(offset, &mut part[..room]);
        let mut core = self.lock();
        match drawn {
            Ok(count) => {
                // The loop alone has the machine go on, so that it still wants the same part.
                if let Some(mut draw) = core.machine.draw(self.now())
                    && (draw.ticket, draw.offset) == (ticket, offset)
                {
                    draw.room()[..count].copy_from_slice(&part[..count]);
                    draw.supply(count);
                }
            }
            Err(error) => {
                if let Some((_, failed)) = core.ledger.sources.0.get_mut(&ticket) {
                    *failed = Some(Arc::new(error));
                }
                core.machine.abandon(ticket);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_asked_again_when_it_is_interrupted_and_never_believed_too_much() {
        let mut asked = 0;
        let source = PayloadSource::new(10, move |_, _| {
            asked += 1;
            match asked {
                1 | 2 => Err(ErrorKind::Interrupted.into()),
                3 => Ok(100),
                _ => Ok(0),
            }
        });
        assert_eq!(source.next(0, &mut [0; 4]).unwrap(), 4);
        let ended = source.next(4, &mut [0; 4]).unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_reader_is_sought_only_where_it_is_not_already() {
        struct Counted(io::Cursor<Vec<u8>>, Arc<Mutex<u32>>);
        impl Read for Counted {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                self.0.read(into)
            }
        }
        impl Seek for Counted {
            fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
                *self.1.lock().unwrap() += 1;
                self.0.seek(to)
            }
            fn stream_position(&mut self) -> io::Result<u64> {
                Ok(self.0.position())
            }
        }
        let seeks = Arc::<Mutex<u32>>::default();
        let mut cursor = io::Cursor::new((0..100).collect());
        cursor.set_position(5);
        let source = PayloadSource::reading(90, Counted(cursor, Arc::clone(&seeks)));
        let mut part = [0; 10];
        for (offset, sought) in [(0, 0), (10, 0), (20, 0), (0, 1), (10, 1), (0, 2)] {
            assert_eq!(source.next(offset, &mut part).unwrap(), 10);
            assert_eq!(usize::from(part[0]), 5 + offset);
            assert_eq!(*seeks.lock().unwrap(), sought);
        }
    }
}
