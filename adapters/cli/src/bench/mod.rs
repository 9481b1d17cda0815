//! `mqtt bench`.

mod clients;
mod meter;
mod pace;
mod report;

use crate::args::{qos, seconds, topic_name};
use crate::connection::{Connection, ConnectionArgs};
use crate::exit::{Failure, Kind, local};
use crate::interrupt;
use crate::publish::PATIENCE;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use clients::{Publisher, Subscriber};
use meter::Meter;
use mqtt_std::{Options, QoS, Queue};
use pace::Pace;
use report::Summary;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is told on the way how things go.
const TICK: Duration = Duration::from_secs(1);
/// How long it is waited for deliveries when none comes any more.
const QUIET: Duration = Duration::from_secs(2);
/// How often it is looked for them.
const LOOK: Duration = Duration::from_millis(10);
/// How long it goes where neither a time nor a number of messages is given.
const DURATION: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The topic; one that nobody else has by default
    #[arg(short, long, value_parser = topic_name)]
    topic: Option<String>,
    /// Clients that publish
    #[arg(long, value_name = "COUNT", default_value = "1")]
    publishers: NonZeroUsize,
    /// Clients that each get every message
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    subscribers: usize,
    /// The QoS of messages and subscriptions: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "1", value_parser = qos)]
    qos: QoS,
    /// Bytes of each payload
    #[arg(long, value_name = "BYTES", default_value = "64",
          value_parser = RangedU64ValueParser::<usize>::new().range(clients::STAMP..=268_000_000))]
    size: usize,
    /// Messages a second, of all publishers together; as fast as it goes by default
    #[arg(long, value_name = "COUNT")]
    rate: Option<NonZeroU64>,
    /// End after so many messages, of all publishers together
    #[arg(short = 'C', long, value_name = "COUNT")]
    count: Option<NonZeroU64>,
    /// End after so many seconds [default: 10, with -C no limit]
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// Messages that one publisher may have unacknowledged
    #[arg(long, value_name = "COUNT", default_value = "1000",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_000))]
    in_flight: usize,
    /// Print the results as one JSON object
    #[arg(long)]
    json: bool,
    /// Say nothing on the way
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// What the thread that reports is told.
enum Told {
    /// A publisher has nothing more to publish, and all it did publish is settled.
    Done(Result<(), Failure>),
    /// A subscription has ended.
    Failed(Failure),
    Interrupted,
}

pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let (sender, told) = mpsc::channel();
    let interrupted = sender.clone();
    interrupt::on_interrupt(move || {
        let _ = interrupted.send(Told::Interrupted);
    })?;
    // Messages of others, on a topic that they use as well, have another mark.
    let mark = RandomState::new().build_hasher().finish();
    let made_up = format!("bench/{mark:016x}");
    let topic = args.topic.as_deref().or(args.connection.topic());
    let topic = topic_name(topic.unwrap_or(&made_up))
        .map_err(|error| Failure::new(Kind::Usage, format_args!("-L: {error}")))?;

    let site = Site {
        args,
        topic,
        mark,
        meter: Arc::new(Meter::new(args.publishers.get() + args.subscribers)),
    };
    let subscribers = site.subscribers(&sender)?;
    let publishers = site.publishers()?;
    let pace = Pace::new(args.rate, args.count, args.publishers);
    site.meter.begin();
    let ended = site.measure(&publishers, &pace, &sender, &told);
    let received = ended.and_then(|()| site.await_deliveries(&told));
    let dropped = subscribers.iter().map(Subscriber::dropped).sum();
    for connection in publishers.into_iter().chain(site.gone(subscribers)) {
        // Nothing is left to be said: what was not acknowledged has been told.
        let _ = connection.close();
    }

    let summary = Summary::new(args, &site.meter, dropped);
    let mut stdout = io::stdout().lock();
    let text = if args.json {
        summary.json()
    } else {
        summary.table()
    };
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(local("standard output"))?;
    received?;
    match summary.missing() {
        missing @ 1.. if args.qos > QoS::AtMostOnce => {
            let told = format_args!("{missing} messages were acknowledged and did not come");
            Err(Failure::new(Kind::Lost, told))
        }
        _ => Ok(()),
    }
}

/// What all clients have in common.
struct Site<'a> {
    args: &'a BenchArgs,
    topic: String,
    mark: u64,
    meter: Arc<Meter>,
}

impl Site<'_> {
    fn connect(
        &self,
        suffix: &str,
        adjust: impl FnOnce(Options) -> Options,
    ) -> Result<Connection, Failure> {
        let connection = &self.args.connection;
        connection.connect_as(suffix, Some(PATIENCE), adjust)
    }

    fn subscribers(&self, sender: &Sender<Told>) -> Result<Vec<Subscriber>, Failure> {
        let subscribers = (0..self.args.subscribers).map(|number| {
            let connection = self.connect(&format!("-sub-{number}"), |options| options)?;
            let subscriber = Subscriber::new(connection, &self.topic, self.args.qos)?;
            let recorder = self.args.publishers.get() + number;
            subscriber.listen(self.mark, &self.meter, recorder, sender.clone());
            Ok(subscriber)
        });
        subscribers.collect()
    }

    fn publishers(&self) -> Result<Vec<Connection>, Failure> {
        let queue = Queue {
            messages: self.args.in_flight,
            bytes: usize::MAX,
            ..Queue::default()
        };
        let publishers = (0..self.args.publishers.get())
            .map(|number| self.connect(&format!("-pub-{number}"), |options| options.queue(queue)));
        publishers.collect()
    }

    /// Has all publishers publish until it is over, telling how it goes.
    fn measure(
        &self,
        publishers: &[Connection],
        pace: &Pace,
        sender: &Sender<Told>,
        told: &Receiver<Told>,
    ) -> Result<(), Failure> {
        let limit = match (self.args.duration, self.args.count) {
            (Some(duration), _) => Some(duration),
            (None, Some(_)) => None,
            (None, None) => Some(DURATION),
        };
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        thread::scope(|scope| {
            for (number, connection) in publishers.iter().enumerate() {
                let publisher = Publisher {
                    connection,
                    site: self,
                    number,
                };
                scope.spawn(move || {
                    let done = publisher.run(pace);
                    // Whoever is told waits for it.
                    let _ = sender.send(Told::Done(done));
                });
            }
            self.follow(pace, told, publishers.len(), end)
        })
    }

    /// Waits until every publisher has ended; the first failure.
    fn follow(
        &self,
        pace: &Pace,
        told: &Receiver<Told>,
        mut publishing: usize,
        mut end: Option<Instant>,
    ) -> Result<(), Failure> {
        let mut result = Ok(());
        let mut tick = Instant::now() + TICK;
        while publishing > 0 {
            let until = end.map_or(tick, |end| end.min(tick));
            let failed = match told.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Told::Done(done)) => {
                    publishing -= 1;
                    done
                }
                Ok(Told::Failed(failure)) => Err(failure),
                Ok(Told::Interrupted) => {
                    pace.stop();
                    Ok(())
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
            };
            if failed.is_err() {
                pace.stop();
            }
            result = result.and(failed);
            let now = Instant::now();
            if end.is_some_and(|end| end <= now) {
                end = None;
                pace.stop();
            }
            if tick <= now {
                tick = now + TICK;
                if !self.args.quiet {
                    report::live(&self.meter.tick(), self.args.subscribers > 0);
                }
            }
        }
        if !self.args.quiet {
            report::end_live();
        }
        result
    }

    /// Waits for what was published and has not been delivered, as long as there is progress.
    fn await_deliveries(&self, told: &Receiver<Told>) -> Result<(), Failure> {
        let expected = self.meter.expected(self.args.qos, self.args.subscribers);
        let mut before = self.meter.delivered();
        let mut since = Instant::now();
        while before < expected && since.elapsed() < QUIET {
            match told.recv_timeout(LOOK) {
                Ok(Told::Interrupted) => break,
                Ok(Told::Failed(failure)) => return Err(failure),
                Ok(Told::Done(_)) | Err(_) => {}
            }
            let now = self.meter.delivered();
            if now > before {
                (before, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    fn gone(&self, subscribers: Vec<Subscriber>) -> impl Iterator<Item = Connection> {
        subscribers
            .into_iter()
            .map(|subscriber| subscriber.connection)
    }
}
