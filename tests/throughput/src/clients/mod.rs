//! The clients, each through what it offers to everybody.

mod bare;
mod hand;
mod rumqtt;
mod tasks;
mod threads;

use crate::load::{Load, Way};
use crate::meter::Meter;
use crate::report::Report;
use mqtt_proto::QoS;
use std::error::Error;

/// Why a client could not be measured.
pub(crate) type Failed = Box<dyn Error>;

/// Messages that are not settled, at most, where tokens are kept: more than the clients queue,
/// so that it is they who hold back.
const KEPT: usize = 16 << 10;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// `mqtt-std`: a thread of its own beside the application's.
    Threads,
    /// `mqtt-tokio`, on a runtime of one thread.
    Tokio,
    /// `mqtt-smol`: the application beside the global executor.
    Smol,
    /// rumqttc, MQTT 5, on a tokio runtime of one thread.
    Rumqtt,
    /// No client: the same bytes, written and read in blocks.
    Bare,
    /// Just what one round trip takes, written out.
    Hand,
}

impl Client {
    pub(crate) const ALL: [Self; 6] = [
        Self::Threads,
        Self::Tokio,
        Self::Smol,
        Self::Rumqtt,
        Self::Bare,
        Self::Hand,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|client| client.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Threads => "mqtt-std",
            Self::Tokio => "mqtt-tokio",
            Self::Smol => "mqtt-smol",
            Self::Rumqtt => "rumqttc",
            Self::Bare => "bare",
            Self::Hand => "by-hand",
        }
    }

    /// Whether it is one of ours, for which there are targets.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Threads | Self::Tokio | Self::Smol)
    }

    /// Whether it is what others are held against.
    pub(crate) const fn is_yardstick(self) -> bool {
        matches!(self, Self::Bare | Self::Hand)
    }

    pub(crate) fn can(self, load: Load) -> bool {
        match (self, load.way) {
            (Self::Bare, Way::Publish) => true,
            (Self::Bare, Way::Receive) => load.qos == QoS::AtMostOnce,
            (Self::Bare, Way::RoundTrip) => false,
            (Self::Hand, way) => way == Way::RoundTrip,
            (Self::Threads | Self::Tokio | Self::Smol | Self::Rumqtt, _) => true,
        }
    }

    pub(crate) fn run(self, load: Load, port: u16, meter: Meter) -> Result<Report, Failed> {
        match self {
            Self::Threads => threads::run(load, port, meter),
            Self::Tokio => tasks::on_tokio(load, port, meter),
            Self::Smol => tasks::on_smol(load, port, meter),
            Self::Rumqtt => rumqtt::run(load, port, meter),
            Self::Bare => bare::run(load, port, meter),
            Self::Hand => hand::run(load, port, meter),
        }
    }
}
