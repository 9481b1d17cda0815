//! A message on its way into the queue.

use super::client::Client;
use super::runtime::Runtime;
use super::token::Token;
use super::wait::{after, expire};
use crate::error::PublishError;
use crate::publication::{Draws, Publication, Target};
use crate::waiters::Place;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// The future of a [`Publication`] for a client: the message is in the queue when it is ready.
/// Dropped before, the message was not published.
#[must_use = "a future does nothing unless it is polled"]
pub struct Publishing<'a, R: Runtime> {
    publication: Publication<'a, Client<R>>,
    place: Place,
    /// Until when there has to be room, once it has to be waited for.
    deadline: Option<Instant>,
    timer: Option<R::Timer>,
}

impl<R: Runtime> Target for Client<R> {
    type Sent<'a> = Publishing<'a, R>;

    fn send<'a>(publication: Publication<'a, Self>) -> Publishing<'a, R> {
        Publishing {
            publication,
            place: Place::default(),
            deadline: None,
            timer: None,
        }
    }
}

impl<R: Runtime> Draws for Client<R> {}

impl<'a, R: Runtime> IntoFuture for Publication<'a, Client<R>> {
    type Output = Result<Token, PublishError>;
    type IntoFuture = Publishing<'a, R>;

    fn into_future(self) -> Publishing<'a, R> {
        self.send()
    }
}

impl<R: Runtime> Future for Publishing<'_, R> {
    type Output = Result<Token, PublishError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let request = this.publication.request()?;
        let shared = this.publication.to().shared();
        if let Poll::Ready(accepted) = shared.poll_accept(&request, &mut this.place, cx) {
            return Poll::Ready(accepted.map(|slot| Token::new(slot, request.qos)));
        }
        let Some(limit) = shared.patience() else {
            return Poll::Pending;
        };
        let deadline = *this.deadline.get_or_insert_with(|| after::<R>(limit));
        expire::<R>(&mut this.timer, deadline, cx).map(|()| Err(PublishError::QueueFull))
    }
}

impl<R: Runtime> Drop for Publishing<'_, R> {
    fn drop(&mut self) {
        let shared = self.publication.to().shared();
        shared.leave_room(&mut self.place);
    }
}

impl<R: Runtime> fmt::Debug for Publishing<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publishing")
            .field("publication", &self.publication)
            .finish_non_exhaustive()
    }
}
