//! The world itself: it does what the script says, and holds what the client does against what
//! was promised.

mod application;
mod ending;

use super::Found;
use super::held::Held;
use super::ledger::{Asked, Ledger};
use super::script::{Dial, Setup, Step};
use super::server::Server;
use super::session::payload;
use crate::holds;
use core::time::Duration;
use mqtt_proto::{Property, QoS, ReasonCode};
use mqtt_session::{
    AckToken, Acknowledge, Action, Client, Config, Connect, Instant, Lost, Offline, Publish,
    RequestError, RxBuffer, Ticket,
};
use mqtt_tests::talk::{Message, Told};
use std::collections::{BTreeMap, BTreeSet};

/// Topics that messages are published to, both ways.
const TOPICS: [&str; 3] = ["t", "t/1", "site/7"];

/// Something that happened, as it is compared between two worlds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Open,
    /// These bytes were offered, and so many taken.
    Sent(Vec<u8>, usize),
    Delivered(Message),
    Told(Told),
    Close,
    Timeout(Instant),
    Done,
    /// A call of the application took effect.
    Called(String),
}

/// How a world is run differently from the first, where that must not matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Otherwise {
    /// Calls that were refused are left out.
    pub(crate) without: BTreeSet<usize>,
    /// The clock does not run backwards.
    pub(crate) steady: bool,
}

#[derive(Clone)]
pub(crate) struct World<S> {
    pub(crate) client: Client<S>,
    pub(crate) input: RxBuffer<Vec<u8>>,
    setup: Setup,
    exchanges: usize,
    pub(crate) server: Server,
    pub(crate) ledger: Ledger,
    pub(crate) log: Vec<Entry>,
    /// Steps whose call was refused, and must have changed nothing.
    pub(crate) refused: BTreeSet<usize>,
    otherwise: Otherwise,
    step: usize,
    now: Instant,
    late: Duration,
    deadline: Instant,
    takes: usize,
    offered: Option<Vec<u8>>,
    is_open: bool,
    dial: Dial,
    is_dialling: bool,
    resting: bool,
    retry: Option<Instant>,
    disconnects_due: usize,
    /// What the application may acknowledge, and which messages these are.
    tokens: Vec<(AckToken, Option<u64>)>,
    acknowledged: BTreeSet<u64>,
    stale: Vec<AckToken>,
    echo: bool,
    challenged: bool,
    /// What the server was accused of on this connection.
    accused: Option<ReasonCode>,
    /// Answers to deliveries in this step.
    echoes: u64,
    published: BTreeMap<(String, QoS), Vec<u64>>,
    idle: usize,
    /// Payloads that are drawn from the application, and how much of them it supplies at a time.
    sources: BTreeMap<Ticket, Vec<u8>>,
    supplies: usize,
    /// The client wants a part of one.
    wanted: Option<Ticket>,
}

/// What a poll returned, without the borrow.
enum Acted {
    Open,
    Send(Vec<u8>),
    Deliver(Message, Option<(u64, Result<Ticket, RequestError>)>),
    Told(Told),
    Close,
    Timeout(Instant),
    Done,
}

fn config(setup: &Setup) -> Config {
    let lost = |republish| {
        if republish {
            Lost::Republish
        } else {
            Lost::GiveUp
        }
    };
    Config::default()
        .acknowledge(if setup.manual {
            Acknowledge::Manually
        } else {
            Acknowledge::Automatically
        })
        .topic_aliases(setup.aliases)
        .qos1_when_session_lost(lost(!setup.give_up_qos1))
        .qos2_when_session_lost(lost(setup.republish_qos2))
        .qos0_offline(if setup.queue_offline {
            Offline::Queue
        } else {
            Offline::Refuse
        })
        .reconnect(setup.reconnect)
        .clean_start_always(setup.clean_always)
        .seed(setup.seed)
}

fn owned(message: &mqtt_session::Message<'_>) -> Message {
    Message {
        topic: message.topic.as_str().to_owned(),
        payload: message.payload.to_vec(),
        offset: message.offset,
        total: message.total,
        qos: message.qos,
        retain: message.retain,
        dup: message.dup,
        properties: message
            .properties
            .iter()
            .map(|p| format!("{p:?}"))
            .collect(),
        token: message.token,
    }
}

impl<S: Held> World<S> {
    pub(crate) fn new(setup: &Setup, store: S, input: usize) -> Self {
        Self {
            exchanges: store.exchanges(),
            server: Server::new(setup, store.inbound()),
            client: Client::new(config(setup), store),
            input: RxBuffer::new(vec![0; input]),
            setup: setup.clone(),
            ledger: Ledger::default(),
            log: Vec::new(),
            refused: BTreeSet::new(),
            otherwise: Otherwise::default(),
            step: 0,
            now: Instant::from_millis(setup.begins),
            late: Duration::ZERO,
            deadline: Instant::NEVER,
            takes: usize::MAX,
            offered: None,
            is_open: false,
            dial: Dial::Succeeds,
            is_dialling: false,
            resting: true,
            retry: None,
            disconnects_due: 0,
            tokens: Vec::new(),
            acknowledged: BTreeSet::new(),
            stale: Vec::new(),
            echo: false,
            challenged: false,
            accused: None,
            echoes: 0,
            published: BTreeMap::new(),
            idle: 0,
            sources: BTreeMap::new(),
            supplies: usize::MAX,
            wanted: None,
        }
    }

    pub(crate) fn otherwise(mut self, otherwise: Otherwise) -> Self {
        self.otherwise = otherwise;
        self
    }

    /// What happened last, for the message of a failure.
    pub(crate) fn tail(&self) -> String {
        let from = self.log.len().saturating_sub(40);
        self.log[from..]
            .iter()
            .map(|entry| format!("\n    {entry:?}"))
            .collect()
    }

    /// The time as the caller has it: it may be late.
    fn at(&self) -> Instant {
        if self.otherwise.steady {
            return self.now;
        }
        let late = self.late.as_micros() as u64;
        Instant::from_micros(self.now.as_micros().saturating_sub(late))
    }

    pub(crate) fn run(&mut self, steps: &[Step]) -> Found {
        if self.log.is_empty() {
            self.settle()?;
        }
        for step in steps {
            self.step(step)
                .and_then(|()| self.settle())
                .map_err(|found| format!("step {} {step:?}: {found}", self.step))?;
            self.step += 1;
            self.echoes = 0;
        }
        Ok(())
    }

    /// Acts on what the client wants until it wants nothing.
    pub(crate) fn settle(&mut self) -> Found {
        let mut reached = false;
        for turn in 0..100_000 {
            match self.poll() {
                Acted::Timeout(deadline) if deadline > self.now => {
                    return self.on_timeout(deadline);
                }
                Acted::Timeout(deadline) => {
                    // It is reached already: the next poll has to do something.
                    holds!(!reached, "nothing happens at {deadline:?}");
                    reached = true;
                }
                acted => {
                    reached = false;
                    self.idle = 0;
                    self.act(acted)?;
                }
            }
            holds!(
                turn < 20_000 || self.takes < 3,
                "no end: {:?}",
                self.log.last()
            );
        }
        Err(format!("no end: {:?}", self.log.last()))
    }

    fn poll(&mut self) -> Acted {
        let now = self.at();
        match self.client.poll(now, &mut self.input) {
            Action::Open => Acted::Open,
            Action::Send(bytes) => Acted::Send(bytes.to_vec()),
            Action::Deliver(mut delivery) => {
                let message = owned(&delivery.message);
                let echoed = self.echo.then(|| {
                    self.echoes += 1;
                    let uid = ((self.step as u64 + 1) << 16) + self.echoes;
                    let payload = payload(uid, 0);
                    let topic = delivery.message.topic;
                    let publish = Publish::new(topic, &payload).qos(QoS::AtLeastOnce);
                    (uid, delivery.publish(&publish))
                });
                Acted::Deliver(message, echoed)
            }
            Action::Event(event) => Acted::Told(event.into()),
            Action::Close => Acted::Close,
            Action::Timeout(deadline) => Acted::Timeout(deadline),
            Action::Done => Acted::Done,
        }
    }

    fn on_timeout(&mut self, deadline: Instant) -> Found {
        self.log.push(Entry::Timeout(deadline));
        self.deadline = deadline;
        holds!(self.disconnects_due == 0, "an end that is not told");
        let (told, known) = (self.client.unsettled(), self.ledger.unsettled());
        holds!(told == known, "{told} unsettled, should be {known}");
        let open = self.ledger.open.len();
        holds!(
            open <= self.exchanges,
            "{open} exchanges in a store for {}",
            self.exchanges
        );
        Ok(())
    }

    fn act(&mut self, acted: Acted) -> Found {
        match acted {
            Acted::Open => {
                self.log.push(Entry::Open);
                holds!(!self.is_open && !self.is_dialling, "two transports at once");
                holds!(!self.resting, "a transport though nobody wants one");
                holds!(
                    self.retry.is_none_or(|at| self.now >= at),
                    "a transport before its time"
                );
                match self.dial {
                    Dial::Succeeds => self.opened()?,
                    Dial::Fails => self.closed(),
                    Dial::Later => self.is_dialling = true,
                }
            }
            Acted::Send(bytes) => {
                holds!(!bytes.is_empty(), "nothing is offered");
                holds!(self.is_open, "bytes for no transport");
                holds!(self.offered.is_none(), "bytes are offered twice");
                let taken = bytes.len().min(self.takes);
                self.log.push(Entry::Sent(bytes.clone(), taken));
                if taken == 0 {
                    self.offered = Some(bytes);
                } else {
                    self.client.sent(self.at(), taken);
                    self.server.reads(&bytes[..taken])?;
                }
            }
            Acted::Deliver(message, echoed) => {
                let uid = self.ledger.delivered(&message, !self.server.was_hostile)?;
                if let Some(token) = message.token {
                    holds!(self.setup.manual, "a token without a use");
                    self.tokens.push((token, uid));
                } else {
                    let end = message.offset + message.payload.len() == message.total;
                    let wants = self.setup.manual && message.qos > QoS::AtMostOnce && end;
                    holds!(!wants, "no token: {message:?}");
                }
                let topic = message.topic.clone();
                self.log.push(Entry::Delivered(message));
                if let Some((uid, Ok(ticket))) = echoed {
                    let qos = QoS::AtLeastOnce;
                    self.ledger.asked(ticket, Asked::Publish { uid, qos })?;
                    self.published.entry((topic, qos)).or_default().push(uid);
                }
            }
            Acted::Told(told) => {
                self.on_told(&told)?;
                self.log.push(Entry::Told(told));
            }
            Acted::Close => {
                self.log.push(Entry::Close);
                holds!(self.is_open, "no transport to be closed");
                if let (Some(reason), true) = (self.accused.take(), self.offered.is_none()) {
                    let farewell = self.server.conn.as_ref().and_then(|conn| conn.farewell);
                    // Nothing can be said in the middle of a payload.
                    let drawing = self
                        .ledger
                        .open
                        .keys()
                        .any(|t| self.sources.contains_key(t));
                    holds!(
                        farewell == Some(reason) || (drawing && farewell.is_none()),
                        "accused of {reason}, but told {farewell:?}"
                    );
                }
                self.closed();
            }
            Acted::Done => {
                self.log.push(Entry::Done);
                holds!(!self.is_open && !self.is_dialling, "done with a transport");
                holds!(!self.resting, "done twice");
                self.resting = true;
            }
            Acted::Timeout(_) => {}
        }
        Ok(())
    }

    fn on_told(&mut self, told: &Told) -> Found {
        self.ledger.told(told)?;
        match told {
            Told::Connected { .. } => self.server.is_accepted(),
            Told::Challenge(_) => self.challenged = true,
            Told::PayloadWanted(ticket) => {
                holds!(self.is_open, "a payload for no transport");
                holds!(self.wanted.is_none(), "a part is wanted twice");
                self.wanted = Some(*ticket);
                self.supply()?;
            }
            Told::Disconnected(_, retry) => {
                holds!(self.disconnects_due > 0, "an end of nothing: {told:?}");
                self.disconnects_due -= 1;
                self.retry = *retry;
            }
            Told::Violation(reason, _) => {
                self.accused = Some(*reason);
                holds!(
                    self.server.was_hostile,
                    "a good server is accused: {told:?}"
                );
            }
            _ => {}
        }
        Ok(())
    }

    fn opened(&mut self) -> Found {
        self.is_dialling = false;
        let setup = &self.setup;
        let mut properties = Vec::new();
        if setup.expiry > 0 {
            properties.push(Property::SessionExpiryInterval(setup.expiry));
        }
        properties.extend(setup.receive_maximum.map(Property::ReceiveMaximum));
        if setup.alias_maximum > 0 {
            properties.push(Property::TopicAliasMaximum(setup.alias_maximum));
        }
        if !setup.problem_information {
            properties.push(Property::RequestProblemInformation(false));
        }
        if setup.method {
            properties.push(Property::AuthenticationMethod("M"));
        }
        let connect = Connect {
            clean_start: setup.clean_always,
            keep_alive: setup.keep_alive,
            properties: &properties,
            ..Connect::new(if setup.anonymous { "" } else { "c" })
        };
        let now = self.at();
        self.challenged = false;
        self.client
            .opened(now, &connect)
            .map_err(|error| format!("CONNECT: {error}"))?;
        self.is_open = true;
        self.server.opens();
        Ok(())
    }

    /// The transport is gone, or did not come about.
    fn closed(&mut self) {
        self.is_open = false;
        self.is_dialling = false;
        self.offered = None;
        self.accused = None;
        self.wanted = None;
        let tokens = self.tokens.drain(..).map(|(token, _)| token);
        self.stale.extend(tokens);
        self.server.closes();
        self.disconnects_due += 1;
        self.client.closed(self.at());
    }

    fn takes(&mut self, count: usize) -> Found {
        let Some(bytes) = self.offered.take() else {
            return Ok(());
        };
        let count = count.min(bytes.len());
        self.log.push(Entry::Sent(Vec::new(), count));
        self.client.sent(self.at(), count);
        self.server.reads(&bytes[..count])
    }

    /// Bytes of the server arrive, as far as there is room.
    fn feed(&mut self, most: usize) -> Found<usize> {
        let mut left = most;
        while left > 0 && !self.server.to_client.is_empty() {
            let spare = self.input.spare();
            let count = spare.len().min(left).min(self.server.to_client.len());
            for (place, byte) in spare.iter_mut().zip(self.server.to_client.drain(..count)) {
                *place = byte;
            }
            self.input.filled(count);
            left -= count;
            let before = self.input.spare().len();
            self.settle()?;
            if count == 0 && before == 0 && self.input.spare().is_empty() {
                // The client's output is blocked: it reads no more.
                break;
            }
        }
        Ok(most - left)
    }

    fn step(&mut self, step: &Step) -> Found {
        if self.otherwise.without.contains(&self.step) {
            return Ok(());
        }
        if !matches!(step, Step::UntilDue) {
            self.idle = 0;
        }
        match step {
            Step::Echo(yes) => self.echo = *yes,
            Step::Takes(count) => {
                self.takes = *count;
                self.takes(*count)?;
            }
            Step::Take(count) => self.takes(*count)?,
            Step::Supplies(count) => {
                self.supplies = *count;
                self.supply()?;
            }
            Step::Feed(count) => {
                self.feed(*count)?;
            }
            Step::Cut => {
                if self.is_open || self.is_dialling {
                    self.closed();
                }
            }
            Step::Connect => self.connect()?,
            Step::Reconnect => {
                if self.is_open || self.is_dialling {
                    self.closed();
                    self.settle()?;
                }
                self.connect()?;
            }
            Step::Lag(yes) => {
                self.server.lags = *yes;
                if !yes {
                    self.server.arrive();
                }
            }
            Step::Dial(dial) => self.dial = *dial,
            Step::Dialled(yes) => {
                if self.is_dialling && *yes {
                    self.opened()?;
                } else if self.is_dialling {
                    self.closed();
                }
            }
            Step::Answer {
                which,
                reason,
                said,
            } => {
                self.server.answers(*which, *reason, *said);
            }
            Step::AnswerAll => {
                while self.server.answers(0, 0, false) {}
                self.feed(usize::MAX)?;
            }
            Step::Deliver {
                qos,
                topic,
                len,
                alias,
                properties,
            } => {
                let topic = TOPICS[usize::from(*topic)];
                let len = usize::from(*len);
                self.server.delivers(*qos, topic, len, *alias, *properties);
            }
            Step::LoseSession => self.server.forgets = true,
            Step::Hostile(hostile) => self.server.misbehaves(hostile),
            Step::Pass(millis) => self.pass(Duration::from_millis(u64::from(*millis))),
            Step::UntilDue => self.until_due()?,
            Step::Back(millis) => self.late = Duration::from_millis(u64::from(*millis)),
            call => self.calls(call)?,
        }
        Ok(())
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.late = Duration::ZERO;
    }

    fn until_due(&mut self) -> Found {
        if self.deadline != Instant::NEVER {
            self.now = self.now.max(self.deadline);
            self.late = Duration::ZERO;
            self.idle += 1;
            holds!(self.idle < 5, "deadlines at which nothing happens");
        }
        Ok(())
    }
}
