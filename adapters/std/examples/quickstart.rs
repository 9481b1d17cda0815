//! A tour: connect, subscribe, publish at QoS 0, 1 and 2, lose the connection in mid-message,
//! resume, and see that the message arrived exactly once.
//!
//! `cargo run --example quickstart` starts a broker of its own for that, and
//! `cargo run --example quickstart mqtt://user:password@host:port` talks to another one.

use mqtt_std::broker::{Access, Broker, BrokerOptions, Login};
use mqtt_std::transport::{Carrier, Source, Stream, Tcp};
use mqtt_std::{
    Address, Cause, Client, ConnectError, Options, QoS, ReasonCode, State, States, Subscription,
    Token, Will,
};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Who the tour is, where the address does not say.
const GUEST: &str = "guest";
/// Nothing here takes longer on a healthy network.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let result = match std::env::args().nth(1) {
        Some(url) => run(&url, ""),
        None => run_with_own_broker(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nquickstart: {error}");
            if let Some(advice) = advice(error.as_ref()) {
                eprintln!("{advice}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Lets in who knows the name and the password.
struct GuestsOnly;

impl Access for GuestsOnly {
    fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
        match (login.user_name, login.password) {
            (Some(GUEST), Some(password)) if password == GUEST.as_bytes() => Ok(()),
            _ => Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD),
        }
    }
}

fn run_with_own_broker() -> Result<(), Box<dyn Error>> {
    let options = BrokerOptions::new().access(GuestsOnly);
    let broker = Broker::bind_with("127.0.0.1:0", options)?;
    let url = format!("mqtt://{GUEST}:{GUEST}@{}", broker.local_addr());
    run(&url, ", a broker inside this program")?;
    broker.shutdown(PATIENCE)?;
    Ok(())
}

fn advice(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match error.downcast_ref::<ConnectError>()? {
        ConnectError::NotConnected(Cause::Refused { .. }) => {
            Some("give a user and a password: quickstart mqtt://user:password@host:port")
        }
        ConnectError::NotConnected(_) => Some(
            "start a broker there, such as: mosquitto -p 1883; or give no address: quickstart brings one",
        ),
        _ => None,
    }
}

fn run(url: &str, which: &str) -> Result<(), Box<dyn Error>> {
    let address: Address = url.parse().map_err(ConnectError::from)?;
    let tour = Tour::new();
    let id = format!("quickstart-{}", std::process::id());
    let user = address.user_name.clone();
    let user = user.unwrap_or_else(|| GUEST.to_owned());
    let password = address.password.clone();
    let password = password.unwrap_or_else(|| GUEST.as_bytes().to_vec());
    let topic = |name: &str| format!("{id}/{name}");

    println!("MQTT 5.0 at {address}{which}\n");
    let will = Will::new(topic("state"), "vanished").qos(QoS::AtLeastOnce);
    let options = Options::new(&id)
        .login(&user, password)
        .will(will)
        .reconnect_between(Duration::from_millis(200), Duration::from_secs(2));
    let scissors = Arc::new(AtomicBool::new(false));
    let open = {
        let scissors = Arc::clone(&scissors);
        move |limit| {
            let tcp = Tcp::connect(&address, limit)?;
            let scissors = Arc::clone(&scissors);
            Ok(Fragile { tcp, scissors })
        }
    };
    let client = Client::connect_over(open, options)?;
    tour.say("connected", &format!("as {id}, user {user}, with a will"));
    let states = tour.tell_states(client.watch());

    let filter = topic("#");
    let messages = client.subscribe(&filter, QoS::ExactlyOnce)?;
    let granted = messages.granted() as u8;
    tour.say("subscribed", &format!("{filter} at QoS {granted}"));
    let received = tour.tell_messages(messages, id.len() + 1);

    let mut published = 0;
    let mut publish =
        |name: &'static str, text: &'static str, qos: QoS| -> Result<(), Box<dyn Error>> {
            tour.line("publish", name, qos, text);
            let token = client.publish(&topic(name), text).qos(qos).send()?;
            tour.tell_outcome(name, &token)?;
            published += 1;
            Ok(())
        };
    publish("hello", "at most once", QoS::AtMostOnce)?;
    publish("news", "at least once", QoS::AtLeastOnce)?;
    publish("letter", "exactly once", QoS::ExactlyOnce)?;

    tour.say(
        "scissors",
        "the next QoS 2 message leaves, then the connection is cut",
    );
    scissors.store(true, Ordering::SeqCst);
    publish("parcel", "exactly once, too", QoS::ExactlyOnce)?;
    // One topic keeps its order, and the last message comes behind all that came before.
    publish("parcel", "the end", QoS::ExactlyOnce)?;

    let received = received.join().map_err(|_| "the reader panicked")?;
    let left = client.close(PATIENCE);
    states.join().map_err(|_| "the watcher panicked")?;
    left?;

    let parcels = received
        .iter()
        .filter(|text| *text == "exactly once, too")
        .count();
    println!(
        "\n{published} messages published, each accounted for; {} received, the will of the cut \
         connection among them.\nThe message that was cut came {}.",
        received.len(),
        if parcels == 1 {
            "exactly once".to_owned()
        } else {
            format!("{parcels} times")
        },
    );
    if parcels != 1 || scissors.load(Ordering::SeqCst) {
        return Err("the message that was cut should have come once".into());
    }
    Ok(())
}

/// What is printed, with the time since the start.
#[derive(Clone, Copy)]
struct Tour {
    start: Instant,
}

impl Tour {
    fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    fn say(self, what: &str, text: &str) {
        let millis = self.start.elapsed().as_millis();
        println!("{millis:>5} ms  {what:<13} {text}");
    }

    fn line(self, what: &str, name: &str, qos: QoS, text: &str) {
        self.say(what, &format!("{name:<8} QoS {}  {text}", qos as u8));
    }

    fn tell_outcome(self, name: &str, token: &Token) -> Result<(), Box<dyn Error>> {
        let reason = token.acknowledged_timeout(PATIENCE)?;
        match token.qos() {
            QoS::AtMostOnce => self.line("sent", name, token.qos(), "nobody will say more"),
            qos => self.line("acknowledged", name, qos, &reason.to_string()),
        }
        Ok(())
    }

    fn tell_states(self, states: States) -> JoinHandle<()> {
        thread::spawn(move || {
            for state in states {
                match state {
                    State::Connecting => {}
                    State::Waiting { cause, retry } => {
                        let wait = retry.saturating_duration_since(Instant::now()).as_millis();
                        self.say("cut", &cause.to_string());
                        self.say("waiting", &format!("{wait} ms before the next attempt"));
                    }
                    State::Connected { session_present } => {
                        let session = if session_present { "resumed" } else { "new" };
                        self.say("connected", &format!("again, session {session}"));
                    }
                    State::Ended { cause } => self.say("closed", &cause.to_string()),
                    _ => self.say("state", &state.to_string()),
                }
            }
        })
    }

    fn tell_messages(self, messages: Subscription, prefix: usize) -> JoinHandle<Vec<String>> {
        thread::spawn(move || {
            let mut received = Vec::new();
            for message in messages {
                let name = message.topic.get(prefix..).unwrap_or_default();
                self.line("received", name, message.qos, &message.text());
                received.push(message.text().into_owned());
                if message.text() == "the end" {
                    break;
                }
            }
            received
        })
    }
}

/// A stream of one's own: TCP, cut once, right behind a QoS 2 PUBLISH and before its answer.
struct Fragile {
    tcp: Tcp,
    scissors: Arc<AtomicBool>,
}

impl Read for Fragile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.read(buffer)
    }
}

impl Write for Fragile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.tcp.write(bytes)?;
        // The upper half of the first byte is the packet type, bits 1 and 2 are the QoS.
        let is_publish_2 = bytes.first().is_some_and(|first| first & 0xf6 == 0x34);
        if is_publish_2 && self.scissors.swap(false, Ordering::SeqCst) {
            self.tcp.shutdown(Shutdown::Both)?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

impl Stream for Fragile {
    fn source(&mut self) -> &mut dyn Source {
        self.tcp.source()
    }
}

impl Carrier for Fragile {
    fn close(&mut self) -> io::Result<()> {
        self.tcp.close()
    }
}
