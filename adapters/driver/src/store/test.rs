//! Logs that end anywhere, that are damaged anywhere, that are shared or cannot be written.

use super::log::{FRAME, HEADER, MARKER};
use super::*;
use crate::accept::Request;
use crate::draw::PayloadSource;
use crate::error::{Cause, DeliveryError};
use crate::options::Options;
use crate::shared::Shared;
use crate::waking::Party;
use bytes::Bytes;
use mqtt_session::{Config, HeapLimits, Publish, QoS, RxBuffer, TopicName};
use std::fs::{self, File};
use std::path::Path;

const NOW: mqtt_session::Instant = mqtt_session::Instant::from_secs(1);

/// A folder of a test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mqtt-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn place(&self, fsync: Fsync) -> Place {
        Place {
            path: self.0.join("session"),
            fsync,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn machine() -> Client<Heap> {
    Client::new(Config::default(), Heap::default())
}

fn open(place: &Place) -> Result<(Store, Client<Heap>), StoreError> {
    let mut machine = machine();
    let store = Store::open(place, &mut machine, NOW)?;
    Ok((store, machine))
}

fn publish(store: &mut Store, machine: &mut Client<Heap>, payload: &[u8]) -> Ticket {
    let publish = Publish::new(TopicName::new("t").unwrap(), payload).qos(QoS::ExactlyOnce);
    let ticket = machine.publish(NOW, &publish).unwrap();
    store.published(machine, ticket);
    ticket
}

/// A log with messages that are all different, and where each of its entries begins.
fn with_messages(place: &Place, count: u8) -> (Vec<u8>, Vec<usize>) {
    let (mut store, mut machine) = open(place).unwrap();
    for number in 0..count {
        publish(&mut store, &mut machine, &[number + 1; 9]);
    }
    assert!(store.failure().is_none());
    store.close();
    let bytes = fs::read(&place.path).unwrap();
    let places = bytes.windows(4).enumerate();
    let marked = places.filter(|(_, window)| *window == MARKER);
    let frames = marked.map(|(at, _)| at).collect();
    (bytes, frames)
}

fn payloads(machine: &mut Client<Heap>) -> Vec<u8> {
    let mut payloads = Vec::new();
    machine.each_unsettled(|left| payloads.push(left.payload[0]));
    payloads
}

/// The first entry was on the disk before the log was one, so that it is always whole.
#[test]
fn an_end_that_was_not_written_whole_is_cut_off() {
    let folder = Folder::new("end");
    let place = folder.place(Fsync::Never);
    let (bytes, frames) = with_messages(&place, 4);
    assert_eq!(frames.len(), 5);
    for len in frames[1]..=bytes.len() {
        for garbage in [0, 30] {
            let mut cut = bytes[..len].to_vec();
            cut.extend(vec![0; garbage]);
            fs::write(&place.path, &cut).unwrap();
            let (store, mut machine) = open(&place).unwrap();
            let ends = frames[2..].iter().copied().chain([bytes.len()]);
            let whole = ends.filter(|end| *end <= len).count() as u8;
            let expected: Vec<u8> = (1..=whole).collect();
            assert_eq!(payloads(&mut machine), expected, "{len}");
            store.close();
        }
    }
}

#[test]
fn damage_before_the_end_is_told_and_what_lies_before_it_is_salvaged() {
    let folder = Folder::new("damage");
    let place = folder.place(Fsync::Every(2));
    let (bytes, frames) = with_messages(&place, 4);
    let last = *frames.last().unwrap();
    for at in 8..last {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        fs::write(&place.path, &damaged).unwrap();
        let entry = frames.iter().rposition(|frame| *frame <= at).unwrap_or(0);
        let before = entry.saturating_sub(1);
        match open(&place) {
            Err(StoreError::Damaged {
                at: told,
                unsettled,
                ..
            }) => {
                let place = frames[entry] as u64;
                assert_eq!((told, unsettled), (place, before), "{at}");
            }
            other => panic!("{at}: {other:?}"),
        }
        assert_eq!(fs::read(&place.path).unwrap(), damaged, "it was touched");
        let salvaged = salvage(&place.path).unwrap();
        assert_eq!(salvaged.unsettled, before);
        assert_eq!(fs::read(salvaged.damaged.unwrap()).unwrap(), damaged);
        let (store, mut machine) = open(&place).unwrap();
        assert_eq!(payloads(&mut machine).len(), before);
        store.close();
        assert_eq!(salvage(&place.path).unwrap().damaged, None);
    }
    fs::write(&place.path, b"something else altogether").unwrap();
    assert!(matches!(open(&place), Err(StoreError::NotALog { .. })));
    fs::write(&place.path, &bytes[..HEADER - 1]).unwrap();
    assert!(matches!(open(&place), Err(StoreError::NotALog { .. })));
    fs::write(&place.path, &bytes[..HEADER + FRAME]).unwrap();
    assert!(matches!(open(&place), Err(StoreError::Damaged { .. })));
}

/// A payload that is a log itself, with entries that are whole, is no sign of damage.
#[test]
fn a_log_within_a_message_is_none() {
    let folder = Folder::new("within");
    let place = folder.place(Fsync::Never);
    let (bytes, _) = with_messages(&place, 4);
    let (mut store, mut machine) = open(&place).unwrap();
    publish(&mut store, &mut machine, &bytes);
    store.close();
    let all = fs::read(&place.path).unwrap();
    fs::write(&place.path, &all[..all.len() - 1]).unwrap();
    let (_store, mut machine) = open(&place).unwrap();
    assert_eq!(payloads(&mut machine).len(), 4);
}

#[test]
fn a_log_is_one_clients_and_the_next_ones_when_it_has_ended() {
    let folder = Folder::new("shared");
    let place = folder.place(Fsync::Always);
    let (store, _machine) = open(&place).unwrap();
    assert!(matches!(open(&place), Err(StoreError::InUse { .. })));
    assert!(matches!(
        salvage(&place.path),
        Err(StoreError::InUse { .. })
    ));
    store.close();
    open(&place).unwrap();
    let nowhere = Place {
        path: folder.0.join("no/such/folder"),
        fsync: Fsync::Never,
    };
    assert!(matches!(open(&nowhere), Err(StoreError::Io { .. })));
}

#[test]
fn what_the_queue_has_no_room_for_is_not_thrown_away() {
    let folder = Folder::new("room");
    let place = folder.place(Fsync::Never);
    let (bytes, _) = with_messages(&place, 4);
    let limits = HeapLimits {
        exchanges: 3,
        ..HeapLimits::default()
    };
    let mut small = Client::new(Config::default(), Heap::new(limits));
    let refused = Store::open(&place, &mut small, NOW).err();
    assert!(matches!(refused, Some(StoreError::Session { .. })));
    assert_eq!(fs::read(&place.path).unwrap(), bytes);
}

#[test]
fn a_disk_that_takes_no_more_is_told_once_and_for_all() {
    let folder = Folder::new("disk");
    let place = folder.place(Fsync::Never);
    let (mut store, mut machine) = open(&place).unwrap();
    // It can be read only.
    store.log.replace_file(File::open(&place.path).unwrap());
    publish(&mut store, &mut machine, b"p");
    assert!(matches!(store.failure(), Some(StoreError::Io { .. })));
    store.sending(&mut machine);
    assert!(store.failure().is_some());
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn a_log_that_has_grown_begins_anew_with_what_is_open() {
    let folder = Folder::new("grown");
    let place = folder.place(Fsync::Never);
    let (mut store, mut machine) = open(&place).unwrap();
    let mut input = RxBuffer::new([0; 16]);
    publish(&mut store, &mut machine, b"stays");
    let mut longest = 0;
    for number in 0..150u8 {
        let ticket = publish(&mut store, &mut machine, &[number; 60_000]);
        machine.abandon(ticket);
        let event = machine.poll(NOW, &mut input);
        assert!(matches!(event, mqtt_session::Action::Event(_)));
        store.settled(&mut machine, ticket);
        store.sending(&mut machine);
        longest = longest.max(len(&place.path));
    }
    assert!(longest < 5 << 20, "{longest}");
    assert!(len(&place.path) < 3 << 20);
    store.close();
    let (_store, mut machine) = open(&place).unwrap();
    assert_eq!(payloads(&mut machine), b"s");
    assert!(len(&place.path) < 200);
}

#[test]
fn what_is_on_the_disk_is_decided_by_the_policy() {
    let folder = Folder::new("policy");
    for (fsync, open_after) in [
        (Fsync::Never, [1, 2, 3]),
        (Fsync::Every(2), [1, 0, 1]),
        (Fsync::Every(0), [0, 0, 0]),
        (Fsync::Interval(Duration::from_secs(3600)), [1, 2, 3]),
        (Fsync::Interval(Duration::ZERO), [0, 0, 0]),
        (Fsync::Always, [0, 0, 0]),
    ] {
        let (mut store, mut machine) = open(&folder.place(fsync)).unwrap();
        for expected in open_after {
            publish(&mut store, &mut machine, b"p");
            assert_eq!(store.log.unsynced(), expected, "{fsync:?}");
        }
        let due = store.waiting(Instant::now());
        assert_eq!(
            due.is_some(),
            fsync == Fsync::Interval(Duration::from_secs(3600))
        );
        store.close();
    }
}

/// The machine of the next program would ask for a payload that nobody has.
#[test]
fn a_payload_that_an_earlier_program_had_is_given_up() {
    let folder = Folder::new("drawn");
    let place = folder.place(Fsync::Always);
    let open = || {
        let options = Options::new("a").store_in(&place.path, Fsync::Always);
        let waker = std::task::Waker::noop().clone();
        Shared::open(&options, waker, Instant::now).unwrap()
    };
    let shared = open();
    let source = PayloadSource::new(1_000, |_, part| Ok(part.len()));
    let payload = Bytes::new();
    let request = Request {
        topic: "t",
        publish: Publish::new(TopicName::new("t").unwrap(), &payload).qos(QoS::ExactlyOnce),
        payload: &payload,
        source: Some(&source),
        qos: QoS::ExactlyOnce,
        size: 1,
        expires: false,
    };
    let accepted = Party::new(shared.accept(&request)).poll();
    assert!(matches!(accepted, Some(Ok(_))));
    shared.end(&Cause::Closed);
    let shared = open();
    let restored = shared.restored();
    assert_eq!(restored.len(), 1);
    assert_eq!(restored[0].topic.as_deref(), Some("t"));
    let mut core = shared.lock();
    let mut input = RxBuffer::new([0; 16]);
    let core = &mut *core;
    match core.machine.poll(NOW, &mut input) {
        mqtt_session::Action::Event(mqtt_session::Event::Published {
            ticket,
            outcome,
            properties,
        }) => core.ledger.published(ticket, outcome, &properties),
        other => panic!("{other:?}"),
    }
    let outcome = restored[0].slot.value();
    assert!(matches!(outcome, Some(Err(DeliveryError::Source(_)))));
}
