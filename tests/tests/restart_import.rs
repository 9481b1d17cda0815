//! What was written of a session is read as it was, by stores of other sizes and kinds; what is
//! damaged is refused, and what is forged, with a checksum that is right, makes nothing misbehave.

use mqtt_proto::{Property, QoS, TopicName};
use mqtt_session::journal::{Entries, Image, Journal};
use mqtt_session::snapshot::{Crc32, ImportError};
use mqtt_session::{
    Acknowledge, Action, Client, Config, Connect, Event, Fixed, Heap, HeapLimits, Instant, Publish,
    ReasonCode, RxBuffer, Store, Ticket,
};
use mqtt_tests::server::{Message, Server, Terms};
use proptest::prelude::*;

type Small = Fixed<8, 4, 1024, 256>;
type Large = Fixed<32, 16, 4096, 512, 2, 16>;

const NOW: Instant = Instant::from_secs(5);

/// Another clock's.
const WALL: u64 = 1 << 50;

/// What happens to a client before it is written down.
#[derive(Clone, Copy, Debug)]
enum Step {
    Publish(QoS, usize, Option<u32>),
    Held(usize),
    Drawn(QoS, usize),
    Serve(QoS),
    Acknowledge,
    /// So many actions are done, with so many bytes at a time.
    Run(usize, usize),
    Cut,
    Abandon,
}

fn step() -> impl Strategy<Value = Step> {
    let qos = || prop::sample::select(vec![QoS::AtLeastOnce, QoS::ExactlyOnce]);
    let expiry = prop_oneof![3 => Just(None), 1 => (1..100u32).prop_map(Some)];
    prop_oneof![
        6 => (qos(), 0..60usize, expiry).prop_map(|(q, len, expiry)| Step::Publish(q, len, expiry)),
        1 => (0..60usize).prop_map(Step::Held),
        1 => (qos(), 0..300usize).prop_map(|(qos, len)| Step::Drawn(qos, len)),
        3 => qos().prop_map(Step::Serve),
        2 => Just(Step::Acknowledge),
        9 => (1..12usize, 1..80usize).prop_map(|(count, most)| Step::Run(count, most)),
        1 => Just(Step::Cut),
        1 => Just(Step::Abandon),
    ]
}

#[derive(Default)]
struct Log {
    entries: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl Entries for Log {
    fn piece(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        self.entries.push(std::mem::take(&mut self.open));
    }
}

struct Run<S> {
    client: Client<S>,
    journal: Journal,
    log: Log,
    /// Session Expiry Interval.
    expiry: [Property<'static>; 1],
    input: RxBuffer<Vec<u8>>,
    server: Server,
    tokens: Vec<mqtt_session::AckToken>,
    tickets: Vec<Ticket>,
}

/// `publish_bytes`, where the store has it.
trait Holds {
    fn publish_held(&mut self, publish: &Publish<'_>, payload: Vec<u8>) -> Option<Ticket>;
}

impl Holds for Client<Heap> {
    fn publish_held(&mut self, publish: &Publish<'_>, payload: Vec<u8>) -> Option<Ticket> {
        self.publish_bytes(NOW, publish, payload.into()).ok()
    }
}

impl Holds for Client<Small> {
    fn publish_held(&mut self, publish: &Publish<'_>, _: Vec<u8>) -> Option<Ticket> {
        self.publish(NOW, publish).ok()
    }
}

fn connect() -> Connect<'static> {
    const EXPIRY: &[Property<'static>] = &[Property::SessionExpiryInterval(3600)];
    Connect {
        clean_start: true,
        keep_alive: 0,
        properties: EXPIRY,
        ..Connect::new("device")
    }
}

impl<S: Store> Run<S>
where
    Client<S>: Holds,
{
    fn new(store: S) -> Self {
        let config = Config::default().acknowledge(Acknowledge::Manually);
        Self {
            client: Client::new(config, store),
            journal: Journal::new(),
            log: Log::default(),
            expiry: [Property::SessionExpiryInterval(3600)],
            input: RxBuffer::new(vec![0; 256]),
            server: Server::new(Terms::NONE),
            tokens: Vec::new(),
            tickets: Vec::new(),
        }
    }

    fn does(&mut self, step: Step) {
        match step {
            Step::Publish(qos, len, expiry) => {
                let payload = vec![len as u8; len];
                let mut publish = Publish::new(TopicName::new("out").unwrap(), &payload).qos(qos);
                if let Some(seconds) = expiry {
                    publish = publish.message_expiry_interval(seconds);
                }
                if let Ok(ticket) = self.client.publish(NOW, &publish) {
                    self.is_published(ticket);
                }
            }
            Step::Held(len) => {
                let payload = vec![len as u8; len];
                let topic = TopicName::new("out/held").unwrap();
                let publish = Publish::new(topic, &payload).qos(QoS::ExactlyOnce);
                if let Some(ticket) = self.client.publish_held(&publish, payload.clone()) {
                    self.is_published(ticket);
                }
            }
            Step::Drawn(qos, len) => {
                let publish = Publish::new(TopicName::new("out/drawn").unwrap(), &[]).qos(qos);
                if let Ok(ticket) = self.client.publish_drawn(NOW, &publish, len) {
                    self.is_published(ticket);
                }
            }
            Step::Serve(qos) => {
                self.server.publishes(Message {
                    topic: "in".to_owned(),
                    qos,
                    payload: vec![1, 2, 3],
                });
            }
            Step::Acknowledge => {
                if let Some(token) = self.tokens.pop() {
                    // It may be one of an earlier connection.
                    let _ = self.client.acknowledge(token, ReasonCode::SUCCESS);
                }
            }
            Step::Run(count, most) => {
                for _ in 0..count {
                    self.acts(most);
                }
            }
            Step::Cut => {
                self.server.closed();
                if self.expiry == [Property::SessionExpiryInterval(0)] {
                    self.server.loses_session();
                }
                self.client.closed(NOW);
            }
            Step::Abandon => {
                if let Some(ticket) = self.tickets.pop() {
                    self.client.abandon(ticket);
                }
            }
        }
    }

    fn is_published(&mut self, ticket: Ticket) {
        self.tickets.push(ticket);
        self.journal
            .published(&mut self.client, ticket, WALL, &mut self.log);
    }

    fn acts(&mut self, most: usize) {
        match self.client.poll(NOW, &mut self.input) {
            Action::Open => {
                self.server.opened();
                let connect = Connect {
                    properties: &self.expiry,
                    ..connect()
                };
                self.client.opened(NOW, &connect).unwrap();
            }
            Action::Send(_) => {
                self.journal.sending(&mut self.client, WALL, &mut self.log);
                let [bytes, ..] = self.client.offer_all();
                let count = bytes.len().min(most);
                self.server.receives(&bytes[..count]);
                self.client.sent(NOW, count);
            }
            Action::Deliver(delivery) => self.tokens.extend(delivery.message.token),
            Action::Event(Event::Published { ticket, .. }) => {
                self.journal
                    .settled(&mut self.client, ticket, &mut self.log);
            }
            Action::Event(Event::Connected(_) | Event::Disconnected { .. }) => {
                self.journal.all(&mut self.client, WALL, &mut self.log);
            }
            Action::Event(Event::PayloadWanted { .. }) => draws(&mut self.client, most),
            Action::Event(_) => {}
            Action::Close => self.client.closed(NOW),
            Action::Done => {}
            Action::Timeout(_) => {
                let spare = self.input.spare();
                let bytes = self.server.takes(spare.len().min(most));
                spare[..bytes.len()].copy_from_slice(&bytes);
                self.input.filled(bytes.len());
            }
        }
    }
}

fn exported<S: Store>(client: &mut Client<S>) -> Vec<u8> {
    let mut pieces = Vec::new();
    client
        .export(NOW, |piece| {
            pieces.extend_from_slice(piece);
            Ok::<(), ()>(())
        })
        .unwrap();
    assert_eq!(pieces.len(), client.export_len());
    pieces
}

fn imported<S: Store>(store: S, bytes: &[u8]) -> Result<Client<S>, ImportError> {
    let mut client = Client::new(Config::default(), store);
    client.import(NOW, bytes).map(|()| client)
}

fn after<S: Store>(steps: &[Step], store: S) -> Run<S>
where
    Client<S>: Holds,
{
    after_with(steps, store, 3600)
}

fn after_with<S: Store>(steps: &[Step], store: S, expiry: u32) -> Run<S>
where
    Client<S>: Holds,
{
    let mut run = Run::new(store);
    run.expiry = [Property::SessionExpiryInterval(expiry)];
    run.client.start(NOW);
    steps.iter().for_each(|step| run.does(*step));
    run
}

/// Supplies so many bytes of a payload at most.
fn draws<S: Store>(client: &mut Client<S>, most: usize) {
    let mut draw = client.draw(NOW).unwrap();
    let offset = draw.offset;
    let room = draw.room();
    let count = room.len().min(most);
    for (byte, at) in room[..count].iter_mut().zip(offset..) {
        *byte = at as u8;
    }
    draw.supply(count);
}

/// What a client gives to the line in its next connection, until it waits.
fn says<S: Store>(client: &mut Client<S>) -> Vec<u8> {
    let mut input = RxBuffer::new(vec![0; 256]);
    let mut said = Vec::new();
    client.start(NOW);
    for _ in 0..1_000 {
        match client.poll(NOW, &mut input) {
            Action::Open => {
                client.opened(NOW, &connect()).unwrap();
                // CONNACK before CONNECT has left would be none.
                while let Action::Send(bytes) = client.poll(NOW, &mut RxBuffer::new([0; 8])) {
                    said.extend_from_slice(bytes);
                    let count = bytes.len();
                    client.sent(NOW, count);
                }
                // The flags of CONNECT say whether it goes on with a session.
                let present = u8::from(said[9] & 2 == 0);
                input.spare()[..5].copy_from_slice(&[0x20, 3, present, 0, 0]);
                input.filled(5);
            }
            Action::Send(bytes) => {
                said.extend_from_slice(bytes);
                let count = bytes.len();
                client.sent(NOW, count);
            }
            Action::Event(Event::PayloadWanted { .. }) => draws(client, usize::MAX),
            Action::Deliver(_) | Action::Event(_) => {}
            Action::Close | Action::Done => break,
            Action::Timeout(_) => break,
        }
    }
    said
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let len = bytes.len() as u32;
    bytes[6..10].copy_from_slice(&len.to_le_bytes());
    let content = bytes.len() - 4;
    let mut crc = Crc32::new();
    crc.update(&bytes[..content]);
    bytes[content..].copy_from_slice(&crc.value().to_le_bytes());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// It is the same session wherever it goes, and what it says next is the same, byte for byte.
    #[test]
    fn a_session_is_the_same_in_every_store(steps in prop::collection::vec(step(), 1..40)) {
        let mut run = after(&steps, Small::new());
        let bytes = exported(&mut run.client);
        let mark = run.client.session_mark();
        let mut same = imported(Small::new(), &bytes).unwrap();
        prop_assert_eq!(same.session_mark(), mark);
        prop_assert_eq!(&exported(&mut same), &bytes);
        let mut large = imported(Large::new(), &bytes).unwrap();
        prop_assert_eq!(&exported(&mut large), &bytes);
        let limits = HeapLimits { receive_maximum: 4, ..HeapLimits::default() };
        let mut heap = imported(Heap::new(limits), &bytes).unwrap();
        prop_assert_eq!(&exported(&mut heap), &bytes);
        prop_assert_eq!(heap.unsettled(), run.client.unsettled());
        let mut unsettled = 0;
        heap.each_unsettled(|_| unsettled += 1);
        prop_assert_eq!(unsettled, heap.unsettled());
        let said = says(&mut same);
        prop_assert_eq!(says(&mut heap), said);
    }

    /// What the changes make up, one after the other, is the session: at any moment one that can
    /// be taken over, and once all is noted the same, byte for byte.
    #[test]
    fn a_log_of_the_changes_makes_up_the_session(
        steps in prop::collection::vec(step(), 1..60),
        heap in any::<bool>(),
        expiry in prop::sample::select(vec![0, 3600]),
    ) {
        if heap {
            let limits = HeapLimits { receive_maximum: 4, ..HeapLimits::default() };
            logged(after_with(&steps, Heap::new(limits), expiry))?;
        } else {
            logged(after_with(&steps, Small::new(), expiry))?;
        }
    }

    /// Payloads that are held apart are written with their messages.
    #[test]
    fn a_session_on_the_heap_is_the_same(steps in prop::collection::vec(step(), 1..40)) {
        let mut run = after(&steps, Heap::default());
        let bytes = exported(&mut run.client);
        let mut again = imported(Heap::default(), &bytes).unwrap();
        prop_assert_eq!(&exported(&mut again), &bytes);
    }

    /// Bytes are changed, and the checksum is put right.
    #[test]
    fn what_is_forged_makes_nothing_misbehave(
        steps in prop::collection::vec(step(), 5..40),
        changes in prop::collection::vec((10..400usize, any::<u8>()), 1..4),
        cut in prop::option::weighted(0.2, 40..400usize),
    ) {
        let mut run = after(&steps, Small::new());
        let mut bytes = exported(&mut run.client);
        for (at, byte) in changes {
            let at = at % bytes.len();
            if at >= 10 {
                bytes[at] = byte;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.max(37));
        }
        let bytes = with_checksum(bytes);
        for store in 0..2 {
            match store {
                0 => forged(Small::new(), &bytes)?,
                _ => forged(Heap::new(HeapLimits { exchanges: 6, ..HeapLimits::default() }), &bytes)?,
            }
        }
    }

    /// Any bytes at all.
    #[test]
    fn what_is_no_session_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let refused = imported(Small::new(), &bytes).err();
        prop_assert!(matches!(refused, Some(ImportError::NotASession | ImportError::TooShort)));
        let mut behind = b"mq5s\x01\0".to_vec();
        behind.extend([0; 4]);
        behind.extend(bytes);
        if behind.len() >= 37 {
            forged(Small::new(), &with_checksum(behind))?;
        }
    }
}

/// The identifiers that are reserved come last, and in no order that means anything.
fn in_order(mut session: Vec<u8>) -> Vec<u8> {
    const RECORD: usize = 12;
    let mut at = session.len() - 4;
    let mut reserved = Vec::new();
    while let Some(record) = session[..at].last_chunk::<RECORD>()
        && record[..2] == [6, 0]
        && record[4..] == [0; 8]
    {
        reserved.push(*record);
        at -= RECORD;
    }
    reserved.sort_unstable();
    let len = session.len();
    session[at..len - 4].copy_from_slice(&reserved.concat());
    with_checksum(session)
}

fn logged<S: Store>(mut run: Run<S>) -> Result<(), TestCaseError>
where
    Client<S>: Holds,
{
    let mut image = Image::new();
    let mut read = 0;
    for all in [false, true] {
        if all {
            // What has ended is told first: it is noted when it is.
            for _ in 0..20 {
                run.acts(0);
            }
            run.journal.all(&mut run.client, WALL, &mut run.log);
        }
        for entry in &run.log.entries[read..] {
            prop_assert_eq!(image.apply(entry), Ok(()));
            let taken = imported(Heap::default(), &image.snapshot(WALL));
            prop_assert!(taken.is_ok(), "{:?}", taken.err());
        }
        read = run.log.entries.len();
    }
    let session = in_order(exported(&mut run.client));
    prop_assert_eq!(in_order(image.snapshot(WALL)), session);
    Ok(())
}

/// What is taken over can be written again as the same, and comes to an end with a server that
/// knows the session; what is refused leaves a client that is as new as before.
fn forged<S: Store + Clone>(store: S, bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut client = Client::new(Config::default(), store.clone());
    let mut fresh = Client::new(Config::default(), store);
    if client.import(NOW, bytes).is_err() {
        prop_assert_eq!(exported(&mut client), exported(&mut fresh));
        let empty = exported(&mut fresh);
        prop_assert_eq!(client.import(NOW, &empty), Ok(()));
        return Ok(());
    }
    prop_assert_eq!(exported(&mut client), bytes);
    let mut last = None;
    let mut tickets = std::collections::BTreeSet::new();
    let mut twice = false;
    client.each_unsettled(|left| {
        twice |= !tickets.insert(left.ticket);
        last = last.max(Some(left.ticket));
    });
    prop_assert!(!twice);
    let publish = Publish::new(TopicName::new("t").unwrap(), b"p").qos(QoS::AtLeastOnce);
    if let Ok(ticket) = client.publish(NOW, &publish) {
        prop_assert!(last.is_none_or(|last| last < ticket));
    }
    says(&mut client);
    Ok(())
}

#[test]
fn damage_has_a_name() {
    let steps = [
        Step::Publish(QoS::ExactlyOnce, 20, Some(60)),
        Step::Run(20, 100),
        Step::Publish(QoS::AtLeastOnce, 20, None),
    ];
    let mut run = after(&steps, Small::new());
    let bytes = exported(&mut run.client);
    let refused = |bytes: &[u8]| imported(Small::new(), bytes).err();
    for len in 0..bytes.len() {
        assert_eq!(refused(&bytes[..len]), Some(ImportError::TooShort), "{len}");
        let mut bytes = bytes.clone();
        bytes[len] ^= 1;
        let expected = match len {
            0..4 => Some(ImportError::NotASession),
            4..6 => Some(ImportError::Version(1 ^ (1 << (8 * (len - 4))))),
            6..10 => None,
            _ => Some(ImportError::Checksum),
        };
        assert!(refused(&bytes).is_some());
        assert!(expected.is_none() || refused(&bytes) == expected, "{len}");
    }
    assert_eq!(refused(&[0xff; 100]), Some(ImportError::NotASession));
    let mut more = bytes.clone();
    more.extend([0xff; 100]);
    assert_eq!(refused(&more), None, "what lies behind is not looked at");
    assert_eq!(run.client.import(NOW, &bytes), Err(ImportError::InUse));
    let tiny = imported(Fixed::<1, 1, 16, 64>::new(), &bytes);
    assert_eq!(tiny.err(), Some(ImportError::DoesNotFit));
}

/// A message goes on expiring where it stopped, though the clock begins anew.
#[test]
fn what_expires_has_as_long_as_it_had_left() {
    let mut client = Client::new(Config::default(), Small::new());
    let publish = Publish::new(TopicName::new("t").unwrap(), b"p")
        .qos(QoS::AtLeastOnce)
        .message_expiry_interval(10);
    client.publish(Instant::from_secs(1_000), &publish).unwrap();
    let mut bytes = [0; 200];
    let len = client
        .export_into(Instant::from_secs(1_007), &mut bytes)
        .unwrap();
    for (later, unsettled) in [(2, 1), (3, 0)] {
        let mut again = Client::new(Config::default(), Small::new());
        again.import(Instant::from_secs(50), &bytes[..len]).unwrap();
        let mut input = RxBuffer::new([0; 8]);
        let then = Instant::from_secs(50 + later);
        let _ = again.poll(then, &mut input);
        assert_eq!(again.unsettled(), unsettled);
    }
    let room = client.export_into(Instant::from_secs(1_007), &mut bytes[..len - 1]);
    assert_eq!(room.map_err(|small| small.needed), Err(len));
}

/// A session ends with its connection, and a message that it had is queued again: the log says
/// the first before the second.
#[test]
fn a_log_that_ends_between_two_changes_is_a_session_all_the_same() {
    let steps = [
        Step::Run(6, 15),
        Step::Publish(QoS::AtLeastOnce, 0, None),
        Step::Cut,
    ];
    logged(after_with(&steps, Small::new(), 0)).unwrap();
}

/// A message that waits for room may have its identifier already: it was not sent all the same.
#[test]
fn a_message_that_waits_with_an_identifier_was_not_sent() {
    let steps = [
        Step::Publish(QoS::AtLeastOnce, 15, None),
        Step::Publish(QoS::AtLeastOnce, 34, None),
        Step::Publish(QoS::AtLeastOnce, 33, Some(1)),
        Step::Held(27),
        Step::Publish(QoS::AtLeastOnce, 26, Some(1)),
        Step::Held(37),
        Step::Run(9, 6),
        Step::Cut,
        Step::Publish(QoS::AtLeastOnce, 0, None),
    ];
    let mut run = after_with(&steps, Small::new(), 0);
    let bytes = exported(&mut run.client);
    imported(Heap::default(), &bytes).unwrap();
    logged(run).unwrap();
}

/// Identifiers that are reserved have lost their tickets, and are all there still.
#[test]
fn two_identifiers_that_are_reserved_are_both_kept() {
    let steps = [
        Step::Publish(QoS::ExactlyOnce, 0, None),
        Step::Publish(QoS::ExactlyOnce, 0, None),
        Step::Run(2, 14),
        Step::Publish(QoS::AtLeastOnce, 0, None),
        Step::Run(4, 15),
        Step::Abandon,
        Step::Cut,
        Step::Abandon,
        Step::Abandon,
        Step::Run(3, 1),
    ];
    let mut run = after(&steps, Small::new());
    let bytes = exported(&mut run.client);
    let mut again = imported(Small::new(), &bytes).unwrap();
    assert_eq!(exported(&mut again), bytes);
    logged(run).unwrap();
}

/// Of a payload that is drawn only the length is kept: it is asked for again, from its start, and
/// leaves with the identifier it had.
#[test]
fn a_payload_that_was_being_drawn_is_asked_for_again() {
    let mut run = after(&[Step::Run(8, 100)], Small::new());
    let topic = TopicName::new("image").unwrap();
    let publish = Publish::new(topic, &[]).qos(QoS::ExactlyOnce);
    let ticket = run.client.publish_drawn(NOW, &publish, 1_000).unwrap();
    // Part of it has left.
    (0..3).for_each(|_| run.acts(100));
    let bytes = exported(&mut run.client);
    let mut again = imported(Small::new(), &bytes).unwrap();
    let mut count = 0;
    again.each_unsettled(|left| {
        count += 1;
        assert_eq!((left.ticket, left.packet_id), (ticket, Some(1)));
        assert_eq!((left.topic, left.payload), (Some("image"), &[][..]));
        assert_eq!(left.drawn, Some(1_000));
    });
    assert_eq!(count, 1);
    let said = says(&mut again);
    let payload: Vec<u8> = (0..1_000).map(|at| at as u8).collect();
    assert!(said.ends_with(&payload));
    let header = &said[said.len() - 1_000 - 13..said.len() - 1_000];
    assert_eq!(header[0], 0x3c, "QoS 2, with DUP");
    assert_eq!(header[header.len() - 3..], [0, 1, 0]);
    // With a header that leaves no room for the payload in the buffer it goes nowhere.
    let topic = "t".repeat(100);
    let publish = Publish::new(TopicName::new(&topic).unwrap(), &[]).qos(QoS::AtLeastOnce);
    run.client.publish_drawn(NOW, &publish, 1_000).unwrap();
    let bytes = exported(&mut run.client);
    let refused = imported(Fixed::<8, 4, 1024, 64>::new(), &bytes);
    assert_eq!(refused.err(), Some(ImportError::DoesNotFit));
}
