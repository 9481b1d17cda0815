//! A client machine with one of several stores, and what its polls return without the borrow.

use super::plan::StoreKind;
use crate::talk::Told;
use mqtt_proto::{QoS, ReasonCode, Subscription, TopicFilter};
use mqtt_session::{
    AckToken, AcknowledgeError, Action, Client, Config, Connect, ConnectError, Delivery, Fixed,
    Heap, HeapLimits, Instant, Publish, RequestError, RxBuffer, Ticket,
};

type Usual = Fixed<8, 8, 2_048, 512, 4, 16>;
type Tiny = Fixed<2, 2, 400, 160, 2, 8>;

/// A client, whatever its store.
#[derive(Clone, Debug)]
pub(crate) enum Machine {
    Heap(Box<Client<Heap>>),
    Fixed(Box<Client<Usual>>),
    Tiny(Box<Client<Tiny>>),
}

/// What a poll returned.
#[derive(Debug)]
pub(crate) enum Acted<E> {
    Open,
    Send(Vec<u8>),
    Deliver(Part, E),
    Told(Told),
    Close,
    Timeout(Instant),
    Done,
}

/// A message, or a part of one.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) offset: usize,
    pub(crate) is_last: bool,
    pub(crate) qos: QoS,
    pub(crate) token: Option<AckToken>,
}

macro_rules! with {
    ($machine:expr, $client:ident => $call:expr) => {
        match $machine {
            Machine::Heap($client) => $call,
            Machine::Fixed($client) => $call,
            Machine::Tiny($client) => $call,
        }
    };
}

impl Machine {
    pub(crate) fn new(store: StoreKind, config: Config) -> Self {
        match store {
            StoreKind::Heap(exchanges, bytes, transmit) => {
                let limits = HeapLimits {
                    exchanges,
                    bytes,
                    transmit,
                    ..HeapLimits::default()
                };
                Self::Heap(Box::new(Client::new(config, Heap::new(limits))))
            }
            StoreKind::Fixed => Self::Fixed(Box::new(Client::new(config, Usual::new()))),
            StoreKind::Tiny => Self::Tiny(Box::new(Client::new(config, Tiny::new()))),
        }
    }

    /// Polls. `lent` sees each part of a message while it is lent.
    pub(crate) fn poll<E>(
        &mut self,
        now: Instant,
        input: &mut RxBuffer<Vec<u8>>,
        lent: impl FnOnce(&mut Delivery<'_>) -> E,
    ) -> Acted<E> {
        let action = with!(self, client => client.poll(now, input));
        match action {
            Action::Open => Acted::Open,
            Action::Send(bytes) => Acted::Send(bytes.to_vec()),
            Action::Deliver(mut delivery) => {
                let message = &delivery.message;
                let part = Part {
                    topic: message.topic.as_str().into(),
                    payload: message.payload.to_vec(),
                    offset: message.offset,
                    is_last: message.is_last(),
                    qos: message.qos,
                    token: message.token,
                };
                Acted::Deliver(part, lent(&mut delivery))
            }
            Action::Event(event) => Acted::Told(event.into()),
            Action::Close => Acted::Close,
            Action::Timeout(at) => Acted::Timeout(at),
            Action::Done => Acted::Done,
        }
    }

    pub(crate) fn start(&mut self, now: Instant) {
        with!(self, client => client.start(now));
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        with!(self, client => client.stop(now));
    }

    pub(crate) fn opened(&mut self, now: Instant, with: &Connect<'_>) -> Result<(), ConnectError> {
        with!(self, client => client.opened(now, with))
    }

    pub(crate) fn sent(&mut self, now: Instant, count: usize) {
        with!(self, client => client.sent(now, count));
    }

    pub(crate) fn closed(&mut self, now: Instant) {
        with!(self, client => client.closed(now));
    }

    pub(crate) fn publish(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
    ) -> Result<Ticket, RequestError> {
        with!(self, client => client.publish(now, publish))
    }

    /// Publishes a payload that is held as it is, where the store can.
    pub(crate) fn publish_held(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        payload: Vec<u8>,
    ) -> Result<Ticket, RequestError> {
        match self {
            Self::Heap(client) => client.publish_bytes(now, publish, payload.into()),
            _ => self.publish(now, publish),
        }
    }

    /// Publishes a payload of `len` bytes that is drawn when it is sent.
    pub(crate) fn publish_drawn(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        len: usize,
    ) -> Result<Ticket, RequestError> {
        with!(self, client => client.publish_drawn(now, publish, len))
    }

    /// Supplies the part of a payload that is wanted; whether it was that of this ticket.
    pub(crate) fn supply(&mut self, now: Instant, ticket: Ticket, payload: &[u8]) -> bool {
        let Some(mut draw) = with!(self, client => client.draw(now)) else {
            return false;
        };
        let part = payload.get(draw.offset..).unwrap_or_default();
        let room = draw.room();
        let count = room.len().min(part.len());
        room[..count].copy_from_slice(&part[..count]);
        let right = (draw.ticket, draw.total) == (ticket, payload.len()) && count > 0;
        draw.supply(count);
        right
    }

    pub(crate) fn subscribe(
        &mut self,
        now: Instant,
        to: Subscription<'_>,
    ) -> Result<Ticket, RequestError> {
        with!(self, client => client.subscribe(now, &[to], &[]))
    }

    pub(crate) fn unsubscribe(
        &mut self,
        now: Instant,
        from: TopicFilter<'_>,
    ) -> Result<Ticket, RequestError> {
        with!(self, client => client.unsubscribe(now, &[from], &[]))
    }

    pub(crate) fn acknowledge(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
    ) -> Result<(), AcknowledgeError> {
        with!(self, client => client.acknowledge(token, reason))
    }

    pub(crate) fn unsettled(&self) -> usize {
        with!(self, client => client.unsettled())
    }

    pub(crate) fn is_connected(&self) -> bool {
        with!(self, client => client.is_connected())
    }
}
