//! A device that keeps its session in flash, a server, and an application whose own memory is
//! durable. The power fails in any step: of the memory, of the line, of the application.

use crate::dice::Dice;
use crate::flash::{Memory, Power};
use mqtt_proto::{Property, QoS, TopicName};
use mqtt_session::flash::{Flash, FlashError};
use mqtt_session::{
    Acknowledge, Action, Client, Config, Connect, Event, Fixed, Instant, Publish, ReasonCode,
    RxBuffer, Subscription, SubscriptionOptions, Ticket, TopicFilter,
};
use mqtt_tests::server::{Message, Server, Terms};
use std::collections::{BTreeMap, BTreeSet};

type Device = Client<Fixed<8, 4, 1024, 256>>;

/// Messages in each direction.
pub(crate) const MESSAGES: usize = 6;

/// Two areas of a kilobyte.
const AREA: u32 = 1024;

/// What a run is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) acknowledge: Acknowledge,
    /// How many bytes the line takes at a time.
    pub(crate) write: usize,
    pub(crate) read: usize,
    /// What the server's Receive Maximum is.
    pub(crate) window: Option<u16>,
    /// Whether what a transmission depends on is saved only behind it, which is wrong.
    pub(crate) saves_late: bool,
}

pub(crate) struct World {
    plan: Plan,
    pub(crate) power: Power,
    pub(crate) memory: Memory,
    pub(crate) server: Server,
    dice: Dice,
    /// The application's durable memory: which of its messages were settled, and what it was
    /// delivered, with how often.
    told: BTreeSet<usize>,
    /// Which ticket each message had last.
    numbers: BTreeMap<Ticket, usize>,
    done: BTreeMap<Vec<u8>, usize>,
    /// What was delivered, and acknowledged by whoever does that, and saved: it may not come again.
    last: BTreeSet<Vec<u8>>,
    served: usize,
    /// How often the power failed.
    pub(crate) failures: usize,
    /// How often a session was loaded.
    pub(crate) loaded: usize,
}

/// The power failed.
struct Dark;

fn payload(number: usize) -> Vec<u8> {
    format!("{number}: what is published").into_bytes()
}

fn qos_of(number: usize) -> QoS {
    if number.is_multiple_of(3) {
        QoS::AtLeastOnce
    } else {
        QoS::ExactlyOnce
    }
}

impl World {
    pub(crate) fn new(plan: Plan, seed: u64) -> Self {
        let power = Power::default();
        let terms = Terms {
            receive_maximum: plan.window,
            receive_maximum_later: plan.window,
            ..Terms::NONE
        };
        Self {
            plan,
            memory: Memory::new(2 * AREA as usize, &power, seed),
            power,
            server: Server::new(terms),
            dice: Dice::new(seed ^ 0x5eed),
            told: BTreeSet::new(),
            numbers: BTreeMap::new(),
            done: BTreeMap::new(),
            last: BTreeSet::new(),
            served: 0,
            failures: 0,
            loaded: 0,
        }
    }

    /// The power is on for so many steps, and so many again, and then for ever; what came of it
    /// is held against the promises.
    pub(crate) fn run(&mut self, lives: &[usize]) {
        for steps in lives.iter().copied().map(Some).chain([None]) {
            self.power.on(steps);
            let ended = self.lives();
            self.server.closed();
            if ended.is_ok() {
                break;
            }
            self.failures += 1;
        }
        self.check();
    }

    fn check(&self) {
        assert!(
            self.server.complaints.is_empty(),
            "{:?}",
            self.server.complaints
        );
        assert!(self.server.is_settled());
        for number in 0..MESSAGES {
            let payload = payload(number);
            let published = &self.server.published;
            let count = published.iter().filter(|m| m.payload == payload).count();
            let right = match qos_of(number) {
                QoS::ExactlyOnce => count == 1,
                _ => count >= 1,
            };
            assert!(right, "message {number} was published {count} times");
            assert!(self.told.contains(&number), "message {number} is unsettled");
            let mut inbound = payload;
            inbound.push(b'!');
            assert!(self.done.contains_key(&inbound), "{number} did not come");
        }
    }

    fn step(&self) -> Result<(), Dark> {
        if self.power.step() { Ok(()) } else { Err(Dark) }
    }

    /// From power on to the end, or to a failure of power.
    fn lives(&mut self) -> Result<(), Dark> {
        // Each life has a clock of its own.
        let mut now = Instant::from_secs(self.dice.below(100) as u64);
        let config = Config::default().acknowledge(self.plan.acknowledge);
        let mut client: Device = Client::new(config, Fixed::new());
        let mut flash = Flash::<_, 64>::new(self.memory.clone(), 0, AREA).unwrap();
        let mut buffer = [0; AREA as usize];
        let loaded = flash.load(&mut buffer).unwrap();
        if let Some(session) = loaded {
            client.import(now, session).unwrap();
            self.loaded += 1;
        }
        let mut tickets: BTreeMap<Ticket, usize> = BTreeMap::new();
        client.each_unsettled(|left| {
            let number = (0..MESSAGES).find(|number| payload(*number) == left.payload);
            // Past PUBREC the message is gone, and the application may not publish it again.
            let number = number.unwrap_or_else(|| self.number_of_released(left.ticket));
            tickets.insert(left.ticket, number);
        });
        let mut input = RxBuffer::new(vec![0; 128]);
        let mut line = false;
        client.start(now);
        let mut asks = false;
        // In this life, and not saved.
        let mut acknowledged = BTreeSet::new();
        for _ in 0..10_000 {
            if std::mem::take(&mut asks) {
                self.step()?;
                let filter = TopicFilter::new("in").unwrap();
                let options = SubscriptionOptions::default();
                let subscription = Subscription { filter, options };
                client.subscribe(now, &[subscription], &[]).unwrap();
            }
            self.publishes(&mut client, now, &mut tickets)?;
            match client.poll(now, &mut input) {
                Action::Open => {
                    self.step()?;
                    self.server.closed();
                    self.server.opened();
                    line = true;
                    let expiry = [Property::SessionExpiryInterval(3600)];
                    let connect = Connect {
                        clean_start: true,
                        keep_alive: 0,
                        properties: &expiry,
                        ..Connect::new("device")
                    };
                    client.opened(now, &connect).unwrap();
                }
                Action::Send(_) => {
                    let mut save = |client: &mut Device| match flash.save(client, now) {
                        Ok(_) => {
                            self.last.append(&mut acknowledged);
                            Ok(())
                        }
                        Err(FlashError::Driver(_)) => Err(Dark),
                        Err(other) => panic!("{other}"),
                    };
                    if !self.plan.saves_late {
                        save(&mut client)?;
                    }
                    if !self.power.step() {
                        return Err(Dark);
                    }
                    let [bytes, ..] = client.offer_all();
                    let count = bytes.len().min(self.plan.write);
                    self.server.receives(&bytes[..count]);
                    client.sent(now, count);
                    if self.plan.saves_late {
                        save(&mut client)?;
                    }
                }
                Action::Deliver(delivery) => {
                    let message = delivery.message;
                    self.step()?;
                    let payload = message.payload.to_vec();
                    assert!(
                        message.qos != QoS::ExactlyOnce || !self.last.contains(&payload),
                        "delivered again: {:?}",
                        message.payload
                    );
                    // The application acts and keeps that, in one step; what it did it knows.
                    *self.done.entry(payload.clone()).or_default() += 1;
                    let token = message.token;
                    if let Some(token) = token {
                        self.step()?;
                        client.acknowledge(token, ReasonCode::SUCCESS).unwrap();
                    }
                    acknowledged.insert(payload);
                }
                Action::Event(event) => {
                    if let Event::Published {
                        ticket, outcome, ..
                    } = event
                    {
                        outcome.unwrap();
                        self.told.insert(tickets[&ticket]);
                    }
                    match event {
                        // Before anything has left in it, a session may begin once more.
                        Event::Connected(connack) if !connack.session_present => {
                            let begins = self.served == 0 && self.server.published.is_empty();
                            assert!(begins, "the session was lost");
                        }
                        Event::Subscribed { .. } => self.serves(),
                        _ => {}
                    }
                    if matches!(event, Event::Connected(_)) && self.served < MESSAGES {
                        asks = true;
                    }
                }
                Action::Close | Action::Done => panic!("the client ends"),
                Action::Timeout(deadline) => {
                    self.step()?;
                    let spare = input.spare();
                    let most = spare.len().min(self.plan.read);
                    let bytes = self.server.takes(most);
                    if line && !bytes.is_empty() {
                        spare[..bytes.len()].copy_from_slice(&bytes);
                        input.filled(bytes.len());
                        continue;
                    }
                    let settled = self.told.len() == MESSAGES && client.unsettled() == 0;
                    if settled && self.server.is_settled() && self.served == MESSAGES {
                        return Ok(());
                    }
                    assert_ne!(deadline, Instant::NEVER, "nothing happens any more");
                    now = now.max(deadline);
                }
            }
        }
        panic!("no end");
    }

    /// What a message was whose bytes are gone: the ticket tells.
    fn number_of_released(&self, ticket: Ticket) -> usize {
        self.numbers
            .get(&ticket)
            .copied()
            .unwrap_or_else(|| panic!("{ticket:?} was never issued"))
    }

    /// The application publishes what it does not know to be kept or settled, one at a time.
    fn publishes(
        &mut self,
        client: &mut Device,
        now: Instant,
        tickets: &mut BTreeMap<Ticket, usize>,
    ) -> Result<(), Dark> {
        let open: BTreeSet<usize> = tickets.values().copied().collect();
        let next = (0..MESSAGES).find(|n| !self.told.contains(n) && !open.contains(n));
        let Some(number) = next else { return Ok(()) };
        self.step()?;
        let topic = TopicName::new("out").unwrap();
        let payload = payload(number);
        let mut publish = Publish::new(topic, &payload).qos(qos_of(number));
        if number.is_multiple_of(2) {
            publish = publish.message_expiry_interval(1_000);
        }
        if let Ok(ticket) = client.publish(now, &publish) {
            tickets.insert(ticket, number);
            self.numbers.insert(ticket, number);
        }
        Ok(())
    }

    fn serves(&mut self) {
        while self.served < MESSAGES {
            let mut payload = payload(self.served);
            payload.push(b'!');
            let message = Message {
                topic: "in".to_owned(),
                qos: qos_of(self.served),
                payload,
            };
            assert!(self.server.publishes(message));
            self.served += 1;
        }
    }
}
