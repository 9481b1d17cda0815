//! A message is handed to the machine, at once or when there is room for it.

use crate::draw::PayloadSource;
use crate::error::PublishError;
use crate::ledger::{Outcome, Pending};
use crate::options::{Queue, WhenFull};
use crate::shared::{Core, Shared};
use crate::slot::Slot;
use crate::waiters::Place;
use bytes::Bytes;
use mqtt_session::{Publish, QoS, RequestError};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Payloads of this length and above are held and written as they are; below, one copy beside
/// the header saves a system call.
const HELD: usize = 1024;

/// A message on its way to the machine.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// The packet.
    pub publish: Publish<'a>,
    /// Its payload once more, to be held without copying it.
    pub payload: &'a Bytes,
    /// Where its payload is drawn from instead.
    pub source: Option<&'a PayloadSource>,
    /// Its quality of service.
    pub qos: QoS,
    /// Bytes of topic and payload, as far as they lie in memory.
    pub size: usize,
    /// Whether it has a Message Expiry Interval, which begins when it is handed over.
    pub expires: bool,
}

impl Shared {
    /// Hands a message over, waiting for room where that is the policy; what becomes of it is
    /// left in the slot. A wait that [`Shared::patience`] limits is the caller's to end.
    pub fn accept<'a>(&'a self, request: &'a Request<'a>) -> Accept<'a> {
        Accept {
            shared: self,
            request,
            place: Place::default(),
        }
    }
}

/// The future of [`Shared::accept`]. Until it is ready nothing has been accepted.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Accept<'a> {
    shared: &'a Shared,
    request: &'a Request<'a>,
    place: Place,
}

impl Future for Accept<'_> {
    type Output = Result<Arc<Slot<Outcome>>, PublishError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.shared.poll_accept(this.request, &mut this.place, cx)
    }
}

impl Drop for Accept<'_> {
    fn drop(&mut self) {
        self.shared.leave_room(&mut self.place);
    }
}

impl Shared {
    /// As [`Shared::accept`], for whoever keeps the place. Giving up before it is ready takes
    /// [`Shared::leave_room`].
    pub fn poll_accept(
        &self,
        request: &Request<'_>,
        place: &mut Place,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Arc<Slot<Outcome>>, PublishError>> {
        let queue = self.queue;
        let mut core = self.lock();
        // While the loop is at it, its time will do, but not for a span that begins now.
        let now = if core.asleep || request.expires {
            self.now()
        } else {
            core.last_turn
        };
        match core.publish(now, &queue, request) {
            Ok(Some(slot)) => {
                core.hand_over();
                Poll::Ready(Ok(slot))
            }
            Ok(None) if queue.when_full == WhenFull::Refuse => {
                Poll::Ready(Err(PublishError::QueueFull))
            }
            Ok(None) => {
                let former = core.room.wait(place, cx.waker());
                drop(core);
                drop(former);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Gives up waiting for room.
    pub fn leave_room(&self, place: &mut Place) {
        if place.is_taken() {
            let left = self.lock().room.leave(place);
            drop(left);
        }
    }
}

impl Core {
    /// Hands a message to the machine; None when there is no room for it now.
    fn publish(
        &mut self,
        now: mqtt_session::Instant,
        queue: &Queue,
        request: &Request<'_>,
    ) -> Result<Option<Arc<Slot<Outcome>>>, PublishError> {
        let Request {
            topic,
            publish,
            payload,
            source,
            qos,
            size,
            expires: _,
        } = request;
        let (qos, size) = (*qos, *size);
        if size > queue.bytes {
            let maximum = queue.bytes;
            return Err(PublishError::LargerThanQueue { len: size, maximum });
        }
        if let Some(cause) = self.refusal() {
            return Err(PublishError::Ended(cause));
        }
        let load = self.ledger.load;
        if load.messages() >= queue.messages.clamp(1, 65_000) || load.bytes + size > queue.bytes {
            return Ok(None);
        }
        let accepted = if let Some(source) = source {
            self.machine.publish_drawn(now, publish, source.len())
        } else if payload.len() >= HELD {
            self.machine
                .publish_bytes(now, publish, Bytes::clone(payload))
        } else {
            self.machine.publish(now, publish)
        };
        let ticket = match accepted {
            Ok(ticket) => ticket,
            Err(RequestError::TooMany | RequestError::NoRoom) => return Ok(None),
            Err(error) => return Err(PublishError::Refused(error)),
        };
        let slot = Arc::<Slot<Outcome>>::default();
        let pending = Pending::Publish {
            slot: Arc::clone(&slot),
            qos,
            size,
        };
        self.ledger.expect(ticket, pending);
        if let Some(source) = source {
            self.ledger
                .sources
                .add(ticket, PayloadSource::clone(source));
        }
        self.ledger.trace.accepted(topic, qos, size);
        Ok(Some(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Cause, DeliveryError};
    use crate::options::Options;
    use crate::waking::Party;
    use mqtt_session::TopicName;
    use std::task::Waker;
    use std::time::Instant;

    fn shared(when_full: WhenFull) -> Arc<Shared> {
        let queue = Queue {
            messages: 1,
            when_full,
            ..Queue::default()
        };
        Shared::new(
            &Options::new("a").queue(queue),
            Waker::noop().clone(),
            Instant::now,
        )
    }

    fn request(payload: &Bytes) -> Request<'_> {
        Request {
            topic: "t",
            publish: Publish::new(TopicName::new("t").unwrap(), payload).qos(QoS::AtLeastOnce),
            payload,
            source: None,
            qos: QoS::AtLeastOnce,
            size: 1 + payload.len(),
            expires: false,
        }
    }

    #[test]
    fn everybody_who_waits_for_room_is_woken_and_told_of_the_end() {
        let shared = shared(WhenFull::Block);
        let payload = Bytes::from_static(b"p");
        let request = request(&payload);
        let slot = Party::new(shared.accept(&request)).poll().unwrap().unwrap();
        let mut token = Party::new(slot.filled());
        assert!(token.poll().is_none());
        let mut waiting = [(); 2].map(|()| Party::new(shared.accept(&request)));
        for party in &mut waiting {
            assert!(party.poll().is_none());
        }
        shared.end(&Cause::Closed);
        assert_eq!(waiting.each_ref().map(Party::woken), [1, 1]);
        for party in &mut waiting {
            let refused = party.poll();
            assert!(matches!(
                refused,
                Some(Err(PublishError::Ended(Cause::Closed)))
            ));
        }
        assert_eq!(token.woken(), 1);
        let outcome = token.poll();
        assert!(matches!(
            outcome,
            Some(Err(DeliveryError::Ended(Cause::Closed)))
        ));
    }

    #[test]
    fn who_gives_up_waiting_for_room_leaves_nothing_behind() {
        let shared = shared(WhenFull::Block);
        let payload = Bytes::from_static(b"p");
        let request = request(&payload);
        assert!(Party::new(shared.accept(&request)).poll().is_some());
        let mut gone = Party::new(shared.accept(&request));
        assert!(gone.poll().is_none());
        let counter = gone.counter();
        drop(gone);
        assert_eq!(shared.lock().room.len(), 0);
        assert_eq!(shared.unsettled().messages(), 1);
        shared.end(&Cause::Closed);
        assert_eq!(counter.count(), 0);
    }

    #[test]
    fn a_full_queue_refuses_where_that_is_wanted() {
        let shared = shared(WhenFull::Refuse);
        let payload = Bytes::from_static(b"p");
        let request = request(&payload);
        assert!(Party::new(shared.accept(&request)).poll().is_some());
        let refused = Party::new(shared.accept(&request)).poll();
        assert!(matches!(refused, Some(Err(PublishError::QueueFull))));
    }
}
