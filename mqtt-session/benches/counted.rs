//! The calls of a client, each a function that callgrind can tell from what drives it.

use mqtt_session::{Action, Client, Instant, Publish, RequestError, RxBuffer, Store, Ticket};

/// A client and its input. What runs inside these methods is counted; what a caller does between
/// them (reading the socket, writing to it, acting on what it is told) is not the client's.
pub(crate) struct Calls<S> {
    pub(crate) client: Client<S>,
    pub(crate) input: RxBuffer<Vec<u8>>,
}

impl<S: Store> Calls<S> {
    #[inline(never)]
    pub(crate) fn poll(&mut self, now: Instant) -> Action<'_> {
        self.client.poll(now, &mut self.input)
    }

    #[inline(never)]
    pub(crate) fn sent(&mut self, now: Instant, count: usize) {
        self.client.sent(now, count);
    }

    #[inline(never)]
    pub(crate) fn publish(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
    ) -> Result<Ticket, RequestError> {
        self.client.publish(now, publish)
    }

    #[inline(never)]
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        self.input.spare()
    }

    #[inline(never)]
    pub(crate) fn filled(&mut self, count: usize) {
        self.input.filled(count);
    }
}
