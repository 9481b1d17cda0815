//! A device on a serial line. It publishes at every QoS when it has subscribed, reports each message
//! that comes in, whatever its size, and does what two of them tell it: `to/device/again` has it
//! publish at QoS 1 and 2 once more, `to/device/stop` end the connection.
//!
//! A serial line does not show that the connection behind it is gone. The machine notices: what is
//! not acknowledged in time ends the connection, and with nothing to acknowledge a ping does. Then the
//! line is opened anew, which throws away what it still brings, and the session goes on.
#![no_std]
#![no_main]

mod digest;

use board::{Line, Log};
use core::convert::Infallible;
use core::time::Duration;
use digest::Digest;
use mqtt_embedded::{Client, Clock, Failed, Turn};
use mqtt_session::{
    Config, Connect, Delivery, Event, Fixed, Instant, Message, Properties, Publish, QoS,
    RequestError, Subscription, SubscriptionOptions, TopicError, TopicFilter, TopicName, Will,
};

/// The largest header that is expected, twice; payloads of any size pass through it in parts.
const INPUT: usize = 512;

const CONFIG: Config = Config::new()
    .ack_timeout(Duration::from_secs(3))
    .connect_timeout(Duration::from_secs(5))
    .reconnect_between(Duration::from_millis(50), Duration::from_secs(1));

#[board::entry]
fn main() -> ! {
    let Some(mut log) = board::start() else {
        board::exit(false)
    };
    let ended = run(&mut log);
    log.text("stack").number(board::peak() as u32).end();
    log.text("end").end();
    board::exit(ended.is_ok())
}

/// What the program itself got wrong.
enum Mistake {
    Topic,
    Request,
    Connect,
}

impl From<TopicError> for Mistake {
    fn from(_: TopicError) -> Self {
        Self::Topic
    }
}

impl From<RequestError> for Mistake {
    fn from(_: RequestError) -> Self {
        Self::Request
    }
}

/// Runs until the device is told to stop.
fn run(log: &mut Log) -> Result<(), Mistake> {
    let will = Will {
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: TopicName::new("from/device/will")?,
        payload: b"gone",
        properties: Properties::EMPTY,
    };
    let connect = Connect {
        keep_alive: 5,
        will: Some(will),
        user_name: Some("device"),
        password: Some(b"secret"),
        ..mqtt_embedded::connect("device-7")
    };
    let machine = mqtt_session::Client::new(CONFIG, Fixed::<8, 8, 512, 256>::new());
    let dial = || Ok::<_, Infallible>(Line::open());
    let mut client = Client::new(machine, [0; INPUT], &connect, dial, Time);
    let mut digest = Digest::new();
    let mut subscribed = false;
    client.start();
    loop {
        match client.turn_blocking(Instant::NEVER) {
            Turn::Message(delivery) => {
                digest.take(delivery.message.payload);
                if delivery.message.is_last() {
                    report(log, &delivery.message, &digest);
                    digest = Digest::new();
                    if act(delivery)? == Next::Stop {
                        client.stop();
                    }
                }
            }
            Turn::Event(Event::Connected(connack)) => {
                log.text("connected")
                    .number(connack.session_present.into())
                    .end();
                if !subscribed {
                    let filter = TopicFilter::new("to/device/#")?;
                    let options = SubscriptionOptions {
                        qos: QoS::ExactlyOnce,
                        ..SubscriptionOptions::default()
                    };
                    client.subscribe(&[Subscription { filter, options }])?;
                    subscribed = true;
                }
            }
            Turn::Event(Event::Subscribed { .. }) => {
                log.text("subscribed").end();
                let topic = TopicName::new("from/device/hello")?;
                client.publish(&Publish::new(topic, b"hello-0"))?;
                client.publish(&Publish::new(topic, b"hello-1").qos(QoS::AtLeastOnce))?;
                client.publish(&Publish::new(topic, b"hello-2").qos(QoS::ExactlyOnce))?;
            }
            // Nobody knows whether the server has it: it is asked again.
            Turn::Event(Event::Unanswered { .. } | Event::SessionLost) => subscribed = false,
            Turn::Event(Event::Published {
                ticket, outcome, ..
            }) => {
                let word = if outcome.is_ok() {
                    "published"
                } else {
                    "given up"
                };
                log.text(word).number(ticket.number() as u32).end();
            }
            Turn::Event(Event::DeliveryCut) => {
                digest = Digest::new();
                log.text("delivery cut").end();
            }
            Turn::Event(Event::Disconnected { .. }) => log.text("disconnected").end(),
            Turn::Event(Event::Violation(_)) => log.text("violation").end(),
            Turn::Failed(Failed::Connect(_)) => return Err(Mistake::Connect),
            Turn::Failed(_) => log.text("line failed").end(),
            Turn::Event(_) | Turn::Nothing => {}
            Turn::Done => return Ok(()),
        }
    }
}

/// A line about a message: topic, QoS, bytes, parts, and the digest of its payload.
fn report(log: &mut Log, message: &Message<'_>, digest: &Digest) {
    log.text("message ").text(message.topic.as_str());
    log.number(u32::from(message.qos as u8))
        .number(message.total as u32);
    log.number(digest.parts()).number(digest.sum()).end();
}

#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

/// Does what a message says.
fn act(mut delivery: Delivery<'_>) -> Result<Next, Mistake> {
    match delivery.message.topic.as_str() {
        "to/device/stop" => return Ok(Next::Stop),
        "to/device/again" => {
            let topic = TopicName::new("from/device/again")?;
            delivery.publish(&Publish::new(topic, b"again-1").qos(QoS::AtLeastOnce))?;
            delivery.publish(&Publish::new(topic, b"again-2").qos(QoS::ExactlyOnce))?;
        }
        _ => {}
    }
    Ok(Next::GoOn)
}

struct Time;

impl Clock for Time {
    fn now(&mut self) -> Instant {
        Instant::from_millis(board::millis())
    }

    fn idle(&mut self, _: Instant) {
        board::doze();
    }
}
