//! What the tests against a real broker share.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "shared by test binaries")]

use mqtt_std::transport::Tcp;
use mqtt_std::{Cause, Client, Message, Options, QoS, Subscription};
use mqtt_tests::mosquitto::{Broker, LIMIT};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Options that come back quickly.
pub fn options(client_id: &str) -> Options {
    Options::new(client_id)
        .reconnect_between(Duration::from_millis(20), Duration::from_millis(200))
        .connect_timeout(Duration::from_secs(5))
}

#[track_caller]
pub fn connect(broker: &Broker, client_id: &str) -> Client {
    Client::connect(&broker.url(), options(client_id)).unwrap()
}

/// The next message, waited for.
#[track_caller]
pub fn next(subscription: &Subscription) -> Message {
    match subscription.recv_timeout(LIMIT) {
        Some(message) => message,
        None => panic!(
            "no message on {}; {:?}",
            subscription.topic_filter(),
            subscription.ended()
        ),
    }
}

/// Publishes and waits for the acknowledgement.
#[track_caller]
pub fn publish(client: &Client, topic: &str, payload: impl Into<mqtt_std::Bytes>, qos: QoS) {
    let token = client.publish(topic, payload).qos(qos).send().unwrap();
    token.acknowledged_timeout(LIMIT).unwrap();
}

/// The present connection of a client, to be cut from outside.
#[derive(Clone, Default)]
pub struct Wire {
    socket: Arc<Mutex<Option<TcpStream>>>,
}

impl Wire {
    /// Opens connections of which the last can be cut.
    pub fn opener(
        &self,
        address: SocketAddr,
    ) -> impl FnMut(Duration) -> Result<Tcp, Cause> + Send + 'static {
        let wire = self.clone();
        move |limit| {
            let socket = TcpStream::connect_timeout(&address, limit)?;
            *wire.socket.lock().unwrap() = Some(socket.try_clone()?);
            Ok(Tcp::new(socket)?)
        }
    }

    /// Cuts it without a word of MQTT.
    pub fn cut(&self) {
        let socket = self.socket.lock().unwrap().take();
        socket
            .expect("a connection")
            .shutdown(Shutdown::Both)
            .unwrap();
    }
}
