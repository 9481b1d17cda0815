//! What is measured: a client that connects with a will and credentials, subscribes, publishes and
//! receives at QoS 1 and 2, pings, disconnects, and resumes with retransmission.
#![no_std]
#![no_main]

use board::Line;
use core::convert::Infallible;
use core::time::Duration;
use mqtt_embedded::{Client, Clock, Turn};
use mqtt_session::{
    Config, Connect, Event, Fixed, Instant, Properties, Property, Publish, QoS, RequestError,
    Subscription, SubscriptionOptions, TopicFilter, TopicName, Will,
};

const ARENA: usize = 512;
const TRANSMIT: usize = 256;
const INPUT: usize = 256;

const CONFIG: Config = Config::new()
    .ack_timeout(Duration::from_millis(500))
    .reconnect_between(Duration::from_millis(10), Duration::from_millis(10));

#[board::entry]
fn main() -> ! {
    let Some(mut log) = board::start() else {
        board::exit(false)
    };
    let connect = connect();
    let machine = mqtt_session::Client::new(CONFIG, Fixed::<8, 8, ARENA, TRANSMIT>::new());
    let mut client = Client::new(machine, [0; INPUT], &connect, dial, Time);
    let told = converse(&mut client);
    log.number("stack", board::peak() as u32);
    log.number("client", size_of_val(&client) as u32);
    log.number("buffers", (ARENA + TRANSMIT + INPUT) as u32);
    log.number("writes", board::writes());
    log.number("connections", told.connections);
    log.number("settled", told.settled);
    log.number("delivered", told.delivered);
    board::exit(told.is_all())
}

fn dial() -> Result<Line, Infallible> {
    Ok(Line::open())
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

type Sensor<'c, F> = Client<'c, Fixed<8, 8, ARENA, TRANSMIT>, [u8; INPUT], F, Line, Time>;

#[derive(Default)]
struct Told {
    connections: u32,
    settled: u32,
    delivered: u32,
}

impl Told {
    fn is_all(&self) -> bool {
        self.settled == 2 && self.delivered == 3
    }
}

fn converse(client: &mut Sensor<'_, impl FnMut() -> Result<Line, Infallible>>) -> Told {
    let mut told = Told::default();
    client.start();
    loop {
        match client.turn_blocking(Instant::NEVER) {
            Turn::Message(delivery) => {
                told.delivered += u32::from(delivery.message.is_last());
                if told.is_all() {
                    client.stop();
                }
            }
            Turn::Event(Event::Connected(_)) => {
                told.connections += 1;
                if told.connections == 1 && ask(client).is_err() {
                    return told;
                }
            }
            Turn::Event(Event::Published { outcome, .. }) => {
                told.settled += u32::from(outcome.is_ok());
            }
            Turn::Event(_) | Turn::Failed(_) | Turn::Nothing => {}
            Turn::Done => return told,
        }
    }
}

fn connect() -> Connect<'static> {
    Connect {
        keep_alive: 1,
        will: TopicName::new("status").ok().map(|topic| Will {
            qos: QoS::AtLeastOnce,
            retain: false,
            topic,
            payload: b"gone",
            properties: Properties::EMPTY,
        }),
        user_name: Some("sensor"),
        password: Some(b"secret"),
        properties: &[Property::SessionExpiryInterval(3600)],
        ..Connect::new("sensor-7")
    }
}

/// A subscription, and a message at QoS 1 and at QoS 2.
fn ask<F>(client: &mut Sensor<'_, F>) -> Result<(), RequestError> {
    let (Ok(topic), Ok(filter)) = (TopicName::new("reading"), TopicFilter::new("order/#")) else {
        return Err(RequestError::NoRoom);
    };
    let options = SubscriptionOptions {
        qos: QoS::ExactlyOnce,
        ..SubscriptionOptions::default()
    };
    client.subscribe(&[Subscription { filter, options }])?;
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        client.publish(&Publish::new(topic, b"21.5").qos(qos))?;
    }
    Ok(())
}
