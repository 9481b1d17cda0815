//! Few bytes that cost much: whoever says them waits for others, and is done in the end.

use mqtt_proto::{Frame, Packet, PacketType, Properties, QoS, Sender, Subscription, frame};
use mqtt_session::Instant;
use mqtt_session::broker::{Broker, BrokerAction, BrokerConfig, ConnectionId};
use mqtt_tests::hall::{Q0, filter, hello, hello_again, publishing, subscribe};
use std::collections::BTreeMap;

const NOW: Instant = Instant::from_secs(1);
/// Who keeps the broker busy, and who does not.
const BUSY: ConnectionId = ConnectionId(1);
const OTHER: ConnectionId = ConnectionId(2);

/// Packets by connection and type, and how many bytes were heard.
#[derive(Default)]
struct Heard {
    packets: BTreeMap<(ConnectionId, PacketType), usize>,
    rest: BTreeMap<ConnectionId, Vec<u8>>,
}

impl Heard {
    fn hear(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let rest = self.rest.entry(connection).or_default();
        rest.extend_from_slice(bytes);
        let mut at = 0;
        while let Ok(Frame::Whole(raw)) = frame(&rest[at..], u32::MAX) {
            *self
                .packets
                .entry((connection, raw.packet_type()))
                .or_default() += 1;
            at += raw.len();
        }
        rest.drain(..at);
    }

    fn count(&self, connection: ConnectionId, packet: PacketType) -> usize {
        self.packets
            .get(&(connection, packet))
            .copied()
            .unwrap_or(0)
    }
}

/// Acts on what the broker wants until it would look at what came in; whether someone's turn
/// goes on then.
fn round(broker: &mut Broker, heard: &mut Heard) -> bool {
    loop {
        match broker.poll(NOW) {
            BrokerAction::Send { connection, bytes } => {
                heard.hear(connection, bytes);
                let count = bytes.len();
                broker.sent(NOW, connection, count);
            }
            BrokerAction::Timeout(deadline) => return deadline <= NOW,
            BrokerAction::Event(_) => {}
            BrokerAction::Close { connection } => panic!("{connection:?} is closed"),
        }
    }
}

fn bytes_of(packet: &Packet<'_>) -> Vec<u8> {
    packet.to_vec(Sender::Client).expect("a valid packet")
}

/// A broker with both connected, and with so many retained messages.
fn broker_with(retained: usize, config: BrokerConfig) -> (Broker, Heard) {
    let mut broker = Broker::new(config);
    for number in 0..retained {
        let topic = format!("r/{number}");
        let topic = mqtt_proto::TopicName::new(&topic).unwrap();
        let publish = mqtt_session::Publish::new(topic, b"x").retain(true);
        broker.publish(NOW, &publish).unwrap();
    }
    let mut heard = Heard::default();
    for (connection, name) in [(BUSY, "busy"), (OTHER, "other")] {
        broker.opened(NOW, connection);
        let connect = bytes_of(&Packet::Connect(hello(name)));
        broker.received(NOW, connection, &connect);
    }
    assert!(!round(&mut broker, &mut heard));
    (broker, heard)
}

/// How many rounds it takes until the turns of the busy one are over; in each of them the other
/// one's ping is answered.
fn rounds(broker: &mut Broker, heard: &mut Heard) -> usize {
    let ping = bytes_of(&Packet::PingReq);
    for done in 1.. {
        let goes_on = round(broker, heard);
        if !goes_on {
            return done;
        }
        assert!(broker.reads(OTHER));
        let before = heard.count(OTHER, PacketType::PingResp);
        broker.received(NOW, OTHER, &ping);
        let (mut answered, mut polls) = (false, 0);
        while !answered {
            polls += 1;
            assert!(polls < 10_000, "the other one is kept waiting");
            if let BrokerAction::Send { connection, bytes } = broker.poll(NOW) {
                heard.hear(connection, bytes);
                let count = bytes.len();
                broker.sent(NOW, connection, count);
            }
            answered = heard.count(OTHER, PacketType::PingResp) > before;
        }
    }
    unreachable!()
}

/// Ten bytes that have everything retained looked at, again and again.
#[test]
fn a_flood_of_subscribes_to_everything_retained_leaves_others_their_turns() {
    let (mut broker, mut heard) = broker_with(2_000, BrokerConfig::default());
    let everything = bytes_of(&subscribe(1, &[filter("#", Q0)]));
    broker.received(NOW, BUSY, &everything.repeat(400));
    let rounds = rounds(&mut broker, &mut heard);
    assert!(rounds > 8, "{rounds}");
    assert_eq!(heard.count(BUSY, PacketType::SubAck), 400);
    assert!(broker.reads(BUSY));
}

/// One SUBSCRIBE whose filters each walk through everything, and match nothing.
#[test]
fn one_subscribe_of_many_filters_is_not_one_turn() {
    let (mut broker, mut heard) = broker_with(2_000, BrokerConfig::default());
    let names: Vec<String> = (0..400).map(|n| format!("+/+/{n}")).collect();
    let filters: Vec<Subscription<'_>> = names.iter().map(|name| filter(name, Q0)).collect();
    let packet = bytes_of(&subscribe(1, &filters));
    broker.received(NOW, BUSY, &packet);
    let rounds = rounds(&mut broker, &mut heard);
    assert!(rounds > 8, "{rounds}");
    assert_eq!(heard.count(BUSY, PacketType::SubAck), 1);
    assert_eq!(heard.count(BUSY, PacketType::Publish), 0);
}

/// A message that comes to thousands, many times in one piece.
#[test]
fn a_flood_of_messages_to_many_leaves_others_their_turns() {
    let (mut broker, mut heard) = broker_with(0, BrokerConfig::default());
    const MANY: u64 = 500;
    for number in 0..MANY {
        let connection = ConnectionId(100 + number);
        broker.opened(NOW, connection);
        let connect = bytes_of(&Packet::Connect(hello(&format!("s{number}"))));
        broker.received(NOW, connection, &connect);
        broker.received(
            NOW,
            connection,
            &bytes_of(&subscribe(1, &[filter("t", Q0)])),
        );
    }
    round(&mut broker, &mut heard);
    let message = bytes_of(&publishing(QoS::AtMostOnce, 0, "t", b"x"));
    broker.received(NOW, BUSY, &message.repeat(1_000));
    let rounds = rounds(&mut broker, &mut heard);
    assert!(rounds > 5, "{rounds}");
    for number in 0..MANY {
        let got = heard.count(ConnectionId(100 + number), PacketType::Publish);
        assert_eq!(got, 1_000);
    }
}

/// What is retained for a subscription is not lost with the connection that was to get it.
#[test]
fn what_is_retained_is_handed_over_when_the_client_comes_back() {
    let (mut broker, mut heard) = broker_with(2_000, BrokerConfig::default());
    let connect = bytes_of(&Packet::Connect(hello_again("kept")));
    let connection = ConnectionId(3);
    broker.opened(NOW, connection);
    broker.received(NOW, connection, &connect);
    assert!(!round(&mut broker, &mut heard));
    // The first filters take many turns, the last one is the one that matches.
    let mut names: Vec<String> = (0..400).map(|n| format!("+/+/{n}")).collect();
    names.push("r/7".to_owned());
    let filters: Vec<Subscription<'_>> = names
        .iter()
        .map(|name| filter(name, QoS::AtLeastOnce))
        .collect();
    broker.received(NOW, connection, &bytes_of(&subscribe(1, &filters)));
    assert!(round(&mut broker, &mut heard), "one turn was enough");
    assert_eq!(heard.count(connection, PacketType::Publish), 0);
    broker.closed(NOW, connection);

    let again = ConnectionId(4);
    broker.opened(NOW, again);
    broker.received(NOW, again, &connect);
    while round(&mut broker, &mut heard) {}
    // It was published at QoS 0.
    assert_eq!(heard.count(again, PacketType::Publish), 1);
}

/// Who is cut in the middle of its turns leaves nothing behind.
#[test]
fn a_connection_that_ends_between_its_turns_is_forgotten() {
    let (mut broker, mut heard) = broker_with(2_000, BrokerConfig::default());
    let everything = bytes_of(&subscribe(1, &[filter("#", Q0)]));
    broker.received(NOW, BUSY, &everything.repeat(1_000));
    assert!(round(&mut broker, &mut heard));
    broker.closed(NOW, BUSY);
    broker.opened(NOW, BUSY);
    assert!(!round(&mut broker, &mut heard));
    let connect = mqtt_proto::Connect {
        properties: Properties::EMPTY,
        ..hello("again")
    };
    broker.received(NOW, BUSY, &bytes_of(&Packet::Connect(connect)));
    assert!(!round(&mut broker, &mut heard));
    assert_eq!(heard.count(BUSY, PacketType::ConnAck), 2);
    assert_eq!(broker.load().subscriptions, 0);
}
