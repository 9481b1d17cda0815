//! What is measured: a client that connects with a will and credentials, subscribes, publishes and
//! receives at QoS 1 and 2, pings, disconnects, and resumes with retransmission.
#![no_std]
#![no_main]

use board::{Board, Line};
use core::time::Duration;
use embedded_io::{Read, ReadReady, Write};
use mqtt_session::{
    Action, Client, Config, Connect, Event, Fixed, Instant, Properties, Property, Publish, QoS,
    RxBuffer, Subscription, SubscriptionOptions, TopicFilter, TopicName, Will,
};

const ARENA: usize = 512;
const TRANSMIT: usize = 256;
const INPUT: usize = 256;

type Store = Fixed<8, 8, ARENA, TRANSMIT>;

#[board::entry]
fn main() -> ! {
    let Some(mut board) = Board::take() else {
        board::exit(false)
    };
    let config = Config::new()
        .ack_timeout(Duration::from_millis(500))
        .reconnect_between(Duration::from_millis(10), Duration::from_millis(10));
    let mut client = Client::new(config, Store::new());
    let mut input = RxBuffer::new([0; INPUT]);
    let told = converse(&mut board.line, &mut client, &mut input);
    board.log.number("stack", board::peak() as u32);
    board.log.number("client", size_of_val(&client) as u32);
    board
        .log
        .number("buffers", (ARENA + TRANSMIT + INPUT) as u32);
    board.log.number("writes", board.line.writes());
    board.log.number("connections", told.connections);
    board.log.number("settled", told.settled);
    board.log.number("delivered", told.delivered);
    board::exit(told.settled == 2 && told.delivered == 2)
}

#[derive(Default)]
struct Told {
    connections: u32,
    settled: u32,
    delivered: u32,
}

fn now() -> Instant {
    Instant::from_millis(board::millis())
}

fn converse(
    line: &mut Line,
    client: &mut Client<Store>,
    input: &mut RxBuffer<[u8; INPUT]>,
) -> Told {
    let mut told = Told::default();
    client.start(now());
    loop {
        match client.poll(now(), input) {
            Action::Open => {
                if client.opened(now(), &connect()).is_err() {
                    return told;
                }
            }
            Action::Send(bytes) => match line.write(bytes) {
                Ok(count) => client.sent(now(), count),
                Err(_) => client.closed(now()),
            },
            Action::Deliver(delivery) => {
                told.delivered += u32::from(delivery.message.is_last());
                // What comes last is the server's word that all has been said.
                if delivery.message.topic.as_str() == "end" {
                    client.stop(now());
                }
            }
            Action::Event(Event::Connected(_)) => {
                told.connections += 1;
                if told.connections == 1 && !ask(client) {
                    return told;
                }
            }
            Action::Event(Event::Published { outcome, .. }) => {
                told.settled += u32::from(outcome.is_ok());
            }
            Action::Event(_) => {}
            Action::Close => client.closed(now()),
            Action::Timeout(deadline) => {
                while line.read_ready() != Ok(true) && deadline > now() {
                    line.doze();
                }
                if line.read_ready() == Ok(true) {
                    match line.read(input.spare()) {
                        Ok(count) => input.filled(count),
                        Err(_) => client.closed(now()),
                    }
                }
            }
            Action::Done => return told,
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

/// A subscription, and a message at QoS 1 and at QoS 2. False where that was refused.
fn ask(client: &mut Client<Store>) -> bool {
    let (Ok(topic), Ok(filter)) = (TopicName::new("reading"), TopicFilter::new("order/#")) else {
        return false;
    };
    let options = SubscriptionOptions {
        qos: QoS::ExactlyOnce,
        ..SubscriptionOptions::default()
    };
    let wanted = [Subscription { filter, options }];
    client.subscribe(now(), &wanted, &[]).is_ok()
        && [QoS::AtLeastOnce, QoS::ExactlyOnce].iter().all(|qos| {
            let publish = Publish::new(topic, b"21.5").qos(*qos);
            client.publish(now(), &publish).is_ok()
        })
}
