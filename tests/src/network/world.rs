//! The world: all that takes part in a run, and the order in which things happen.

mod broker_side;
mod client_side;
mod script;

use super::broken::{Found, Property};
use super::dice::Dice;
use super::history::History;
use super::link::{End, Link, Way};
use super::peer::Peer;
use super::plan::{Plan, Weather};
use super::post::{MailBox, Post};
use super::watch::{Line, Memory};
use super::{START, Seen};
use core::time::Duration;
use mqtt_session::Instant;
use mqtt_session::broker::Broker;

/// Things that may happen at one moment.
const MOST_AT_ONCE: u32 = 60_000;
/// Actions that a machine may ask for in a row without anything new.
const MOST_POLLS: u32 = 3_000;
/// How long after the script, and the healing of the network, everything may take to be settled.
const SETTLES_WITHIN: Duration = Duration::from_secs(900);
/// How long it has to stay so.
const STAYS: Duration = Duration::from_secs(20);

const NETWORK: u64 = 3;

pub(crate) struct World {
    plan: Plan,
    pub(crate) now: Instant,
    dice: Dice,
    weather: Weather,
    peers: Vec<Peer>,
    broker: Option<Broker>,
    /// What the broker knew when it died, unless that is lost.
    kept: Option<Broker>,
    broker_away: Option<Instant>,
    broker_deadline: Instant,
    broker_stirred: bool,
    broker_polls: u32,
    /// Its last action was to wait for a moment that had come.
    broker_waits_for_now: bool,
    links: Vec<Link>,
    lines: Vec<BrokerLine>,
    /// What the broker's side of each client's connections remembers.
    memories: Vec<Memory>,
    /// How many sessions the broker has made for each client.
    sessions: Vec<u32>,
    next_link: u64,
    next_step: usize,
    post: Post,
    healed: Option<Instant>,
    quiet_since: Option<Instant>,
    at_once: u32,
    pub(crate) seen: Seen,
    pub(crate) history: History,
}

/// The broker's end of a link.
struct BrokerLine {
    link: u64,
    client: usize,
    line: Line,
    /// Taken when the broker has ended it: what still leaves belongs to no session.
    retired: Option<Memory>,
    /// The broker was once told that there is no room.
    was_full: bool,
}

/// Something that can happen now.
#[derive(Clone, Copy, Debug)]
enum Wake {
    Step,
    Client(usize),
    Broker,
    /// The application of a client looks at what is to be acknowledged.
    Looks(usize),
    Dialled(usize),
    Arrives(usize, Way),
    Learns(usize, Way),
    ClientReturns(usize),
    BrokerReturns,
}

impl World {
    pub(crate) fn new(plan: &Plan, record: bool) -> Self {
        let peers = plan.clients.iter().enumerate();
        let peers: Vec<Peer> = peers
            .map(|(number, client)| Peer::new(number, client, plan.seed))
            .collect();
        let count = peers.len();
        Self {
            now: START,
            dice: Dice::new(plan.seed, NETWORK),
            weather: plan.weather.clone(),
            peers,
            broker: Some(Broker::new(plan.broker.clone())),
            kept: None,
            broker_away: None,
            broker_deadline: Instant::NEVER,
            broker_stirred: true,
            broker_polls: 0,
            broker_waits_for_now: false,
            links: Vec::new(),
            lines: Vec::new(),
            memories: vec![Memory::default(); count],
            sessions: vec![0; count],
            next_link: 1,
            next_step: 0,
            post: Post {
                boxes: vec![MailBox::default(); count],
                ..Post::default()
            },
            healed: None,
            quiet_since: None,
            at_once: 0,
            seen: Seen::default(),
            history: History {
                on: record,
                lines: Vec::new(),
            },
            plan: plan.clone(),
        }
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        self.history.note(self.now, line);
    }

    /// Lives through the script, and on until all is settled.
    pub(crate) fn run(&mut self) -> Found {
        for peer in &mut self.peers {
            peer.machine.start(self.now);
        }
        let mut due = Vec::new();
        loop {
            due.clear();
            self.due(&mut due);
            if let Some(wake) = self.choose(&due) {
                self.at_once += 1;
                Property::Liveness.holds(self.at_once < MOST_AT_ONCE, || {
                    format!("{MOST_AT_ONCE} things at one moment, {wake:?} is next")
                })?;
                self.wake(wake)?;
                continue;
            }
            if self.is_over()? {
                return self.is_all_well();
            }
            let next = self.next_moment();
            Property::Quiescence.holds(next != Instant::NEVER, || {
                format!("nothing will ever happen again, and {}", self.unrest())
            })?;
            self.now = next;
            self.at_once = 0;
        }
    }

    fn choose(&mut self, due: &[Wake]) -> Option<Wake> {
        match due {
            [] => None,
            [only] => Some(*only),
            due => Some(due[self.dice.index(due.len())]),
        }
    }

    /// All that can happen now.
    fn due(&mut self, due: &mut Vec<Wake>) {
        let now = self.now;
        if self.next_step_at() <= now {
            due.push(Wake::Step);
        }
        for (number, peer) in self.peers.iter().enumerate() {
            match peer.away {
                Some(at) if at <= now => due.push(Wake::ClientReturns(number)),
                Some(_) => {}
                None => {
                    if peer.stirred || peer.deadline <= now {
                        due.push(Wake::Client(number));
                    }
                    if peer.dialling.is_some_and(|at| at <= now) {
                        due.push(Wake::Dialled(number));
                    }
                    if peer.looks <= now {
                        due.push(Wake::Looks(number));
                    }
                }
            }
        }
        match self.broker_away {
            Some(at) if at <= now => due.push(Wake::BrokerReturns),
            Some(_) => {}
            None if self.broker_stirred || self.broker_deadline <= now => due.push(Wake::Broker),
            None => {}
        }
        for index in 0..self.links.len() {
            for way in [Way::Up, Way::Down] {
                if self.arrives_at(index, way) <= now {
                    due.push(Wake::Arrives(index, way));
                }
                if self.learns_at(index, way) <= now {
                    due.push(Wake::Learns(index, way));
                }
            }
        }
    }

    fn next_step_at(&self) -> Instant {
        match self.plan.steps.get(self.next_step) {
            Some(step) => START.after(Duration::from_millis(step.at)),
            None if self.healed.is_none() => {
                let last = self.plan.steps.last().map_or(0, |step| step.at);
                START.after(Duration::from_millis(last + 500))
            }
            None => Instant::NEVER,
        }
    }

    /// When bytes, or the end, are next to arrive at someone who can take them.
    fn arrives_at(&mut self, index: usize, way: Way) -> Instant {
        let link = &mut self.links[index];
        let (end, next) = match way {
            Way::Up => (link.broker_end, link.up.next()),
            Way::Down => (link.client_end, link.down.next()),
        };
        if next == Instant::NEVER || end != End::Open || link.dead {
            return Instant::NEVER;
        }
        let ready = match way {
            _ if link.pipe(way).ends() => true,
            Way::Up => {
                let id = mqtt_session::broker::ConnectionId(link.id);
                self.broker.as_ref().is_some_and(|broker| broker.reads(id))
            }
            Way::Down => {
                let peer = &mut self.peers[link.client];
                peer.away.is_none() && !peer.input.spare().is_empty()
            }
        };
        if ready { next } else { Instant::NEVER }
    }

    /// When the end of a link that bytes go to on this way learns that it is cut.
    fn learns_at(&self, index: usize, way: Way) -> Instant {
        let link = &self.links[index];
        let (end, here) = match way {
            Way::Up => (link.broker_end, self.broker_away.is_none()),
            Way::Down => (link.client_end, self.peers[link.client].away.is_none()),
        };
        match end {
            End::Learns(at) if here => at,
            _ => Instant::NEVER,
        }
    }

    fn next_moment(&mut self) -> Instant {
        let mut next = self.next_step_at();
        for peer in &self.peers {
            next = next.min(match peer.away {
                Some(at) => at,
                None => peer
                    .deadline
                    .min(peer.looks)
                    .min(peer.dialling.unwrap_or(Instant::NEVER)),
            });
        }
        next = next.min(self.broker_away.unwrap_or(self.broker_deadline));
        for index in 0..self.links.len() {
            for way in [Way::Up, Way::Down] {
                next = next.min(self.arrives_at(index, way));
                next = next.min(self.learns_at(index, way));
            }
        }
        if let Some(since) = self.quiet_since {
            next = next.min(since.after(STAYS));
        }
        next
    }

    fn wake(&mut self, wake: Wake) -> Found {
        match wake {
            Wake::Step => self.step(),
            Wake::Client(number) => self.poll_client(number),
            Wake::Broker => self.poll_broker(),
            Wake::Looks(number) => self.looks(number),
            Wake::Dialled(number) => self.dialled(number),
            Wake::Arrives(index, way) => self.arrives(index, way),
            Wake::Learns(index, way) => {
                let (link, client) = (self.links[index].id, self.links[index].client);
                match way {
                    Way::Up => self.broker_learns(link),
                    Way::Down => self.client_learns(client),
                }
                Ok(())
            }
            Wake::ClientReturns(number) => {
                self.client_returns(number);
                Ok(())
            }
            Wake::BrokerReturns => {
                self.broker_returns();
                Ok(())
            }
        }
    }

    /// Bytes arrive, or the end of them.
    fn arrives(&mut self, index: usize, way: Way) -> Found {
        let (now, client) = (self.now, self.links[index].client);
        let link = &mut self.links[index];
        let id = link.id;
        if link.pipe(way).ends() {
            self.note(|| format!("link {id} ends, {way:?}"));
            match way {
                Way::Up => self.broker_learns(id),
                Way::Down => self.client_learns(client),
            }
            return Ok(());
        }
        let left = link.left(way);
        if left == 0 {
            let learns = self.ignorance();
            self.cut(id, learns);
            return Ok(());
        }
        let most = if self.healed.is_some() {
            4_096
        } else {
            self.dice.between(1, self.weather.chunk)
        };
        let mut most = usize::try_from(most.min(left)).unwrap_or(usize::MAX);
        if way == Way::Down {
            most = most.min(self.peers[client].input.spare().len());
        }
        let bytes = self.links[index].pipe(way).arrive(most);
        match way {
            Way::Up => self.broker_hears(id, client, &bytes)?,
            Way::Down => {
                let peer = &mut self.peers[client];
                let count = peer.reads(&bytes);
                debug_assert_eq!(count, bytes.len());
            }
        }
        // The sender learns that there is room again.
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else {
            return Ok(());
        };
        if core::mem::take(&mut link.pipe(way).blocked) {
            match way {
                Way::Up if self.peers[client].link == Some(id) => {
                    let peer = &mut self.peers[client];
                    peer.machine.sent(now, 0);
                    peer.stirred = true;
                }
                Way::Down => {
                    if let Some(broker) = &mut self.broker {
                        broker.sent(now, mqtt_session::broker::ConnectionId(id), 0);
                        self.broker_stirred = true;
                    }
                }
                Way::Up => {}
            }
        }
        Ok(())
    }

    /// When the ends of a link that is cut learn of it: the client's, the broker's.
    fn ignorance(&mut self) -> (Duration, Duration) {
        let dark = 1 + self.dice.below(self.weather.dark);
        let half_open = self.dice.percent(self.weather.half_open);
        let client = self.dice.percent(50);
        let dark = Duration::from_millis(dark);
        match (half_open, client) {
            (false, _) => (Duration::ZERO, Duration::ZERO),
            (true, true) => (dark, Duration::ZERO),
            (true, false) => (Duration::ZERO, dark),
        }
    }

    /// No byte moves over a link any more; each end learns in its time.
    fn cut(&mut self, id: u64, learns: (Duration, Duration)) {
        let now = self.now;
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else {
            return;
        };
        if link.dead {
            return;
        }
        link.die();
        let client = link.client;
        for (end, after) in [
            (&mut link.client_end, learns.0),
            (&mut link.broker_end, learns.1),
        ] {
            if *end == End::Open {
                *end = End::Learns(now.after(after));
            }
        }
        self.seen.cuts += 1;
        self.note(|| format!("link {id} of client {client} is cut; they learn after {learns:?}"));
    }

    fn forget_links(&mut self) {
        self.links.retain(|link| !link.is_over());
        let links = &self.links;
        // Until the broker has said what became of a connection, its watcher is wanted.
        let open = |id| links.iter().any(|link| link.id == id);
        self.lines
            .retain(|line| line.retired.is_none() || open(line.link));
    }

    /// Whether all has settled, and has stayed so for a while.
    fn is_over(&mut self) -> Result<bool, super::broken::Broken> {
        let Some(healed) = self.healed else {
            return Ok(false);
        };
        if self.is_unsettled() {
            Property::Quiescence.holds(self.quiet_since.is_none(), || {
                format!("it came to rest, and then: {}", self.unrest())
            })?;
            let limit = healed.after(SETTLES_WITHIN);
            Property::Quiescence.holds(self.now < limit, || {
                format!("after {SETTLES_WITHIN:?}: {}", self.unrest())
            })?;
            return Ok(false);
        }
        let since = *self.quiet_since.get_or_insert(self.now);
        Ok(self.now >= since.after(STAYS))
    }

    fn is_unsettled(&self) -> bool {
        let broker = self.broker.as_ref().map(Broker::load);
        broker.is_none_or(|load| load.unsettled > 0)
            || self.peers.iter().any(|peer| {
                peer.away.is_some()
                    || !peer.machine.is_connected()
                    || peer.machine.unsettled() > 0
                    || peer.application.has_open_tickets()
                    || !peer.application.pending.is_empty()
            })
            // What keeps a connection alive comes and goes.
            || self.quiet_since.is_none()
                && self
                    .links
                    .iter()
                    .any(|link| link.dead || !(link.up.is_empty() && link.down.is_empty()))
    }

    /// What has not settled.
    fn unrest(&self) -> String {
        let mut unrest = Vec::new();
        match &self.broker {
            Some(broker) => unrest.push(format!("the broker has {:?}", broker.load())),
            None => unrest.push("the broker is away".into()),
        }
        for peer in &self.peers {
            let (number, connected) = (peer.number, peer.machine.is_connected());
            let unsettled = peer.machine.unsettled();
            unrest.push(format!(
                "client {number}: connected {connected}, {unsettled} unsettled, {:?}",
                peer.application.is_settled().err().map(|found| found.what)
            ));
        }
        unrest.join("; ")
    }

    /// What has to hold when all has settled.
    fn is_all_well(&mut self) -> Found {
        for peer in &self.peers {
            peer.application.is_settled()?;
            if peer.plan.maximum_packet_size.is_some() {
                self.post.has_no_room(peer.number);
            }
        }
        self.post.is_delivered()
    }
}
