//! What a seed stands for: who takes part, the weather on the network, and the script.

use super::dice::Dice;
use core::time::Duration;
use mqtt_proto::QoS;
use mqtt_session::broker::{BrokerConfig, Overflow};

/// Topics that are published to.
pub(crate) const TOPICS: [&str; 5] = ["a", "a/b", "c/d/b", "e", SHARED_TOPIC];
/// Filters that are subscribed to.
pub(crate) const FILTERS: [&str; 7] = ["a", "a/#", "+/b", "c/+/b", "e", "#", SHARED];
/// A topic that only one filter matches, which is shared: no wildcard matches its `$`.
pub(crate) const SHARED_TOPIC: &str = "$s/x";
/// That filter.
pub(crate) const SHARED: &str = "$share/g/$s/x";

const SCRIPT: u64 = 1;
const SETTING: u64 = 2;

/// Everything that is decided before a run begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it follows from.
    pub seed: u64,
    /// The broker's settings.
    pub broker: BrokerConfig,
    /// The clients.
    pub clients: Vec<ClientPlan>,
    /// The network.
    pub weather: Weather,
    /// What happens, in the order of time.
    pub steps: Vec<Step>,
}

/// One client, as long as it lives and when it comes back.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// Which store it has.
    pub store: StoreKind,
    /// Bytes of its input buffer.
    pub input: usize,
    /// Keep Alive in seconds.
    pub keep_alive: u16,
    /// Session Expiry Interval in seconds.
    pub session_expiry: u32,
    /// Receive Maximum, if it asks for one.
    pub receive_maximum: Option<u16>,
    /// Maximum Packet Size, if it asks for one.
    pub maximum_packet_size: Option<u32>,
    /// Topic Alias Maximum.
    pub topic_alias_maximum: u16,
    /// Topic aliases that it sets up itself.
    pub topic_aliases: u16,
    /// Whether the application acknowledges.
    pub manual: bool,
    /// Of a hundred messages, how many a manually acknowledging application refuses.
    pub refuses: u64,
    /// Whether QoS 0 waits for a connection.
    pub queues_offline: bool,
    /// Whether it begins with Clean Start; otherwise it adopts what the broker has.
    pub clean_start: bool,
    /// How long an acknowledgement may take.
    pub ack_timeout: Duration,
    /// Of a hundred messages, how many it answers while they are lent.
    pub echoes: u64,
}

/// Which store a client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// `Heap` with these bounds: exchanges, bytes, transmit buffer.
    Heap(u16, usize, usize),
    /// `Fixed`, for eight messages each way.
    Fixed,
    /// `Fixed`, as small as is of use.
    Tiny,
}

/// How the network behaves until it heals.
#[derive(Clone, Debug)]
pub struct Weather {
    /// From the taking of bytes to their arrival, in microseconds: least and most.
    pub latency: (u64, u64),
    /// The most bytes that arrive at a time.
    pub chunk: u64,
    /// Of a hundred writes, how many are held up.
    pub stalls: u64,
    /// The longest stall in milliseconds.
    pub stall: u64,
    /// Bytes that one direction of a link holds.
    pub capacity: usize,
    /// Of a hundred links, how many are cut at a byte that is decided as they open.
    pub cuts: u64,
    /// The last byte that such a cut can come at.
    pub cut_within: u64,
    /// Of a hundred cuts, how many leave one side in the dark.
    pub half_open: u64,
    /// How long that may last, in milliseconds.
    pub dark: u64,
    /// Of a hundred dials, how many fail.
    pub refused: u64,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number in the whole script: what a shorter one names it by.
    pub number: usize,
    /// When, in milliseconds from the start.
    pub at: u64,
    /// What.
    pub what: What,
}

/// What can happen. Clients go by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A client publishes messages, one after the other.
    Publish {
        /// Who.
        client: usize,
        /// Where to.
        topic: usize,
        /// How.
        qos: QoS,
        /// How many.
        count: usize,
        /// Whether they are larger than small buffers and small Maximum Packet Sizes.
        large: bool,
        /// Whether the payload is handed over to be held, where the store can hold it.
        held: bool,
        /// Message Expiry Interval in seconds.
        expiry: Option<u32>,
    },
    /// A client subscribes.
    Subscribe {
        /// Who.
        client: usize,
        /// To what.
        filter: usize,
        /// At this QoS at most.
        qos: QoS,
    },
    /// A client unsubscribes.
    Unsubscribe {
        /// Who.
        client: usize,
        /// From what.
        filter: usize,
    },
    /// The application of a client stops it.
    Stop {
        /// Who.
        client: usize,
    },
    /// The application of a client starts it.
    Start {
        /// Who.
        client: usize,
    },
    /// A client's link is cut.
    Cut {
        /// Whose.
        client: usize,
        /// When each end learns of it, in milliseconds: the client's, the broker's.
        learns: (u64, u64),
    },
    /// A client dies, and comes back later.
    ClientDies {
        /// Who.
        client: usize,
        /// Whether its state survives.
        keeps: bool,
        /// For how long, in milliseconds.
        away: u64,
    },
    /// The broker dies, and comes back later.
    BrokerDies {
        /// Whether its state survives.
        keeps: bool,
        /// For how long, in milliseconds.
        away: u64,
    },
}

impl Plan {
    /// What a seed stands for.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, SETTING);
        let clients = (0..dice.between(2, 4)).map(|_| client(&mut dice)).collect();
        let mut plan = Self {
            seed,
            broker: broker(&mut dice),
            clients,
            weather: weather(&mut dice),
            steps: Vec::new(),
        };
        plan.steps = script(seed, plan.clients.len());
        plan
    }

    /// The same with only the steps of these numbers.
    #[must_use]
    pub fn only(&self, numbers: &[usize]) -> Self {
        let mut plan = self.clone();
        plan.steps.retain(|step| numbers.contains(&step.number));
        plan
    }
}

fn client(dice: &mut Dice) -> ClientPlan {
    let store = match dice.below(10) {
        0..=2 => StoreKind::Fixed,
        3 => StoreKind::Tiny,
        4 => StoreKind::Heap(6, 2_000, 512),
        _ => StoreKind::Heap(1_000, 1 << 20, 4_096),
    };
    let manual = dice.percent(30);
    ClientPlan {
        store,
        input: dice.pick(&[96, 160, 1_024, 4_096]),
        keep_alive: dice.pick(&[0, 3, 10, 60]),
        session_expiry: dice.pick(&[0, 4, 30, 3_600, 3_600, u32::MAX]),
        receive_maximum: dice.pick(&[None, None, Some(1), Some(2)]),
        maximum_packet_size: dice.pick(&[None, None, None, Some(128)]),
        topic_alias_maximum: dice.pick(&[0, 0, 1, 2]),
        topic_aliases: dice.pick(&[0, 0, 2, 10]),
        manual,
        refuses: if dice.percent(30) { 20 } else { 0 },
        queues_offline: dice.percent(50),
        clean_start: dice.percent(70),
        ack_timeout: Duration::from_millis(dice.pick(&[2_000, 5_000, 30_000])),
        echoes: if dice.percent(20) { 15 } else { 0 },
    }
}

fn broker(dice: &mut Dice) -> BrokerConfig {
    let queue_messages = if dice.percent(12) {
        dice.pick(&[1, 2, 5])
    } else {
        10_000
    };
    BrokerConfig {
        receive_maximum: dice.pick(&[1, 2, 5, 1_000]),
        maximum_packet_size: dice.pick(&[1 << 20, 1 << 20, 1 << 20, 200]),
        topic_alias_maximum: dice.pick(&[0, 1, 3, 32]),
        topic_aliases: dice.pick(&[0, 2, 16]),
        transmit: dice.pick(&[256, 1_024, 64 << 10]),
        overflow: dice.pick(&[
            Overflow::DropNewest,
            Overflow::DropOldest,
            Overflow::Disconnect,
            Overflow::HoldBack,
        ]),
        queue_qos0: dice.percent(30),
        queue_messages,
        queue_bytes: if dice.percent(8) { 400 } else { 16 << 20 },
        ..BrokerConfig::default()
    }
}

fn weather(dice: &mut Dice) -> Weather {
    let slow = dice.pick(&[0, 2_000, 50_000, 400_000]);
    Weather {
        latency: (slow / 4, slow),
        chunk: dice.pick(&[1, 7, 64, 10_000]),
        stalls: dice.pick(&[0, 0, 10, 40]),
        stall: dice.pick(&[100, 1_000, 8_000]),
        capacity: dice.pick(&[40, 300, 64 << 10]),
        cuts: dice.pick(&[0, 20, 60, 90]),
        cut_within: dice.pick(&[60, 300, 3_000]),
        half_open: dice.pick(&[0, 30, 80]),
        dark: dice.pick(&[500, 5_000, 30_000]),
        refused: dice.pick(&[0, 0, 20]),
    }
}

fn script(seed: u64, clients: usize) -> Vec<Step> {
    let mut dice = Dice::new(seed, SCRIPT);
    let mut at = 0;
    let quick = dice.pick(&[20, 300, 1_000]);
    let deadly = dice.percent(50);
    // Without a subscription at the start little would happen.
    let begin = (0..clients).map(|client| What::Subscribe {
        client,
        filter: client % FILTERS.len(),
        qos: QoS::ExactlyOnce,
    });
    let mut whats: Vec<(u64, What)> = begin.map(|what| (0, what)).collect();
    let shares = dice.percent(35);
    if shares {
        whats.extend((0..clients).map(|client| {
            let filter = FILTERS.len() - 1;
            let qos = dice.pick(&[QoS::AtLeastOnce, QoS::ExactlyOnce]);
            let what = What::Subscribe {
                client,
                filter,
                qos,
            };
            (0, what)
        }));
    }
    for _ in 0..dice.between(5, 50) {
        at += match dice.below(20) {
            0 => dice.below(12_000),
            1..=4 => 0,
            _ => dice.below(quick + 1),
        };
        whats.push((at, what(&mut dice, clients, deadly, shares)));
    }
    let numbered = whats.into_iter().enumerate();
    numbered
        .map(|(number, (at, what))| Step { number, at, what })
        .collect()
}

const ANY_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn what(dice: &mut Dice, clients: usize, deadly: bool, shares: bool) -> What {
    let client = dice.index(clients);
    let topic = if shares && dice.percent(50) {
        TOPICS.len() - 1
    } else {
        dice.index(TOPICS.len())
    };
    match dice.below(100) {
        0..=57 => What::Publish {
            client,
            topic,
            qos: dice.pick(&[
                QoS::AtMostOnce,
                QoS::AtLeastOnce,
                QoS::AtLeastOnce,
                QoS::ExactlyOnce,
                QoS::ExactlyOnce,
            ]),
            count: dice.pick(&[1, 1, 2, 5]),
            large: dice.percent(15),
            held: dice.percent(20),
            expiry: dice.percent(12).then(|| dice.between(1, 10) as u32),
        },
        58..=71 => What::Subscribe {
            client,
            filter: dice.index(FILTERS.len()),
            qos: dice.pick(&ANY_QOS),
        },
        72..=76 => What::Unsubscribe {
            client,
            filter: dice.index(FILTERS.len()),
        },
        77..=80 => What::Stop { client },
        81..=85 => What::Start { client },
        86..=93 => What::Cut {
            client,
            learns: (
                dice.pick(&[0, 0, 50, 4_000, 20_000]),
                dice.pick(&[0, 0, 50, 4_000, 20_000]),
            ),
        },
        94..=96 => What::ClientDies {
            client,
            keeps: !deadly || dice.percent(60),
            away: dice.pick(&[0, 200, 3_000, 8_000]),
        },
        _ => What::BrokerDies {
            keeps: !deadly || dice.percent(60),
            away: dice.pick(&[0, 200, 3_000]),
        },
    }
}
