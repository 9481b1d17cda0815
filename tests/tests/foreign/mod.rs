//! Clients that others have made, as clients of the broker of `mqtt-std`, and what each of them
//! has to see.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "shared by test binaries")]

pub mod agent;
pub mod mosquitto;
pub mod scenarios;

use mqtt_std::broker::{
    Access, Broker, BrokerEvent, BrokerOptions, Identity, Login, Notice, Notices,
};
use mqtt_std::{QoS, ReasonCode, TopicFilter};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How long anything that should happen at once may take on a loaded machine.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Whom the broker lets in.
pub const USER: &str = "ann";
/// Her password.
pub const PASSWORD: &str = "secret";

/// How a client comes.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    pub client_id: &'a str,
    pub clean: bool,
    /// Session Expiry Interval in seconds.
    pub expiry: u32,
    /// Topic and payload of a will at QoS 1.
    pub will: Option<(&'a str, &'a str)>,
}

impl<'a> Who<'a> {
    /// With a session that ends with the connection.
    pub fn new(client_id: &'a str) -> Self {
        Self {
            client_id,
            clean: true,
            expiry: 0,
            will: None,
        }
    }

    /// With a will, of which nobody may hear as long as it disconnects.
    pub fn publisher() -> Self {
        Self {
            will: Some(("state/publisher", "gone")),
            ..Self::new("publisher")
        }
    }

    /// With a session that is kept.
    pub fn keeping(client_id: &'a str) -> Self {
        Self {
            clean: false,
            expiry: 1_000,
            ..Self::new(client_id)
        }
    }
}

/// A message on either of its ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    pub topic: String,
    pub payload: String,
    pub qos: u8,
    pub retain: bool,
    pub content_type: String,
    pub response_topic: String,
    pub correlation: String,
    pub expiry: Option<u32>,
    pub user: Vec<(String, String)>,
}

pub fn note(topic: &str, payload: &str, qos: u8) -> Note {
    Note {
        topic: topic.to_owned(),
        payload: payload.to_owned(),
        qos,
        ..Note::default()
    }
}

/// A client of somebody else's.
pub trait Tool {
    /// Connects and subscribes; returns when the broker has all subscriptions.
    fn subscriber(&self, house: &House, who: Who<'_>, filters: &[(&str, u8)]) -> Box<dyn Listener>;

    /// Publishes one message after another, each acknowledged before this returns, as
    /// [`Who::publisher`], and disconnects.
    fn publish(&self, house: &House, notes: &[Note]);

    /// Tries to connect with a wrong password; what it makes of the refusal.
    fn refused(&self, house: &House) -> String;
}

/// A client that has subscribed. Dropping it kills it.
pub trait Listener {
    /// The next message, waited for.
    fn receive(&mut self) -> Note;

    /// Ends it without a word of MQTT.
    fn kill(&mut self);

    /// Has it disconnect, and waits until it has ended: with whatever reason code it has for
    /// that.
    fn leave(&mut self);
}

/// A broker that tells what its clients do.
pub struct House {
    pub broker: Broker,
    notices: Notices,
    asked: Receiver<(String, String)>,
}

struct Doorkeeper(Sender<(String, String)>);

impl Access for Doorkeeper {
    fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
        match (login.user_name, login.password) {
            (Some(USER), Some(password)) if password == PASSWORD.as_bytes() => Ok(()),
            _ => Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD),
        }
    }

    fn subscribe(
        &mut self,
        who: &Identity<'_>,
        filter: TopicFilter<'_>,
        options: mqtt_proto::SubscriptionOptions,
    ) -> Result<QoS, ReasonCode> {
        // Nobody listens any more at the end of a test.
        let _ = self
            .0
            .send((who.client_id.to_owned(), filter.as_str().to_owned()));
        Ok(options.qos)
    }
}

impl House {
    pub fn open() -> Self {
        let (tell, asked) = channel();
        let options = BrokerOptions::new().access(Doorkeeper(tell));
        let broker = Broker::bind_with("127.0.0.1:0", options).unwrap();
        Self {
            notices: broker.watch(),
            broker,
            asked,
        }
    }

    pub fn port(&self) -> String {
        self.broker.local_addr().port().to_string()
    }

    /// Waits until a client has subscribed to this, whatever others do meanwhile.
    #[track_caller]
    pub fn wait_until_subscribed(&self, client_id: &str, filter: &str) {
        let until = Instant::now() + LIMIT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.asked.recv_timeout(left) {
                Ok((who, what)) if who == client_id && what == filter => return,
                Ok(_) => {}
                Err(error) => panic!("{client_id} does not subscribe to {filter}: {error}"),
            }
        }
    }

    /// Waits until a client comes; whether the broker still has its session.
    #[track_caller]
    pub fn session_present(&self, wanted: &str) -> bool {
        self.wait_for(wanted, |event| match event {
            BrokerEvent::Connected {
                client_id,
                session_present,
                ..
            } if **client_id == *wanted => Some(*session_present),
            _ => None,
        })
    }

    /// Waits until a client is gone, and how.
    #[track_caller]
    pub fn end_of(&self, wanted: &str) -> String {
        self.wait_for(wanted, |event| match event {
            BrokerEvent::Disconnected {
                client_id: Some(client_id),
                cause,
                ..
            } if **client_id == *wanted => Some(cause.to_string()),
            _ => None,
        })
    }

    #[track_caller]
    fn wait_for<T>(&self, who: &str, wanted: impl Fn(&BrokerEvent) -> Option<T>) -> T {
        let until = Instant::now() + LIMIT;
        let mut seen = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Some(notice) = self.notices.recv_timeout(left) else {
                panic!("nothing came of {who}; what was told: {seen:#?}");
            };
            if let Notice::Event(event) = &notice
                && let Some(found) = wanted(event)
            {
                return found;
            }
            seen.push(notice.to_string());
        }
    }
}
