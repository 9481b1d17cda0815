//! A stream that never blocks, and what it was last known to be ready for.

use crate::course::Input;
use std::io::{self, ErrorKind, IoSlice, Read, Write};

/// A duplex, ordered, lossless stream of bytes that never blocks (MQTT-4.2-1).
///
/// `read`, `write` and `flush` return [`ErrorKind::WouldBlock`] instead of blocking; whoever owns
/// it knows how to be told when that changes.
///
/// A stream may be a layer over another one, such as TLS: then what was written may lie in it
/// until `flush` says `Ok`, and reading may wait for the stream beneath to take bytes, or the
/// reverse.
pub trait Carrier: Read + Write + Send {
    /// Says that nothing more will be written: the stream is dropped right after. What was
    /// written is to reach the peer.
    ///
    /// # Errors
    /// They are ignored: the stream is gone either way.
    fn close(&mut self) -> io::Result<()>;
}

impl<C: Carrier + ?Sized> Carrier for Box<C> {
    fn close(&mut self) -> io::Result<()> {
        (**self).close()
    }
}

/// A stream and its readiness, as a [`Transport`](crate::Transport) is asked for them.
#[derive(Debug)]
pub struct Line<C> {
    stream: C,
    /// It may have something to be read.
    readable: bool,
    /// It may take bytes.
    writable: bool,
    /// Something may lie in a layer of the stream that has not reached the system.
    unflushed: bool,
    /// The machine's bytes were not taken: it is told when there is room again.
    blocked: bool,
    /// Of the bytes that the stream has taken, the last one was not told: they lie in a layer. So
    /// the machine takes nothing for sent, and no stream for done with, that is only on its way.
    withheld: bool,
    /// Writing failed. What the peer said before may still be read.
    broken: Option<io::Error>,
    /// Nothing more can be read.
    over: bool,
}

impl<C: Carrier> Line<C> {
    /// A stream that has just been opened.
    pub fn new(stream: C) -> Self {
        Self {
            stream,
            readable: true,
            writable: true,
            unflushed: false,
            blocked: false,
            withheld: false,
            broken: None,
            over: false,
        }
    }

    /// The stream itself.
    pub fn stream(&mut self) -> &mut C {
        &mut self.stream
    }

    /// The stream is ready for something, or may be. For what does not matter: a layer may want
    /// to read before it can write, or the reverse.
    pub fn ready(&mut self) {
        self.readable = true;
        self.writable = true;
    }

    /// Nothing can be waited for any more, so nothing can come.
    pub fn lost(&mut self, error: io::Error) {
        self.broken = Some(error);
        self.over = true;
    }

    /// Reads once, if something may have come.
    pub fn read(&mut self, input: &mut Input) {
        let count = self.read_into(input.spare());
        if count > 0 {
            input.filled(count);
        }
    }

    /// As [`Line::read`], into any buffer; how many bytes came.
    pub fn read_into(&mut self, buffer: &mut [u8]) -> usize {
        if !self.readable || buffer.is_empty() {
            return 0;
        }
        let mut came = 0;
        match self.stream.read(buffer) {
            Ok(0) => self.over = true,
            Ok(count) => came = count,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => self.readable = false,
                ErrorKind::Interrupted => return 0,
                _ => {
                    // What a layer found out says more than that the system took no more bytes.
                    if self.broken.is_none() || error.get_ref().is_some() {
                        self.broken = Some(error);
                    }
                    self.over = true;
                }
            },
        }
        // A layer may have something to answer.
        self.unflushed = true;
        came
    }

    /// Writes what can be written now; None when that is nothing.
    pub fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        self.write_by(|stream, told| {
            let fresh = bytes.get(told..).unwrap_or_default();
            (!fresh.is_empty()).then(|| stream.write(fresh))
        })
    }

    /// As [`Line::write`], of several slices, one after the other.
    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> Option<usize> {
        self.write_by(|stream, told| {
            if told == 0 {
                return Some(stream.write_vectored(slices));
            }
            let first = slices.iter().find(|slice| !slice.is_empty());
            let fresh = first
                .and_then(|first| first.get(told..))
                .unwrap_or_default();
            (!fresh.is_empty()).then(|| stream.write(fresh))
        })
    }

    /// Writes by a call that is told how many bytes at the front the stream has already, and
    /// makes none when it has them all.
    fn write_by(
        &mut self,
        write: impl FnOnce(&mut C, usize) -> Option<io::Result<usize>>,
    ) -> Option<usize> {
        if self.broken.is_some() {
            return None;
        }
        let mut told = 0;
        if self.withheld {
            self.flush_now()?;
            told = 1;
        }
        let Some(written) = write(&mut self.stream, told) else {
            return Some(told);
        };
        match written {
            Ok(0) => self.fail(ErrorKind::WriteZero.into()),
            Ok(count) => {
                told = told.saturating_add(count);
                self.unflushed = true;
                self.withheld = true;
                if self.flush_now().is_none() {
                    told = told.saturating_sub(1);
                }
            }
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => return Some(told),
                ErrorKind::WouldBlock => self.block(),
                _ => self.fail(error),
            },
        }
        (told > 0).then_some(told)
    }

    /// Sees that what was written has left; None where it has not.
    fn flush_now(&mut self) -> Option<()> {
        self.writable = true;
        self.flush();
        if self.unflushed {
            self.blocked = true;
            return None;
        }
        self.withheld = false;
        Some(())
    }

    fn block(&mut self) {
        self.blocked = true;
        self.writable = false;
    }

    /// Before waiting: sees that no layer holds anything back, as far as that is possible now.
    /// Whether waiting makes sense: not for a stream that broke by it.
    pub fn flush(&mut self) -> bool {
        while self.unflushed && self.writable && self.broken.is_none() {
            match self.stream.flush() {
                Ok(()) => self.unflushed = false,
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => self.writable = false,
                    _ => {
                        self.fail(error);
                        return false;
                    }
                },
            }
        }
        true
    }

    /// Whether the stream took no more bytes and now may; told once.
    pub fn takes_again(&mut self) -> bool {
        let freed = self.blocked && self.writable;
        if freed {
            self.blocked = false;
        }
        freed
    }

    /// Whether writing has failed, or nothing more can be read.
    pub fn is_broken(&self) -> bool {
        self.over || self.broken.is_some()
    }

    /// Whether the stream has not taken all that was to be written.
    pub fn holds_back(&self) -> bool {
        self.blocked || self.withheld
    }

    /// Whether the stream has ended and all that came over it was read, and with which error.
    pub fn ended(&mut self) -> Option<Option<io::Error>> {
        let ended = self.over || (self.broken.is_some() && !self.readable);
        ended.then(|| self.broken.take())
    }

    /// Whether there may be something to be read now.
    pub fn may_read(&self) -> bool {
        self.readable
    }

    /// Closes the stream in good order: what was written is to reach the server
    /// (MQTT-3.14.4-2).
    pub fn hang_up(&mut self) {
        self.flush();
        let _ = self.stream.close();
        // Unread bytes would have the system reset the connection, and the peer lose what it has
        // not read. What comes later than now is the peer's risk.
        let mut rest = [0; 4096];
        for _ in 0..64 {
            if !matches!(self.stream.read(&mut rest), Ok(1..)) {
                break;
            }
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.broken = Some(error);
        // What the peer said before it closed is worth reading: it may be the reason.
        self.readable = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::Course;
    use std::collections::VecDeque;

    /// A layer that holds what is written until it is flushed, over a stream that says for each
    /// call what it does.
    #[derive(Default)]
    struct Layer {
        held: Vec<u8>,
        left: Vec<u8>,
        answers: VecDeque<Result<(), ErrorKind>>,
        coming: VecDeque<Vec<u8>>,
    }

    impl Layer {
        fn answer(&mut self) -> io::Result<()> {
            Ok(self.answers.pop_front().unwrap_or(Ok(()))?)
        }
    }

    impl Read for Layer {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(bytes) = self.coming.pop_front() else {
                return Err(ErrorKind::WouldBlock.into());
            };
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    impl Write for Layer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.answer()?;
            self.held.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.answer()?;
            self.left.append(&mut self.held);
            Ok(())
        }
    }

    impl Carrier for Layer {
        fn close(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_layer_holds_leaves_when_the_stream_is_ready_and_is_not_told_before() {
        let mut line = Line::new(Layer::default());
        let blocked = || Err(ErrorKind::WouldBlock);
        let interrupted = Err(ErrorKind::Interrupted);
        let answers = [Ok(()), interrupted, blocked()];
        line.stream().answers.extend(answers);
        assert_eq!(line.write(b"ab"), Some(1));
        // Nothing has changed, so nothing is tried before waiting.
        assert!(line.flush() && line.stream().left.is_empty());
        line.stream().answers.push_back(blocked());
        assert_eq!(line.write(b"b"), None);
        assert!(!line.takes_again() && line.stream().left.is_empty());
        line.ready();
        assert!(line.takes_again());
        // The byte that was not told stands in front of the others, and is not written again.
        assert_eq!(line.write(b"bcd"), Some(3));
        assert_eq!(line.stream().left, b"abcd");
    }

    #[test]
    fn several_slices_go_on_where_the_stream_stopped() {
        let mut line = Line::new(Layer::default());
        let answers = [Ok(()), Err(ErrorKind::WouldBlock)];
        line.stream().answers.extend(answers);
        let write = |line: &mut Line<Layer>, slices: [&[u8]; 3]| {
            line.write_vectored(&slices.map(IoSlice::new))
        };
        // The layer takes one slice at a time, and its last byte is not told.
        assert_eq!(write(&mut line, [b"", b"ab", b"c"]), Some(1));
        assert_eq!(write(&mut line, [b"b", b"c", b""]), Some(1));
        assert_eq!(write(&mut line, [b"", b"c", b"d"]), Some(1));
        assert_eq!(write(&mut line, [b"", b"", b"d"]), Some(1));
        assert_eq!(line.stream().left, b"abcd");
    }

    #[test]
    fn what_a_layer_answers_to_what_is_read_leaves_before_waiting() {
        let mut line = Line::new(Layer::default());
        let mut input = Course::input();
        line.stream().held.extend(b"pong");
        line.read(&mut input);
        assert!(line.flush());
        assert_eq!(line.stream().left, b"pong");
    }

    #[test]
    fn a_blocked_write_is_told_once_when_the_stream_is_ready_for_whatever() {
        let mut line = Line::new(Layer::default());
        line.stream().answers.push_back(Err(ErrorKind::WouldBlock));
        assert_eq!(line.write(b"ab"), None);
        assert!(!line.takes_again());
        line.ready();
        assert!(line.takes_again() && !line.takes_again());
    }

    #[test]
    fn a_stream_that_breaks_by_flushing_is_read_to_its_end_first() {
        let mut line = Line::new(Layer::default());
        let mut input = Course::input();
        line.read(&mut input);
        assert!(!line.may_read());
        let broken = Err(ErrorKind::BrokenPipe);
        line.stream().answers.push_back(broken);
        line.stream().coming.push_back(b"why".to_vec());
        assert!(!line.flush());
        assert!(line.ended().is_none() && line.may_read());
        line.read(&mut input);
        line.read(&mut input);
        let kind = line.ended().flatten().map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::BrokenPipe));
    }
}
