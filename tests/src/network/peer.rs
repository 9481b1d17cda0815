//! One client in its surroundings: the machine, its input, its application, its link.

use super::application::Application;
use super::machine::Machine;
use super::plan::{ClientPlan, StoreKind};
use super::watch::{Line, Memory};
use core::time::Duration;
use mqtt_proto::Property;
use mqtt_session::{Acknowledge, Config, Instant, Offline, RxBuffer};
use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) number: usize,
    pub(crate) plan: ClientPlan,
    pub(crate) machine: Machine,
    pub(crate) input: RxBuffer<Vec<u8>>,
    /// Bytes in the input that the machine has not read.
    unread: VecDeque<u8>,
    pub(crate) application: Application,
    /// When it comes back from the dead.
    pub(crate) away: Option<Instant>,
    /// The transport that it asked for is there at this moment.
    pub(crate) dialling: Option<Instant>,
    pub(crate) link: Option<u64>,
    pub(crate) line: Option<Line>,
    pub(crate) memory: Memory,
    pub(crate) deadline: Instant,
    /// Something has happened since its last poll said that there is nothing to do.
    pub(crate) stirred: bool,
    /// When its application looks at what is to be acknowledged.
    pub(crate) looks: Instant,
    /// Its application does not want it to be connected.
    pub(crate) stopped: bool,
    /// It was told to stop, and has not said that it has.
    pub(crate) stopping: bool,
    /// Which of its sessions at the broker it knows of.
    pub(crate) session: Option<u32>,
    /// Links that it has had.
    pub(crate) links: u32,
    /// Polls since something last came in.
    pub(crate) polls: u32,
    /// Its last poll said to wait for a moment that had come.
    pub(crate) waits_for_now: bool,
}

impl Peer {
    pub(crate) fn new(number: usize, plan: &ClientPlan, seed: u64) -> Self {
        let mut plan = plan.clone();
        if plan.store == StoreKind::Tiny {
            plan.topic_alias_maximum = plan.topic_alias_maximum.min(2);
        }
        let config = config(&plan, seed as u32 ^ number as u32);
        Self {
            number,
            machine: Machine::new(plan.store, config),
            input: RxBuffer::new(vec![0; plan.input]),
            unread: VecDeque::new(),
            application: Application::new(0),
            away: None,
            dialling: None,
            link: None,
            line: None,
            memory: Memory::default(),
            deadline: Instant::NEVER,
            stirred: true,
            looks: Instant::NEVER,
            stopped: false,
            session: None,
            stopping: false,
            links: 0,
            polls: 0,
            waits_for_now: false,
            plan,
        }
    }

    /// Bytes come in, as far as there is room; how many.
    pub(crate) fn reads(&mut self, bytes: &[u8]) -> usize {
        let spare = self.input.spare();
        let count = bytes.len().min(spare.len());
        spare[..count].copy_from_slice(&bytes[..count]);
        self.input.filled(count);
        self.unread.extend(&bytes[..count]);
        self.stirred = true;
        self.polls = 0;
        count
    }

    /// The bytes that the last poll has read.
    pub(crate) fn has_read(&mut self) -> Vec<u8> {
        let count = self.unread.len().saturating_sub(self.input.len());
        self.unread.drain(..count).collect()
    }

    /// The transport is gone.
    pub(crate) fn is_cut(&mut self) {
        self.unread.clear();
        self.link = None;
        if let Some(line) = self.line.take() {
            line.ends(&mut self.memory);
        }
        self.application.is_cut();
        self.session = self.session.filter(|_| self.plan.session_expiry > 0);
        self.stirred = true;
        self.polls = 0;
    }

    /// It comes back without its state, as someone who was never there before.
    pub(crate) fn reborn(&mut self, seed: u64) {
        let life = self.application.life + 1;
        self.plan.clean_start = true;
        *self = Self {
            application: Application::new(life),
            links: self.links,
            ..Self::new(self.number, &self.plan, seed ^ u64::from(life) << 8)
        };
    }

    /// CONNECT's client identifier.
    pub(crate) fn client_id(&self) -> String {
        format!("client-{}", self.number)
    }

    /// CONNECT's properties.
    pub(crate) fn properties(&self) -> Vec<Property<'static>> {
        let plan = &self.plan;
        let mut given = Vec::new();
        given.extend(plan.receive_maximum.map(Property::ReceiveMaximum));
        if plan.session_expiry > 0 {
            given.push(Property::SessionExpiryInterval(plan.session_expiry));
        }
        given.extend(plan.maximum_packet_size.map(Property::MaximumPacketSize));
        if plan.topic_alias_maximum > 0 {
            given.push(Property::TopicAliasMaximum(plan.topic_alias_maximum));
        }
        given
    }
}

fn config(plan: &ClientPlan, seed: u32) -> Config {
    Config::default()
        .acknowledge(if plan.manual {
            Acknowledge::Manually
        } else {
            Acknowledge::Automatically
        })
        .qos0_offline(if plan.queues_offline {
            Offline::Queue
        } else {
            Offline::Refuse
        })
        .topic_aliases(plan.topic_aliases)
        .adopt_session(!plan.clean_start)
        .ack_timeout(plan.ack_timeout)
        .connect_timeout(Duration::from_secs(5))
        .ping_timeout(Duration::from_secs(4))
        .close_timeout(Duration::from_secs(2))
        .reconnect_between(Duration::from_millis(100), Duration::from_secs(4))
        .stable_after(Duration::from_secs(5))
        .seed(seed)
}
