//! A request on its way, and its answer on the way back.

use super::runtime::Runtime;
use super::wait::{after, until};
use crate::error::AnswerError;
use crate::message::Message;
use crate::publication::{Publication, Target};
use crate::shared::Shared;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

/// Takes requests: a [`Publication`] for it is ready when the answer has come.
pub struct Requester<R> {
    shared: Arc<Shared>,
    runtime: PhantomData<fn() -> R>,
}

impl<R> Requester<R> {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            runtime: PhantomData,
        }
    }
}

impl<R> fmt::Debug for Requester<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Requester")
    }
}

/// The future of a request. Dropped before it is ready, nobody waits for the answer any more; the
/// request itself may have left.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Result<Message, AnswerError>> + Send + 'a>>;

impl<R: Runtime> Target for Requester<R> {
    type Sent<'a> = Asking<'a>;

    fn send<'a>(request: Publication<'a, Self>) -> Asking<'a> {
        Box::pin(async move {
            let deadline = after::<R>(Shared::answer_limit(&request));
            let shared = &request.to().shared;
            let answer = until::<R, _>(Some(deadline), shared.ask(request)).await;
            answer.unwrap_or(Err(AnswerError::TimedOut))
        })
    }
}

impl<'a, R: Runtime> IntoFuture for Publication<'a, Requester<R>> {
    type Output = Result<Message, AnswerError>;
    type IntoFuture = Asking<'a>;

    fn into_future(self) -> Asking<'a> {
        self.send()
    }
}
