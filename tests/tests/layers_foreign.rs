//! Clients of others over TLS, WebSocket and sockets in the file system, against the broker of
//! `mqtt-std`.

mod foreign;
mod layers;

use foreign::agent::{mqttjs, paho};
use layers::{Folder, Issuer, LIMIT};
use mqtt_std::QoS;
use mqtt_std::broker::{Broker, BrokerOptions, Endpoint};
use mqtt_tests::mosquitto::find_program;
use mqtt_tests::process::Process;
use mqtt_tests::required::required;
use std::process::Command;

const LOOPBACK: &str = "127.0.0.1:0";

/// A broker with every kind of listener, and the file that says whom to trust.
struct House {
    broker: Broker,
    folder: Folder,
}

impl House {
    fn new(name: &str) -> Self {
        let (issuer, folder) = (Issuer::new("authority"), Folder::new(name));
        std::fs::write(folder.path("ca.pem"), issuer.pem()).unwrap();
        let mut endpoints = vec![
            Endpoint::tcp(LOOPBACK).tls(issuer.server()),
            Endpoint::tcp(LOOPBACK).websocket(),
            Endpoint::tcp(LOOPBACK).tls(issuer.server()).websocket(),
        ];
        if cfg!(unix) {
            endpoints.push(Endpoint::unix(folder.path("mqtt.sock")));
        }
        let broker = Broker::listen(endpoints, BrokerOptions::new()).unwrap();
        Self { broker, folder }
    }

    /// The URLs of some schemes, for the name that the certificate is for.
    fn urls(&self, schemes: &[&str]) -> Vec<String> {
        let urls = self.broker.urls().iter();
        urls.filter(|url| schemes.contains(&url.split("://").next().unwrap()))
            .map(|url| url.replace("127.0.0.1", "localhost"))
            .collect()
    }

    fn authority(&self) -> String {
        self.folder.path("ca.pem").to_str().unwrap().to_owned()
    }
}

/// Runs a program to its good end, which has heard what it said.
#[track_caller]
fn hears(command: &mut Command) {
    let mut process = Process::spawn(command).unwrap();
    let status = process.finish(LIMIT).unwrap();
    let told = (process.output.tail(9), process.errors.tail(9));
    assert!(status.is_some_and(|status| status.success()), "{told:?}");
    assert_eq!(told.0, "heard", "{}", told.1);
}

#[test]
fn mqttjs_speaks_over_tls_and_websocket() {
    let Some(agent) = mqttjs() else { return };
    let house = House::new("mqttjs");
    for url in house.urls(&["mqtts", "ws", "wss"]) {
        hears(agent.echo("mqttjs_echo.js").args([url, house.authority()]));
    }
}

#[test]
fn paho_speaks_over_every_layer() {
    let Some(agent) = paho() else { return };
    let house = House::new("paho");
    for url in house.urls(&["mqtts", "ws", "wss", "unix"]) {
        hears(agent.echo("paho_echo.py").args([url, house.authority()]));
    }
}

#[test]
fn mosquitto_speaks_over_tls_and_a_socket() {
    let missing = |name| format!("{name} is not installed (mosquitto-clients)");
    let found = ["mosquitto_pub", "mosquitto_sub"].map(|name| find_program(name).map_err(missing));
    let [publisher, subscriber] = found;
    let Some((publisher, subscriber)) = required(publisher.and_then(|one| Ok((one, subscriber?))))
    else {
        return;
    };
    let house = House::new("mosquitto");
    let socket = house.folder.path("mqtt.sock");
    let port = house.urls(&["mqtts"])[0]
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let authority = house.authority();
    let mut ways = vec![vec!["-h", "localhost", "-p", &port, "--cafile", &authority]];
    if cfg!(unix) {
        ways.push(vec!["--unix", socket.to_str().unwrap()]);
    }
    for way in ways {
        let mut publish = Command::new(&publisher);
        publish
            .args(&way)
            .args(["-V", "5", "-q", "2", "-r", "-t", "echo", "-m", "heard"]);
        let mut published = Process::spawn(&mut publish).unwrap();
        let status = published.finish(LIMIT).unwrap();
        let errors = published.errors.tail(9);
        assert!(status.is_some_and(|status| status.success()), "{errors}");
        let mut subscribe = Command::new(&subscriber);
        hears(
            subscribe
                .args(&way)
                .args(["-V", "5", "-t", "echo", "-C", "1"]),
        );
        let clear = house
            .broker
            .publish("echo", "")
            .qos(QoS::AtLeastOnce)
            .retain(true);
        clear.send().unwrap();
    }
}
