//! The client's streams, one after the other, within its task.

use super::dialer::Dialer;
use super::runtime::Runtime;
use crate::course::{Input, Transport};
use crate::error::Cause;
use crate::line::{Carrier, Line};
use crate::options::Credentials;
use std::io::{self, IoSlice};
use std::task::Waker;

/// What carries the client's bytes. Whatever of it is ready wakes the task.
pub(super) struct Link<R> {
    dialer: Dialer<R>,
    line: Option<Line<Box<dyn Carrier>>>,
    waker: Waker,
}

impl<R: Runtime> Link<R> {
    pub(super) fn new(dialer: Dialer<R>, waker: Waker) -> Self {
        Self {
            dialer,
            line: None,
            waker,
        }
    }

    /// The task was woken: by what, nobody knows.
    pub(super) fn woken(&mut self) {
        if let Some(line) = &mut self.line {
            line.ready();
        }
    }

    /// Before each turn: goes on with opening a stream.
    pub(super) fn go_on(&mut self) {
        self.dialer.go_on(&self.waker);
    }

    pub(super) fn read(&mut self, input: &mut Input) {
        if let Some(line) = &mut self.line {
            line.read(input);
        }
    }

    /// Before the task sleeps; whether it may.
    pub(super) fn flush(&mut self) -> bool {
        self.line.as_mut().is_none_or(Line::flush)
    }
}

impl<R: Runtime> Transport for Link<R> {
    fn open(&mut self) -> io::Result<()> {
        self.dialer.begin(&self.waker);
        // It is polled before the next turn for the first time.
        self.waker.wake_by_ref();
        Ok(())
    }

    fn give_up(&mut self) -> bool {
        self.dialer.give_up()
    }

    fn opened(&mut self) -> Option<Result<Credentials, Cause>> {
        let opened = self.dialer.take()?;
        Some(opened.map(|(carrier, credentials)| {
            self.line = Some(Line::new(carrier));
            credentials
        }))
    }

    fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        let line = self.line.as_mut();
        line.map_or(Some(0), |line| line.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> Option<usize> {
        let line = self.line.as_mut();
        line.map_or(Some(0), |line| line.write_vectored(slices))
    }

    fn takes_again(&mut self) -> bool {
        self.line.as_mut().is_some_and(Line::takes_again)
    }

    fn ended(&mut self) -> Option<Option<io::Error>> {
        self.line.as_mut()?.ended()
    }

    fn may_read(&self) -> bool {
        self.line.as_ref().is_some_and(Line::may_read)
    }

    fn hang_up(&mut self) {
        if let Some(mut line) = self.line.take() {
            line.hang_up();
        }
    }
}
