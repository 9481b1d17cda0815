//! Conversations with a broker: clients that say what the test says, under virtual time.
//!
//! ```
//! use mqtt_proto::{Packet, QoS};
//! use mqtt_tests::hall::*;
//! use mqtt_tests::talk::{puback, publish};
//!
//! let mut hall = hall();
//! hall.joins(1, &hello("ann")).joins(2, &hello("bob"));
//! hall.subscribes(2, "news/#", QoS::AtLeastOnce);
//! hall.says(1, Packet::Publish(publish(QoS::AtLeastOnce, 7, "news/today", b"rain")));
//! hall.hears(1, puback(7));
//! hall.hears(2, Packet::Publish(publish(QoS::AtLeastOnce, 1, "news/today", b"rain")));
//! hall.says(2, puback(1)).silent();
//! ```

use core::time::Duration;
use mqtt_proto::{
    ConnAck, Connect, Filters, Frame, Packet, PacketId, Properties, Property, Publish, QoS,
    ReasonCode, Sender, Subscribe, Subscription, SubscriptionOptions, Subscriptions, TopicFilter,
    Unsubscribe, frame,
};
use mqtt_session::Instant;
use mqtt_session::broker::{
    Access, AllowAll, Broker, BrokerAction, BrokerConfig, BrokerEvent, ConnectionId, EndCause,
};
use std::collections::{BTreeMap, VecDeque};

/// How many actions in a row may come without anything new coming in.
const MOST_ACTIONS: usize = 100_000;

/// Bytes of the largest packet that is printed whole.
const MOST_PRINTED: usize = 4_096;

/// Characters of a line of history.
const LONGEST_LINE: usize = 300;

/// A broker, its time, and the far ends of its connections.
pub struct Hall<A = AllowAll> {
    /// The broker itself, for what has no word here.
    pub broker: Broker<A>,
    /// The time.
    pub now: Instant,
    /// The deadline of the last poll.
    pub deadline: Instant,
    ends: BTreeMap<u64, End>,
    events: VecDeque<BrokerEvent>,
    /// What happened, for the message of a failure.
    pub history: Vec<String>,
}

/// The far end of a connection.
#[derive(Default)]
struct End {
    /// Bytes that came from the broker and were not expected by the test yet.
    heard: Vec<u8>,
    /// How many of them the test has looked at.
    looked_at: usize,
    closed: bool,
    /// How many bytes it takes at a time; `None`: all.
    takes: Option<usize>,
    /// How many bytes it takes before it is blocked; `None`: any number.
    left: Option<usize>,
    /// Whether it was offered bytes that it did not take.
    offered: bool,
}

/// At most once.
pub const Q0: QoS = QoS::AtMostOnce;
/// At least once.
pub const Q1: QoS = QoS::AtLeastOnce;
/// Exactly once.
pub const Q2: QoS = QoS::ExactlyOnce;

/// A broker with default settings where everyone may do everything.
pub fn hall() -> Hall {
    Hall::new(Broker::new(BrokerConfig::default()))
}

/// A broker with these settings where everyone may do everything.
pub fn hall_with(config: BrokerConfig) -> Hall {
    Hall::new(Broker::new(config))
}

/// CONNECT with Clean Start and without Keep Alive, whose session ends with its connection.
pub fn hello(client_id: &str) -> Connect<'_> {
    Connect {
        clean_start: true,
        keep_alive: 0,
        client_id,
        properties: Properties::EMPTY,
        will: None,
        user_name: None,
        password: None,
    }
}

/// CONNECT without Clean Start, whose session outlives its connection by an hour.
pub fn hello_again(client_id: &str) -> Connect<'_> {
    const HOUR: &[Property<'static>] = &[Property::SessionExpiryInterval(3600)];
    Connect {
        clean_start: false,
        properties: Properties::new(HOUR),
        ..hello(client_id)
    }
}

/// What an accepting CONNACK of a broker with default settings says.
pub fn welcome(session_present: bool) -> Packet<'static> {
    const LIMITS: &[Property<'static>] = &[
        Property::ReceiveMaximum(1_000),
        Property::MaximumPacketSize(1 << 20),
        Property::TopicAliasMaximum(32),
    ];
    Packet::ConnAck(ConnAck {
        session_present,
        reason: ReasonCode::SUCCESS,
        properties: Properties::new(LIMITS),
    })
}

/// SUBSCRIBE with these subscriptions.
pub fn subscribe<'a>(number: u16, subscriptions: &'a [Subscription<'a>]) -> Packet<'a> {
    Packet::Subscribe(Subscribe {
        packet_id: PacketId::new(number).expect("a packet identifier is not zero"),
        properties: Properties::EMPTY,
        subscriptions: Subscriptions::new(subscriptions),
    })
}

/// One subscription with default options.
pub fn filter(filter: &str, qos: QoS) -> Subscription<'_> {
    Subscription {
        filter: TopicFilter::new(filter).expect("a topic filter"),
        options: SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        },
    }
}

/// One subscription with these options.
pub fn filter_with(filter: &str, options: SubscriptionOptions) -> Subscription<'_> {
    Subscription {
        filter: TopicFilter::new(filter).expect("a topic filter"),
        options,
    }
}

/// SUBSCRIBE with a Subscription Identifier.
pub fn subscribe_as<'a>(
    number: u16,
    identifier: &'a [Property<'a>; 1],
    subscriptions: &'a [Subscription<'a>],
) -> Packet<'a> {
    match subscribe(number, subscriptions) {
        Packet::Subscribe(subscribe) => Packet::Subscribe(Subscribe {
            properties: Properties::new(identifier),
            ..subscribe
        }),
        other => other,
    }
}

/// UNSUBSCRIBE from these filters.
pub fn unsubscribe<'a>(number: u16, filters: &'a [TopicFilter<'a>]) -> Packet<'a> {
    Packet::Unsubscribe(Unsubscribe {
        packet_id: PacketId::new(number).expect("a packet identifier is not zero"),
        properties: Properties::EMPTY,
        filters: Filters::new(filters),
    })
}

/// PUBLISH without anything special; identifier 0 for QoS 0.
pub fn publishing<'a>(qos: QoS, number: u16, topic: &'a str, payload: &'a [u8]) -> Packet<'a> {
    Packet::Publish(crate::talk::publish(qos, number, topic, payload))
}

/// PUBLISH with DUP, as it is sent again.
pub fn publishing_again<'a>(
    qos: QoS,
    number: u16,
    topic: &'a str,
    payload: &'a [u8],
) -> Packet<'a> {
    Packet::Publish(Publish {
        dup: true,
        ..crate::talk::publish(qos, number, topic, payload)
    })
}

/// PUBLISH with RETAIN.
pub fn retaining<'a>(qos: QoS, number: u16, topic: &'a str, payload: &'a [u8]) -> Packet<'a> {
    Packet::Publish(Publish {
        retain: true,
        ..crate::talk::publish(qos, number, topic, payload)
    })
}

fn encoded(packet: &Packet<'_>, sender: Sender) -> Vec<u8> {
    packet.to_vec(sender).expect("a packet that can be encoded")
}

/// The bytes of a packet, printed.
fn printed(bytes: &[u8], sender: Sender) -> String {
    match Packet::decode(bytes, sender) {
        Ok(packet) if bytes.len() > MOST_PRINTED => {
            format!("{} of {} bytes", packet.packet_type(), bytes.len())
        }
        Ok(packet) => format!("{packet:?}"),
        Err(error) => format!("{bytes:02x?} ({error})"),
    }
}

impl<A: Access> Hall<A> {
    /// A hall around this broker.
    pub fn new(broker: Broker<A>) -> Self {
        Self {
            broker,
            now: Instant::from_secs(1_000),
            deadline: Instant::NEVER,
            ends: BTreeMap::new(),
            events: VecDeque::new(),
            history: Vec::new(),
        }
    }

    fn note(&mut self, mut line: String) {
        if let Some((at, _)) = line.char_indices().nth(LONGEST_LINE) {
            line.truncate(at);
            line.push_str(" …");
        }
        let millis = self.now.as_micros() / 1_000;
        self.history.push(format!("{millis:>9}  {line}"));
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!("{what}\n{}", self.history.join("\n"))
    }

    #[track_caller]
    fn end(&mut self, connection: u64) -> &mut End {
        match self.ends.get_mut(&connection) {
            Some(end) => end,
            None => panic!("there is no connection {connection}"),
        }
    }

    /// Acts on what the broker wants until it wants nothing.
    #[track_caller]
    pub fn run(&mut self) -> &mut Self {
        for _ in 0..MOST_ACTIONS {
            match self.broker.poll(self.now) {
                BrokerAction::Send { connection, bytes } => {
                    assert!(!bytes.is_empty(), "an empty send");
                    let end = self
                        .ends
                        .get_mut(&connection.0)
                        .expect("an open connection");
                    assert!(!end.closed, "a send to a closed connection");
                    let most = end.takes.into_iter().chain(end.left);
                    let count = most.fold(bytes.len(), usize::min);
                    end.left = end.left.map(|left| left - count);
                    end.heard.extend_from_slice(&bytes[..count]);
                    end.offered = count == 0;
                    if count > 0 {
                        self.broker.sent(self.now, connection, count);
                    }
                }
                BrokerAction::Close { connection } => {
                    self.note(format!("       {} is closed", connection.0));
                    let end = self.end(connection.0);
                    assert!(!end.closed, "closed twice");
                    end.closed = true;
                }
                BrokerAction::Event(event) => {
                    self.note(format!("       {event:?}"));
                    self.events.push_back(event);
                }
                // Someone's turn is over, and there is nobody else.
                BrokerAction::Timeout(deadline) if deadline <= self.now => {}
                BrokerAction::Timeout(deadline) => {
                    self.deadline = deadline;
                    return self;
                }
            }
        }
        self.fail("the broker does not come to rest")
    }

    /// A transport comes.
    #[track_caller]
    pub fn opens(&mut self, connection: u64) -> &mut Self {
        self.note(format!("{connection} ->   opens"));
        self.ends.insert(connection, End::default());
        self.broker.opened(self.now, ConnectionId(connection));
        self.run()
    }

    /// A client says these bytes.
    #[track_caller]
    pub fn says_bytes(&mut self, connection: u64, bytes: &[u8]) -> &mut Self {
        let shown = bytes.get(..16).unwrap_or(bytes);
        self.note(format!(
            "{connection} ->   {} bytes: {shown:02x?}",
            bytes.len()
        ));
        self.broker
            .received(self.now, ConnectionId(connection), bytes);
        self.run()
    }

    /// A client says this packet.
    #[track_caller]
    pub fn says(&mut self, connection: u64, packet: Packet<'_>) -> &mut Self {
        let bytes = encoded(&packet, Sender::Client);
        self.note(format!(
            "{connection} ->   {}",
            printed(&bytes, Sender::Client)
        ));
        self.broker
            .received(self.now, ConnectionId(connection), &bytes);
        self.run()
    }

    /// The next packet that a client hears, in bytes, if there is any.
    #[track_caller]
    pub fn next(&mut self, connection: u64) -> Option<Vec<u8>> {
        let end = self.end(connection);
        let rest = &end.heard[end.looked_at..];
        let len = match frame(rest, u32::MAX) {
            Ok(Frame::Whole(raw)) => raw.len(),
            Ok(Frame::Partial { .. }) => return None,
            Err(error) => panic!("the broker sent nonsense: {error}"),
        };
        let packet = rest[..len].to_vec();
        end.looked_at += len;
        if end.looked_at == end.heard.len() {
            end.heard.clear();
            end.looked_at = 0;
        }
        let shown = printed(&packet, Sender::Server);
        self.note(format!("{connection}   <- {shown}"));
        Some(packet)
    }

    /// The next packet that a client hears is this one.
    #[track_caller]
    pub fn hears(&mut self, connection: u64, packet: Packet<'_>) -> &mut Self {
        let expected = encoded(&packet, Sender::Server);
        match self.next(connection) {
            Some(heard) if heard == expected => self,
            heard => {
                let heard = heard.map_or("nothing".into(), |heard| printed(&heard, Sender::Server));
                self.fail(&format!(
                    "{connection} hears {heard}\ninstead of {packet:?}"
                ))
            }
        }
    }

    /// The next packet that a client hears, handed to `look` decoded.
    #[track_caller]
    pub fn hears_what<R>(&mut self, connection: u64, look: impl FnOnce(Packet<'_>) -> R) -> R {
        let Some(packet) = self.next(connection) else {
            self.fail(&format!("{connection} hears nothing"));
        };
        look(Packet::decode(&packet, Sender::Server).expect("a valid packet"))
    }

    /// A client has heard all there is.
    #[track_caller]
    pub fn hears_nothing(&mut self, connection: u64) -> &mut Self {
        if let Some(heard) = self.next(connection) {
            let heard = printed(&heard, Sender::Server);
            self.fail(&format!("{connection} hears {heard}"));
        }
        self
    }

    /// Every client has heard all there is.
    #[track_caller]
    pub fn silent(&mut self) -> &mut Self {
        let all: Vec<u64> = self.ends.keys().copied().collect();
        for connection in all {
            self.hears_nothing(connection);
        }
        self
    }

    /// A transport comes, its client says CONNECT and is accepted; how CONNACK reads is not
    /// looked at.
    #[track_caller]
    pub fn joins(&mut self, connection: u64, connect: &Connect<'_>) -> &mut Self {
        self.opens(connection)
            .says(connection, Packet::Connect(*connect));
        self.hears_what(connection, |packet| match packet {
            Packet::ConnAck(connack) => assert_eq!(connack.reason, ReasonCode::SUCCESS),
            other => panic!("{other:?}"),
        });
        self
    }

    /// As [`Hall::joins`]; CONNACK says whether the session was kept.
    #[track_caller]
    pub fn rejoins(
        &mut self,
        connection: u64,
        connect: &Connect<'_>,
        session_present: bool,
    ) -> &mut Self {
        self.opens(connection)
            .says(connection, Packet::Connect(*connect));
        let present = self.hears_what(connection, |packet| match packet {
            Packet::ConnAck(connack) => connack.session_present,
            other => panic!("{other:?}"),
        });
        assert_eq!(present, session_present, "{}", self.history.join("\n"));
        self
    }

    /// A client subscribes to one filter with default options, and it is granted.
    #[track_caller]
    pub fn subscribes(&mut self, connection: u64, topics: &str, qos: QoS) -> &mut Self {
        self.says(connection, subscribe(1, &[filter(topics, qos)]));
        self.hears_what(connection, |packet| match packet {
            Packet::SubAck(suback) => {
                let reasons: Vec<u8> = suback.reasons.iter().map(ReasonCode::value).collect();
                assert_eq!(reasons, [qos as u8]);
            }
            other => panic!("{other:?}"),
        });
        self
    }

    /// A client publishes a message without properties; what it is answered is not looked at.
    #[track_caller]
    pub fn publishes(
        &mut self,
        connection: u64,
        qos: QoS,
        number: u16,
        topic: &str,
        payload: &[u8],
    ) -> &mut Self {
        let publish = crate::talk::publish(qos, number, topic, payload);
        self.says(connection, Packet::Publish(publish))
    }

    /// The next packet that a client hears is this message, without properties.
    #[track_caller]
    pub fn gets(
        &mut self,
        connection: u64,
        qos: QoS,
        number: u16,
        topic: &str,
        payload: &[u8],
    ) -> &mut Self {
        let publish = crate::talk::publish(qos, number, topic, payload);
        self.hears(connection, Packet::Publish(publish))
    }

    /// As [`Hall::subscribes`], where messages may come before and after SUBACK: they are left to
    /// be heard.
    #[track_caller]
    pub fn subscribes_hearing(&mut self, connection: u64, topics: &str, qos: QoS) -> &mut Self {
        self.says(connection, subscribe(1, &[filter(topics, qos)]));
        let taken = self.take_out(connection, |packet| matches!(packet, Packet::SubAck(_)));
        assert_eq!(taken, 1, "{}", self.history.join("\n"));
        self
    }

    /// Takes PUBACK, PUBREC and PUBCOMP out of what a client has heard; how many there were.
    #[track_caller]
    pub fn take_acks(&mut self, connection: u64) -> usize {
        self.take_out(connection, |packet| {
            matches!(
                packet,
                Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_)
            )
        })
    }

    /// Takes such packets out of what a client has heard; how many there were.
    #[track_caller]
    fn take_out(&mut self, connection: u64, is_such: impl Fn(&Packet<'_>) -> bool) -> usize {
        let mut kept = Vec::new();
        let mut count = 0;
        while let Some(bytes) = self.next(connection) {
            match Packet::decode(&bytes, Sender::Server) {
                Ok(packet) if is_such(&packet) => count += 1,
                _ => kept.extend(bytes),
            }
        }
        let end = self.end(connection);
        kept.extend(end.heard.drain(end.looked_at..));
        end.heard = kept;
        end.looked_at = 0;
        count
    }

    /// A transport is cut.
    #[track_caller]
    pub fn cut(&mut self, connection: u64) -> &mut Self {
        self.note(format!("{connection} ->   is cut"));
        self.ends.remove(&connection);
        self.broker.closed(self.now, ConnectionId(connection));
        self.run()
    }

    /// The broker has closed a connection.
    #[track_caller]
    pub fn is_closed(&mut self, connection: u64) -> &mut Self {
        self.hears_nothing(connection);
        if !self.end(connection).closed {
            self.fail(&format!("{connection} is not closed"));
        }
        self
    }

    /// A client hears DISCONNECT with this code, and is closed.
    #[track_caller]
    pub fn is_disconnected(&mut self, connection: u64, reason: ReasonCode) -> &mut Self {
        self.hears(connection, crate::talk::disconnect(reason))
            .is_closed(connection)
    }

    /// A client hears CONNACK with this code, and is closed.
    #[track_caller]
    pub fn is_refused(&mut self, connection: u64, reason: ReasonCode) -> &mut Self {
        self.hears(connection, crate::talk::refused(reason))
            .is_closed(connection)
    }

    /// From now on a transport takes so many bytes at a time; 0: it is blocked.
    #[track_caller]
    pub fn takes(&mut self, connection: u64, count: usize) -> &mut Self {
        self.end(connection).left = None;
        self.unblock(connection, count)
    }

    /// A transport takes so many bytes more, and then none.
    #[track_caller]
    pub fn takes_more(&mut self, connection: u64, count: usize) -> &mut Self {
        self.takes(connection, 0);
        self.end(connection).left = Some(count);
        self.unblock(connection, usize::MAX)
    }

    #[track_caller]
    fn unblock(&mut self, connection: u64, count: usize) -> &mut Self {
        let end = self.end(connection);
        end.takes = (count < usize::MAX).then_some(count);
        if count > 0 && core::mem::take(&mut end.offered) {
            self.broker.sent(self.now, ConnectionId(connection), 0);
        }
        self.run()
    }

    /// Time passes; the broker is polled at every moment it asked for, and at the end.
    #[track_caller]
    pub fn wait(&mut self, span: Duration) -> &mut Self {
        let end = self.now.after(span);
        for _ in 0..MOST_ACTIONS {
            if self.deadline >= end {
                break;
            }
            let before = self.deadline;
            self.now = self.now.max(self.deadline);
            self.run();
            assert_ne!(self.deadline, before, "a deadline without progress");
        }
        self.now = end;
        self.note(format!("       after {span:?}"));
        self.run()
    }

    /// The next event.
    pub fn event(&mut self) -> Option<BrokerEvent> {
        self.events.pop_front()
    }

    /// All events that were not looked at are forgotten.
    pub fn forget_events(&mut self) -> &mut Self {
        self.events.clear();
        self
    }

    /// Why this connection ended, according to the events so far; `None` if it has not.
    pub fn end_of(&self, connection: u64) -> Option<EndCause> {
        self.events.iter().find_map(|event| match event {
            BrokerEvent::Disconnected {
                connection: id,
                cause,
                ..
            } if id.0 == connection => Some(*cause),
            _ => None,
        })
    }

    /// As [`Hall::end_of`]; it has ended.
    #[track_caller]
    pub fn end_cause(&mut self, connection: u64) -> EndCause {
        match self.end_of(connection) {
            Some(cause) => cause,
            None => self.fail(&format!("{connection} has not ended")),
        }
    }
}
