//! Requests and their answers: each answer finds its request by its correlation data (section
//! 4.10).

use crate::error::{AnswerError, Cause, DeliveryError, SubscribeError};
use crate::inbox::Inbox;
use crate::message::Message;
use crate::publication::Publication;
use crate::question::Answer;
use crate::shared::Shared;
use crate::slot::{Filled, Slot};
use crate::subscribe::SubscribeOptions;
use crate::waiters::Wakes;
use mqtt_session::{QoS, ReasonCode};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long an answer is waited for where the request does not say how long it is of use.
const PATIENCE: Duration = Duration::from_secs(30);

/// The requests of a client that were not answered yet.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// Where answers come, since the first request.
    listening: Option<Listening>,
    waiting: HashMap<u64, Arc<Slot<Result<Message, Cause>>>>,
    last: u64,
}

#[derive(Clone, Debug)]
struct Listening {
    topic: Arc<str>,
    /// What came too late, or for a request that is not this client's.
    strays: Arc<Inbox<Message>>,
    answer: Arc<Slot<Answer>>,
}

impl Requests {
    /// Where answers come, as long as they do: a server that has lost the session may refuse to
    /// subscribe again, and the application may have unsubscribed.
    fn listening(&self) -> Option<Listening> {
        let goes_on = |listening: &&Listening| listening.strays.ended().is_none();
        self.listening.as_ref().filter(goes_on).cloned()
    }

    /// Whether a message is an answer that is waited for; then it is taken there.
    pub(crate) fn take(&mut self, message: &Message, wakes: &mut Wakes) -> bool {
        let Some(listening) = &self.listening else {
            return false;
        };
        let data = message.properties.correlation_data.as_deref();
        let Some(id) = data.and_then(|data| Some(u64::from_be_bytes(data.try_into().ok()?))) else {
            return false;
        };
        if *message.topic != *listening.topic {
            return false;
        }
        match self.waiting.remove(&id) {
            Some(slot) => {
                slot.fill(Ok(message.without_receipt()), wakes);
                true
            }
            None => false,
        }
    }

    /// Nothing will be answered any more.
    pub(crate) fn end(&mut self, cause: &Cause, wakes: &mut Wakes) {
        for (_, slot) in self.waiting.drain() {
            slot.fill(Err(cause.clone()), wakes);
        }
    }
}

/// A request that waits for its answer. Dropping it ends that.
struct Expected<'a> {
    shared: &'a Shared,
    id: u64,
    slot: Arc<Slot<Result<Message, Cause>>>,
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        let mut core = self.shared.lock();
        let slot = core.ledger.requests.waiting.remove(&self.id);
        drop(core);
        drop(slot);
    }
}

impl Shared {
    /// How long the answer to a request is waited for: as long as the request is of use, or 30
    /// seconds.
    #[must_use]
    pub fn answer_limit<To>(request: &Publication<'_, To>) -> Duration {
        request.lifetime().unwrap_or(PATIENCE)
    }

    /// Publishes a request and waits for its answer, for ever: a limit is the caller's to set.
    /// Dropped before it is ready, nobody waits for the answer any more.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub async fn ask<To>(&self, request: Publication<'_, To>) -> Result<Message, AnswerError> {
        let topic = self.listen().await?;
        let expected = self.expect();
        let correlation = expected.id.to_be_bytes();
        let request = request
            .response_topic(&topic)
            .correlation_data(&correlation);
        let request = request
            .request()
            .map_err(|wrong| AnswerError::Publish(wrong.into()))?;
        let accepted = self.accept(&request).await.map_err(AnswerError::Publish)?;
        let answer = Answered {
            answer: expected.slot.filled(),
            delivery: Some(accepted.filled()),
        };
        answer.await
    }

    /// Sees that answers come; where. The subscription is made with the first request, and is
    /// kept.
    async fn listen(&self) -> Result<Arc<str>, AnswerError> {
        let listening = self.listening().map_err(AnswerError::Subscribe)?;
        if let Err(error) = listening.answer.filled().await {
            // The next request tries again.
            let mut core = self.lock();
            let current = &mut core.ledger.requests.listening;
            let former = current.take_if(|own| Arc::ptr_eq(&own.answer, &listening.answer));
            drop(core);
            drop(former);
            return Err(AnswerError::Subscribe(error));
        }
        Ok(listening.topic)
    }

    fn listening(&self) -> Result<Listening, SubscribeError> {
        if let Some(listening) = self.lock().ledger.requests.listening() {
            return Ok(listening);
        }
        let topic = &self.response_topic;
        let mut options = SubscribeOptions::new(QoS::AtLeastOnce).no_local(false);
        options.buffer.messages = 1;
        let (strays, answer) = self.subscribe(topic, &options)?;
        let listening = Listening {
            topic: Arc::clone(topic),
            strays,
            answer,
        };
        let mut core = self.lock();
        let requests = &mut core.ledger.requests;
        let kept = match requests.listening() {
            Some(other) => other,
            None => requests.listening.insert(listening.clone()).clone(),
        };
        drop(core);
        if !Arc::ptr_eq(&kept.strays, &listening.strays) {
            // Another request was faster, and reads the same filter.
            self.leave(&listening.strays);
        }
        Ok(kept)
    }

    fn expect(&self) -> Expected<'_> {
        let slot = Arc::default();
        let mut core = self.lock();
        let requests = &mut core.ledger.requests;
        requests.last = requests.last.wrapping_add(1);
        let id = requests.last;
        requests.waiting.insert(id, Arc::clone(&slot));
        drop(core);
        Expected {
            shared: self,
            id,
            slot,
        }
    }
}

/// The answer to a request that was accepted, or that there will be none.
struct Answered<'a> {
    answer: Filled<'a, Result<Message, Cause>>,
    /// What becomes of the request itself, until that is known.
    delivery: Option<Filled<'a, Result<ReasonCode, DeliveryError>>>,
}

impl Future for Answered<'_> {
    type Output = Result<Message, AnswerError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Poll::Ready(answer) = Pin::new(&mut this.answer).poll(cx) {
            return Poll::Ready(answer.map_err(AnswerError::Ended));
        }
        if let Some(delivery) = &mut this.delivery
            && let Poll::Ready(delivered) = Pin::new(delivery).poll(cx)
        {
            this.delivery = None;
            match delivered {
                Ok(ReasonCode::NO_MATCHING_SUBSCRIBERS) => {
                    return Poll::Ready(Err(AnswerError::NoSubscriber));
                }
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(AnswerError::Delivery(error))),
            }
        }
        Poll::Pending
    }
}
