//! Payloads that are drawn from the application while they are sent.

use super::client::{Cause, Client, DeliveryError, Options, PublishError, Queue, State};
use super::peer::LIMIT;
use crate::relay::Relay;
use mqtt_proto::QoS;
use mqtt_std::Broker;
use mqtt_std::broker::{BrokerConfig, BrokerOptions};
use std::io::{self, Cursor, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const MANY: usize = 5_000_000;
/// What all that waits to be sent may take in memory.
const MEMORY: usize = 10_000;

fn broker() -> Broker {
    let config = BrokerConfig {
        maximum_packet_size: 8 << 20,
        ..BrokerConfig::default()
    };
    Broker::bind_with("127.0.0.1:0", BrokerOptions::new().config(config)).unwrap()
}

fn options(id: &str) -> Options {
    let queue = Queue {
        bytes: MEMORY,
        ..Queue::default()
    };
    let options = Options::new(id).queue(queue);
    options.reconnect_between(Duration::from_millis(1), Duration::from_millis(20))
}

fn byte(at: usize) -> u8 {
    (at ^ at >> 8 ^ at >> 16) as u8
}

#[test]
fn a_drawn_payload_that_is_cut_in_the_middle_arrives_once_and_whole() {
    let broker = broker();
    let relay = Arc::new(Relay::to(broker.local_addr()));
    let reader = Client::connect(
        &format!("mqtt://{}", broker.local_addr()),
        options("reader"),
    );
    let messages = reader.unwrap();
    let messages = messages.subscribe("t/#", QoS::ExactlyOnce).unwrap();
    let client = Client::connect(&relay.url(), options("drawn")).unwrap();
    // The largest part tells how much of it lay in memory.
    let (begun, largest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (begins, parts) = (Arc::clone(&begun), Arc::clone(&largest));
    let mut cut = Some(relay);
    let token = client
        .publish("t/drawn", "")
        .qos(QoS::ExactlyOnce)
        .draw_from(MANY, move |offset, part| {
            parts.fetch_max(part.len(), Ordering::Relaxed);
            begins.fetch_add(usize::from(offset == 0), Ordering::Relaxed);
            if offset > MANY / 2
                && let Some(relay) = cut.take()
            {
                relay.goes_away();
                relay.comes_back();
            }
            for (at, place) in part.iter_mut().enumerate() {
                *place = byte(offset + at);
            }
            Ok(part.len())
        })
        .send()
        .unwrap();
    let behind = client.publish("t/behind", "x").qos(QoS::ExactlyOnce);
    let behind = behind.send().unwrap();
    token.acknowledged_timeout(LIMIT).unwrap();
    behind.acknowledged_timeout(LIMIT).unwrap();
    assert_eq!(begun.load(Ordering::Relaxed), 2);
    assert!(largest.load(Ordering::Relaxed) <= 64 << 10);
    let message = messages.recv_timeout(LIMIT).unwrap();
    assert_eq!(&*message.topic, "t/drawn");
    assert_eq!(message.payload.len(), MANY);
    let right = |(at, found): (usize, &u8)| *found == byte(at);
    assert!(message.payload.iter().enumerate().all(right));
    // Nothing else has come before what was published behind it.
    assert_eq!(&*messages.recv_timeout(LIMIT).unwrap().topic, "t/behind");
}

#[test]
fn a_reader_is_read_from_where_it_is() {
    let broker = broker();
    let url = format!("mqtt://{}", broker.local_addr());
    let client = Client::connect(&url, options("reads")).unwrap();
    let messages = client.subscribe("t", QoS::AtLeastOnce).unwrap();
    for (qos, len) in [
        (QoS::AtMostOnce, 100_000),
        (QoS::AtLeastOnce, 1),
        (QoS::ExactlyOnce, 0),
    ] {
        let mut reader = Cursor::new((0..200_000).map(byte).collect::<Vec<_>>());
        reader.seek(SeekFrom::Start(7)).unwrap();
        let token = client.publish("t", "not sent").qos(qos);
        let token = token.read_from(len, reader).send().unwrap();
        token.acknowledged_timeout(LIMIT).unwrap();
        let message = messages.recv_timeout(LIMIT).unwrap();
        let expected: Vec<u8> = (7..7 + len).map(byte).collect();
        assert!(message.payload == expected);
    }
}

#[test]
fn a_payload_that_fails_costs_its_own_message_and_a_connection() {
    let broker = broker();
    let url = format!("mqtt://{}", broker.local_addr());
    let client = Client::connect(&url, options("fails")).unwrap();
    let messages = client.subscribe("t", QoS::ExactlyOnce).unwrap();
    for (qos, fails) in [
        (QoS::AtMostOnce, true),
        (QoS::AtLeastOnce, false),
        (QoS::ExactlyOnce, true),
    ] {
        let states = client.watch();
        let asks = client.clone();
        let draw = move |offset: usize, part: &mut [u8]| {
            if offset == 0 {
                // A handle can be used from here: the client is not locked.
                assert!(asks.unsettled().messages() > 0);
                part.fill(0);
                return Ok(part.len().min(10));
            }
            match fails {
                true => Err(io::Error::other("the disk is gone")),
                false => Ok(0),
            }
        };
        let drawn = client.publish("t", "").qos(qos).draw_from(1_000, draw);
        let drawn = drawn.send().unwrap();
        let behind = client.publish("t", "behind").qos(QoS::ExactlyOnce);
        let behind = behind.send().unwrap();
        let Err(DeliveryError::Source(error)) = drawn.acknowledged_timeout(LIMIT) else {
            panic!("{:?}", drawn.outcome())
        };
        let expected = match fails {
            true => "the disk is gone",
            false => "the payload ends at 10 of 1000 bytes",
        };
        assert_eq!(error.to_string(), expected);
        let waiting = states.recv_timeout(LIMIT);
        assert!(matches!(
            waiting,
            Some(State::Waiting {
                cause: Cause::PayloadUnfinished,
                ..
            })
        ));
        behind.acknowledged_timeout(LIMIT).unwrap();
        assert_eq!(messages.recv_timeout(LIMIT).unwrap().text(), "behind");
        assert_eq!(client.unsettled().messages(), 0);
    }
    // Its length is the server's business, not the queue's.
    let none = |_: usize, _: &mut [u8]| Ok(0);
    let refused = client.publish("t", "").draw_from(9 << 20, none).send();
    assert!(matches!(refused, Err(PublishError::Refused(_))));
}
