//! Two ends of a stream in memory, for tests: neither blocks, and each holds only so many bytes.

use crate::line::Carrier;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
struct Way {
    bytes: VecDeque<u8>,
    closed: bool,
}

#[derive(Debug)]
pub(crate) struct End {
    incoming: Arc<Mutex<Way>>,
    outgoing: Arc<Mutex<Way>>,
    room: usize,
}

/// Two ends; each way holds `room` bytes.
pub(crate) fn pipe(room: usize) -> (End, End) {
    let ways: [Arc<Mutex<Way>>; 2] = Default::default();
    let [one, other] = ways;
    let end = |incoming: &Arc<_>, outgoing: &Arc<_>| End {
        incoming: Arc::clone(incoming),
        outgoing: Arc::clone(outgoing),
        room,
    };
    (end(&one, &other), end(&other, &one))
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut way = self.incoming.lock().unwrap();
        if way.bytes.is_empty() && !way.closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        way.bytes.read(buffer)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut way = self.outgoing.lock().unwrap();
        let count = bytes.len().min(self.room - way.bytes.len());
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        way.bytes.extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Carrier for End {
    fn close(&mut self) -> io::Result<()> {
        self.outgoing.lock().unwrap().closed = true;
        Ok(())
    }
}

/// Does on one end what a line does when its stream is ready: writes, flushes and reads all it
/// can. What it has to say is taken from `out`, what it hears is added to `heard`.
fn step(end: &mut impl Carrier, out: &mut &[u8], heard: &mut Vec<u8>) -> io::Result<()> {
    let later = [ErrorKind::WouldBlock, ErrorKind::Interrupted];
    let blocks = |error: &io::Error| later.contains(&error.kind());
    while !out.is_empty() {
        match end.write(out) {
            Ok(count) => *out = &out[count..],
            Err(error) if blocks(&error) => break,
            Err(error) => return Err(error),
        }
    }
    match end.flush() {
        Err(error) if !blocks(&error) => return Err(error),
        _ => {}
    }
    let mut buffer = [0; 10_000];
    loop {
        match end.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => heard.extend(&buffer[..count]),
            Err(error) if blocks(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Each side says what it has to say, and hears the other, at the same time; what each heard, or
/// how each ended.
#[track_caller]
pub(crate) fn converse(
    one: &mut impl Carrier,
    other: &mut impl Carrier,
    from_one: &[u8],
    from_other: &[u8],
) -> (io::Result<Vec<u8>>, io::Result<Vec<u8>>) {
    let (mut out_one, mut out_other) = (from_one, from_other);
    let (mut heard_one, mut heard_other) = (Vec::new(), Vec::new());
    let (mut first, mut second) = (Ok(()), Ok(()));
    for _ in 0..1_000_000 {
        if first.is_ok() {
            first = step(one, &mut out_one, &mut heard_one);
            // Whoever fails hangs up.
            if first.is_err() {
                let _ = one.close();
            }
        }
        if second.is_ok() {
            second = step(other, &mut out_other, &mut heard_other);
            if second.is_err() {
                let _ = other.close();
            }
        }
        let all_heard = heard_one.len() >= from_other.len() && heard_other.len() >= from_one.len();
        if all_heard || (first.is_err() && second.is_err()) {
            return (first.map(|()| heard_one), second.map(|()| heard_other));
        }
    }
    panic!("the two wait for each other");
}
