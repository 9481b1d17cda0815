//! What a case is made of: how the world is set up, and what happens in it.

use super::hostile::{Hostile, hostile};
use mqtt_proto::QoS;
use proptest::prelude::*;

/// What does not change while a case runs.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) manual: bool,
    pub(crate) aliases: u16,
    pub(crate) republish_qos2: bool,
    pub(crate) give_up_qos1: bool,
    pub(crate) queue_offline: bool,
    pub(crate) reconnect: bool,
    pub(crate) clean_always: bool,
    pub(crate) seed: u32,
    /// Milliseconds since the epoch when the case begins.
    pub(crate) begins: u64,
    /// Session Expiry Interval of CONNECT.
    pub(crate) expiry: u32,
    pub(crate) keep_alive: u16,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) alias_maximum: u16,
    pub(crate) problem_information: bool,
    /// CONNECT names an Authentication Method.
    pub(crate) method: bool,
    /// CONNECT has no client identifier.
    pub(crate) anonymous: bool,
    /// What the server allows: one after the other, connection by connection.
    pub(crate) limits: Vec<Allows>,
}

/// What CONNACK says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allows {
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) alias_maximum: u16,
    pub(crate) maximum_qos: Option<QoS>,
    pub(crate) no_retain: bool,
    pub(crate) no_wildcards: bool,
    pub(crate) no_shared: bool,
    pub(crate) no_identifiers: bool,
    pub(crate) keep_alive: Option<u16>,
    /// The server asks for authentication before it accepts, where a method was named.
    pub(crate) challenges: bool,
}

/// What happens next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Publish {
        qos: QoS,
        topic: u8,
        len: u16,
        retain: bool,
        expiry: Option<u32>,
        properties: bool,
        how: Handed,
    },
    /// The application supplies this many bytes at a time of what is drawn from it from now on;
    /// 0: none.
    Supplies(usize),
    Subscribe {
        filters: u8,
        shared: bool,
        wildcard: bool,
        identified: bool,
    },
    Unsubscribe {
        filters: u8,
    },
    Acknowledge {
        which: u8,
        reason: u8,
        properties: bool,
    },
    AcknowledgeStale {
        which: u8,
    },
    Abandon {
        which: u8,
    },
    Authenticate {
        again: bool,
        right: bool,
    },
    Start,
    Stop,
    StopWith {
        reason: u8,
        expiry: Option<u32>,
    },
    /// A call that makes no sense now.
    OutOfPlace(u8),
    /// Deliveries are answered with a publish from now on, or no more.
    Echo(bool),
    /// The transport takes this many bytes at a time from now on; 0: none.
    Takes(usize),
    /// A blocked transport takes this many of the bytes it was offered.
    Take(usize),
    /// This many of the server's bytes arrive.
    Feed(usize),
    Cut,
    /// Whatever is in the way of a connection is moved out of it.
    Connect,
    /// A cut, and a new connection at once.
    Reconnect,
    /// What the client sends takes its time, or arrives at once.
    Lag(bool),
    /// What becomes of the transports that are asked for from now on.
    Dial(Dial),
    /// A transport that was asked for is open, or not.
    Dialled(bool),
    /// The server gives one of the answers it owes.
    Answer {
        which: u8,
        reason: u8,
        said: bool,
    },
    /// The server gives all the answers it owes, and they arrive.
    AnswerAll,
    /// The server publishes to the client.
    Deliver {
        qos: QoS,
        topic: u8,
        len: u16,
        alias: u16,
        properties: bool,
    },
    /// The server forgets the session before the next connection.
    LoseSession,
    Hostile(Hostile),
    /// Milliseconds pass.
    Pass(u32),
    UntilDue,
    /// The clock is this many milliseconds late until time passes again.
    Back(u32),
}

/// How a payload is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    Copied,
    /// As `Bytes`, where the store can hold it.
    Apart,
    /// Drawn when it is sent.
    Drawn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dial {
    Succeeds,
    Fails,
    Later,
}

/// Who the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// It keeps the standard, may keep silent, refuse, and forget the session.
    Honest,
    /// It sends anything besides.
    Hostile,
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![
        Just(QoS::AtMostOnce),
        Just(QoS::AtLeastOnce),
        Just(QoS::ExactlyOnce)
    ]
}

fn len() -> impl Strategy<Value = u16> {
    prop_oneof![4 => 0u16..20, 2 => 20u16..120, 1 => 120u16..700]
}

fn allows() -> impl Strategy<Value = Allows> {
    let sizes = (
        prop_oneof![3 => Just(None), 2 => (1u16..6).prop_map(Some)],
        prop_oneof![4 => Just(None), 1 => (20u32..120).prop_map(Some)],
        prop_oneof![2 => Just(0u16), 2 => 1u16..4],
        prop_oneof![
            6 => Just(None),
            1 => Just(Some(QoS::AtMostOnce)),
            1 => Just(Some(QoS::AtLeastOnce))
        ],
        prop_oneof![4 => Just(None), 1 => (0u16..20).prop_map(Some)],
    );
    let refusals = prop::array::uniform5(prop::bool::weighted(0.15));
    (sizes, refusals).prop_map(|(sizes, refusals)| Allows {
        receive_maximum: sizes.0,
        maximum_packet_size: sizes.1,
        alias_maximum: sizes.2,
        maximum_qos: sizes.3,
        keep_alive: sizes.4,
        no_retain: refusals[0],
        no_wildcards: refusals[1],
        no_shared: refusals[2],
        no_identifiers: refusals[3],
        challenges: refusals[4],
    })
}

/// A world; `receive_maximum` and `alias_maximum` are what the store can hold.
pub(crate) fn setup(receive_maximum: u16, alias_maximum: u16) -> impl Strategy<Value = Setup> {
    let policies = prop::array::uniform7(any::<bool>());
    let rare = prop::array::uniform4(prop::bool::weighted(0.15));
    let numbers = (
        0u16..4,
        any::<u32>(),
        prop_oneof![3 => Just(10_000u64), 1 => Just(u64::from(u32::MAX) - 20_000)],
        prop_oneof![1 => Just(0u32), 4 => Just(3_600u32)],
        prop_oneof![1 => Just(0u16), 3 => Just(60u16), 1 => 1u16..10],
        prop_oneof![3 => Just(None), 1 => (1..=receive_maximum).prop_map(Some)],
        0..=alias_maximum,
    );
    let limits = prop::collection::vec(
        prop_oneof![1 => Just(Allows::default()), 2 => allows()],
        1..4,
    );
    (policies, rare, numbers, limits).prop_map(|(policies, rare, numbers, limits)| Setup {
        manual: policies[0],
        republish_qos2: policies[1],
        give_up_qos1: policies[2],
        queue_offline: policies[3],
        problem_information: policies[4],
        reconnect: policies[5] || policies[6],
        clean_always: rare[0],
        method: rare[1],
        anonymous: rare[2],
        aliases: if rare[3] { 0 } else { numbers.0 },
        seed: numbers.1,
        begins: numbers.2,
        expiry: numbers.3,
        keep_alive: numbers.4,
        receive_maximum: numbers.5,
        alias_maximum: numbers.6,
        limits,
    })
}

fn application() -> impl Strategy<Value = Step> {
    let how = prop::sample::select(vec![
        Handed::Copied,
        Handed::Copied,
        Handed::Apart,
        Handed::Apart,
        Handed::Drawn,
    ]);
    let publish = (qos(), 0u8..3, len(), any::<[bool; 2]>(), how, 0u32..40).prop_map(
        |(qos, topic, len, [retain, properties], how, expiry)| Step::Publish {
            qos,
            topic,
            len,
            retain: retain && expiry % 2 == 0,
            expiry: (expiry < 10).then_some(expiry * expiry / 4),
            properties,
            how,
        },
    );
    let subscribe =
        (1u8..4, any::<[bool; 3]>()).prop_map(|(filters, [shared, wildcard, identified])| {
            Step::Subscribe {
                filters,
                shared,
                wildcard,
                identified,
            }
        });
    let acknowledge =
        (any::<u8>(), 0u8..6, any::<bool>()).prop_map(|(which, reason, properties)| {
            Step::Acknowledge {
                which,
                reason,
                properties,
            }
        });
    prop_oneof![
        40 => publish,
        6 => prop_oneof![2 => Just(usize::MAX), 1 => Just(0usize), 1 => 1usize..30]
            .prop_map(Step::Supplies),
        4 => subscribe,
        2 => (1u8..4).prop_map(|filters| Step::Unsubscribe { filters }),
        12 => acknowledge,
        1 => any::<u8>().prop_map(|which| Step::AcknowledgeStale { which }),
        2 => any::<u8>().prop_map(|which| Step::Abandon { which }),
        2 => any::<[bool; 2]>().prop_map(|[again, right]| Step::Authenticate { again, right }),
        1 => Just(Step::Start),
        1 => Just(Step::Stop),
        1 => (0u8..6, prop_oneof![Just(None), Just(Some(0)), Just(Some(60))])
            .prop_map(|(reason, expiry)| Step::StopWith { reason, expiry }),
        3 => any::<u8>().prop_map(Step::OutOfPlace),
        2 => any::<bool>().prop_map(Step::Echo),
    ]
}

fn transport() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop_oneof![
            2 => Just(usize::MAX),
            2 => Just(0usize),
            1 => 1usize..4,
            1 => 4usize..80
        ]
        .prop_map(Step::Takes),
        6 => prop_oneof![1usize..10, 10usize..100, Just(usize::MAX)].prop_map(Step::Take),
        8 => prop_oneof![1usize..8, 8usize..64, Just(usize::MAX)].prop_map(Step::Feed),
        3 => Just(Step::Cut),
        8 => Just(Step::Connect),
        8 => Just(Step::Reconnect),
        4 => any::<bool>().prop_map(Step::Lag),
        1 => prop_oneof![4 => Just(Dial::Succeeds), 1 => Just(Dial::Fails), 1 => Just(Dial::Later)]
            .prop_map(Step::Dial),
        1 => prop::bool::weighted(0.8).prop_map(Step::Dialled),
    ]
}

/// What the server does, a few times.
pub(crate) fn server_steps(peer: Peer) -> impl Strategy<Value = Vec<Step>> {
    let step = match peer {
        Peer::Honest => server().boxed(),
        Peer::Hostile => prop_oneof![4 => server(), 1 => hostile().prop_map(Step::Hostile)].boxed(),
    };
    prop::collection::vec(step, 1..30)
}

fn server() -> impl Strategy<Value = Step> {
    let answer =
        (any::<u8>(), 0u8..8, prop::bool::weighted(0.2)).prop_map(|(which, reason, said)| {
            Step::Answer {
                which,
                reason,
                said,
            }
        });
    let deliver = (qos(), 0u8..3, len(), 0u16..4, any::<bool>()).prop_map(
        |(qos, topic, len, alias, properties)| Step::Deliver {
            qos,
            topic,
            len,
            alias,
            properties,
        },
    );
    prop_oneof![
        16 => answer,
        10 => Just(Step::AnswerAll),
        16 => deliver,
        1 => Just(Step::LoseSession),
    ]
}

fn time() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![0u32..3, 3u32..2_000, 2_000u32..70_000].prop_map(Step::Pass),
        4 => Just(Step::UntilDue),
        1 => (1u32..100_000).prop_map(Step::Back),
    ]
}

/// What happens in a case. It begins with a connection more often than not.
pub(crate) fn steps(peer: Peer, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = match peer {
        Peer::Honest => prop_oneof![
            5 => application(),
            4 => transport(),
            5 => server(),
            2 => time(),
        ]
        .boxed(),
        Peer::Hostile => prop_oneof![
            5 => application(),
            4 => transport(),
            5 => server(),
            2 => time(),
            3 => hostile().prop_map(Step::Hostile),
        ]
        .boxed(),
    };
    (
        prop::bool::weighted(0.9),
        prop::collection::vec(step, 0..most),
    )
        .prop_map(|(connected, steps)| {
            let first = if connected {
                vec![Step::Start, Step::AnswerAll, Step::AnswerAll]
            } else {
                Vec::new()
            };
            first.into_iter().chain(steps).collect()
        })
}
