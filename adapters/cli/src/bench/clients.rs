//! The clients of a run: one that publishes, one that gets what is published.

use super::meter::Meter;
use super::pace::Pace;
use super::{Site, Told};
use crate::connection::Connection;
use crate::exit::Failure;
use crate::subscribe::ANSWER;
use mqtt_std::{Buffer, Bytes, Message, Overflow, QoS, SubscribeOptions, Subscription, Token};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, sync_channel};
use std::thread;

/// Bytes at the front of each payload: the mark of the run, and the time.
pub(super) const STAMP: u64 = 16;

/// What a subscriber holds until it is looked at.
const STREAM: Buffer = Buffer {
    messages: 1 << 20,
    bytes: 256 << 20,
    overflow: Overflow::DropNewest,
};

pub(super) struct Publisher<'a> {
    pub(super) connection: &'a Connection,
    pub(super) site: &'a Site<'a>,
    pub(super) number: usize,
}

impl Publisher<'_> {
    /// Publishes what is to be published, and waits until it is settled; the first failure.
    pub(super) fn run(&self, pace: &Pace) -> Result<(), Failure> {
        thread::scope(|scope| {
            let (sender, sent) = sync_channel(self.site.args.in_flight);
            let settling = scope.spawn(move || self.settle(&sent));
            let publish = |number| {
                let meter = &self.site.meter;
                let at = meter.now();
                let mut payload = vec![0; self.site.args.size];
                stamp(&mut payload, self.site.mark, at);
                let token = self
                    .connection
                    .client
                    .publish(&self.site.topic, Bytes::from(payload))
                    .qos(self.site.args.qos)
                    .send()
                    .map_err(|error| Failure::publishing(&error))?;
                meter.note_published();
                // It is heard until this end is gone.
                let _ = sender.send((token, at));
                Ok(number)
            };
            let numbers = (0..).take_while(|number| pace.next(*number));
            let published = numbers.map(publish).find_map(Result::err);
            drop(sender);
            let settled = settling.join().unwrap_or(Ok(()));
            let result = published.map_or(Ok(()), Err).and(settled);
            result.map_err(|failure| self.connection.explain(failure))
        })
    }

    /// Waits for each message to be acknowledged, which happens in their order.
    fn settle(&self, sent: &Receiver<(Token, u64)>) -> Result<(), Failure> {
        let meter = &self.site.meter;
        let mut result = Ok(());
        for (token, at) in sent {
            match token.acknowledged() {
                Ok(_) => {
                    let now = meter.now();
                    meter.note_acknowledged(now);
                    if self.site.args.subscribers == 0 {
                        meter.record(self.number, now.saturating_sub(at));
                    }
                }
                Err(error) => {
                    meter.note_failed();
                    result = result.and(Err(Failure::delivering(&error)));
                }
            }
        }
        result
    }
}

pub(super) struct Subscriber {
    pub(super) connection: Connection,
    subscription: Arc<Subscription>,
}

impl Subscriber {
    pub(super) fn new(connection: Connection, topic: &str, qos: QoS) -> Result<Self, Failure> {
        let options = SubscribeOptions::new(qos).buffer(STREAM).timeout(ANSWER);
        let subscription = connection
            .client
            .subscribe(topic, options)
            .map_err(|error| connection.explain(Failure::subscribing(topic, &error)))?;
        Ok(Self {
            connection,
            subscription: Arc::new(subscription),
        })
    }

    /// Has what comes counted and timed, on a thread that ends with the client.
    pub(super) fn listen(
        &self,
        mark: u64,
        meter: &Arc<Meter>,
        recorder: usize,
        sender: Sender<Told>,
    ) {
        let (subscription, meter) = (Arc::clone(&self.subscription), Arc::clone(meter));
        thread::spawn(move || {
            while let Some(message) = subscription.recv() {
                if let Some(at) = stamped(&message, mark) {
                    let now = meter.now();
                    meter.record(recorder, now.saturating_sub(at));
                    meter.note_delivered(now);
                }
            }
            if let Some(error) = subscription.ended() {
                let failure = Failure::subscribing(subscription.topic_filter(), &error);
                // Nobody listens any more where it has ended because it was to end.
                let _ = sender.send(Told::Failed(failure));
            }
        });
    }

    /// Messages that came faster than they could be looked at.
    pub(super) fn dropped(&self) -> u64 {
        self.subscription.dropped()
    }
}

/// Writes mark and time to the front of a payload.
fn stamp(payload: &mut [u8], mark: u64, at: u64) {
    let stamp = [mark, at].map(u64::to_be_bytes);
    for (place, byte) in payload.iter_mut().zip(stamp.as_flattened()) {
        *place = *byte;
    }
}

/// When a message was published; None when it is not of this run.
fn stamped(message: &Message, mark: u64) -> Option<u64> {
    let (first, rest) = message.payload.split_first_chunk()?;
    let at = rest.first_chunk()?;
    (u64::from_be_bytes(*first) == mark).then_some(u64::from_be_bytes(*at))
}
