//! Instructions of one message through the broker, from the bytes that come in to all that leave.
//!
//! `cargo bench -p mqtt-session --features broker --bench broker`. What it costs may follow the
//! number of those who get the message and the depth of its topic, and not the number of other
//! subscriptions: with `-- --check` growing by more than the bounds in the table is a failure.

mod count;

use std::process::ExitCode;

use count::Case;
use counted::Calls;
use mqtt_proto::{
    Connect, Packet, PacketId, Properties, Publish, QoS, Sender, Subscribe, Subscription,
    SubscriptionOptions, Subscriptions, TopicFilter, TopicName,
};
use mqtt_session::Instant;
use mqtt_session::broker::{Broker, BrokerAction, BrokerConfig, ConnectionId};

const ROUNDS: u64 = 50;
const NOW: Instant = Instant::from_secs(1);
const PUBLISHER: u64 = 0;
/// Subscriptions of one client.
const EACH: usize = 1_000;

/// The calls that are counted, each a function that callgrind can tell from what drives it.
mod counted {
    use super::{Broker, BrokerAction, BrokerConfig, ConnectionId, NOW};

    pub(super) struct Calls {
        broker: Broker,
    }

    impl Calls {
        #[inline(never)]
        pub(super) fn received(&mut self, connection: u64, bytes: &[u8]) {
            self.broker.received(NOW, ConnectionId(connection), bytes);
        }

        #[inline(never)]
        pub(super) fn poll(&mut self) -> BrokerAction<'_> {
            self.broker.poll(NOW)
        }

        #[inline(never)]
        pub(super) fn sent(&mut self, connection: ConnectionId, count: usize) {
            self.broker.sent(NOW, connection, count);
        }
    }

    /// Apart from them, so that it is not counted.
    pub(super) fn calls() -> Calls {
        Calls {
            broker: Broker::new(BrokerConfig::default()),
        }
    }

    pub(super) fn opened(calls: &mut Calls, connection: u64) {
        calls.broker.opened(NOW, ConnectionId(connection));
    }
}

/// A broker with a publisher, and its message.
struct Site {
    calls: Calls,
    message: Vec<u8>,
    next: u64,
}

impl Site {
    fn new(topic: &str) -> Self {
        let message = Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: TopicName::new(topic).ok(),
            packet_id: None,
            properties: Properties::EMPTY,
            payload: &[0x5a; 64],
        });
        let mut site = Self {
            calls: counted::calls(),
            message: bytes(&message),
            next: PUBLISHER,
        };
        site.joins();
        site
    }

    /// One more client.
    fn joins(&mut self) -> u64 {
        let connection = self.next;
        self.next += 1;
        counted::opened(&mut self.calls, connection);
        let client_id = format!("client-{connection}");
        self.says(
            connection,
            &Packet::Connect(Connect {
                clean_start: true,
                keep_alive: 0,
                client_id: &client_id,
                properties: Properties::EMPTY,
                will: None,
                user_name: None,
                password: None,
            }),
        );
        connection
    }

    fn says(&mut self, connection: u64, packet: &Packet<'_>) {
        self.calls.received(connection, &bytes(packet));
        self.leaves();
    }

    /// Everything that wants to leave is taken; how many bytes that was.
    fn leaves(&mut self) -> usize {
        let mut left = 0;
        loop {
            match self.calls.poll() {
                BrokerAction::Send { connection, bytes } => {
                    let count = bytes.len();
                    left += count;
                    self.calls.sent(connection, count);
                }
                BrokerAction::Timeout(_) => return left,
                BrokerAction::Event(_) | BrokerAction::Close { .. } => {}
            }
        }
    }

    fn subscribes(&mut self, connection: u64, filter: &str) {
        let subscription = Subscription {
            filter: TopicFilter::new(filter).expect("a filter"),
            options: SubscriptionOptions::default(),
        };
        self.says(
            connection,
            &Packet::Subscribe(Subscribe {
                packet_id: PacketId::new(1).expect("it is not zero"),
                properties: Properties::EMPTY,
                subscriptions: Subscriptions::new(&[subscription]),
            }),
        );
    }

    /// As many subscriptions that the message does not match.
    fn with_others(mut self, count: usize) -> Self {
        let mut client = 0;
        for number in 0..count {
            if number % EACH == 0 {
                client = self.joins();
            }
            let filter = match number % 4 {
                0 => format!("site/{number}/room/+/therm"),
                1 => format!("site/+/hall/{number}/#"),
                2 => format!("plant/{number}"),
                _ => format!("site/7/room/{number}/#"),
            };
            self.subscribes(client, &filter);
        }
        self
    }

    /// As many clients that get the message.
    fn with_receivers(mut self, count: usize, filter: &str) -> Self {
        for _ in 0..count {
            let client = self.joins();
            self.subscribes(client, filter);
        }
        self
    }

    fn routes(mut self, receivers: usize, rounds: u64) {
        let message = core::mem::take(&mut self.message);
        for _ in 0..rounds {
            self.calls.received(PUBLISHER, &message);
            assert_eq!(self.leaves(), receivers * message.len());
        }
    }
}

fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    packet.to_vec(Sender::Client).expect("the packet is valid")
}

const TOPIC: &str = "site/7/room/42/therm";

fn others(count: usize, rounds: u64) {
    Site::new(TOPIC)
        .with_receivers(1, "site/+/room/42/+")
        .with_others(count)
        .routes(1, rounds);
}

fn receivers(count: usize, rounds: u64) {
    Site::new(TOPIC)
        .with_receivers(count, "site/+/room/#")
        .routes(count, rounds);
}

fn levels(count: usize, rounds: u64) {
    let topic = vec!["level"; count].join("/");
    Site::new(&topic)
        .with_receivers(1, "level/#")
        .with_receivers(1, &topic)
        .routes(2, rounds);
}

/// Cases of one kind: what it may cost at most, as a multiple of the first.
struct Table {
    title: &'static str,
    cases: &'static [(Case, u64)],
}

const fn case(name: &'static str, rounds: fn(u64)) -> Case {
    Case { name, rounds }
}

const TABLES: &[Table] = &[
    Table {
        title: "one receiver beside as many subscriptions that do not match",
        cases: &[
            (case("10 others", |n| others(10, n)), 1),
            (case("1,000 others", |n| others(1_000, n)), 2),
            (case("20,000 others", |n| others(20_000, n)), 2),
        ],
    },
    Table {
        title: "as many receivers",
        cases: &[
            (case("1 receiver", |n| receivers(1, n)), 1),
            (case("10 receivers", |n| receivers(10, n)), 10),
            (case("100 receivers", |n| receivers(100, n)), 100),
            (case("1,000 receivers", |n| receivers(1_000, n)), 1_100),
        ],
    },
    Table {
        title: "two receivers, a topic of as many levels",
        cases: &[
            (case("2 levels", |n| levels(2, n)), 1),
            (case("16 levels", |n| levels(16, n)), 8),
            (case("128 levels", |n| levels(128, n)), 64),
        ],
    },
];

fn main() -> ExitCode {
    let cases: Vec<Case> = TABLES
        .iter()
        .flat_map(|table| table.cases.iter().map(|(case, _)| *case))
        .collect();
    if count::is_child(&cases) {
        return ExitCode::SUCCESS;
    }
    if !count::can_count() {
        return ExitCode::FAILURE;
    }
    let mut counts = count::counts(&cases, ROUNDS).into_iter();
    let mut above = 0;
    for table in TABLES {
        println!(
            "\n{}\n{:<36} {:>12} {:>12}",
            table.title, "case", "instructions", "at most"
        );
        let mut first = None;
        for ((case, times), count) in table.cases.iter().zip(&mut counts) {
            let most = *first.get_or_insert(count) * times;
            println!("{:<36} {count:>12} {most:>12}", case.name);
            above += u32::from(count > most);
        }
    }
    if above > 0 {
        println!("\n{above} cases grow too fast");
        if count::has_argument("--check") {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
