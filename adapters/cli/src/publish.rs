//! `mqtt pub`.

use crate::args::{seconds, topic_name};
use crate::connection::{Connection, ConnectionArgs};
use crate::exit::{Failure, Kind, local};
use crate::message::{MessageArgs, PayloadArgs, QoSArg};
use clap::Args;
use mqtt_std::{Bytes, DeliveryError, Queue, Token};
use std::collections::VecDeque;
use std::io::{self, BufRead, Read};
use std::time::{Duration, Instant};

/// How long a lost connection is tried to be made again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What no packet can be larger than, in bytes.
const LONGEST_LINE: u64 = 268_435_455;

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The topic
    #[arg(short, long, value_parser = topic_name)]
    topic: Option<String>,
    /// Seconds that the server may take to acknowledge, counted from the last message
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    #[command(flatten)]
    payload: PayloadArgs,
    /// Each line of standard input is the payload of a message of its own
    ///
    /// Reading waits while 10,000 messages are unacknowledged, and the program ends when all are.
    #[arg(short = 'l', long, group = "payload", help_heading = "Payload, one of")]
    stdin_line: bool,
    #[command(flatten)]
    qos: QoSArg,
    #[command(flatten)]
    message: MessageArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

pub(crate) fn run(args: &PublishArgs) -> Result<(), Failure> {
    let topic = the_topic(args.topic.as_deref(), &args.connection)?;
    let payload = match args.stdin_line {
        true => None,
        false => Some(args.payload.read()?),
    };
    let connection = args
        .connection
        .connect(Some(PATIENCE), |options| options.queue(queue_for(&payload)))?;
    let sent = match payload {
        Some(payload) => Publisher::new(&connection, args, topic).only(payload),
        None => Publisher::new(&connection, args, topic).lines(io::stdin().lock()),
    };
    let closed = connection.close();
    sent.map_err(|failure| connection.explain(failure))?;
    closed
}

/// The topic of `-t` or `-L`: one of them.
pub(crate) fn the_topic<'a>(
    topic: Option<&'a str>,
    connection: &'a ConnectionArgs,
) -> Result<&'a str, Failure> {
    let problem = match (topic, connection.topic()) {
        (Some(topic), None) => return Ok(topic),
        (None, Some(topic)) => {
            return match topic_name(topic) {
                Ok(_) => Ok(topic),
                Err(error) => Err(Failure::new(Kind::Usage, format_args!("-L: {error}"))),
            };
        }
        (Some(_), Some(_)) => "both -t and the URL of -L name a topic",
        (None, None) => "there is no topic: give -t, or -L mqtt://host/topic",
    };
    Err(Failure::new(Kind::Usage, problem))
}

/// The default bounds, and room for one message whatever its size.
pub(crate) fn queue_for(payload: &Option<Bytes>) -> Queue {
    let queue = Queue::default();
    let needed = payload.as_ref().map_or(0, Bytes::len) + usize::from(u16::MAX);
    Queue {
        bytes: queue.bytes.max(needed),
        ..queue
    }
}

struct Publisher<'a> {
    connection: &'a Connection,
    args: &'a PublishArgs,
    topic: &'a str,
    /// What was sent and has not been seen to be settled, oldest first; as long as the queue at
    /// most.
    open: VecDeque<Token>,
    settled: u64,
}

impl<'a> Publisher<'a> {
    fn new(connection: &'a Connection, args: &'a PublishArgs, topic: &'a str) -> Self {
        Self {
            connection,
            args,
            topic,
            open: VecDeque::new(),
            settled: 0,
        }
    }

    fn only(mut self, payload: Bytes) -> Result<(), Failure> {
        self.send(payload)?;
        self.finish()
    }

    /// Publishes each line. The first failure ends it; what was sent before is waited for.
    fn lines(mut self, mut input: impl BufRead) -> Result<(), Failure> {
        let read = self.each_line(&mut input);
        let finished = self.finish();
        read.and(finished)
    }

    fn each_line(&mut self, input: &mut impl BufRead) -> Result<(), Failure> {
        let mut line = Vec::new();
        while next_line(input, &mut line)? {
            self.send(Bytes::copy_from_slice(&line))?;
            self.settle()?;
        }
        Ok(())
    }

    /// Waits while the queue is full.
    fn send(&mut self, payload: Bytes) -> Result<(), Failure> {
        let args = self.args;
        let client = &self.connection.client;
        let message = args
            .message
            .publication(client, self.topic, payload, args.qos.qos);
        let token = message
            .send()
            .map_err(|error| Failure::publishing(&error))?;
        self.open.push_back(token);
        Ok(())
    }

    /// Looks at what is settled by now.
    fn settle(&mut self) -> Result<(), Failure> {
        while let Some(outcome) = self.open.front().and_then(Token::outcome) {
            self.open.pop_front();
            self.note(outcome.map(drop))?;
        }
        Ok(())
    }

    /// Waits for everything that was sent; the first failure is told.
    fn finish(&mut self) -> Result<(), Failure> {
        let deadline = self
            .args
            .timeout
            .and_then(|limit| Instant::now().checked_add(limit));
        let mut result = Ok(());
        while let Some(token) = self.open.pop_front() {
            let outcome = match deadline {
                None => token.acknowledged(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    token.acknowledged_timeout(left)
                }
            };
            if matches!(outcome, Err(DeliveryError::TimedOut)) {
                let limit = self.args.timeout.unwrap_or_default();
                let left = self.open.len() + 1;
                let told = format_args!("{left} not acknowledged within {limit:?}");
                return result.and(Err(Failure::new(Kind::TimedOut, told)));
            }
            let noted = self.note(outcome.map(drop));
            result = result.and(noted);
        }
        result
    }

    fn note(&mut self, outcome: Result<(), DeliveryError>) -> Result<(), Failure> {
        self.settled += 1;
        outcome.map_err(|error| {
            let failure = Failure::delivering(&error);
            if self.args.stdin_line {
                Failure::new(
                    failure.kind,
                    format_args!("line {}: {failure}", self.settled),
                )
            } else {
                failure
            }
        })
    }
}

/// Reads the next line, without the line feed at its end; false where there is none.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, Failure> {
    line.clear();
    let read = input.by_ref().take(LONGEST_LINE).read_until(b'\n', line);
    let count = read.map_err(local("standard input"))?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if count as u64 == LONGEST_LINE {
        return Err(Failure::new(
            Kind::Local,
            "a line is longer than any MQTT message",
        ));
    }
    Ok(count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_line_feeds_and_nowhere_else() {
        let mut input = &b"one\n\ntwo\r\n\xff\0\nlast"[..];
        let mut lines = Vec::new();
        let mut line = Vec::new();
        while next_line(&mut input, &mut line).unwrap() {
            lines.push(line.clone());
        }
        let expected: [&[u8]; 5] = [b"one", b"", b"two\r", b"\xff\0", b"last"];
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_queue_has_room_for_any_one_message() {
        assert_eq!(queue_for(&None), Queue::default());
        let large = Bytes::from(vec![0; 100 << 20]);
        assert!(queue_for(&Some(large)).bytes > 100 << 20);
    }
}
