//! What comes with every delivery: the sending half of the session, so that a message can be
//! answered while it is still borrowed.

use crate::event::Ticket;
use crate::request::{Publish, RequestError};
use crate::sender::{Kept, Outbox, Sending, ticket_of};
use crate::store::OutboundStore;
use crate::subscribing::{subscribe, unsubscribe};
use mqtt_proto::{Property, Subscription, TopicFilter};

/// The sending half of the session.
///
/// It comes with every delivery, so that an answer can be published while the message is still
/// borrowed: a request's response topic and correlation data go back without being copied.
pub struct Sender<'a> {
    pub(crate) out: &'a mut Outbox,
    pub(crate) store: &'a mut dyn Answer,
}

impl Sender<'_> {
    /// Publishes a message, exactly as [`Client::publish`](crate::Client::publish) does.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn publish(&mut self, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        self.store.publish(self.out, publish)
    }

    /// Subscribes, exactly as [`Client::subscribe`](crate::Client::subscribe) does.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn subscribe(
        &mut self,
        subscriptions: &[Subscription<'_>],
        properties: &[Property<'_>],
    ) -> Result<Ticket, RequestError> {
        subscribe(subscriptions, properties, &mut |kept| {
            self.store.keep(self.out, kept)
        })
    }

    /// Unsubscribes, exactly as [`Client::unsubscribe`](crate::Client::unsubscribe) does.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn unsubscribe(
        &mut self,
        filters: &[TopicFilter<'_>],
        properties: &[Property<'_>],
    ) -> Result<Ticket, RequestError> {
        unsubscribe(filters, properties, &mut |kept| {
            self.store.keep(self.out, kept)
        })
    }
}

impl core::fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender")
            .field("exchanges", &self.out.exchanges)
            .field("line", &self.out.line)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Sender<'_> {
    fn format(&self, fmt: defmt::Formatter<'_>) {
        defmt::write!(fmt, "Sender");
    }
}

/// What a delivery can be answered with, whatever the store is: so its type does not show in that
/// of an action.
pub(crate) trait Answer {
    fn publish(&mut self, out: &mut Outbox, publish: &Publish<'_>) -> Result<Ticket, RequestError>;
    #[cfg(feature = "draw")]
    fn publish_drawn(
        &mut self,
        out: &mut Outbox,
        publish: &Publish<'_>,
        total: usize,
    ) -> Result<Ticket, RequestError>;
    fn keep(&mut self, out: &mut Outbox, kept: &Kept<'_>) -> Result<Ticket, RequestError>;
}

impl<O: OutboundStore> Answer for O {
    #[cfg(feature = "fast")]
    fn publish(&mut self, out: &mut Outbox, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        Sending { out, store: self }.publish(publish)
    }

    #[cfg(not(feature = "fast"))]
    #[inline(never)] // One for all, so that there is none that only hands on.
    fn publish(&mut self, out: &mut Outbox, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        // Written to its place at once, where it is a ticket already.
        let taken = Sending { out, store: self }.enqueue(publish, None);
        #[cfg(any(feature = "bytes", feature = "draw"))]
        let taken = ticket_of(taken);
        taken
    }

    #[cfg(feature = "draw")]
    fn publish_drawn(
        &mut self,
        out: &mut Outbox,
        publish: &Publish<'_>,
        total: usize,
    ) -> Result<Ticket, RequestError> {
        Sending { out, store: self }.publish_drawn(publish, total)
    }

    #[cfg_attr(not(feature = "fast"), inline(never))] // As above.
    fn keep(&mut self, out: &mut Outbox, kept: &Kept<'_>) -> Result<Ticket, RequestError> {
        ticket_of(Sending { out, store: self }.keep(kept))
    }
}
