//! The firmware on an emulated Cortex-M3, and a real broker: what one of them says that it sent, the
//! other has to have seen.

use std::path::PathBuf;
use std::time::Duration;

use mqtt_bare_metal::cross::{CORTEX_M3, Program, Toolchain};
use mqtt_bare_metal::emulator::{Emulator, Running};
use mqtt_bare_metal::image::{Image, PANICS};
use mqtt_bare_metal::relay::Relay;
use mqtt_tests::mosquitto::{Broker, Config, Mosquitto, Subscriber, require_broker};
use mqtt_tests::required::required;

/// How long anything may take on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Forty times the firmware's input buffer.
const LARGE: usize = 20 * 1024;

struct Tools {
    mosquitto: Mosquitto,
    emulator: Emulator,
    firmware: PathBuf,
}

/// None, after saying why, where something is not installed.
fn tools() -> Option<Tools> {
    let mosquitto = require_broker()?;
    let emulator = required(Emulator::find())?;
    let toolchain = required(Toolchain::find())?;
    let firmware = toolchain
        .build(&Program {
            package: "app",
            name: "app",
            target: CORTEX_M3,
            features: "no-panic",
        })
        .unwrap();
    Some(Tools {
        mosquitto,
        emulator,
        firmware,
    })
}

/// The firmware's log, line by line.
struct Device {
    running: Running,
    next: usize,
}

impl Device {
    /// Waits for a line that begins so; what follows in it.
    #[track_caller]
    fn says(&mut self, beginning: &str) -> String {
        let log = self.running.log();
        let found = log.wait_for(self.next, LIMIT, |line| line.starts_with(beginning));
        let Some((number, line)) = found else {
            panic!("the device did not say {beginning:?}:\n{}", log.tail(50));
        };
        self.next = number + 1;
        line[beginning.len()..].trim().to_owned()
    }

    /// All lines so far that begin so.
    fn said(&self, beginning: &str) -> Vec<String> {
        let mut lines = self.running.log().since(0);
        lines.retain(|line| line.starts_with(beginning));
        lines
    }
}

/// FNV-1a, as the firmware computes it.
fn digest(payload: &[u8]) -> u32 {
    payload.iter().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// A line about a message: QoS, bytes, parts, digest.
fn fields(line: &str) -> [u32; 4] {
    let numbers = line
        .split_whitespace()
        .map(|digits| u32::from_str_radix(digits, 16));
    let numbers: Vec<u32> = numbers.map(Result::unwrap).collect();
    numbers.try_into().unwrap()
}

/// The payloads that the broker handed on, up to the last one.
fn seen(subscriber: &mut Subscriber, last: &str) -> Vec<String> {
    let mut payloads: Vec<String> = Vec::new();
    while payloads.last().is_none_or(|payload| payload != last) {
        payloads.push(String::from_utf8(subscriber.receive().payload).unwrap());
    }
    payloads
}

fn start(tools: &Tools) -> (Broker, Subscriber, Relay, Device) {
    let broker = tools.mosquitto.start(Config {
        users: &[("device", "secret")],
        files: vec![("large", large())],
        ..Config::default()
    });
    let subscriber = broker.subscribe(&["-t", "from/device/#", "-q", "2"]);
    let (running, line) = tools.emulator.start(&tools.firmware).unwrap();
    let relay = Relay::start(line, broker.address()).unwrap();
    let mut device = Device { running, next: 0 };
    assert_eq!(device.says("connected"), "00000000", "there was no session");
    device.says("subscribed");
    (broker, subscriber, relay, device)
}

fn large() -> String {
    let letters = (b'a'..=b'z').cycle().map(char::from);
    letters.take(LARGE).collect()
}

#[test]
fn a_device_talks_to_a_broker_is_cut_and_goes_on_where_it_was() {
    let Some(tools) = tools() else { return };
    let (broker, mut subscriber, relay, mut device) = start(&tools);

    // What the device publishes arrives once, at every QoS.
    for _ in 0..3 {
        device.says("published");
    }
    let mut hello = seen(&mut subscriber, "hello-2");
    hello.sort();
    assert_eq!(hello, ["hello-0", "hello-1", "hello-2"]);

    // What is published for it arrives once, at every QoS.
    for (qos, payload) in [("0", "zero"), ("1", "one"), ("2", "two")] {
        broker.publish(&["-t", "to/device/say", "-q", qos, "-m", payload]);
        let [got, total, parts, sum] = fields(&device.says("message to/device/say"));
        assert_eq!((got.to_string().as_str(), parts), (qos, 1));
        assert_eq!(
            (total as usize, sum),
            (payload.len(), digest(payload.as_bytes()))
        );
    }

    // A payload forty times as large as its buffer comes through in parts.
    let file = broker.path("large");
    broker.publish(&[
        "-t",
        "to/device/large",
        "-q",
        "2",
        "-f",
        file.to_str().unwrap(),
    ]);
    let [qos, total, parts, sum] = fields(&device.says("message to/device/large"));
    assert_eq!(
        (qos, total as usize, sum),
        (2, LARGE, digest(large().as_bytes()))
    );
    assert!(
        parts as usize >= LARGE / 512,
        "{parts} parts cannot have been enough"
    );

    // The broker gets two messages, and the device no answer: it does not even learn that it was cut.
    relay.cut_behind(b"again-2");
    broker.publish(&["-t", "to/device/again", "-q", "1", "-m", "now"]);
    assert!(relay.wait_for(1, 1, LIMIT), "the device did not publish");
    device.says("disconnected");
    assert_eq!(device.says("connected"), "00000001", "the session was kept");
    for _ in 0..2 {
        device.says("published");
    }
    let again = seen(&mut subscriber, "again-2");
    let count = |payload| again.iter().filter(|seen| *seen == payload).count();
    assert!(count("again-1") >= 1, "{again:?}");
    assert_eq!(count("again-2"), 1, "{again:?}");
    assert_eq!(
        count("gone"),
        1,
        "the will comes when it was cut: {again:?}"
    );
    broker.wait_for_log(0, "Received PUBLISH from device-7 (d1, q2");

    // It ends well: no second will, and nothing twice.
    let from = broker.log().len();
    broker.publish(&["-t", "to/device/stop", "-q", "2", "-m", "now"]);
    device.says("end");
    broker.wait_for_log(from, "Received DISCONNECT from device-7");
    let status = device.running.finish(LIMIT).unwrap();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    broker.publish(&["-t", "from/device/last", "-q", "2", "-m", "last"]);
    assert_eq!(seen(&mut subscriber, "last"), ["last"]);
    assert_eq!(device.said("published").len(), 5);
    assert_eq!(device.said("given up"), [""; 0]);
    assert_eq!(device.said("message to/device/say").len(), 3);
    assert_eq!(device.said("message to/device/large").len(), 1);
}

#[test]
fn no_panic_is_in_the_firmware() {
    let Some(tools) = tools() else { return };
    let image = Image::read(&tools.firmware).unwrap();
    assert!(!image.named(&["mqtt_session"]).is_empty());
    assert_eq!(image.named(PANICS), [""; 0]);
}
