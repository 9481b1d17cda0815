//! A message on its way into the queue.

use crate::client::Client;
use crate::token::Token;
use crate::wait::wait;
use mqtt_driver::{Draws, PublishError, Target};
use std::time::Instant;

/// A message to be published, made by [`Client::publish`] or by a broker's `publish`. Nothing
/// happens before [`send`](mqtt_driver::Publication::send), which for a client returns a
/// [`Token`] or a [`PublishError`] and may wait for room in the queue.
pub type Publication<'a, To = Client> = mqtt_driver::Publication<'a, To>;

impl Target for Client {
    type Sent<'a> = Result<Token, PublishError>;

    fn send<'a>(publication: Publication<'a>) -> Self::Sent<'a> {
        let shared = publication.to().shared();
        let request = publication.request()?;
        let limit = shared.patience();
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let slot = wait(deadline, shared.accept(&request)).unwrap_or(Err(PublishError::QueueFull));
        Ok(Token {
            slot: slot?,
            qos: request.qos,
        })
    }
}

impl Draws for Client {}
