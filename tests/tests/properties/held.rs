//! The stores that worlds are built on.

use bytes::Bytes;
use mqtt_session::{
    Client, Fixed, Heap, HeapLimits, Instant, Publish, RequestError, Store, Ticket,
};

/// A store that a world can be built on.
pub(crate) trait Held: Store + Clone {
    /// Messages and requests at a time.
    fn exchanges(&self) -> usize;
    /// Messages inbound at a time.
    fn inbound(&self) -> u16;
    /// Whether two clients are the same, as far as that can be asked.
    fn same(one: &Client<Self>, other: &Client<Self>) -> bool;
    /// Publishes with the payload beside the message, where the store can hold it so.
    fn publish_apart(
        client: &mut Client<Self>,
        now: Instant,
        publish: &Publish<'_>,
        payload: Vec<u8>,
    ) -> Result<Ticket, RequestError>;
}

impl<
    const OUT: usize,
    const IN: usize,
    const ARENA: usize,
    const TRANSMIT: usize,
    const ALIASES: usize,
    const TOPIC: usize,
    const CLIENT_ID: usize,
> Held for Fixed<OUT, IN, ARENA, TRANSMIT, ALIASES, TOPIC, CLIENT_ID>
{
    fn exchanges(&self) -> usize {
        OUT
    }

    fn inbound(&self) -> u16 {
        IN as u16
    }

    fn same(one: &Client<Self>, other: &Client<Self>) -> bool {
        one == other
    }

    fn publish_apart(
        client: &mut Client<Self>,
        now: Instant,
        publish: &Publish<'_>,
        _payload: Vec<u8>,
    ) -> Result<Ticket, RequestError> {
        client.publish(now, publish)
    }
}

impl Held for Heap {
    fn exchanges(&self) -> usize {
        usize::from(HEAP.exchanges)
    }

    fn inbound(&self) -> u16 {
        HEAP.receive_maximum
    }

    fn same(_one: &Client<Self>, _other: &Client<Self>) -> bool {
        true
    }

    fn publish_apart(
        client: &mut Client<Self>,
        now: Instant,
        publish: &Publish<'_>,
        payload: Vec<u8>,
    ) -> Result<Ticket, RequestError> {
        client.publish_bytes(now, publish, Bytes::from(payload))
    }
}

/// The bounds of the heaps in the worlds.
pub(crate) const HEAP: HeapLimits = HeapLimits {
    exchanges: 20,
    bytes: 4_096,
    transmit: 1_024,
    receive_maximum: 6,
};
