//! Waiting that ends.

use super::runtime::Runtime;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// Waits for a future until a moment; None when that has come first.
pub(super) async fn until<R: Runtime, T>(
    deadline: Option<Instant>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut timer = None;
    std::future::poll_fn(|cx| {
        // What is ready already costs no timer.
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(value));
        }
        match deadline {
            Some(deadline) => expire::<R>(&mut timer, deadline, cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}

/// Is ready when the deadline has come; the timer is made when it is first needed.
pub(super) fn expire<R: Runtime>(
    timer: &mut Option<R::Timer>,
    deadline: Instant,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| R::timer(deadline));
    Pin::new(timer).poll(cx)
}

/// Beyond this a time limit is none; it keeps sums within what the clock can tell.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);

/// When a span from now is over.
pub(super) fn after<R: Runtime>(span: std::time::Duration) -> Instant {
    let now = R::now();
    now.checked_add(span.min(LONGEST)).unwrap_or(now)
}
