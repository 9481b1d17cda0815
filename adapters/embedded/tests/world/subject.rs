//! A client of any kind, seen the same.

use super::Shared;
use super::wire::{Broken, Time, Wire, dial, dial_halves};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use mqtt_embedded::asynchronous::{Halves, Transport};
use mqtt_embedded::{Client, Clock, Failed, Turn, connect};
use mqtt_session::{
    AckToken, Cause, Config, Connect, Delivery, Event, Fixed, GiveUp, Instant, Publish, QoS,
    ReasonCode, RequestError, Subscription, SubscriptionOptions, Ticket, TopicFilter, TopicName,
    Violation,
};
use std::future::{Future, poll_fn};
use std::rc::Rc;

/// Room for everything in these tests.
pub(crate) type Store = Fixed<8, 8, 4096, 256>;
type Machine = mqtt_session::Client<Store>;

pub(crate) const HELLO: Connect<'static> = connect("sensor-7");

/// Which client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Blocking,
    Async,
    /// Each turn is dropped and taken anew at every await that is pending.
    Dropped,
    /// A turn is dropped at one await of the whole conversation, counted from 0.
    DroppedAt(usize),
    Halves,
    HalvesDropped,
}

/// The kinds that a test runs with, each by the same words.
pub(crate) const KINDS: [Kind; 5] = [
    Kind::Blocking,
    Kind::Async,
    Kind::Dropped,
    Kind::Halves,
    Kind::HalvesDropped,
];

/// What a turn brought, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    /// A whole message: its parts put together.
    Message(Message),
    Connected {
        session_present: bool,
    },
    SessionLost,
    Refused(ReasonCode),
    ServerDisconnect(ReasonCode),
    Violation(Violation),
    Disconnected(Cause, Option<Instant>),
    Published(Ticket, Result<ReasonCode, GiveUp>),
    Subscribed(Ticket),
    DeliveryCut,
    PayloadWanted(Ticket),
    OtherEvent(String),
    Failed(Failed<Broken, Broken>),
    Nothing,
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) dup: bool,
    pub(crate) parts: usize,
    pub(crate) token: Option<AckToken>,
}

/// Puts parts together, each of which has to begin where the last ended.
#[derive(Debug, Default)]
struct Parts {
    topic: String,
    payload: Vec<u8>,
    count: usize,
}

impl Parts {
    fn take(
        &mut self,
        turn: Turn<'_, Broken, Broken>,
        answer: &mut dyn FnMut(&mut Delivery<'_>),
    ) -> Did {
        match turn {
            Turn::Message(mut delivery) => {
                let message = delivery.message;
                if message.offset == 0 {
                    assert!(self.payload.is_empty(), "the last message is not complete");
                    self.topic = message.topic.as_str().to_owned();
                }
                assert_eq!(message.offset, self.payload.len());
                assert_eq!(message.topic.as_str(), self.topic);
                self.payload.extend_from_slice(message.payload);
                self.count += 1;
                if !message.is_last() {
                    assert_eq!(message.token, None);
                    return Did::Nothing;
                }
                assert_eq!(self.payload.len(), message.total);
                answer(&mut delivery);
                Did::Message(Message {
                    topic: core::mem::take(&mut self.topic),
                    payload: core::mem::take(&mut self.payload),
                    qos: message.qos,
                    dup: message.dup,
                    parts: core::mem::take(&mut self.count),
                    token: message.token,
                })
            }
            Turn::Event(event) => self.told(event),
            Turn::Failed(failed) => Did::Failed(failed),
            Turn::Nothing => Did::Nothing,
            Turn::Done => Did::Done,
        }
    }

    fn told(&mut self, event: Event<'_>) -> Did {
        match event {
            Event::Connected(connack) => Did::Connected {
                session_present: connack.session_present,
            },
            Event::SessionLost => Did::SessionLost,
            Event::Refused(connack) => Did::Refused(connack.reason),
            Event::ServerDisconnect(disconnect) => Did::ServerDisconnect(disconnect.reason),
            Event::Violation(violation) => Did::Violation(violation),
            Event::Disconnected { cause, retry } => Did::Disconnected(cause, retry),
            Event::Published {
                ticket, outcome, ..
            } => Did::Published(ticket, outcome),
            Event::Subscribed { ticket, .. } => Did::Subscribed(ticket),
            Event::DeliveryCut => {
                *self = Self::default();
                Did::DeliveryCut
            }
            Event::PayloadWanted { ticket } => Did::PayloadWanted(ticket),
            other => Did::OtherEvent(format!("{other:?}")),
        }
    }
}

/// A client, whatever it waits with.
pub(crate) trait Subject {
    /// One turn, which waits no longer than until `until`; `answer` has each message while it is
    /// borrowed, with the last part.
    fn turn(&mut self, until: Instant, answer: &mut dyn FnMut(&mut Delivery<'_>)) -> Did;
    fn start(&mut self);
    fn stop(&mut self);
    fn publish(&mut self, qos: QoS, topic: &str, payload: &[u8]) -> Result<Ticket, RequestError>;
    fn subscribe(&mut self, filter: &str) -> Result<Ticket, RequestError>;
    /// Publishes a payload that is drawn.
    fn publish_drawn(
        &mut self,
        qos: QoS,
        topic: &str,
        total: usize,
    ) -> Result<Ticket, RequestError>;
    /// Supplies what is wanted of a payload that is drawn; where it began, if any was.
    fn supply(&mut self, payload: &[u8]) -> Option<usize>;
    fn acknowledge(&mut self, token: AckToken);
    fn unsettled(&mut self) -> usize;
    /// How many awaits were pending.
    fn awaits(&self) -> usize;
}

struct Of<F, T> {
    client: Client<'static, mqtt_session::Client<Store>, Vec<u8>, F, T, Time>,
    world: Shared,
    parts: Parts,
    kind: Kind,
    awaits: usize,
}

/// A client of this kind, with so many bytes of input.
pub(crate) fn client(kind: Kind, world: &Shared, config: Config, input: usize) -> Box<dyn Subject> {
    client_with(kind, world, config, input, &HELLO)
}

pub(crate) fn client_with(
    kind: Kind,
    world: &Shared,
    config: Config,
    input: usize,
    hello: &'static Connect<'static>,
) -> Box<dyn Subject> {
    fn of<F, T>(
        kind: Kind,
        world: &Shared,
        config: Config,
        input: usize,
        hello: &'static Connect<'static>,
        dial: F,
    ) -> Of<F, T> {
        let machine = Machine::new(config, Store::new());
        let time = Time(Rc::clone(world));
        Of {
            client: Client::new(machine, vec![0; input], hello, dial, time),
            world: Rc::clone(world),
            parts: Parts::default(),
            kind,
            awaits: 0,
        }
    }
    let line = Rc::clone(world);
    match kind {
        Kind::Blocking => {
            let of: Of<_, Wire> = of(kind, world, config, input, hello, move || dial(&line));
            Box::new(Blocking(of))
        }
        Kind::Halves | Kind::HalvesDropped => {
            let dial = async move || {
                stall(&line).await;
                dial_halves(&line)
            };
            let of: Of<_, Halves<Wire, Wire>> = of(kind, world, config, input, hello, dial);
            Box::new(Async(of))
        }
        Kind::Async | Kind::Dropped | Kind::DroppedAt(_) => {
            let dial = async move || {
                stall(&line).await;
                dial(&line)
            };
            let of: Of<_, Wire> = of(kind, world, config, input, hello, dial);
            Box::new(Async(of))
        }
    }
}

/// Pending for no reason, where the line does such things.
async fn stall(world: &Shared) {
    poll_fn(|_| {
        if world.borrow_mut().stalls() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

struct Blocking<F>(Of<F, Wire>);
struct Async<F, T>(Of<F, T>);

impl<F: FnMut() -> Result<Wire, Broken>> Blocking<F> {
    fn take(&mut self, until: Instant, answer: &mut dyn FnMut(&mut Delivery<'_>)) -> Did {
        let turn = self.0.client.turn_blocking(until);
        self.0.parts.take(turn, answer)
    }
}

impl<F, T> Async<F, T>
where
    F: AsyncFnMut() -> Result<T, Broken>,
    T: Transport<Error = Broken>,
{
    fn take(&mut self, until: Instant, answer: &mut dyn FnMut(&mut Delivery<'_>)) -> Did {
        let Of {
            client,
            world,
            parts,
            kind,
            awaits,
        } = &mut self.0;
        for _ in 0..1_000_000 {
            let mut turn = pin!(client.turn());
            loop {
                {
                    let mut world = world.borrow_mut();
                    world.timer = Instant::NEVER;
                    world.stalled = false;
                }
                let poll = turn.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                if let Poll::Ready(turn) = poll {
                    return parts.take(turn, answer);
                }
                *awaits += 1;
                let mut world = world.borrow_mut();
                if !world.stalled {
                    if world.now >= until {
                        return Did::Nothing;
                    }
                    let timer = world.timer.min(until);
                    world.pass_until(timer);
                }
                match *kind {
                    Kind::Dropped | Kind::HalvesDropped => break,
                    Kind::DroppedAt(count) if count + 1 == *awaits => break,
                    _ => {}
                }
            }
        }
        panic!("the turn never ends");
    }
}

macro_rules! subject {
    ($name:ident<$($parameter:ident),*> where $($bounds:tt)*) => {
        impl<$($parameter),*> Subject for $name<$($parameter),*>
        where
            $($bounds)*
        {
            fn turn(&mut self, until: Instant, answer: &mut dyn FnMut(&mut Delivery<'_>)) -> Did {
                self.take(until, answer)
            }
            fn start(&mut self) {
                self.0.client.start();
            }
            fn stop(&mut self) {
                self.0.client.stop();
            }
            fn publish(
                &mut self,
                qos: QoS,
                topic: &str,
                payload: &[u8],
            ) -> Result<Ticket, RequestError> {
                let publish = Publish::new(TopicName::new(topic).unwrap(), payload).qos(qos);
                self.0.client.publish(&publish)
            }
            fn publish_drawn(
                &mut self,
                qos: QoS,
                topic: &str,
                total: usize,
            ) -> Result<Ticket, RequestError> {
                let publish = Publish::new(TopicName::new(topic).unwrap(), &[]).qos(qos);
                let (machine, now) = self.0.client.machine();
                machine.publish_drawn(now, &publish, total)
            }
            fn supply(&mut self, payload: &[u8]) -> Option<usize> {
                let (machine, now) = self.0.client.machine();
                let mut draw = machine.draw(now)?;
                let offset = draw.offset;
                let room = draw.room();
                let count = room.len();
                room.copy_from_slice(&payload[offset..offset + count]);
                draw.supply(count);
                Some(offset)
            }
            fn subscribe(&mut self, filter: &str) -> Result<Ticket, RequestError> {
                let filter = TopicFilter::new(filter).unwrap();
                let options = SubscriptionOptions {
                    qos: QoS::ExactlyOnce,
                    ..SubscriptionOptions::default()
                };
                self.0.client.subscribe(&[Subscription { filter, options }])
            }
            fn acknowledge(&mut self, token: AckToken) {
                self.0.client.acknowledge(token, ReasonCode::SUCCESS).unwrap();
            }
            fn unsettled(&mut self) -> usize {
                self.0.client.machine().0.unsettled()
            }
            fn awaits(&self) -> usize {
                self.0.awaits
            }
        }
    };
}

subject!(Blocking<F> where F: FnMut() -> Result<Wire, Broken>);
subject!(Async<F, T> where F: AsyncFnMut() -> Result<T, Broken>, T: Transport<Error = Broken>);

/// Takes turns until something is done that has to be told, but not later than `until`.
pub(crate) fn next(subject: &mut dyn Subject, world: &Shared, until: Instant) -> Did {
    for _ in 0..1_000_000 {
        let did = subject.turn(until, &mut |_| ());
        if did != Did::Nothing || world.borrow().now >= until {
            return did;
        }
    }
    panic!("the client is never at rest");
}

/// Takes turns until everything is quiet, for up to so many seconds: all that was done.
pub(crate) fn settle(subject: &mut dyn Subject, world: &Shared, seconds: u64) -> Vec<Did> {
    let until = Instant::from_micros(world.borrow().now.as_micros() + seconds * 1_000_000);
    let mut all = Vec::new();
    loop {
        let did = next(subject, world, until);
        let ends = did == Did::Done || (did == Did::Nothing && world.borrow().now >= until);
        all.push(did);
        if ends {
            return all;
        }
    }
}

/// The time of a client, for what needs one by itself.
pub(crate) fn time(world: &Shared) -> impl Clock + use<> {
    Time(Rc::clone(world))
}
