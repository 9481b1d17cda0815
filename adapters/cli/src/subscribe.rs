//! `mqtt sub`.

use crate::args::{qos, seconds, topic_filter};
use crate::connection::{Connection, ConnectionArgs};
use crate::exit::{Failure, Kind};
use crate::interrupt;
use crate::output::{Output, OutputArgs, Reader};
use clap::Args;
use mqtt_std::{
    Buffer, Message, Overflow, QoS, SubscribeOptions, Subscription, TopicFilter, TopicName,
};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

/// Messages of QoS 1 and 2 that may be on their way to be printed. The server holds the others
/// back until these are acknowledged, which is when they have been printed.
const RECEIVE_MAXIMUM: u16 = 5_000;
/// The stream holds all of those, and as many of QoS 0, which nobody can hold back.
const STREAM: Buffer = Buffer {
    messages: 2 * RECEIVE_MAXIMUM as usize,
    bytes: usize::MAX,
    overflow: Overflow::DropNewest,
};
/// Messages that are printed before they are flushed and acknowledged, while others wait.
const BATCH: usize = 500;
/// How long the server may take to answer that something is subscribed.
pub(crate) const ANSWER: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct SubscribeArgs {
    /// A topic filter, such as sensors/+/temperature or sensors/#; may be given again
    #[arg(short, long, value_name = "FILTER", value_parser = topic_filter)]
    topic: Vec<String>,
    /// Leave out topics that match this filter; may be given again
    #[arg(short = 'T', long, value_name = "FILTER", value_parser = topic_filter)]
    filter_out: Vec<String>,
    /// The highest QoS at which messages are delivered
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: QoS,
    /// End after so many messages
    #[arg(short = 'C', long, value_name = "COUNT")]
    count: Option<NonZeroU64>,
    /// End after so many seconds
    ///
    /// The exit code is 5 when fewer messages than -C came by then, or without -C none.
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// What the printing thread is told.
enum Input {
    Message(Message),
    Ended(Failure),
    Interrupted,
}

pub(crate) fn run(args: &SubscribeArgs) -> Result<(), Failure> {
    let filters = filters(args)?;
    let deadline = args
        .timeout
        .and_then(|limit| Instant::now().checked_add(limit));
    let (sender, receiver) = mpsc::sync_channel(BATCH);
    let interrupted = sender.clone();
    interrupt::on_interrupt(move || {
        // Where it finds no room there are messages to be printed, and each asks whether to end.
        let _ = interrupted.try_send(Input::Interrupted);
    })?;
    let connection = args.connection.connect(None, |options| {
        options
            .manual_acknowledgement(true)
            .receive_maximum(RECEIVE_MAXIMUM)
            .unmatched(STREAM)
    })?;
    let subscription = Arc::new(subscribe(&connection, &filters, args.qos)?);
    forward(&subscription, sender);
    let mut printer = Printer {
        args,
        deadline,
        subscription: &subscription,
        output: Output::new(&args.output),
        unacknowledged: Vec::new(),
        count: 0,
        dropped: 0,
    };
    let printed = printer.run(&receiver);
    // Before the stream is dropped: what a kept session has subscribed to stays subscribed.
    let closed = connection.close();
    printed.map_err(|failure| connection.explain(failure))?;
    closed
}

/// Each filter once.
fn filters(args: &SubscribeArgs) -> Result<Vec<&str>, Failure> {
    let mut filters: Vec<&str> = args.topic.iter().map(String::as_str).collect();
    if let Some(filter) = args.connection.topic() {
        topic_filter(filter)
            .map_err(|error| Failure::new(Kind::Usage, format_args!("-L: {error}")))?;
        filters.push(filter);
    }
    filters.sort_unstable();
    filters.dedup();
    if filters.is_empty() {
        let told = "there is no topic filter: give -t, or -L mqtt://host/filter";
        return Err(Failure::new(Kind::Usage, told));
    }
    Ok(filters)
}

fn subscribe(connection: &Connection, filters: &[&str], qos: QoS) -> Result<Subscription, Failure> {
    let options = SubscribeOptions::new(qos)
        .buffer(STREAM)
        // What comes for a session that was kept, before it is subscribed to again and besides.
        .unmatched(true)
        .timeout(ANSWER);
    let subscription = connection
        .client
        .subscribe_all(filters, options)
        .map_err(|error| connection.explain(Failure::subscribing(&filters.join(", "), &error)))?;
    for (filter, granted) in subscription.grants().filter(|(_, granted)| *granted < qos) {
        let granted = granted as u8;
        eprintln!("mqtt: the server delivers {filter:?} at QoS {granted} at most");
    }
    Ok(subscription)
}

/// Has the printing thread, which also waits for time and for signals, told what comes.
fn forward(subscription: &Arc<Subscription>, sender: SyncSender<Input>) {
    let subscription = Arc::clone(subscription);
    thread::spawn(move || {
        while let Some(message) = subscription.recv() {
            if sender.send(Input::Message(message)).is_err() {
                return;
            }
        }
        if let Some(error) = subscription.ended() {
            let failure = Failure::subscribing(subscription.topic_filter(), &error);
            // Nobody listens any more where it has ended because it was to end.
            let _ = sender.send(Input::Ended(failure));
        }
    });
}

struct Printer<'a> {
    args: &'a SubscribeArgs,
    deadline: Option<Instant>,
    subscription: &'a Subscription,
    output: Output<'a>,
    unacknowledged: Vec<Message>,
    count: u64,
    dropped: u64,
}

impl Printer<'_> {
    fn run(&mut self, inputs: &Receiver<Input>) -> Result<(), Failure> {
        let result = self.print_all(inputs);
        // Also what came before something went wrong was printed.
        let settled = self.settle().map(drop);
        result.and(settled)
    }

    fn print_all(&mut self, inputs: &Receiver<Input>) -> Result<(), Failure> {
        while !interrupt::asked() {
            let message = match self.next(inputs)? {
                Some(Input::Message(message)) => message,
                Some(Input::Ended(failure)) => return Err(failure),
                Some(Input::Interrupted) | None => return Ok(()),
            };
            let wanted = !self.is_left_out(&message.topic);
            if wanted && self.output.print(&message)? == Reader::Gone {
                return Ok(());
            }
            self.unacknowledged.push(message);
            self.count += u64::from(wanted);
            if self
                .args
                .count
                .is_some_and(|count| self.count >= count.get())
            {
                return Ok(());
            }
            if self.unacknowledged.len() >= BATCH && self.settle()? == Reader::Gone {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The next input; None when it is time to end.
    fn next(&mut self, inputs: &Receiver<Input>) -> Result<Option<Input>, Failure> {
        match inputs.try_recv() {
            Ok(input) if self.is_over() => {
                drop(input);
                return self.time_is_over();
            }
            Ok(input) => return Ok(Some(input)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
        if self.settle()? == Reader::Gone {
            return Ok(None);
        }
        let received = match self.deadline {
            None => inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => {
                inputs.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            }
        };
        match received {
            Ok(input) => Ok(Some(input)),
            Err(RecvTimeoutError::Timeout) => self.time_is_over(),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    fn is_over(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline <= Instant::now())
    }

    fn time_is_over(&self) -> Result<Option<Input>, Failure> {
        let count = self.count;
        match self.args.count {
            None if count > 0 => Ok(None),
            None => Err(Failure::new(Kind::TimedOut, "no message came in time")),
            Some(wanted) => {
                let told = format_args!("{count} of {wanted} messages came in time");
                Err(Failure::new(Kind::TimedOut, told))
            }
        }
    }

    fn is_left_out(&self, topic: &str) -> bool {
        let Ok(topic) = TopicName::new(topic) else {
            return false;
        };
        let mut filters = self
            .args
            .filter_out
            .iter()
            .filter_map(|text| TopicFilter::new(text).ok());
        filters.any(|filter| filter.matches(topic))
    }

    /// What was printed leaves this program, and then is acknowledged.
    fn settle(&mut self) -> Result<Reader, Failure> {
        if self.output.flush()? == Reader::Gone {
            return Ok(Reader::Gone);
        }
        for message in self.unacknowledged.drain(..) {
            // One of QoS 0 asks for nothing; one of an earlier connection will come again.
            let _ = message.acknowledge();
        }
        let dropped = self.subscription.dropped();
        if dropped > self.dropped {
            let more = dropped - self.dropped;
            eprintln!("mqtt: {more} messages came faster than they were printed, and were dropped");
            self.dropped = dropped;
        }
        Ok(Reader::Reads)
    }
}
