//! Lines that another process writes, kept, and waited for without polling.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The lines written so far, by one writer or by several in turn. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    open_writers: usize,
}

impl Transcript {
    /// Appends what `writer` writes until it closes, from a thread of its own, so that the
    /// writer never blocks on a full pipe.
    pub fn follow(&self, writer: impl Read + Send + 'static) {
        self.lock().open_writers += 1;
        let this = self.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(writer);
            let mut line = Vec::new();
            while let Ok(1..) = reader.read_until(b'\n', &mut line) {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\n', '\r']).to_owned();
                this.change(|state| state.lines.push(text));
                line.clear();
            }
            this.change(|state| state.open_writers -= 1);
        });
    }

    /// The first line from number `from` on that `wanted` picks, and its number. None when
    /// the writers have closed or `limit` has passed without it.
    pub fn wait_for(
        &self,
        from: usize,
        limit: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<(usize, String)> {
        let mut next = from;
        self.wait(limit, |state| {
            let new = state.lines.iter().enumerate().skip(next);
            let hit = new.clone().find(|(_, line)| wanted(line));
            next = next.max(state.lines.len());
            match hit {
                Some((number, line)) => Some(Some((number, line.clone()))),
                None if state.open_writers == 0 => Some(None),
                None => None,
            }
        })
        .flatten()
    }

    /// Whether all writers have closed within `limit`.
    pub fn wait_for_end(&self, limit: Duration) -> bool {
        self.wait(limit, |state| (state.open_writers == 0).then_some(()))
            .is_some()
    }

    /// How many lines there are: the number of the next one.
    pub fn len(&self) -> usize {
        self.lock().lines.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lines from number `from` on.
    pub fn since(&self, from: usize) -> Vec<String> {
        self.lock().lines.iter().skip(from).cloned().collect()
    }

    /// The last `count` lines, for the message of a failed test.
    pub fn tail(&self, count: usize) -> String {
        self.since(self.len().saturating_sub(count)).join("\n")
    }

    fn wait<T>(&self, limit: Duration, mut ready: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let mut answer = None;
        let state = self.lock();
        let _ = self
            .shared
            .changed
            .wait_timeout_while(state, limit, |state| {
                answer = ready(state);
                answer.is_none()
            });
        answer
    }

    fn change(&self, apply: impl FnOnce(&mut State)) {
        apply(&mut self.lock());
        self.shared.changed.notify_all();
    }

    /// A poisoned lock still holds whole lines, and the panic that poisoned it is the one
    /// to report.
    fn lock(&self) -> MutexGuard<'_, State> {
        let lock = self.shared.state.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Write, pipe};

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_line_is_found_as_soon_as_it_is_written() {
        let transcript = Transcript::default();
        let (reader, mut writer) = pipe().unwrap();
        transcript.follow(reader);
        writer.write_all(b"one\ntwo\r\nthr").unwrap();
        let found = transcript.wait_for(0, LONG, |line| line.starts_with('t'));
        assert_eq!(found, Some((1, "two".to_owned())));
        writer.write_all(b"ee\n").unwrap();
        let found = transcript.wait_for(2, LONG, |line| line.starts_with('t'));
        assert_eq!(found, Some((2, "three".to_owned())));
    }

    #[test]
    fn waiting_ends_with_the_writer_or_the_limit() {
        let transcript = Transcript::default();
        let (reader, mut writer) = pipe().unwrap();
        transcript.follow(reader);
        assert!(!transcript.wait_for_end(Duration::ZERO));
        assert_eq!(transcript.wait_for(0, Duration::ZERO, |_| true), None);
        writer.write_all(b"last").unwrap();
        drop(writer);
        assert_eq!(transcript.wait_for(0, LONG, |line| line == "other"), None);
        assert!(transcript.wait_for_end(LONG));
        assert_eq!(transcript.tail(9), "last");
    }
}
