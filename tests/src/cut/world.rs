//! All of a conversation but the client: the server, the transport between them, the watcher, and
//! the invariants that have to hold in the end.

use std::collections::BTreeSet;

use mqtt_proto::QoS;
use mqtt_session::{AckToken, Delivery, Event, GiveUp, Instant, Publish, ReasonCode, Ticket};

use super::{ANSWER, ASK, Acks, Checked, Cut, How, Outcome, Pace, Scenario, ensure};
use crate::server::{Message, Server};
use crate::wire_rules::WireRules;

/// The server, what was watched, and what has to come of it.
pub(super) struct World<'s> {
    pub(super) scenario: &'s Scenario,
    pub(super) pace: Pace,
    /// The cuts to come, that of the present transport first.
    pub(super) cuts: Vec<Cut>,
    pub(super) now: Instant,
    pub(super) server: Server,
    pub(super) rules: WireRules,
    pub(super) transport: Option<Transport>,
    pub(super) transports: usize,
    pub(super) cuts_made: usize,
    pub(super) first_bytes: (usize, usize),
    /// What was offered to the transport last and not taken.
    pub(super) rest: Vec<u8>,
    pub(super) sent: Vec<Sent>,
    pub(super) requests: Vec<(Ticket, bool)>,
    pub(super) served: Vec<Served>,
    pub(super) delivered: Vec<Delivered>,
    pub(super) part: Option<Delivered>,
    pub(super) held: Vec<(AckToken, usize)>,
    pub(super) history: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Transport {
    pub(super) taken: usize,
    pub(super) given: usize,
    pub(super) cut: Option<Cut>,
}

impl Transport {
    /// Whether everything up to the cut has passed.
    pub(super) fn is_at_cut(&self) -> bool {
        self.cut.is_some_and(|cut| {
            let passed = if cut.how.counts_client() {
                self.taken
            } else {
                self.given
            };
            passed >= cut.after
        })
    }
}

#[derive(Debug)]
pub(super) struct Sent {
    pub(super) ticket: Ticket,
    pub(super) message: Message,
    pub(super) outcome: Option<Result<ReasonCode, GiveUp>>,
}

/// A message of the server, and in which of its sessions it was published.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) message: Message,
    pub(super) session: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Delivered {
    pub(super) message: Message,
    pub(super) total: usize,
    pub(super) dup: bool,
    pub(super) acknowledged: bool,
}

impl<'s> World<'s> {
    pub(super) fn new(scenario: &'s Scenario, cuts: &[Cut], pace: Pace, remembers: bool) -> Self {
        Self {
            scenario,
            pace,
            cuts: cuts.to_vec(),
            now: Instant::from_secs(1),
            server: Server::new(scenario.terms),
            rules: WireRules::default(),
            transport: None,
            transports: 0,
            cuts_made: 0,
            first_bytes: (0, 0),
            rest: Vec::new(),
            sent: Vec::new(),
            requests: Vec::new(),
            served: Vec::new(),
            delivered: Vec::new(),
            part: None,
            held: Vec::new(),
            history: remembers.then(Vec::new),
        }
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(history) = &mut self.history {
            history.push(format!("{:>7} {}", self.now.as_micros() / 1000, what()));
        }
    }

    pub(super) fn serves(&mut self, message: Message) {
        let session = self.server.sessions;
        if self.server.publishes(message.clone()) {
            self.served.push(Served { message, session });
        }
    }

    pub(super) fn opens(&mut self) {
        self.note(|| "open".to_owned());
        self.server.opened();
        self.transports += 1;
        let cut = (!self.cuts.is_empty()).then(|| self.cuts.remove(0));
        self.transport = Some(Transport {
            cut,
            ..Transport::default()
        });
    }

    /// The client offers bytes: how many the transport takes.
    pub(super) fn takes(&mut self, bytes: &[u8]) -> usize {
        let Some(transport) = &mut self.transport else {
            return 0;
        };
        let at_cut = transport.is_at_cut();
        let mut count = bytes.len().min(self.pace.write);
        let mut arrives = count;
        if let Some(Cut { after, how, .. }) = transport.cut {
            let left = after.saturating_sub(transport.taken);
            match how {
                How::Taken => {
                    count = count.min(left);
                    arrives = count;
                }
                How::LostOnTheWay => arrives = count.min(left),
                How::Unread | How::Unanswered if at_cut => arrives = 0,
                How::Unread | How::Unanswered | How::Answered => {}
            }
        }
        transport.taken += count;
        if self.transports == 1 {
            self.first_bytes.0 += count;
        }
        let (taken, rest) = bytes.split_at(count);
        self.rest = rest.to_vec();
        self.note(|| format!("client {taken:02x?}, of which {arrives} arrive"));
        self.rules.took(taken);
        self.server.receives(&taken[..arrives]);
        count
    }

    /// Some of the server's bytes, at most `most`, on their way to the client.
    pub(super) fn gives(&mut self, most: usize) -> Vec<u8> {
        let bytes = self.server.takes(most);
        if let Some(transport) = &mut self.transport {
            transport.given += bytes.len();
        }
        if self.transports == 1 {
            self.first_bytes.1 += bytes.len();
        }
        self.note(|| format!("server {bytes:02x?}"));
        bytes
    }

    fn is_at(&self, how: How) -> bool {
        let is_at = |transport: Transport| {
            transport.is_at_cut() && transport.cut.is_some_and(|cut| cut.how == how)
        };
        self.transport.is_some_and(is_at)
    }

    pub(super) fn is_cut_by_client_bytes(&self) -> bool {
        self.is_at(How::Taken)
    }

    pub(super) fn is_cut_unread(&self) -> bool {
        self.is_at(How::Unread)
    }

    pub(super) fn is_cut(&mut self) {
        self.note(|| "cut".to_owned());
        self.cuts_made += 1;
        let rest = core::mem::take(&mut self.rest);
        self.rules.cut(&rest);
        self.server.closed();
        let transport = self.transport.take();
        if transport.is_some_and(|t| t.cut.is_some_and(|cut| cut.loses_session)) {
            self.note(|| "the server loses its session".to_owned());
            self.server.loses_session();
        }
    }

    pub(super) fn is_not_cut_any_more(&mut self) {
        self.cuts.clear();
        if let Some(transport) = &mut self.transport {
            transport.cut = None;
        }
    }

    pub(super) fn is_delivered(&mut self, mut delivery: Delivery<'_>) -> Checked<()> {
        let message = &delivery.message;
        let mut part = match self.part.take() {
            Some(part) => part,
            None => Delivered {
                message: Message {
                    topic: message.topic.as_str().to_owned(),
                    qos: message.qos,
                    payload: Vec::new(),
                },
                total: message.total,
                dup: message.dup,
                acknowledged: false,
            },
        };
        let fits = part.message.topic == message.topic.as_str()
            && part.message.qos == message.qos
            && (part.message.payload.len(), part.total) == (message.offset, message.total);
        ensure(fits, || format!("{message:?} does not go on with {part:?}"))?;
        part.message.payload.extend_from_slice(message.payload);
        if !message.is_last() {
            ensure(message.token.is_none(), || "a token too early".to_owned())?;
            self.part = Some(part);
            return Ok(());
        }
        self.note(|| format!("delivered {part:02x?}"));
        if let Some(token) = message.token {
            self.held.push((token, self.delivered.len()));
        }
        if part.message.topic == ASK {
            self.answers(&part.message, &mut delivery)?;
        }
        self.delivered.push(part);
        Ok(())
    }

    /// Answers a request while it is still borrowed. A request that comes twice has two answers.
    fn answers(&mut self, asked: &Message, delivery: &mut Delivery<'_>) -> Checked<()> {
        let topic = mqtt_proto::TopicName::new(ANSWER).map_err(|error| error.to_string())?;
        let mut payload = asked.payload.clone();
        payload.push(u8::try_from(self.sent.len()).unwrap_or(u8::MAX));
        let answer = Publish::new(topic, &payload).qos(asked.qos);
        let ticket = delivery.publish(&answer);
        let ticket = ticket.map_err(|error| format!("not answered: {error}"))?;
        self.sent.push(Sent {
            ticket,
            message: Message {
                topic: ANSWER.to_owned(),
                qos: asked.qos,
                payload,
            },
            outcome: None,
        });
        Ok(())
    }

    pub(super) fn is_told(&mut self, event: Event<'_>) -> Checked<()> {
        self.note(|| format!("told {event:?}"));
        match event {
            Event::Published {
                ticket, outcome, ..
            } => {
                let sent = self.sent.iter_mut().find(|sent| sent.ticket == ticket);
                let sent = sent.ok_or("a ticket that nobody has is settled")?;
                let before = sent.outcome.replace(outcome);
                ensure(before.is_none(), || {
                    format!("{ticket:?} is settled twice: {before:?}, {outcome:?}")
                })
            }
            Event::Subscribed { ticket, .. } | Event::Unanswered { ticket, .. } => {
                let request = self.requests.iter_mut().find(|(asked, _)| *asked == ticket);
                let (_, settled) = request.ok_or("a ticket that nobody has is settled")?;
                let before = core::mem::replace(settled, true);
                ensure(!before, || format!("{ticket:?} is settled twice"))
            }
            Event::DeliveryCut => {
                let part = self.part.take();
                ensure(part.is_some(), || {
                    "no delivery can have been cut".to_owned()
                })
            }
            Event::Disconnected { .. } => {
                ensure(self.part.is_none(), || "a delivery stays open".to_owned())
            }
            Event::Connected(_) | Event::SessionLost | Event::Received { .. } => Ok(()),
            other => Err(format!("unexpected: {other:?}")),
        }
    }

    /// What was settled and delivered so far.
    pub(super) fn outcome(&self) -> Outcome {
        let settled = self.sent.iter();
        let settled = settled.filter_map(|sent| Some((sent.message.clone(), sent.outcome?)));
        let delivered = self.delivered.iter().map(|d| d.message.clone());
        Outcome {
            settled: settled.collect(),
            delivered: delivered.collect(),
            client_bytes: self.first_bytes.0,
            server_bytes: self.first_bytes.1,
        }
    }

    /// Holds what came of it against the invariants, now that nothing is left to do.
    pub(super) fn check(&self, unsolicited: u32) -> Checked<()> {
        for wrong in [&self.rules.broken, &self.server.complaints] {
            ensure(wrong.is_empty(), || wrong.join("; "))?;
        }
        ensure(unsolicited == 0, || {
            "an acknowledgement of nothing".to_owned()
        })?;
        ensure(self.server.is_settled(), || "the server waits".to_owned())?;
        ensure(self.requests.iter().all(|(_, settled)| *settled), || {
            "a request is never settled".to_owned()
        })?;
        for sent in &self.sent {
            self.check_sent(sent)
                .map_err(|why| format!("{:02x?}: {why}", sent.message))?;
        }
        for served in &self.served {
            self.check_served(served)
                .map_err(|why| format!("{:02x?}: {why}", served.message))?;
        }
        let sent: Vec<&Message> = self.sent.iter().map(|sent| &sent.message).collect();
        check_order(&sent, &self.server.published.iter().collect::<Vec<_>>())?;
        let served: Vec<&Message> = self.served.iter().map(|served| &served.message).collect();
        let delivered = self.delivered.iter().map(|delivered| &delivered.message);
        check_order(&served, &delivered.collect::<Vec<_>>())
    }

    fn session_was_lost(&self) -> bool {
        self.server.sessions > 1
    }

    /// What the client published: how often it may have arrived for what the ticket says.
    fn check_sent(&self, sent: &Sent) -> Checked<()> {
        let message = &sent.message;
        let outcome = sent.outcome.ok_or("never settled")?;
        let arrived = self.server.published.iter();
        let arrived = arrived.filter(|published| *published == message).count();
        let completed = self.rules.completed.contains(message);
        let may = match (message.qos, outcome) {
            (QoS::AtMostOnce, Ok(_)) => completed && arrived <= 1,
            (QoS::AtMostOnce, Err(GiveUp::ConnectionLost)) => !completed && arrived == 0,
            (QoS::AtLeastOnce, Ok(ReasonCode::SUCCESS)) => {
                arrived >= 1 && arrived <= 1 + self.cuts_made
            }
            (QoS::ExactlyOnce, Ok(ReasonCode::SUCCESS)) => arrived == 1,
            (QoS::ExactlyOnce, Err(GiveUp::OutcomeUnknown)) => {
                self.session_was_lost()
                    && self.rules.has_begun(message)
                    && !self.rules.received.contains(message)
                    && arrived <= 1
            }
            _ => false,
        };
        ensure(may, || {
            format!("settled with {outcome:?}, arrived {arrived} times")
        })
    }

    /// What the server published: how often it may have been delivered.
    fn check_served(&self, served: &Served) -> Checked<()> {
        let message = &served.message;
        let came: Vec<&Delivered> = self
            .delivered
            .iter()
            .filter(|delivered| delivered.message == *message)
            .collect();
        let kept = served.session == self.server.sessions;
        let most = match message.qos {
            QoS::AtMostOnce => 1,
            QoS::AtLeastOnce => 1 + self.cuts_made,
            QoS::ExactlyOnce if self.scenario.acks == Acks::Automatic => 1,
            QoS::ExactlyOnce => 1 + self.cuts_made,
        };
        let least = usize::from(kept && message.qos != QoS::AtMostOnce);
        ensure((least..=most).contains(&came.len()), || {
            format!("delivered {} times", came.len())
        })?;
        ensure(came.iter().skip(1).all(|again| again.dup), || {
            "delivered again, not marked as that".to_owned()
        })?;
        if self.scenario.acks == Acks::Automatic || message.qos == QoS::AtMostOnce {
            return Ok(());
        }
        let mut acknowledged = came.iter().map(|delivered| delivered.acknowledged);
        let last = acknowledged.next_back();
        ensure(!kept || last == Some(true), || {
            "never acknowledged".to_owned()
        })?;
        ensure(
            message.qos != QoS::ExactlyOnce || acknowledged.all(|before| !before),
            || "delivered again after it had been acknowledged".to_owned(),
        )
    }
}

/// Messages of one topic and QoS arrive in their order, repeats aside.
fn check_order(published: &[&Message], arrived: &[&Message]) -> Checked<()> {
    let kinds: BTreeSet<(&str, QoS)> = published
        .iter()
        .map(|message| (message.topic.as_str(), message.qos))
        .collect();
    for (topic, qos) in kinds {
        let of_kind = |message: &&&Message| message.topic == topic && message.qos == qos;
        let mut seen = BTreeSet::new();
        let first: Vec<&&Message> = arrived
            .iter()
            .filter(of_kind)
            .filter(|message| seen.insert(&message.payload))
            .collect();
        let expected: Vec<&&Message> = published
            .iter()
            .filter(of_kind)
            .filter(|message| seen.contains(&message.payload))
            .collect();
        ensure(first == expected, || {
            format!("order of arrival: {first:02x?}, of publishing: {expected:02x?}")
        })?;
    }
    Ok(())
}
