//! Whole conversations between a client and an honest server, cut wherever one likes.
//!
//! A [`Scenario`] says what application and server do. [`Scenario::run`] plays it under virtual
//! time, with a list of [`Cut`]s, one for each transport in turn, until everything is settled,
//! fills the store once more to show that nothing was left in it, and holds what came of it
//! against the invariants.

use bytes::Bytes;
use core::fmt;
use mqtt_proto::{Property, QoS, TopicFilter, TopicName};
use mqtt_session::{
    Acknowledge, AcknowledgeError, Action, Client, Config, Connect, Event, Fixed, GiveUp, Heap,
    HeapLimits, Instant, Offline, Publish, ReasonCode, RequestError, RxBuffer, Store, Subscription,
    SubscriptionOptions, Ticket,
};

use crate::server::{Message, Terms};
use world::{Sent, World};

mod world;

/// What the client can hold: the bounds of both stores.
const OUTBOUND: usize = 8;
const INBOUND: usize = 4;
const ARENA: usize = 1024;
const TRANSMIT: usize = 64;
type Small = Fixed<OUTBOUND, INBOUND, ARENA, TRANSMIT, 2, 16>;
const LIMITS: HeapLimits = HeapLimits {
    exchanges: OUTBOUND as u16,
    bytes: ARENA,
    transmit: TRANSMIT,
    receive_maximum: INBOUND as u16,
};

/// A request's topic: the application answers what is delivered there from the delivery itself.
pub const ASK: &str = "ask";
const ANSWER: &str = "answer";

/// What the application or the server does next.
#[derive(Clone, Debug)]
pub enum Step {
    /// The application publishes.
    Publish(QoS, &'static str, Vec<u8>),
    /// The application publishes a payload that it holds as `Bytes`, where the store can.
    PublishHeld(QoS, &'static str, Vec<u8>),
    /// The application publishes a payload that is drawn from it.
    PublishDrawn(QoS, &'static str, Vec<u8>),
    /// The application subscribes.
    Subscribe(&'static str),
    /// The server publishes.
    Serve(QoS, &'static str, Vec<u8>),
    /// Both wait until nothing is left to do.
    Settle,
}

/// Which store the client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Heap`, with the bounds of the other.
    Heap,
    /// `Fixed`.
    Fixed,
}

/// When the application acknowledges what is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// It leaves that to the client.
    Automatic,
    /// When it is delivered.
    AtOnce,
    /// When nothing else is left to do, the latest first.
    InReverse,
}

/// A conversation.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What a failure calls it.
    pub name: &'static str,
    /// Which store the client has.
    pub store: Kind,
    /// How many topic aliases the client may set up.
    pub aliases: u16,
    /// Bytes of the client's input buffer.
    pub input: usize,
    /// Properties of CONNECT, Session Expiry Interval among them.
    pub connect: &'static [Property<'static>],
    /// What the server wants.
    pub terms: Terms,
    /// Who acknowledges, and when.
    pub acks: Acks,
    /// Whether the application goes on publishing while there is no connection: one message after
    /// each cut.
    pub publishes_offline: bool,
    /// What happens.
    pub steps: Vec<Step>,
}

/// Where and how a transport ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// After so many bytes of this transport, in the direction that `how` counts.
    pub after: usize,
    /// What becomes of the bytes around it.
    pub how: How,
    /// Whether the server loses its session as well.
    pub loses_session: bool,
}

/// What becomes of the bytes around a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The transport takes so many of the client's bytes and no more, and all of them arrive.
    Taken,
    /// So many of the client's bytes arrive, though the transport goes on taking.
    LostOnTheWay,
    /// So many of the server's bytes arrive, and the end before the client looks at the last.
    Unread,
    /// So many of the server's bytes arrive; nothing that the client does about it arrives.
    Unanswered,
    /// So many of the server's bytes arrive; what the client does about it arrives.
    Answered,
}

impl How {
    /// Whether the client's bytes are counted, and not the server's.
    #[must_use]
    pub const fn counts_client(self) -> bool {
        matches!(self, Self::Taken | Self::LostOnTheWay)
    }
}

/// How many bytes are read and written at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields say it")]
pub struct Pace {
    pub read: usize,
    pub write: usize,
}

impl Pace {
    /// As many as there are.
    pub const WHOLE: Self = Self {
        read: usize::MAX,
        write: usize::MAX,
    };
}

/// What came of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the client published, and how each was settled.
    pub settled: Vec<(Message, Result<ReasonCode, GiveUp>)>,
    /// What the client delivered.
    pub delivered: Vec<Message>,
    /// Bytes that the first transport took from the client.
    pub client_bytes: usize,
    /// Bytes that the first transport took from the server.
    pub server_bytes: usize,
}

/// Why a conversation is wrong, and all that happened in it, if that was kept.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What is wrong.
    pub why: String,
    /// What happened.
    pub history: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.history {
            writeln!(f, "  {line}")?;
        }
        f.write_str(&self.why)
    }
}

type Checked<T> = Result<T, String>;

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Checked<()> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Scenario {
    /// CONNECT: with a Clean Start until the first connection is accepted, and without pings.
    fn connect(&self) -> Connect<'static> {
        Connect {
            clean_start: true,
            keep_alive: 0,
            properties: self.connect,
            ..Connect::new("c")
        }
    }

    /// Plays the conversation.
    ///
    /// # Errors
    /// What went against the invariants; with its history when `remembers`.
    pub fn run(&self, cuts: &[Cut], pace: Pace, remembers: bool) -> Result<Outcome, Failure> {
        match self.store {
            Kind::Heap => self.run_with(Heap::new(LIMITS), cuts, pace, remembers),
            Kind::Fixed => self.run_with(Small::new(), cuts, pace, remembers),
        }
    }

    fn run_with<S: Store>(
        &self,
        store: S,
        cuts: &[Cut],
        pace: Pace,
        remembers: bool,
    ) -> Result<Outcome, Failure>
    where
        Client<S>: PublishesHeld,
    {
        let acknowledge = match self.acks {
            Acks::Automatic => Acknowledge::Automatically,
            Acks::AtOnce | Acks::InReverse => Acknowledge::Manually,
        };
        let config = Config::default()
            .acknowledge(acknowledge)
            .topic_aliases(self.aliases)
            .qos0_offline(Offline::Queue);
        let mut run = Run {
            client: Client::new(config, store),
            input: RxBuffer::new(vec![0; self.input]),
            world: World::new(self, cuts, pace, remembers),
        };
        let played = run.play();
        played.map_err(|why| Failure {
            why,
            history: run.world.history.take().unwrap_or_default(),
        })
    }
}

/// `publish_bytes` where the store has it.
trait PublishesHeld {
    fn publish_held(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        payload: &[u8],
    ) -> Result<Ticket, RequestError>;
}

impl PublishesHeld for Client<Heap> {
    fn publish_held(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        payload: &[u8],
    ) -> Result<Ticket, RequestError> {
        self.publish_bytes(now, publish, Bytes::copy_from_slice(payload))
    }
}

impl PublishesHeld for Client<Small> {
    fn publish_held(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        _payload: &[u8],
    ) -> Result<Ticket, RequestError> {
        self.publish(now, publish)
    }
}

/// How a payload is handed over.
#[derive(Clone, Copy, Debug)]
enum Payload {
    Copied,
    Held,
    Drawn,
}

/// The client, and everything else.
struct Run<'s, S> {
    client: Client<S>,
    input: RxBuffer<Vec<u8>>,
    world: World<'s>,
}

impl<S: Store> Run<'_, S>
where
    Client<S>: PublishesHeld,
{
    fn play(&mut self) -> Checked<Outcome> {
        self.client.start(self.world.now);
        let scenario = self.world.scenario;
        for step in &scenario.steps {
            self.does(step)?;
        }
        self.settles()?;
        self.world.check(self.client.unsolicited())?;
        ensure(self.client.unsettled() == 0, || {
            format!("{} messages are unsettled", self.client.unsettled())
        })?;
        let outcome = self.world.outcome();
        self.fills_the_store_again()?;
        Ok(outcome)
    }

    fn does(&mut self, step: &Step) -> Checked<()> {
        self.world.note(|| format!("{step:02x?}"));
        match step {
            Step::Publish(qos, topic, payload) => {
                self.publishes(*qos, topic, payload, Payload::Copied)
            }
            Step::PublishHeld(qos, topic, payload) => {
                self.publishes(*qos, topic, payload, Payload::Held)
            }
            Step::PublishDrawn(qos, topic, payload) => {
                self.publishes(*qos, topic, payload, Payload::Drawn)
            }
            Step::Subscribe(filter) => {
                let filter = TopicFilter::new(filter).map_err(|error| error.to_string())?;
                let options = SubscriptionOptions::default();
                let subscriptions = [Subscription { filter, options }];
                let asked = self.client.subscribe(self.world.now, &subscriptions, &[]);
                let ticket = asked.map_err(|error| error.to_string())?;
                self.world.requests.push((ticket, false));
                Ok(())
            }
            Step::Serve(qos, topic, payload) => {
                self.world.serves(Message {
                    topic: (*topic).to_owned(),
                    qos: *qos,
                    payload: payload.clone(),
                });
                Ok(())
            }
            Step::Settle => self.settles(),
        }
    }

    fn publishes(&mut self, qos: QoS, topic: &str, payload: &[u8], how: Payload) -> Checked<()> {
        let name = TopicName::new(topic).map_err(|error| error.to_string())?;
        let publish = Publish::new(name, payload).qos(qos);
        let (client, now) = (&mut self.client, self.world.now);
        let ticket = match how {
            Payload::Copied => client.publish(now, &publish),
            Payload::Held => client.publish_held(now, &publish, payload),
            Payload::Drawn => client.publish_drawn(now, &publish, payload.len()),
        };
        let ticket = ticket.map_err(|error| format!("not published: {error}"))?;
        self.world.sent.push(Sent {
            ticket,
            message: Message {
                topic: topic.to_owned(),
                qos,
                payload: payload.to_vec(),
            },
            outcome: None,
        });
        Ok(())
    }

    /// Goes on until nothing is left to do for anybody.
    fn settles(&mut self) -> Checked<()> {
        for _ in 0..10_000 {
            match self.client.poll(self.world.now, &mut self.input) {
                Action::Open => {
                    self.world.opens();
                    let connect = self.world.scenario.connect();
                    let opened = self.client.opened(self.world.now, &connect);
                    opened.map_err(|error| error.to_string())?;
                }
                Action::Send(bytes) => {
                    let count = self.world.takes(bytes);
                    if count > 0 {
                        self.client.sent(self.world.now, count);
                    }
                    if self.world.is_cut_by_client_bytes() {
                        self.cuts()?;
                    }
                }
                Action::Deliver(delivery) => {
                    self.world.is_delivered(delivery)?;
                    if self.world.scenario.acks == Acks::AtOnce {
                        self.acknowledges()?;
                    }
                }
                Action::Event(Event::PayloadWanted { ticket }) => self.supplies(ticket)?,
                Action::Event(event) => self.world.is_told(event)?,
                Action::Close => {
                    let expected = self.world.transport.is_some_and(|t| t.is_at_cut());
                    ensure(expected, || "the client closes a good transport".to_owned())?;
                    self.cuts()?;
                }
                Action::Done => return Err("the client gives up".to_owned()),
                Action::Timeout(deadline) => {
                    if !self.goes_on(deadline)? {
                        return Ok(());
                    }
                }
            }
        }
        Err("the conversation never comes to rest".to_owned())
    }

    /// The client wants the next part of a payload, and gets as much as is written at a time.
    fn supplies(&mut self, ticket: Ticket) -> Checked<()> {
        let sent = self.world.sent.iter().find(|sent| sent.ticket == ticket);
        let sent = sent.ok_or("a payload is wanted that nobody has")?;
        ensure(sent.outcome.is_none(), || {
            "a payload is wanted that is settled".to_owned()
        })?;
        let mut draw = self
            .client
            .draw(self.world.now)
            .ok_or("no part is wanted")?;
        let left = sent.message.payload.get(draw.offset..);
        let left = left.ok_or("more of a payload is wanted than there is")?;
        let room = draw.room();
        ensure(!room.is_empty() && room.len() <= left.len(), || {
            format!("room for {} bytes, {} are left", room.len(), left.len())
        })?;
        let count = room.len().min(self.world.pace.write);
        room[..count].copy_from_slice(&left[..count]);
        draw.supply(count);
        Ok(())
    }

    /// The client waits: what happens next? False: nothing.
    fn goes_on(&mut self, deadline: Instant) -> Checked<bool> {
        let Some(transport) = self.world.transport else {
            ensure(deadline != Instant::NEVER, || {
                "the client never connects again".to_owned()
            })?;
            self.world.now = self.world.now.max(deadline);
            return Ok(true);
        };
        let most = match transport.cut {
            Some(cut) if !cut.how.counts_client() => cut.after - transport.given,
            _ => usize::MAX,
        };
        let spare = self.input.spare();
        let count = most.min(spare.len()).min(self.world.pace.read);
        if most > 0 && self.world.server.output_len() > 0 {
            ensure(count > 0, || "the input buffer is full".to_owned())?;
            let bytes = self.world.gives(count);
            self.input.spare()[..bytes.len()].copy_from_slice(&bytes);
            self.input.filled(bytes.len());
            if self.world.is_cut_unread() {
                self.cuts()?;
            } else {
                self.world.rules.delivered(&bytes);
            }
            return Ok(true);
        }
        if !self.world.held.is_empty() {
            self.acknowledges()?;
            return Ok(true);
        }
        if !transport.is_at_cut() {
            return Ok(false);
        }
        // Nothing tells the client that its transport is dead but the time, where it waits for
        // something; otherwise the transport itself does.
        if deadline == Instant::NEVER {
            self.cuts()?;
        } else {
            self.world.now = self.world.now.max(deadline);
        }
        Ok(true)
    }

    /// The application acknowledges all it holds, the latest first.
    fn acknowledges(&mut self) -> Checked<()> {
        while let Some((token, index)) = self.world.held.pop() {
            let done = self.client.acknowledge(token, ReasonCode::SUCCESS);
            done.map_err(|error| format!("not acknowledged: {error}"))?;
            self.world.delivered[index].acknowledged = true;
        }
        Ok(())
    }

    fn cuts(&mut self) -> Checked<()> {
        self.world.is_cut();
        self.client.closed(self.world.now);
        for (token, _) in core::mem::take(&mut self.world.held) {
            let late = self.client.acknowledge(token, ReasonCode::SUCCESS);
            ensure(late == Err(AcknowledgeError::Stale), || {
                format!("an acknowledgement of the last connection gives {late:?}")
            })?;
        }
        if self.world.scenario.publishes_offline {
            let cuts = self.world.cuts_made;
            let qos = [QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtMostOnce][cuts % 3];
            self.publishes(
                qos,
                "out",
                format!("cut {cuts}").as_bytes(),
                Payload::Copied,
            )?;
        }
        Ok(())
    }

    /// Everything has ended, so the store must hold again what it can hold at most.
    fn fills_the_store_again(&mut self) -> Checked<()> {
        self.world.note(|| "the store is filled".to_owned());
        self.world.is_not_cut_any_more();
        self.world.rules.most_in_flight = 0;
        // The arena keeps a few bytes beside each message.
        let len = ARENA / OUTBOUND - 20;
        for number in 0..OUTBOUND {
            let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][number % 2];
            let mut payload = vec![0xee; len];
            payload[0] = number as u8;
            self.publishes(qos, "fill", &payload, Payload::Copied)?;
        }
        let full = self.publishes(QoS::AtLeastOnce, "fill", b"", Payload::Copied);
        ensure(full.is_err(), || "the store has grown".to_owned())?;
        for number in 0..INBOUND {
            self.world.serves(Message {
                topic: "fill".to_owned(),
                qos: QoS::ExactlyOnce,
                payload: vec![number as u8],
            });
        }
        self.settles()?;
        self.world.check(self.client.unsolicited())?;
        let window = self.world.rules.receive_maximum;
        let most = window.map_or(OUTBOUND, usize::from).min(OUTBOUND);
        ensure(self.world.rules.most_in_flight == most, || {
            format!("{} at a time", self.world.rules.most_in_flight)
        })?;
        ensure(self.client.unsettled() == 0, || {
            "the store keeps some".to_owned()
        })
    }
}
