//! `mosquitto_pub` and `mosquitto_sub`.

use super::{House, LIMIT, Listener, Note, PASSWORD, Tool, USER, Who};
use mqtt_tests::mosquitto::find_program;
use mqtt_tests::process::Process;
use mqtt_tests::required::required;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `mosquitto_sub` is asked to print of each message.
const FORMAT: &str = "%t\t%q\t%r\t%x\t%C\t%R\t%D\t%E\t%P";

pub struct Mosquitto {
    publisher: PathBuf,
    subscriber: PathBuf,
}

pub fn mosquitto() -> Option<Mosquitto> {
    let find = |name| {
        let missing = |name| format!("{name} is not installed (mosquitto-clients)");
        required(find_program(name).map_err(missing))
    };
    Some(Mosquitto {
        publisher: find("mosquitto_pub")?,
        subscriber: find("mosquitto_sub")?,
    })
}

fn client(program: &Path, house: &House, who: Who<'_>) -> Command {
    let mut command = Command::new(program);
    command
        .args(["-V", "5", "-h", "127.0.0.1", "-p", &house.port()])
        .args(["-u", USER, "-P", PASSWORD, "-i", who.client_id]);
    if !who.clean {
        command.args(["-c", "-x", &who.expiry.to_string()]);
    }
    if let Some((topic, payload)) = who.will {
        let will = ["--will-topic", topic, "--will-payload", payload];
        command.args(will).args(["--will-qos", "1"]);
    }
    command
}

struct Subscriber {
    process: Process,
    next: usize,
}

impl Tool for Mosquitto {
    fn subscriber(&self, house: &House, who: Who<'_>, filters: &[(&str, u8)]) -> Box<dyn Listener> {
        let mut command = client(&self.subscriber, house, who);
        command.args(["-F", FORMAT]);
        // It has one QoS for all.
        let qos = filters.first().map_or(0, |(_, qos)| *qos);
        command.args(["-q", &qos.to_string()]);
        for (filter, each) in filters {
            assert_eq!(*each, qos);
            command.args(["-t", filter]);
        }
        let process = Process::spawn(&mut command).unwrap();
        for (filter, _) in filters {
            house.wait_until_subscribed(who.client_id, filter);
        }
        Box::new(Subscriber { process, next: 0 })
    }

    fn publish(&self, house: &House, notes: &[Note]) {
        for note in notes {
            let mut command = client(&self.publisher, house, Who::publisher());
            command.args(["-t", &note.topic, "-q", &note.qos.to_string()]);
            if note.payload.is_empty() {
                command.arg("-n");
            } else {
                command.args(["-m", &note.payload]);
            }
            if note.retain {
                command.arg("-r");
            }
            let expiry = note.expiry.map(|seconds| seconds.to_string());
            for (name, value) in [
                ("content-type", note.content_type.as_str()),
                ("response-topic", note.response_topic.as_str()),
                ("correlation-data", note.correlation.as_str()),
                (
                    "message-expiry-interval",
                    expiry.as_deref().unwrap_or_default(),
                ),
            ] {
                if !value.is_empty() {
                    command.args(["-D", "publish", name, value]);
                }
            }
            for (name, value) in &note.user {
                command.args(["-D", "publish", "user-property", name, value]);
            }
            let mut process = Process::spawn(&mut command).unwrap();
            let ended = process.finish(LIMIT).unwrap();
            let errors = process.errors.tail(30);
            assert!(ended.is_some_and(|status| status.success()), "{errors}");
        }
    }

    fn refused(&self, house: &House) -> String {
        let mut command = client(&self.publisher, house, Who::new("stranger"));
        command.args(["-P", "wrong", "-t", "t", "-n"]);
        let mut process = Process::spawn(&mut command).unwrap();
        let ended = process.finish(LIMIT).unwrap().expect("an end");
        // It leaves with the reason code.
        ended.code().unwrap_or_default().to_string()
    }
}

impl Listener for Subscriber {
    #[track_caller]
    fn receive(&mut self) -> Note {
        let line = self.process.output.wait_for(self.next, LIMIT, |_| true);
        let Some((number, line)) = line else {
            panic!("no message came; {}", self.process.errors.tail(30));
        };
        self.next = number + 1;
        let fields: Vec<&str> = line.split('\t').collect();
        let Ok(
            [
                topic,
                qos,
                retain,
                payload,
                content,
                response,
                correlation,
                expiry,
                user,
            ],
        ) = <[&str; 9]>::try_from(fields)
        else {
            panic!("not a message: {line:?}");
        };
        let byte = |at| u8::from_str_radix(&payload[at..at + 2], 16).unwrap();
        let payload = (0..payload.len()).step_by(2).map(byte).collect();
        let user = user.split(' ').filter_map(|pair| {
            let (name, value) = pair.split_once(':')?;
            Some((name.to_owned(), value.to_owned()))
        });
        Note {
            topic: topic.to_owned(),
            payload: String::from_utf8(payload).unwrap(),
            qos: qos.parse().unwrap(),
            retain: retain == "1",
            content_type: content.to_owned(),
            response_topic: response.to_owned(),
            correlation: correlation.to_owned(),
            expiry: expiry.parse().ok(),
            user: user.collect(),
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    fn leave(&mut self) {
        // Asked to end, it says goodbye first: with 0x04, Disconnect with Will Message.
        let script = format!("kill -TERM {}", self.process.id());
        let status = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert!(status.success(), "{script}: {status}");
        let ended = self.process.finish(LIMIT).unwrap();
        assert!(ended.is_some(), "mosquitto_sub does not end");
    }
}
