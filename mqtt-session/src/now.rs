//! The calls of a client that has been told the time.

use crate::action::Place;
use crate::answer::Answer;
use crate::client::Client;
use crate::event::Ticket;
use crate::request::{Connect, ConnectError, Publish, RequestError};
use crate::rx_buffer::RxBuffer;
use crate::sender::Sending;
use crate::store::Store;
use crate::subscribing::{subscribe, unsubscribe};
use mqtt_proto::{Property, Subscription, TopicFilter};

/// A client at the moment that [`Client::advance`] has told it, for an adapter that asks its clock in
/// one place. Each call is that of [`Client`] of the same name.
#[doc(hidden)]
#[derive(Debug)]
pub struct Now<'a, S>(&'a mut Client<S>);

impl<S: Store> Client<S> {
    /// Tells the time, for the calls of [`Client::now`].
    #[doc(hidden)]
    #[inline(always)] // It is but another name.
    pub fn advance(&mut self, now: crate::Instant) {
        self.machine.out.clock.advance(now);
    }

    /// The calls of a client that has been told the time.
    #[doc(hidden)]
    pub const fn now(&mut self) -> Now<'_, S> {
        Now(self)
    }
}

impl<'a, S: Store> Now<'a, S> {
    /// See [`Client::start`].
    pub fn start(self) {
        self.0.machine.start();
    }

    /// As [`Client::poll`], for an adapter that has a place of its own for what is told.
    pub fn poll_into<B: AsRef<[u8]> + AsMut<[u8]>, P: Place<'a>>(
        self,
        input: &'a mut RxBuffer<B>,
        place: &mut P,
    ) {
        #[cfg(feature = "fast")]
        self.poll_straight_into(input, place);
        #[cfg(not(feature = "fast"))]
        {
            let (machine, stores) = self.0.split();
            machine.poll_into(stores, input, place);
        }
    }

    #[cfg(feature = "fast")]
    fn poll_straight_into<B: AsRef<[u8]> + AsMut<[u8]>, P: Place<'a>>(
        self,
        input: &'a mut RxBuffer<B>,
        place: &mut P,
    ) {
        use crate::action::{Action, Asked};
        place.rest();
        let now = self.0.machine.out.clock.moment();
        match self.0.poll(now, input) {
            Action::Open => place.ask(Asked::Open),
            Action::Send(bytes) => place.ask(Asked::Send(bytes)),
            Action::Close => place.ask(Asked::Close),
            Action::Timeout(deadline) => place.ask(Asked::Timeout(deadline)),
            Action::Done => place.ask(Asked::Done),
            Action::Deliver(delivery) => place.deliver(delivery),
            Action::Event(event) => {
                if let Some(place) = place.event() {
                    *place = event;
                }
            }
        }
    }

    /// See [`Client::opened`].
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn opened(self, connect: &Connect<'_>) -> Result<(), ConnectError> {
        let (machine, stores) = self.0.split();
        machine.opened(connect, stores)
    }

    /// See [`Client::sent`].
    pub fn sent(self, count: usize) {
        self.sending().sent(count);
    }

    /// See [`Client::closed`].
    pub fn closed(self) {
        let (machine, stores) = self.0.split();
        machine.closed(stores);
    }

    /// See [`Client::stop`].
    pub fn stop(self) {
        let (machine, stores) = self.0.split();
        machine.stop(stores.outbound);
    }

    /// See [`Client::publish`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn publish(self, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        self.sending().publish(publish)
    }

    /// See [`Client::subscribe`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn subscribe(
        self,
        subscriptions: &[Subscription<'_>],
        properties: &[Property<'_>],
    ) -> Result<Ticket, RequestError> {
        let Sending { out, store } = self.sending();
        subscribe(subscriptions, properties, &mut |kept| store.keep(out, kept))
    }

    /// See [`Client::unsubscribe`].
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn unsubscribe(
        self,
        filters: &[TopicFilter<'_>],
        properties: &[Property<'_>],
    ) -> Result<Ticket, RequestError> {
        let Sending { out, store } = self.sending();
        unsubscribe(filters, properties, &mut |kept| store.keep(out, kept))
    }

    pub(crate) fn sending(self) -> Sending<'a, S::Outbound> {
        let (machine, stores) = self.0.split();
        machine.sender(stores.outbound)
    }
}
