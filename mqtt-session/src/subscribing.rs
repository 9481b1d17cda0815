//! SUBSCRIBE and UNSUBSCRIBE: from the call to what is kept of them.

use crate::event::Ticket;
use crate::record::{Flags, Stage};
use crate::request::RequestError;
use crate::sender::Kept;
use crate::stored;
use mqtt_proto::{
    Filters, Properties, Property, PropertyId, Sender as From, Subscribe, Subscription,
    Subscriptions, TopicFilter, Unsubscribe,
};

/// Takes in what is to be kept.
type Keep<'k> = &'k mut dyn FnMut(&Kept<'_>) -> Result<Ticket, RequestError>;

/// Subscribes.
pub(crate) fn subscribe(
    subscriptions: &[Subscription<'_>],
    properties: &[Property<'_>],
    keep: Keep<'_>,
) -> Result<Ticket, RequestError> {
    let mut flags = Flags::SUBSCRIBE;
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
    let packet = Subscribe {
        packet_id: stored::placeholder().ok_or(RequestError::NoRoom)?,
        properties: Properties::new(properties),
        subscriptions: Subscriptions::new(subscriptions),
    };
    request(
        flags,
        Stage::AwaitSubAck,
        subscriptions.len(),
        keep,
        &|out| packet.encode(From::Client, out),
    )
}

/// Unsubscribes.
pub(crate) fn unsubscribe(
    filters: &[TopicFilter<'_>],
    properties: &[Property<'_>],
    keep: Keep<'_>,
) -> Result<Ticket, RequestError> {
    let packet = Unsubscribe {
        packet_id: stored::placeholder().ok_or(RequestError::NoRoom)?,
        properties: Properties::new(properties),
        filters: Filters::new(filters),
    };
    let flags = Flags::UNSUBSCRIBE;
    request(flags, Stage::AwaitUnsubAck, filters.len(), keep, &|out| {
        packet.encode(From::Client, out)
    })
}

fn request(
    flags: Flags,
    stage: Stage,
    count: usize,
    keep: Keep<'_>,
    encode: &dyn Fn(&mut [u8]) -> Result<usize, mqtt_proto::EncodeError>,
) -> Result<Ticket, RequestError> {
    let kept = Kept {
        stage,
        flags,
        retain: false,
        count,
        #[cfg(feature = "message-expiry")]
        expires: None,
        #[cfg(any(feature = "bytes", feature = "draw"))]
        apart: 0,
        encode,
    };
    keep(&kept)
}
