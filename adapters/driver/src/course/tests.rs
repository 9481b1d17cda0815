//! A client that goes on over a transport which does what a test says.

use super::*;
use crate::error::AcknowledgeError;
use crate::options::Queue;
use crate::publication::Publication;
use crate::waking::Party;
use bytes::Bytes;
use mqtt_session::QoS;
use std::task::Waker;

const ACCEPTED: &[u8] = &[0x20, 3, 0, 0, 0];

/// A stream that does what it is told.
#[derive(Default)]
struct Told {
    attempts: usize,
    opening: bool,
    opened: Option<Result<Credentials, Cause>>,
    open: bool,
    written: Vec<u8>,
    writes: usize,
    blocked: bool,
    again: bool,
    broken: Option<io::Error>,
}

impl Transport for Told {
    fn open(&mut self) -> io::Result<()> {
        self.attempts += 1;
        self.opening = true;
        Ok(())
    }

    fn give_up(&mut self) -> bool {
        std::mem::take(&mut self.opening)
    }

    fn opened(&mut self) -> Option<Result<Credentials, Cause>> {
        let opened = self.opened.take()?;
        self.opening = false;
        self.open = opened.is_ok();
        Some(opened)
    }

    fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.blocked {
            return None;
        }
        self.writes += 1;
        self.written.extend_from_slice(bytes);
        Some(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> Option<usize> {
        let slices: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
        self.write(&slices.concat())
    }

    fn takes_again(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }

    fn ended(&mut self) -> Option<Option<io::Error>> {
        self.broken.take().map(Some)
    }

    fn may_read(&self) -> bool {
        false
    }

    fn hang_up(&mut self) {
        self.open = false;
    }
}

struct Run {
    shared: Arc<Shared>,
    course: Course,
    told: Told,
    input: Input,
}

impl Run {
    fn new(once: bool) -> Self {
        Self::with(Options::new("a"), once)
    }

    fn with(options: Options, once: bool) -> Self {
        let shared = Shared::new(&options, Waker::noop().clone(), Instant::now);
        Self {
            course: Course::new(Arc::clone(&shared), options, once),
            shared,
            told: Told::default(),
            input: Course::input(),
        }
    }

    /// With a connection that the server has accepted.
    fn connected() -> Self {
        Self::connected_with(Options::new("a"))
    }

    fn connected_with(options: Options) -> Self {
        let mut run = Self::with(options, false);
        run.sleeps();
        run.told.opened = Some(Ok(Credentials::new("ann", "secret")));
        run.sleeps();
        run.told.written.clear();
        run.receives(ACCEPTED);
        run.sleeps();
        assert!(run.shared.state().is_connected());
        run
    }

    fn turn(&mut self) -> Next {
        self.course.turn(&mut self.told, &mut self.input)
    }

    #[track_caller]
    fn sleeps(&mut self) -> Option<Instant> {
        match self.turn() {
            Next::Sleep(until) => until,
            other => panic!("{other:?}"),
        }
    }

    fn receives(&mut self, bytes: &[u8]) {
        self.input.spare()[..bytes.len()].copy_from_slice(bytes);
        self.input.filled(bytes.len());
    }
}

#[test]
fn a_held_payload_is_written_with_its_header() {
    let mut run = Run::connected();
    run.told.writes = 0;
    let payload = bytes::Bytes::from(vec![b'p'; 5_000]);
    let topic = mqtt_session::TopicName::new("t").unwrap();
    let request = crate::Request {
        topic: "t",
        publish: mqtt_session::Publish::new(topic, &payload),
        payload: &payload,
        source: None,
        qos: QoS::AtMostOnce,
        size: 5_001,
        expires: false,
    };
    assert!(Party::new(run.shared.accept(&request)).poll().is_some());
    run.sleeps();
    assert_eq!((run.told.writes, run.told.written.len()), (1, 5_007));
    assert!(run.told.written.ends_with(&payload));
    assert_eq!(run.shared.unsettled().messages(), 0);
}

#[test]
fn an_open_stream_gets_connect_with_the_credentials_of_the_attempt() {
    let mut run = Run::new(true);
    assert!(run.sleeps().is_some());
    assert_eq!(run.told.attempts, 1);
    run.told.opened = Some(Ok(Credentials::new("ann", "secret")));
    run.sleeps();
    assert_eq!(run.told.written.first(), Some(&0x10));
    assert!(run.told.written.ends_with(b"\x00\x03ann\x00\x06secret"));
    assert!(matches!(run.shared.state(), State::Connecting));
    run.receives(ACCEPTED);
    run.sleeps();
    assert!(run.shared.state().is_connected());
}

#[test]
fn a_failed_attempt_ends_the_client_only_where_it_was_to_be_the_only_one() {
    for once in [true, false] {
        let mut run = Run::new(once);
        run.sleeps();
        run.told.opened = Some(Err(Cause::StreamClosed));
        match run.turn() {
            Next::End(Cause::StreamClosed) => assert!(once),
            Next::Sleep(Some(_)) => assert!(!once),
            other => panic!("{other:?}"),
        }
        let waits = matches!(run.shared.state(), State::Waiting { .. });
        assert_eq!(waits, !once);
    }
}

#[test]
fn a_broken_stream_is_hung_up_and_its_error_told() {
    let mut run = Run::connected();
    run.told.broken = Some(io::ErrorKind::ConnectionReset.into());
    run.sleeps();
    assert!(!run.told.open);
    let State::Waiting { cause, .. } = run.shared.state() else {
        panic!("{:?}", run.shared.state());
    };
    let Cause::Broken(error) = cause else {
        panic!("{cause:?}");
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn what_a_full_stream_did_not_take_is_written_when_it_takes_again() {
    let mut run = Run::connected();
    run.told.blocked = true;
    let options = QoS::AtMostOnce.into();
    let subscribed = run.shared.subscribe("t", &options);
    run.sleeps();
    assert!(subscribed.is_ok() && run.told.written.is_empty());
    (run.told.blocked, run.told.again) = (false, true);
    run.sleeps();
    assert_eq!(run.told.written.first(), Some(&0x82));
}

#[test]
fn a_reader_that_sleeps_is_woken_before_the_rest_is_looked_at() {
    let mut run = Run::connected();
    let inbox = run.shared.unmatched();
    let mut reader = Party::new(inbox.next());
    assert!(reader.poll().is_none());
    // One more than are handed over before anybody is woken.
    run.receives(&b"\x30\x05\x00\x01t\x00a".repeat(65));
    assert!(matches!(run.turn(), Next::Tell));
    assert_eq!(reader.woken(), 1);
    assert!(reader.poll().flatten().is_some());
    let read = std::iter::from_fn(|| inbox.try_next()).count();
    assert_eq!(read, 63);
    run.sleeps();
    assert!(inbox.try_next().is_some());
}

#[test]
fn who_waits_for_room_is_woken_also_where_subscriptions_have_taken_it() {
    let queue = Queue {
        messages: 1,
        ..Queue::default()
    };
    let mut run = Run::connected_with(Options::new("a").queue(queue));
    let answers: Vec<_> = (0..600)
        .map(|number| {
            run.shared
                .subscribe(&format!("t/{number}"), &QoS::AtMostOnce.into())
        })
        .collect();
    run.sleeps();
    let payload = Bytes::new();
    let (to, shared) = ((), Arc::clone(&run.shared));
    let publication = Publication::new(&to, "t", payload).qos(QoS::AtLeastOnce);
    let request = publication.request().unwrap();
    let mut publisher = Party::new(shared.accept(&request));
    assert!(publisher.poll().is_none());
    run.receives(&[0x90, 4, 0, 1, 0, 0]);
    run.sleeps();
    assert_eq!(publisher.woken(), 1);
    for id in 2..=600_u16 {
        let [high, low] = id.to_be_bytes();
        run.receives(&[0x90, 4, high, low, 0, 0]);
        run.sleeps();
    }
    assert!(
        answers
            .iter()
            .flatten()
            .all(|(_, answer)| answer.value().is_some())
    );
    assert!(publisher.poll().is_some_and(|accepted| accepted.is_ok()));
}

#[test]
fn a_message_that_nobody_reads_does_not_keep_its_client() {
    let mut run = Run::connected_with(Options::new("a").manual_acknowledgement(true));
    run.receives(b"\x32\x07\x00\x01t\x00\x01\x00a");
    run.sleeps();
    let unmatched = run.shared.unmatched();
    run.receives(b"\x32\x07\x00\x01t\x00\x02\x00b");
    run.sleeps();
    let first = unmatched.try_next().unwrap();
    assert!(first.acknowledge().is_ok());
    let shared = Arc::downgrade(&run.shared);
    run.shared.end(&Cause::Closed);
    drop(run);
    assert!(shared.upgrade().is_none());
    let second = unmatched.try_next().unwrap();
    assert_eq!(second.acknowledge(), Err(AcknowledgeError::Ended));
}

#[test]
fn a_request_listens_anew_where_nothing_comes_to_the_former_any_more() {
    let mut run = Run::connected_with(Options::new("a").response_topic("answers"));
    let (to, shared) = ((), Arc::clone(&run.shared));
    let ask = || Party::new(shared.ask(Publication::new(&to, "t", Bytes::new())));
    let mut first = ask();
    assert!(first.poll().is_none());
    run.sleeps();
    run.receives(&[0x90, 4, 0, 1, 0, 1]);
    run.sleeps();
    assert!(first.woken() == 1 && first.poll().is_none());
    run.sleeps();
    assert!(run.shared.unsubscribe("answers").is_ok());
    run.told.written.clear();
    let mut second = ask();
    assert!(second.poll().is_none());
    run.sleeps();
    // UNSUBSCRIBE, then SUBSCRIBE, and no PUBLISH before it is answered.
    let (left, asked) = run.told.written.split_at(14);
    assert_eq!([left[0], asked[0]], [0xA2, 0x82]);
    assert_eq!(asked.len(), 2 + usize::from(asked[1]));
}

#[test]
fn closing_says_goodbye_ends_the_session_and_then_the_client() {
    let mut run = Run::connected();
    run.shared.close(Instant::now());
    assert!(matches!(run.turn(), Next::End(Cause::Closed)));
    // DISCONNECT, Normal disconnection, Session Expiry Interval 0.
    assert_eq!(run.told.written, [0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0]);
    assert!(!run.told.open);
}

#[test]
fn closing_gives_up_an_attempt() {
    let mut run = Run::new(false);
    run.sleeps();
    run.shared.close(Instant::now());
    assert!(matches!(run.turn(), Next::End(Cause::Closed)));
    assert!(!run.told.opening);
}
