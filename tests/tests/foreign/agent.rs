//! paho-mqtt and MQTT.js, behind a small program each that does what it is told line by line.

use super::{House, LIMIT, Listener, Note, PASSWORD, Tool, USER, Who};
use mqtt_tests::mosquitto::find_program;
use mqtt_tests::process::Process;
use mqtt_tests::required::required;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How to start the program around a client.
pub struct Agent {
    program: PathBuf,
    script: PathBuf,
    /// Where Node finds modules.
    modules: Option<PathBuf>,
}

/// paho-mqtt, in the virtual environment that `.ci/run setup` makes.
pub fn paho() -> Option<Agent> {
    let program = required(installed("paho/bin/python"))?;
    Some(Agent {
        program,
        script: script("paho_agent.py"),
        modules: None,
    })
}

/// MQTT.js, in the folder that `.ci/run setup` makes.
pub fn mqttjs() -> Option<Agent> {
    let missing = |name| format!("{name} is not installed (nodejs)");
    let program = required(find_program("node").map_err(missing))?;
    let package = required(installed("mqttjs/node_modules/mqtt"))?;
    Some(Agent {
        program,
        script: script("mqttjs_agent.js"),
        modules: package.parent().map(Path::to_owned),
    })
}

fn script(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign");
    folder.join(name)
}

/// What lies in the folder `foreign` of Cargo's target folder, which this program lies in too.
fn installed(path: &str) -> Result<PathBuf, String> {
    let program = std::env::current_exe().unwrap();
    let found = program
        .ancestors()
        .map(|folder| folder.join("foreign").join(path))
        .find(|file| file.exists());
    found.ok_or(format!(
        "target/foreign/{path} does not exist: run `bash .ci/run setup`"
    ))
}

/// A running program around a client.
struct Run {
    process: Process,
    /// Number of the line that is looked at next.
    next: usize,
}

impl Agent {
    /// Another program around the same client.
    pub fn echo(&self, name: &str) -> Command {
        self.command(&script(name))
    }

    fn command(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(script);
        if let Some(modules) = &self.modules {
            command.env("NODE_PATH", modules);
        }
        command
    }

    fn start(&self, house: &House) -> Run {
        let mut command = self.command(&self.script);
        command.arg(house.port());
        Run {
            process: Process::spawn_listening(&mut command).unwrap(),
            next: 0,
        }
    }
}

impl Run {
    #[track_caller]
    fn tell(&mut self, word: &str, fields: &[(&str, &str)]) {
        let fields = fields
            .iter()
            .map(|(name, value)| format!("\t{name}={value}"));
        let line = format!("{word}{}", fields.collect::<String>());
        if let Err(error) = self.process.tell(&line) {
            panic!("{line:?}: {error}\n{}", self.process.errors.tail(30));
        }
    }

    /// The fields of the next line of a kind; those of other kinds are for others.
    #[track_caller]
    fn hear(&mut self, word: &str) -> Fields {
        let of_kind = |line: &str| line.split('\t').next() == Some(word);
        let Some((number, line)) = self.process.output.wait_for(self.next, LIMIT, of_kind) else {
            panic!(
                "no {word:?} but:\n{}\n{}",
                self.process.output.tail(30),
                self.process.errors.tail(30)
            );
        };
        self.next = number + 1;
        let fields = line.split('\t').skip(1);
        let split = |field: &str| {
            field
                .split_once('=')
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
        };
        Fields(fields.filter_map(split).collect())
    }

    fn connect(&mut self, who: Who<'_>, password: &str) -> Fields {
        let (clean, expiry) = (u8::from(who.clean).to_string(), who.expiry.to_string());
        let mut fields = vec![
            ("id", who.client_id),
            ("clean", clean.as_str()),
            ("expiry", expiry.as_str()),
            ("user", USER),
            ("password", password),
        ];
        let payload = hex(who.will.unwrap_or_default().1);
        if let Some((topic, _)) = who.will {
            fields.extend([
                ("will_topic", topic),
                ("will_payload", payload.as_str()),
                ("will_qos", "1"),
                ("will_retain", "0"),
            ]);
        }
        self.tell("connect", &fields);
        self.hear("connected")
    }

    fn disconnect(&mut self) {
        self.tell("disconnect", &[]);
        let ended = self.process.finish(LIMIT).unwrap();
        let errors = self.process.errors.tail(30);
        assert!(ended.is_some_and(|status| status.success()), "{errors}");
    }
}

struct Fields(Vec<(String, String)>);

impl Fields {
    #[track_caller]
    fn get(&self, wanted: &str) -> &str {
        let found = self.0.iter().find(|(name, _)| name == wanted);
        &found
            .unwrap_or_else(|| panic!("no {wanted} in {:?}", self.0))
            .1
    }
}

impl Tool for Agent {
    fn subscriber(&self, house: &House, who: Who<'_>, filters: &[(&str, u8)]) -> Box<dyn Listener> {
        let mut run = self.start(house);
        let connected = run.connect(who, PASSWORD);
        assert_eq!(connected.get("reason"), "0");
        let present = u8::from(house.session_present(who.client_id)).to_string();
        assert_eq!(connected.get("session"), present);
        // What a kept session brings comes at once, between the answers.
        let first = run.next;
        for (filter, qos) in filters {
            let qos = qos.to_string();
            run.tell("subscribe", &[("filter", filter), ("qos", &qos)]);
            assert_eq!(run.hear("subscribed").get("reasons"), qos);
        }
        run.next = first;
        Box::new(run)
    }

    fn publish(&self, house: &House, notes: &[Note]) {
        let mut run = self.start(house);
        let connected = run.connect(Who::publisher(), PASSWORD);
        assert_eq!(connected.get("reason"), "0");
        for note in notes {
            let (payload, qos) = (hex(&note.payload), note.qos.to_string());
            let retain = u8::from(note.retain).to_string();
            let correlation = hex(&note.correlation);
            let expiry = note.expiry.map(|seconds| seconds.to_string());
            let user: Vec<_> = note.user.iter().map(|(k, v)| format!("{k}:{v}")).collect();
            let user = user.join("|");
            let optional = [
                ("content_type", note.content_type.as_str()),
                ("response_topic", note.response_topic.as_str()),
                ("correlation", correlation.as_str()),
                ("expiry", expiry.as_deref().unwrap_or_default()),
                ("user", user.as_str()),
            ];
            let mut fields = vec![
                ("topic", note.topic.as_str()),
                ("payload", payload.as_str()),
                ("qos", qos.as_str()),
                ("retain", retain.as_str()),
            ];
            fields.extend(optional.into_iter().filter(|(_, value)| !value.is_empty()));
            run.tell("publish", &fields);
            // 0x10 says that nobody has subscribed.
            let published = run.hear("published");
            let reason = published.get("reason");
            assert!(matches!(reason, "0" | "16"), "{reason}");
        }
        run.disconnect();
    }

    fn refused(&self, house: &House) -> String {
        let mut run = self.start(house);
        let connected = run.connect(Who::new("stranger"), "wrong");
        connected.get("reason").to_owned()
    }
}

impl Listener for Run {
    #[track_caller]
    fn receive(&mut self) -> Note {
        let fields = self.hear("message");
        let user = fields.get("user").split('|').filter_map(|pair| {
            let (name, value) = pair.split_once(':')?;
            Some((name.to_owned(), value.to_owned()))
        });
        Note {
            topic: fields.get("topic").to_owned(),
            payload: unhex(fields.get("payload")),
            qos: fields.get("qos").parse().unwrap(),
            retain: fields.get("retain") == "1",
            content_type: fields.get("content_type").to_owned(),
            response_topic: fields.get("response_topic").to_owned(),
            correlation: unhex(fields.get("correlation")),
            expiry: fields.get("expiry").parse().ok(),
            user: user.collect(),
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    fn leave(&mut self) {
        self.disconnect();
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> String {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    String::from_utf8((0..digits.len()).step_by(2).map(byte).collect()).unwrap()
}
