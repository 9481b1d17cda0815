//! What the handles and the loop share: the machine behind one lock.
//!
//! A handle calls the machine itself, so that what it asks for is accepted or refused before its
//! call returns; the loop does everything that follows from it. The lock is held for no wait.

use crate::counters::Counters;
use crate::error::{AcknowledgeError, Cause, SubscribeError, Undelivered};
use crate::inbox::Inbox;
use crate::keeping::Restored;
use crate::ledger::Ledger;
use crate::message::Message;
use crate::options::{Options, Queue, WhenFull};
use crate::question::Answer;
use crate::slot::Slot;
use crate::state::State;
use crate::store::{Store, StoreError};
use crate::subscribe::SubscribeOptions;
use crate::waiters::{Place, Waiters, Wakes};
use mqtt_session::{AckToken, Client, Heap, ReasonCode, TopicFilter};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A client, as its handles and its loop see it.
pub struct Shared {
    core: Mutex<Core>,
    pub(crate) queue: Queue,
    /// Wakes the loop.
    waker: Waker,
    /// Where answers to requests come.
    pub(crate) response_topic: Arc<str>,
    /// What tells the time.
    clock: fn() -> Instant,
    /// The moment that the machine takes for zero.
    epoch: Instant,
}

/// What is behind the lock.
pub(crate) struct Core {
    /// The machine.
    pub(crate) machine: Client<Heap>,
    /// What is kept for the application beside it.
    pub(crate) ledger: Ledger,
    /// The loop sleeps, or will without looking here again: it has to be woken.
    pub(crate) asleep: bool,
    /// The time of the loop's last turn.
    pub(crate) last_turn: mqtt_session::Instant,
    /// The file that the session is kept in, if it is.
    pub(crate) store: Option<Box<Store>>,
    /// What an earlier program left.
    pub(crate) restored: Vec<Restored>,
    /// Until when the client has to be closed, if it has.
    pub(crate) closing: Option<Instant>,
    /// Who waits for room in the queue.
    pub(crate) room: Waiters,
    /// Who waits for another state.
    changed: Waiters,
}

/// The lock. Who waits for what was brought about under it is woken when it is free again.
pub(crate) struct Held<'a> {
    core: MutexGuard<'a, Core>,
    /// Dropped behind the guard, that is, woken without the lock.
    after: Wakes,
    loop_waker: &'a Waker,
}

/// A subscription that the server is being asked for: where its messages go, and the answer.
pub type Subscribing = (Arc<Inbox<Message>>, Arc<Slot<Answer>>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Deref for Held<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let core = &mut *self.core;
        let wakes = &mut core.ledger.wakes;
        if std::mem::take(&mut core.ledger.freed) {
            core.room.wake_all(wakes);
        }
        if std::mem::take(&mut core.ledger.changed) {
            core.changed.wake_all(wakes);
        }
        self.after = std::mem::take(wakes);
    }
}

impl Held<'_> {
    /// Ends a call of the application: the loop takes it from here.
    pub(crate) fn hand_over(mut self) {
        if std::mem::take(&mut self.core.asleep) {
            self.core.ledger.wakes.add(self.loop_waker);
        }
    }
}

impl Shared {
    /// A client that has not begun. `waker` wakes its loop, whenever and from wherever; `clock`
    /// tells the time, and never goes back.
    #[must_use]
    pub fn new(options: &Options, waker: Waker, clock: fn() -> Instant) -> Arc<Self> {
        Arc::new(Self {
            core: Mutex::new(Core {
                machine: Client::new(options.config(), Heap::new(options.limits())),
                ledger: Ledger::new(options),
                asleep: false,
                last_turn: mqtt_session::Instant::from_micros(0),
                store: None,
                restored: Vec::new(),
                closing: None,
                room: Waiters::default(),
                changed: Waiters::default(),
            }),
            queue: options.queue,
            waker,
            response_topic: options.topic_of_answers(),
            clock,
            epoch: clock(),
        })
    }

    /// As [`Shared::new`], with the session that the options keep in a file.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(
        options: &Options,
        waker: Waker,
        clock: fn() -> Instant,
    ) -> Result<Arc<Self>, StoreError> {
        let shared = Self::new(options, waker, clock);
        if let Some(place) = &options.store {
            let now = shared.now();
            let mut core = shared.lock();
            let store = Store::open(place, &mut core.machine, now)?;
            core.store = Some(Box::new(store));
            core.restore();
        }
        Ok(shared)
    }

    /// What an earlier program published and did not see settled, in the order in which it is
    /// sent. The first call has it.
    #[must_use]
    pub fn restored(&self) -> Vec<Restored> {
        std::mem::take(&mut self.lock().restored)
    }

    /// The machine's time.
    pub(crate) fn now(&self) -> mqtt_session::Instant {
        self.machine_time(self.clock())
    }

    /// The time.
    pub(crate) fn clock(&self) -> Instant {
        (self.clock)()
    }

    /// A moment as the machine counts it.
    pub(crate) fn machine_time(&self, at: Instant) -> mqtt_session::Instant {
        mqtt_session::Instant::from_micros(0).after(at.saturating_duration_since(self.epoch))
    }

    /// When that is; None when it never comes.
    pub(crate) fn wall_time(&self, at: mqtt_session::Instant) -> Option<Instant> {
        if at == mqtt_session::Instant::NEVER {
            return None;
        }
        self.epoch
            .checked_add(Duration::from_micros(at.as_micros()))
    }

    /// The lock. A panic elsewhere leaves no half-made change behind: each call of the machine
    /// is whole.
    pub(crate) fn lock(&self) -> Held<'_> {
        Held {
            core: self.core.lock().unwrap_or_else(PoisonError::into_inner),
            after: Wakes::default(),
            loop_waker: &self.waker,
        }
    }

    /// Wakes the loop.
    pub fn wake(&self) {
        self.waker.wake_by_ref();
    }

    /// How long a publish waits for room where it has to; None without a limit.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        match self.queue.when_full {
            WhenFull::BlockFor(limit) => Some(limit),
            WhenFull::Block | WhenFull::Refuse => None,
        }
    }

    /// Where the client is.
    #[must_use]
    pub fn state(&self) -> State {
        self.lock().ledger.state.clone()
    }

    /// The changes of the state from now on: the last 64.
    #[must_use]
    pub fn watch(&self) -> Arc<Inbox<State>> {
        self.lock().ledger.watch()
    }

    /// Waits until `ready` gives something for the state.
    pub fn when<T, F: FnMut(&State) -> Option<T>>(&self, ready: F) -> When<'_, F> {
        When {
            shared: self,
            ready,
            place: Place::default(),
        }
    }

    /// What was accepted for publishing and is not settled.
    #[must_use]
    pub fn unsettled(&self) -> Undelivered {
        self.lock().ledger.load
    }

    /// What the client has done so far, and what it has to do.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let core = self.lock();
        let load = core.ledger.load;
        let waiting = core.machine.waiting();
        let sent_with_answer = load.at_least_once + load.exactly_once;
        Counters {
            in_flight: sent_with_answer.saturating_sub(waiting),
            queued: load.at_most_once + waiting,
            ..core.ledger.counters
        }
    }

    /// The stream of what matches no subscription.
    #[must_use]
    pub fn unmatched(&self) -> Arc<Inbox<Message>> {
        self.lock().ledger.router.unmatched()
    }

    /// Has a filter subscribed. Giving up waiting for the answer takes [`Shared::leave`].
    ///
    /// # Errors
    /// [`SubscribeError::Filter`] and [`SubscribeError::Ended`].
    pub fn subscribe(
        &self,
        filter: &str,
        options: &SubscribeOptions,
    ) -> Result<Subscribing, SubscribeError> {
        let filter = TopicFilter::new(filter).map_err(SubscribeError::Filter)?;
        self.ask_for(&[filter], options)
    }

    /// Has several filters subscribed for one stream, which has each message once, in order of
    /// arrival, and ends with the first of them that the server refuses. Otherwise as
    /// [`Shared::subscribe`].
    ///
    /// # Errors
    /// [`SubscribeError::NoFilter`], [`SubscribeError::OneOf`] and [`SubscribeError::Ended`].
    pub fn subscribe_all<'a>(
        &self,
        filters: impl IntoIterator<Item = &'a str>,
        options: &SubscribeOptions,
    ) -> Result<Subscribing, SubscribeError> {
        let filter = |text| {
            TopicFilter::new(text)
                .map_err(|error| SubscribeError::Filter(error).for_one_of_several(text))
        };
        let filters: Vec<_> = filters.into_iter().map(filter).collect::<Result<_, _>>()?;
        if filters.is_empty() {
            return Err(SubscribeError::NoFilter);
        }
        self.ask_for(&filters, options)
    }

    fn ask_for(
        &self,
        filters: &[TopicFilter<'_>],
        options: &SubscribeOptions,
    ) -> Result<Subscribing, SubscribeError> {
        let mut unheld = Vec::new();
        let asked = self.request(|ledger| {
            let (router, wakes) = (&mut ledger.router, &mut ledger.wakes);
            router.add(filters, options, wakes, |message| unheld.push(message))
        });
        for message in unheld {
            // Stale is as good: it is not to be acknowledged any more.
            let _ = message.acknowledge();
        }
        asked
    }

    /// Ends all subscriptions to a filter; the server is told whether there are any or not.
    ///
    /// # Errors
    /// [`SubscribeError::Filter`] and [`SubscribeError::Ended`].
    pub fn unsubscribe(&self, filter: &str) -> Result<Arc<Slot<Answer>>, SubscribeError> {
        let filter = TopicFilter::new(filter).map_err(SubscribeError::Filter)?;
        self.request(|ledger| ledger.router.remove_filter(filter, &mut ledger.wakes))
    }

    fn request<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> Result<T, SubscribeError> {
        let now = self.now();
        let mut core = self.lock();
        if let Some(cause) = core.refusal() {
            return Err(SubscribeError::Ended(cause));
        }
        let changed = change(&mut core.ledger);
        core.ledger.unasked = true;
        core.ask(now);
        core.hand_over();
        Ok(changed)
    }

    /// Ends a subscription for one reader; with the last of a filter, the server is told.
    pub fn leave(&self, inbox: &Arc<Inbox<Message>>) -> Arc<Slot<Answer>> {
        let now = self.now();
        let mut core = self.lock();
        let ledger = &mut core.ledger;
        let answer = ledger.router.remove(inbox, &mut ledger.wakes);
        ledger.unasked = true;
        core.ask(now);
        core.hand_over();
        answer
    }

    pub(crate) fn acknowledge(
        &self,
        token: AckToken,
        reason: ReasonCode,
    ) -> Result<(), AcknowledgeError> {
        let mut core = self.lock();
        if core.ledger.is_ended() {
            return Err(AcknowledgeError::Ended);
        }
        let result = core.machine.acknowledge(token, reason);
        let kept = core.note_sending();
        core.hand_over();
        result.map_err(AcknowledgeError::Refused)?;
        kept.map_err(|_| AcknowledgeError::Ended)
    }

    /// Has the client closed by `deadline`, or by an earlier one it was given. It has come to
    /// that when the state is [`State::Ended`].
    pub fn close(&self, deadline: Instant) {
        let mut core = self.lock();
        let earlier = core.closing.map_or(deadline, |other| other.min(deadline));
        core.closing = Some(earlier);
        // Who waits for room is to be told that there is no use.
        core.ledger.freed = true;
        core.hand_over();
    }

    /// Settles everything; what was left. Only the first cause counts.
    pub fn end(&self, cause: &Cause) -> Undelivered {
        let mut core = self.lock();
        if let Some(store) = core.store.take() {
            store.close();
        }
        core.ledger.end(cause)
    }
}

impl Core {
    /// Why nothing more is accepted, if so.
    pub(crate) fn refusal(&self) -> Option<Cause> {
        match &self.ledger.state {
            State::Ended { cause } => Some(cause.clone()),
            _ => self.closing.map(|_| Cause::Closed),
        }
    }

    /// Asks the server for what it does not know yet, as far as that is possible now.
    pub(crate) fn ask(&mut self, now: mqtt_session::Instant) {
        self.ledger.ask(&mut self.machine, now);
    }
}

/// The future of [`Shared::when`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct When<'a, F> {
    shared: &'a Shared,
    ready: F,
    place: Place,
}

// It is never pinned where it lies.
impl<F> Unpin for When<'_, F> {}

impl<T, F: FnMut(&State) -> Option<T>> Future for When<'_, F> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        let mut core = this.shared.lock();
        if let Some(value) = (this.ready)(&core.ledger.state) {
            return Poll::Ready(value);
        }
        let former = core.changed.wait(&mut this.place, cx.waker());
        drop(core);
        drop(former);
        Poll::Pending
    }
}

impl<F> Drop for When<'_, F> {
    fn drop(&mut self) {
        if self.place.is_taken() {
            let left = self.shared.lock().changed.leave(&mut self.place);
            drop(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waking::{Counter, Party};

    fn shared() -> (Arc<Shared>, Arc<Counter>) {
        let counter = Arc::<Counter>::default();
        let waker = Waker::from(Arc::clone(&counter));
        (
            Shared::new(&Options::new("a"), waker, Instant::now),
            counter,
        )
    }

    #[test]
    fn everybody_who_waits_for_a_state_is_woken_by_each_change() {
        let (shared, _) = shared();
        let mut ended = Party::new(shared.when(|state| state.is_ended().then_some(())));
        let mut first = Party::new(shared.when(State::first_attempt));
        assert_eq!(ended.poll(), None);
        assert!(first.poll().is_none());
        let session_present = false;
        let connected = State::Connected { session_present };
        shared.lock().ledger.set_state(connected);
        assert_eq!([ended.woken(), first.woken()], [1, 1]);
        assert!(first.poll().is_some_and(|result| result.is_ok()));
        assert_eq!(ended.poll(), None);
        shared.end(&Cause::Closed);
        assert_eq!(ended.woken(), 2);
        assert_eq!(ended.poll(), Some(()));
    }

    #[test]
    fn an_attempt_has_succeeded_also_where_the_server_goes_in_the_same_breath() {
        let (shared, _) = shared();
        let mut first = Party::new(shared.when(State::first_attempt));
        assert!(first.poll().is_none());
        let mut core = shared.lock();
        let session_present = false;
        core.ledger.set_state(State::Connected { session_present });
        let (cause, retry) = (Cause::StreamClosed, Instant::now());
        core.ledger.set_state(State::Waiting { cause, retry });
        drop(core);
        assert!(first.poll().is_some_and(|result| result.is_ok()));
    }

    #[test]
    fn nobody_is_woken_under_the_lock() {
        let (shared, _) = shared();
        let mut party = Party::new(shared.when(|state| state.is_ended().then_some(())));
        assert_eq!(party.poll(), None);
        let mut core = shared.lock();
        core.ledger.end(&Cause::Closed);
        assert_eq!(party.woken(), 0);
        drop(core);
        assert_eq!(party.woken(), 1);
    }

    #[test]
    fn who_no_longer_waits_for_a_state_leaves_nothing_behind() {
        let (shared, _) = shared();
        let mut gone = Party::new(shared.when(|state| state.is_ended().then_some(())));
        assert_eq!(gone.poll(), None);
        let counter = gone.counter();
        drop(gone);
        assert_eq!(shared.lock().changed.len(), 0);
        shared.end(&Cause::Closed);
        assert_eq!(counter.count(), 0);
    }

    #[test]
    fn the_loop_is_woken_once_and_only_where_it_sleeps() {
        let (shared, loop_counter) = shared();
        shared
            .subscribe("a", &mqtt_session::QoS::AtMostOnce.into())
            .unwrap();
        assert_eq!(loop_counter.count(), 0);
        shared.lock().asleep = true;
        shared
            .subscribe("b", &mqtt_session::QoS::AtMostOnce.into())
            .unwrap();
        shared.unsubscribe("a").unwrap();
        assert_eq!(loop_counter.count(), 1);
    }

    #[test]
    fn the_answer_wakes_whoever_subscribes_also_when_it_is_the_end() {
        let (shared, _) = shared();
        let (inbox, answer) = shared
            .subscribe("a", &mqtt_session::QoS::AtMostOnce.into())
            .unwrap();
        let (mut reader, mut asking) = (Party::new(inbox.next()), Party::new(answer.filled()));
        assert!(reader.poll().is_none() && asking.poll().is_none());
        shared.end(&Cause::Closed);
        assert_eq!([reader.woken(), asking.woken()], [1, 1]);
        assert!(matches!(reader.poll(), Some(None)));
        assert!(matches!(
            asking.poll(),
            Some(Err(SubscribeError::Ended(Cause::Closed)))
        ));
    }
}
