//! `mosquitto_pub` and `mosquitto_sub`: the other side of a conversation.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Broker, LIMIT};
use crate::process::Process;

/// What `mosquitto_sub` is asked to print of each message; read by [`Received::parse`].
const FORMAT: &str = "%t\t%q\t%r\t%x\t%R\t%D";

/// A message that `mosquitto_sub` got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its topic name.
    pub topic: String,
    /// The quality of service it came with: 0, 1 or 2.
    pub qos: u8,
    /// Whether it was a retained one.
    pub retain: bool,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Its Response Topic, empty when absent.
    pub response_topic: String,
    /// Its Correlation Data, where that is text; empty when absent.
    pub correlation_data: String,
}

impl Received {
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [
            topic,
            qos,
            retain,
            payload,
            response_topic,
            correlation_data,
        ] = fields.try_into().ok()?;
        let byte = |at: usize| u8::from_str_radix(payload.get(at..at + 2)?, 16).ok();
        Some(Self {
            topic: topic.to_owned(),
            qos: qos.parse().ok()?,
            retain: retain == "1",
            payload: (0..payload.len())
                .step_by(2)
                .map(byte)
                .collect::<Option<_>>()?,
            response_topic: response_topic.to_owned(),
            correlation_data: correlation_data.to_owned(),
        })
    }
}

impl Broker {
    /// Runs `mosquitto_pub` with `arguments` until it has ended: at QoS 1 and 2 the broker
    /// has acknowledged by then. It speaks MQTT 5 as the first of the broker's users, unless
    /// `arguments` say otherwise.
    ///
    /// # Panics
    /// When it fails, or has not ended within [`LIMIT`].
    #[track_caller]
    pub fn publish(&self, arguments: &[&str]) {
        if let Err(errors) = self.try_publish(arguments) {
            panic!(
                "mosquitto_pub {arguments:?}: {errors}\nthe broker's last lines:\n{}",
                self.log.tail(30)
            );
        }
    }

    /// As [`publish`](Self::publish), for one that may be refused.
    ///
    /// # Errors
    /// What it wrote before it failed.
    ///
    /// # Panics
    /// When it has not ended within [`LIMIT`].
    #[track_caller]
    pub fn try_publish(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = self.client(&self.mosquitto.publisher);
        let mut process = Process::spawn(command.args(arguments)).unwrap();
        match process.finish(LIMIT).unwrap() {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("{status}: {}", process.errors.tail(30))),
            None => panic!("mosquitto_pub {arguments:?} does not end"),
        }
    }

    /// Starts `mosquitto_sub` with `arguments` (`-t`, `-q`, …), and returns when the broker
    /// has its subscription. It speaks MQTT 5 as the first of the broker's users and with a
    /// client identifier of its own, unless `arguments` say otherwise.
    ///
    /// # Panics
    /// When it has not subscribed within [`LIMIT`].
    #[track_caller]
    pub fn subscribe(&self, arguments: &[&str]) -> Subscriber {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let given = arguments.iter().skip_while(|argument| **argument != "-i");
        let given = given.skip(1).map(|id| (*id).to_owned()).next();
        let client_id = given.unwrap_or_else(|| format!("subscriber-{number}"));

        let from = self.log.len();
        let mut command = self.client(&self.mosquitto.subscriber);
        command.args(["-i", &client_id, "-F", FORMAT]);
        let process = Process::spawn(command.args(arguments)).unwrap();
        self.wait_for_log(from, &format!("Sending SUBACK to {client_id}"));
        Subscriber { process, next: 0 }
    }

    fn client(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(["-V", "5", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        if let Some((user, password)) = self.config.users.first() {
            command.args(["-u", user, "-P", password]);
        }
        command
    }
}

/// A running `mosquitto_sub`. Dropping it kills it.
#[derive(Debug)]
pub struct Subscriber {
    process: Process,
    /// Number of the line that holds the next message.
    next: usize,
}

impl Subscriber {
    /// The next message, waited for.
    ///
    /// # Panics
    /// When none comes within [`LIMIT`].
    #[track_caller]
    pub fn receive(&mut self) -> Received {
        let line = self.process.output.wait_for(self.next, LIMIT, |_| true);
        let Some((number, line)) = line else {
            panic!("no message came; {}", self.process.errors.tail(30));
        };
        self.next = number + 1;
        Received::parse(&line).unwrap_or_else(|| panic!("not a message: {line:?}"))
    }

    /// The messages that have come and were not received yet. For "nothing came", publish a
    /// last message and receive it first: then everything before it is here or never sent.
    #[track_caller]
    pub fn pending(&mut self) -> Vec<Received> {
        let lines = self.process.output.since(self.next);
        self.next += lines.len();
        lines
            .iter()
            .map(|line| Received::parse(line).unwrap_or_else(|| panic!("not a message: {line:?}")))
            .collect()
    }
}
