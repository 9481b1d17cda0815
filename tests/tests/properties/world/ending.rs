//! Bringing a world to a known state, and to its end.

use super::super::Found;
use super::super::held::Held;
use super::super::ledger::in_order;
use super::super::script::{Dial, Step};
use super::{Entry, World};
use crate::holds;
use core::time::Duration;
use mqtt_proto::{QoS, ReasonCode};
use mqtt_session::Instant;

impl<S: Held> World<S> {
    /// Brings the world to where nothing is under way: connected, or with CONNECT sent.
    pub(crate) fn calm(&mut self, connected: bool) -> Found {
        self.late = Duration::ZERO;
        self.echo = false;
        self.dial = Dial::Succeeds;
        self.server.lags = false;
        self.server.arrive();
        self.takes = usize::MAX;
        self.takes(usize::MAX)?;
        self.supplies = usize::MAX;
        self.supply()?;
        self.settle()?;
        while self.feed(usize::MAX)? > 0 {}
        self.connect()?;
        while self.feed(usize::MAX)? > 0 {}
        if !connected && self.is_open {
            self.closed();
            self.settle()?;
            if !self.resting {
                self.now = self.now.max(self.deadline);
                self.settle()?;
            }
        }
        Ok(())
    }

    /// The server does what it does in these steps; nothing of it arrives.
    pub(crate) fn serve(&mut self, steps: &[Step]) -> Found {
        for step in steps {
            if !matches!(step, Step::AnswerAll) {
                self.step(step)?;
            }
        }
        Ok(())
    }

    /// The server's bytes arrive in pieces of these sizes; what happens then.
    pub(crate) fn fed(mut self, sizes: impl Iterator<Item = usize>) -> Found<Vec<Entry>> {
        self.log.clear();
        for size in sizes {
            if self.server.to_client.is_empty() {
                break;
            }
            self.feed(size)?;
        }
        holds!(
            self.server.to_client.is_empty(),
            "the client reads no more, though it could answer"
        );
        Ok(self.log)
    }

    /// The end: the server becomes a model, and everything has to come to its end.
    pub(crate) fn drain(&mut self) -> Found {
        self.late = Duration::ZERO;
        self.echo = false;
        self.dial = Dial::Succeeds;
        self.takes = usize::MAX;
        self.takes(usize::MAX)?;
        self.supplies = usize::MAX;
        self.supply()?;
        if self.is_dialling {
            self.opened()?;
        }
        if self.server.was_hostile && self.is_open {
            self.closed();
        }
        self.server.reforms();
        self.settle()?;
        for turn in 0..400 {
            let before = self.log.len();
            if self.challenged {
                self.authenticate(false, true);
            }
            for (token, uid) in std::mem::take(&mut self.tokens) {
                self.client
                    .acknowledge(token, ReasonCode::SUCCESS)
                    .map_err(|error| format!("acknowledge: {error}"))?;
                self.acknowledged.extend(uid);
            }
            while self.server.answers(0, 0, false) {}
            let fed = self.feed(usize::MAX)?;
            self.settle()?;
            if fed > 0
                || self.log[before..]
                    .iter()
                    .any(|e| !matches!(e, Entry::Timeout(_)))
            {
                continue;
            }
            let done = self.client.is_connected()
                && self.ledger.open.is_empty()
                && self
                    .server
                    .session
                    .as_ref()
                    .is_some_and(|session| session.to_client.is_empty());
            if done {
                return self.reckon();
            }
            if self.resting {
                self.client.start(self.now);
                self.resting = false;
                self.retry = None;
            } else {
                holds!(
                    self.deadline != Instant::NEVER,
                    "stuck in turn {turn} with {:?}",
                    self.ledger.open
                );
                self.now = self.now.max(self.deadline);
            }
            self.settle()?;
        }
        Err(format!("no end in sight: {:?}", self.ledger.open))
    }

    /// Everything is settled: was it as promised?
    fn reckon(&self) -> Found {
        holds!(self.client.unsettled() == 0, "unsettled at the end");
        if self.server.was_hostile {
            return Ok(());
        }
        let books = &self.server.books;
        for (uid, (qos, outcome)) in &self.ledger.settled {
            let count = books.passed_on.get(uid).copied().unwrap_or(0);
            let taken = outcome.is_ok_and(|reason| !reason.is_failure());
            holds!(
                *qos == QoS::AtMostOnce || !taken || count > 0,
                "message {uid} is settled with {outcome:?} and never arrived"
            );
            let twice = *qos == QoS::AtLeastOnce
                || (*qos == QoS::ExactlyOnce && self.server.forgot && self.setup.republish_qos2);
            holds!(twice || count <= 1, "message {uid} arrived {count} times");
        }
        in_order(&books.order, &self.published)?;
        in_order(&self.ledger.order, &books.sent)?;
        for (uid, qos) in &books.promised {
            let count = self.ledger.delivered.get(uid).copied().unwrap_or(0);
            holds!(count > 0, "message {uid:x} never reached the application");
            holds!(
                !self.setup.manual || self.acknowledged.contains(uid),
                "message {uid:x} was acknowledged without the application"
            );
            let twice = *qos != QoS::ExactlyOnce || self.setup.manual;
            holds!(
                twice || count == 1,
                "message {uid:x} was delivered {count} times"
            );
        }
        Ok(())
    }

    /// Starts a client at rest, lets time pass for one that backs off, and has the server accept.
    pub(super) fn connect(&mut self) -> Found {
        if self.client.is_connected() {
            return Ok(());
        }
        if self.resting {
            self.resting = false;
            self.retry = None;
            self.client.start(self.at());
            self.settle()?;
        }
        if self.is_dialling {
            self.opened()?;
        } else if !self.is_open && self.dial == Dial::Succeeds && self.deadline != Instant::NEVER {
            self.now = self.now.max(self.deadline);
            self.late = Duration::ZERO;
        }
        let takes = std::mem::replace(&mut self.takes, usize::MAX);
        self.settle()?;
        self.takes(usize::MAX)?;
        self.settle()?;
        self.takes = takes;
        while self.server.answers(0, 0, false) {}
        self.feed(usize::MAX)?;
        Ok(())
    }
}
