//! SUBSCRIBE and UNSUBSCRIBE: from the call to what is kept of them.

use crate::event::Ticket;
use crate::record::{Flags, Stage};
use crate::request::RequestError;
use crate::sender::{Kept, Storable};
use crate::stored;
use core::cell::Cell;
use mqtt_proto::{
    EncodeError, Filters, Properties, Property, PropertyId, QoS, Sender as From, Subscribe,
    Subscription, Subscriptions, TopicFilter, Unsubscribe,
};

/// Takes in what is to be kept.
type Keep<'k> = &'k mut dyn FnMut(&Kept<'_>) -> Result<Ticket, RequestError>;

/// What is known of a SUBSCRIBE. What it takes to look is not to lie below what is kept.
fn known(subscriptions: &[Subscription<'_>], properties: &[Property<'_>]) -> Flags {
    let mut flags = Flags::REQUEST;
    for subscription in subscriptions {
        if subscription.filter.is_shared() {
            flags.set(Flags::SHARED);
        }
        if subscription.filter.has_wildcard() {
            flags.set(Flags::WILDCARD);
        }
    }
    for property in properties {
        if property.id() == PropertyId::SubscriptionIdentifier {
            flags.set(Flags::IDENTIFIED);
        }
    }
    flags
}

/// Subscribes.
pub(crate) fn subscribe(
    subscriptions: &[Subscription<'_>],
    properties: &[Property<'_>],
    keep: Keep<'_>,
) -> Result<Ticket, RequestError> {
    let packet = Subscribe {
        packet_id: stored::placeholder(QoS::AtLeastOnce).ok_or(RequestError::NoRoom)?,
        properties: Properties::new(properties),
        subscriptions: Subscriptions::new(subscriptions),
    };
    request(
        known(subscriptions, properties),
        Stage::AwaitSubAck,
        subscriptions.len(),
        keep,
        &packet,
    )
}

/// Unsubscribes.
pub(crate) fn unsubscribe(
    filters: &[TopicFilter<'_>],
    properties: &[Property<'_>],
    keep: Keep<'_>,
) -> Result<Ticket, RequestError> {
    let packet = Unsubscribe {
        packet_id: stored::placeholder(QoS::AtLeastOnce).ok_or(RequestError::NoRoom)?,
        properties: Properties::new(properties),
        filters: Filters::new(filters),
    };
    request(
        Flags::REQUEST,
        Stage::AwaitUnsubAck,
        filters.len(),
        keep,
        &packet,
    )
}

fn request(
    flags: Flags,
    stage: Stage,
    count: usize,
    keep: Keep<'_>,
    packet: &dyn Storable,
) -> Result<Ticket, RequestError> {
    let kept = Kept {
        stage,
        flags: Cell::new(flags),
        count,
        #[cfg(feature = "message-expiry")]
        expires: None,
        #[cfg(any(feature = "bytes", feature = "draw"))]
        apart: None,
        packet,
    };
    keep(&kept)
}

/// Only a client asks.
impl Storable for Subscribe<'_> {
    fn encode(
        &self,
        #[cfg(any(feature = "bytes", feature = "draw"))] _: Option<usize>,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        self.encode(From::Client, out)
    }
}

impl Storable for Unsubscribe<'_> {
    fn encode(
        &self,
        #[cfg(any(feature = "bytes", feature = "draw"))] _: Option<usize>,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        self.encode(From::Client, out)
    }
}
