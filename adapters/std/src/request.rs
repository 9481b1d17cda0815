//! A request on its way, and its answer on the way back.

use crate::publish::Publication;
use crate::wait::wait;
use mqtt_driver::{AnswerError, Message, Shared, Target};
use std::sync::Arc;
use std::time::Instant;

/// Takes requests: sending a [`Publication`] to it waits for the answer.
#[derive(Debug)]
pub struct Requester {
    pub(crate) shared: Arc<Shared>,
}

impl Target for Requester {
    type Sent<'a> = Result<Message, AnswerError>;

    fn send<'a>(request: Publication<'a, Self>) -> Self::Sent<'a> {
        let shared = &request.to().shared;
        let deadline = Instant::now().checked_add(Shared::answer_limit(&request));
        wait(deadline, shared.ask(request)).unwrap_or(Err(AnswerError::TimedOut))
    }
}
