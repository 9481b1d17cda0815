//! What the clients are made to do, and what they are to reach.

use mqtt_proto::QoS;

/// A payload as most messages have one, in bytes.
const SMALL: usize = 64;
/// A payload that is worth not being copied, in bytes.
const LARGE: usize = 16 << 10;

/// The topic of everything that is published.
pub(crate) const TOPIC: &str = "site/7/room/42";

/// One kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    name: &'static str,
    /// What the table calls it.
    pub(crate) title: &'static str,
    pub(crate) way: Way,
    pub(crate) qos: QoS,
    /// Bytes of each payload.
    pub(crate) len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As many messages as the broker takes.
    Publish,
    /// As many messages as the client takes.
    Receive,
    /// One message at a time, each acknowledged before the next.
    RoundTrip,
}

/// What is to be reached; None where nothing is demanded.
#[derive(Default)]
pub(crate) struct Targets {
    /// Messages a second, at least.
    pub(crate) rate: Option<f64>,
    /// The share of the yardstick's rate, at least.
    pub(crate) share: Option<f64>,
    /// CPU time a message in microseconds, at most.
    pub(crate) cpu: Option<f64>,
    /// System calls a message, at most.
    pub(crate) calls: Option<f64>,
    /// The median of round trips, as a multiple of the yardstick's, at most.
    pub(crate) median: Option<f64>,
}

const fn load(name: &'static str, title: &'static str, way: Way, qos: QoS, len: usize) -> Load {
    Load {
        name,
        title,
        way,
        qos,
        len,
    }
}

impl Load {
    pub(crate) const ALL: [Self; 7] = [
        load(
            "publish-0",
            "publish, QoS 0, 64 B",
            Way::Publish,
            QoS::AtMostOnce,
            SMALL,
        ),
        load(
            "publish-1",
            "publish, QoS 1, 64 B",
            Way::Publish,
            QoS::AtLeastOnce,
            SMALL,
        ),
        load(
            "receive-0",
            "receive, QoS 0, 64 B",
            Way::Receive,
            QoS::AtMostOnce,
            SMALL,
        ),
        load(
            "receive-1",
            "receive, QoS 1, 64 B",
            Way::Receive,
            QoS::AtLeastOnce,
            SMALL,
        ),
        load(
            "large-0",
            "publish, QoS 0, 16 KiB",
            Way::Publish,
            QoS::AtMostOnce,
            LARGE,
        ),
        load(
            "large-1",
            "publish, QoS 1, 16 KiB",
            Way::Publish,
            QoS::AtLeastOnce,
            LARGE,
        ),
        load(
            "round-trip",
            "round trip, QoS 1, 64 B",
            Way::RoundTrip,
            QoS::AtLeastOnce,
            SMALL,
        ),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|load| load.name == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        self.name
    }

    /// The filter that makes the broker send messages of that topic.
    pub(crate) fn flood(self) -> String {
        format!("flood/{}/{}", self.qos as u8, self.len)
    }

    pub(crate) fn targets(self) -> Targets {
        let rate = match (self.way, self.qos) {
            (Way::Publish, QoS::AtLeastOnce) => 1e6,
            _ => 2e6,
        };
        match (self.way, self.len) {
            (Way::RoundTrip, _) => Targets {
                median: Some(1.3),
                ..Targets::default()
            },
            (_, SMALL) => Targets {
                rate: Some(rate),
                cpu: Some(0.5),
                calls: Some(0.1),
                ..Targets::default()
            },
            _ => Targets {
                share: Some(2.0 / 3.0),
                ..Targets::default()
            },
        }
    }
}
