//! A client that connects with a will and credentials, subscribes, publishes and receives at QoS 1
//! and 2, resumes with retransmission, pings and disconnects.
#![no_std]

use core::time::Duration;
use mqtt_embedded::blocking::Transport;
use mqtt_embedded::{Clock, Turn};
use mqtt_session::{
    Config, Connect, Event, Fixed, Instant, Properties, Property, Publish, QoS, RetainHandling,
    Subscription, SubscriptionOptions, TopicFilter, TopicName, Will,
};

/// Bytes for what is unacknowledged.
pub const ARENA: usize = 512;
/// Bytes for what goes to the transport next.
pub const TRANSMIT: usize = 256;
/// Bytes for what comes in.
pub const INPUT: usize = 256;

/// Eight exchanges in each direction, and a client identifier that the server does not choose.
#[cfg(not(feature = "topic-alias"))]
pub type Store = Fixed<8, 8, ARENA, TRANSMIT, 0, 0, 0>;
/// Eight exchanges in each direction, and four topics of 32 bytes.
#[cfg(feature = "topic-alias")]
pub type Store = Fixed<8, 8, ARENA, TRANSMIT, 4, 32, 0>;
/// The machine.
pub type Machine = mqtt_session::Client<Store>;
/// The client, over transports `T` that are dialled by `F`, with the time of `C`.
pub type Client<'c, F, T, C> =
    mqtt_embedded::Client<'c, &'c mut Machine, &'c mut [u8; INPUT], F, T, C>;

/// The machine as it is at first: all zero bits.
pub const MACHINE: Machine = Machine::new(Config::new(), Store::new());

/// What CONNECT says beside its fields.
const PROPERTIES: &[Property<'_>] = &[
    Property::SessionExpiryInterval(3600),
    #[cfg(feature = "topic-alias")]
    Property::TopicAliasMaximum(4),
    #[cfg(feature = "auth")]
    Property::AuthenticationMethod("word"),
];

/// The answer to a challenge of the server.
#[cfg(feature = "auth")]
const ANSWER: &[Property<'_>] = &[
    Property::AuthenticationMethod("word"),
    Property::AuthenticationData(b"sesame"),
];

/// What is not as by default.
const fn configured(config: Config) -> Config {
    let config = config.ack_timeout(Duration::from_millis(500));
    #[cfg(feature = "topic-alias")]
    let config = config.topic_aliases(4);
    config
}

/// What the client saw.
#[derive(Debug, Default)]
pub struct Told {
    /// Connections that the server accepted.
    pub connections: u32,
    /// Its own messages that were acknowledged.
    pub settled: u32,
    /// Messages of the server.
    pub delivered: u32,
}

impl Told {
    /// Whether that is all there is.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.settled == 2 && self.delivered == 3
    }
}

/// What CONNECT says.
pub static CONNECT: Connect<'static> = Connect {
    keep_alive: 1,
    clean_start: true,
    will: Some(Will {
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: TopicName::constant("status").unwrap(),
        payload: b"gone",
        properties: Properties::EMPTY,
    }),
    user_name: Some("sensor"),
    password: Some(b"secret"),
    properties: PROPERTIES,
    ..Connect::new("sensor-7")
};

const READING: TopicName<'static> = TopicName::constant("reading").unwrap();
const SUBSCRIPTION: Subscription<'static> = Subscription {
    filter: TopicFilter::constant("order/#").unwrap(),
    options: SubscriptionOptions {
        qos: QoS::ExactlyOnce,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAtSubscribe,
    },
};

/// The client, at rest.
pub fn client<'c, F, T, D, C>(
    machine: &'c mut Machine,
    input: &'c mut [u8; INPUT],
    dial: F,
    clock: C,
) -> Client<'c, F, T, C>
where
    F: FnMut() -> Result<T, D>,
    C: Clock,
{
    machine.configure(configured(machine.config()));
    Client::new(machine, input, &CONNECT, dial, clock)
}

/// The conversation, to its end. It has its room on the stack beside the client's.
#[inline(always)]
pub fn converse<F, T, D, C>(client: &mut Client<'_, F, T, C>) -> Told
where
    F: FnMut() -> Result<T, D>,
    T: Transport,
    C: Clock,
{
    let mut told = Told::default();
    client.start();
    loop {
        let next = match client.turn_blocking(Instant::NEVER) {
            Turn::Message(delivery) => {
                #[cfg(feature = "panic")]
                let _first = core::hint::black_box(delivery.message.payload[0]);
                told.delivered += u32::from(delivery.message.is_last());
                if told.is_all() {
                    Next::Stop
                } else {
                    Next::Turn
                }
            }
            Turn::Event(Event::Connected(_)) => {
                told.connections += 1;
                if told.connections == 1 {
                    Next::Ask
                } else {
                    Next::Turn
                }
            }
            Turn::Event(Event::Published { outcome, .. }) => {
                told.settled += u32::from(outcome.is_ok());
                Next::Turn
            }
            #[cfg(feature = "auth")]
            Turn::Event(Event::Challenge(_)) => Next::Authenticate,
            Turn::Done => Next::End,
            _ => Next::Turn,
        };
        match next {
            Next::Turn => {}
            Next::Ask if ask(client) => {}
            Next::Stop => client.stop(),
            #[cfg(feature = "auth")]
            Next::Authenticate if authenticate(client) => {}
            #[cfg(feature = "auth")]
            Next::Authenticate => return told,
            Next::Ask | Next::End => return told,
        }
    }
}

/// What the application does after a turn, when nothing of what that brought is borrowed any longer.
enum Next {
    Turn,
    Ask,
    Stop,
    #[cfg(feature = "auth")]
    Authenticate,
    End,
}

/// Answers a challenge; whether that was taken.
#[cfg(feature = "auth")]
fn authenticate<F, T, C: Clock>(client: &mut Client<'_, F, T, C>) -> bool {
    let (machine, now) = client.machine();
    machine.authenticate(now, ANSWER).is_ok()
}

/// A subscription, and a message at QoS 1 and at QoS 2; whether they were taken.
fn ask<F, T, C: Clock>(client: &mut Client<'_, F, T, C>) -> bool {
    client.subscribe(&[SUBSCRIPTION]).is_ok()
        && [QoS::AtLeastOnce, QoS::ExactlyOnce].iter().all(|&qos| {
            let publish = Publish::new(READING, b"21.5").qos(qos);
            client.publish(&publish).is_ok()
        })
}
