//! What is told to `tracing`: run with `--features tracing`.

use mqtt_std::{Broker, Client, Options, QoS};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// The subscriber is the whole program's: so there is one test.
#[test]
fn connections_and_messages_are_told_within_the_span_of_their_client() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let broker = Broker::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", broker.local_addr());
    let options = Options::new("traced").login("ann", "s3cret");
    let client = Client::connect(&url, options).unwrap();
    let messages = client.subscribe("a/b", QoS::AtLeastOnce).unwrap();
    let message = client.publish("a/b", "confidential").qos(QoS::AtLeastOnce);
    let token = message.send().unwrap();
    token.acknowledged_timeout(LIMIT).unwrap();
    assert!(messages.recv_timeout(LIMIT).is_some());
    broker.shutdown(LIMIT).unwrap();
    let lost = client.wait_for_state(LIMIT, |state| !state.is_connected());
    assert!(lost.is_some());
    client.close(LIMIT).unwrap();
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for told in [
        "DEBUG mqtt{client_id=\"traced\"}: mqtt_driver::trace: connecting",
        "INFO mqtt{client_id=\"traced\"}: mqtt_driver::trace: connected session_present=false",
        "publish accepted topic=\"a/b\" qos=1 bytes=15",
        "publish settled qos=1 ended_well=true",
        "message received topic=\"a/b\" qos=1 bytes=12",
        "WARN mqtt{client_id=\"traced\"}: mqtt_driver::trace: waiting to connect again cause=",
        "INFO mqtt{client_id=\"traced\"}: mqtt_driver::trace: closed",
    ] {
        assert!(log.contains(told), "{told} is missing in\n{log}");
    }
    for secret in ["s3cret", "confidential"] {
        assert!(!log.contains(secret), "{secret}");
    }
}
