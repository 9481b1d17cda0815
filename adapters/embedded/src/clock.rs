//! Where time comes from.

use mqtt_session::Instant;

/// Tells the time, in microseconds since a moment of its own: a function, or
/// [`EmbassyTime`](crate::EmbassyTime) with the feature `embassy-time`.
///
/// ```
/// use mqtt_embedded::Clock;
/// use mqtt_session::Instant;
///
/// # fn ticks() -> u64 { 1_500 }
/// let mut clock = || Instant::from_millis(ticks());
/// assert_eq!(clock.now(), Instant::from_micros(1_500_000));
/// ```
pub trait Clock {
    /// The time now. Should it run backwards, that counts as no time having passed.
    fn now(&mut self) -> Instant;

    /// Called again and again while a blocking client has to wait, at most until `until`: it may
    /// sleep, up to the next interrupt for example, and return whenever it likes.
    fn idle(&mut self, until: Instant) {
        let _ = until;
        core::hint::spin_loop();
    }
}

impl<F: FnMut() -> Instant> Clock for F {
    fn now(&mut self) -> Instant {
        self()
    }
}

/// A clock that an async client can wait with: a pair of functions, or
/// [`EmbassyTime`](crate::EmbassyTime).
///
/// ```
/// use mqtt_embedded::Timer;
/// use mqtt_session::Instant;
///
/// fn takes_timer(_: impl Timer) {}
/// # fn micros() -> u64 { 0 }
/// # async fn sleep_until(_: Instant) {}
/// takes_timer((|| Instant::from_micros(micros()), async |moment| sleep_until(moment).await));
/// ```
#[allow(async_fn_in_trait, reason = "executors of one thread need no Send")]
pub trait Timer: Clock {
    /// Waits until `moment`, which may be [`Instant::NEVER`]. The future may be dropped.
    async fn wait_until(&mut self, moment: Instant);
}

impl<N: FnMut() -> Instant, W: AsyncFnMut(Instant)> Clock for (N, W) {
    fn now(&mut self) -> Instant {
        (self.0)()
    }
}

impl<N: FnMut() -> Instant, W: AsyncFnMut(Instant)> Timer for (N, W) {
    async fn wait_until(&mut self, moment: Instant) {
        (self.1)(moment).await;
    }
}

/// The time of `embassy-time`, for both kinds of client.
#[cfg(feature = "embassy-time")]
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbassyTime;

#[cfg(feature = "embassy-time")]
impl Clock for EmbassyTime {
    fn now(&mut self) -> Instant {
        Instant::from_micros(embassy_time::Instant::now().as_micros())
    }
}

#[cfg(feature = "embassy-time")]
impl Timer for EmbassyTime {
    async fn wait_until(&mut self, moment: Instant) {
        // A moment between two ticks is reached at the second. The conversion fails for what is too
        // far away ever to come.
        let tick = embassy_time::Duration::from_ticks(1);
        let at = embassy_time::Instant::try_from_micros(moment.as_micros());
        match at.and_then(|at| at.checked_add(tick)) {
            Some(at) => embassy_time::Timer::at(at).await,
            None => core::future::pending().await,
        }
    }
}
