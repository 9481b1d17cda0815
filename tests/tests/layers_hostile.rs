//! Whoever misbehaves before or within TLS and WebSocket loses that connection, and nobody else
//! anything.

mod layers;

use layers::{Issuer, LIMIT, connect, options};
use mqtt_proto::{Connect, Packet, Sender};
use mqtt_std::broker::{Broker, BrokerConfig, BrokerOptions, Endpoint, Notice, Notices};
use mqtt_std::{Cause, Client, QoS, WebSocketError};
use mqtt_tests::hall::hello;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const LOOPBACK: &str = "127.0.0.1:0";

fn broker(issuer: &Issuer) -> Broker {
    broker_with(issuer, BrokerConfig::default())
}

fn broker_with(issuer: &Issuer, config: BrokerConfig) -> Broker {
    let endpoints = [
        Endpoint::tcp(LOOPBACK),
        Endpoint::tcp(LOOPBACK).tls(issuer.server()),
        Endpoint::tcp(LOOPBACK).websocket(),
        Endpoint::tcp(LOOPBACK).tls(issuer.server()).websocket(),
    ];
    Broker::listen(endpoints, BrokerOptions::new().config(config)).unwrap()
}

fn open(url: &str) -> TcpStream {
    let address = url.split("://").nth(1).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Everything that comes up to the end of the stream, which has to come.
#[track_caller]
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the broker does not close: {error}"),
    }
    all
}

/// Somebody who behaves, and is not to notice anything.
struct Good {
    client: Client,
    heard: mqtt_std::Subscription,
}

impl Good {
    fn new(broker: &Broker) -> Self {
        let client = connect(&broker.urls()[0], options("good"));
        let heard = client.subscribe("good", QoS::AtLeastOnce).unwrap();
        Self { client, heard }
    }

    #[track_caller]
    fn is_well(&self) {
        let token = self
            .client
            .publish("good", "day")
            .qos(QoS::AtLeastOnce)
            .send();
        token.unwrap().acknowledged_timeout(LIMIT).unwrap();
        assert_eq!(self.heard.recv_timeout(LIMIT).unwrap().text(), "day");
        assert_eq!(self.client.counters().connections, 1);
    }
}

const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A socket over which WebSocket was agreed on, by hand.
struct Frames {
    stream: TcpStream,
}

impl Frames {
    #[track_caller]
    fn open(broker: &Broker) -> Self {
        let mut stream = open(&broker.urls()[2]);
        stream.write_all(REQUEST.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(
            head.contains("\r\nsec-websocket-protocol: mqtt\r\n"),
            "{head}"
        );
        Self { stream }
    }

    /// A frame with a mask that changes nothing.
    fn say(&mut self, first: u8, payload: &[u8]) {
        let len = u8::try_from(payload.len()).unwrap();
        assert!(len < 126);
        let frame = [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat();
        self.stream.write_all(&frame).unwrap();
    }

    /// First byte and payload of the next frame.
    #[track_caller]
    fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 2];
        self.stream.read_exact(&mut header).unwrap();
        assert!(header[1] < 126, "{header:?}");
        let mut payload = vec![0; header[1].into()];
        self.stream.read_exact(&mut payload).unwrap();
        (header[0], payload)
    }
}

/// The next fault of WebSocket that is told.
#[track_caller]
fn failure(notices: &Notices) -> WebSocketError {
    let until = Instant::now() + LIMIT;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let notice = notices.recv_timeout(left).expect("it is told");
        if let Notice::Failed {
            cause: Cause::WebSocket(error),
            ..
        } = notice
        {
            return error;
        }
    }
}

fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    packet.to_vec(Sender::Client).unwrap()
}

fn connect_bytes(client_id: &str) -> Vec<u8> {
    let connect: Connect<'_> = hello(client_id);
    bytes(&Packet::Connect(connect))
}

#[test]
fn silence_and_nonsense_end_within_the_time_for_connecting() {
    // Time enough for whoever behaves, on a machine that is busy.
    let limit = Duration::from_secs(2);
    let issuer = Issuer::new("trusted");
    let config = BrokerConfig {
        connect_timeout: limit,
        ..BrokerConfig::default()
    };
    let broker = broker_with(&issuer, config);
    let good = Good::new(&broker);
    let endless = b"GET / HTTP/1.1\r\nX: ".to_vec();
    let noise: Vec<u8> = (0..40_000_u32).map(|i| ((i * i) >> 3) as u8).collect();
    let hello = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        vec![0; 300],
    ]
    .concat();
    let openings = [
        Vec::new(),
        noise,
        endless,
        hello,
        connect_bytes("in the clear"),
        REQUEST.as_bytes().to_vec(),
        vec![0; 100_000],
    ];
    let begun = Instant::now();
    let mut streams = Vec::new();
    for url in &broker.urls()[1..] {
        for opening in &openings {
            let mut stream = open(url);
            // The broker may have closed before all of it was written.
            let _ = stream.write_all(opening);
            streams.push(stream);
        }
    }
    good.is_well();
    for mut stream in streams {
        rest(&mut stream);
    }
    assert!(begun.elapsed() >= limit);
    good.is_well();
}

#[test]
fn a_header_without_end_is_cut_off() {
    let issuer = Issuer::new("trusted");
    let broker = broker(&issuer);
    let good = Good::new(&broker);
    let mut stream = open(&broker.urls()[2]);
    stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let line = [b'x'; 1_000];
    let mut written = 0;
    // Far more than there may be.
    while written < 10_000_000 {
        match stream.write(&line) {
            Ok(count) => written += count,
            Err(_) => break,
        }
    }
    assert!(written < 10_000_000, "somebody has read all of it");
    good.is_well();
}

// broker: MQTT-6.0.0-1
#[test]
fn a_frame_of_text_closes_the_connection_before_and_after_connect() {
    let issuer = Issuer::new("trusted");
    let broker = broker(&issuer);
    let good = Good::new(&broker);
    let notices = broker.watch();
    for connected in [false, true] {
        let mut frames = Frames::open(&broker);
        if connected {
            frames.say(0x82, &connect_bytes("text"));
            let (first, packet) = frames.hear();
            assert_eq!((first, packet[0]), (0x82, 0x20));
        }
        frames.say(0x81, b"text");
        // Its reason: unsupported data.
        assert_eq!(frames.hear(), (0x88, vec![0x03, 0xeb]));
        assert_eq!(rest(&mut frames.stream), []);
        let told = failure(&notices);
        assert_eq!(told, WebSocketError::NotBinary);
    }
    good.is_well();
}

// broker: MQTT-6.0.0-2
#[test]
fn packets_come_in_parts_of_frames_and_several_to_a_frame() {
    let issuer = Issuer::new("trusted");
    let broker = broker(&issuer);
    let mut frames = Frames::open(&broker);
    let connect = connect_bytes("parts");
    let (one, rest) = connect.split_at(1);
    let (two, three) = rest.split_at(5);
    for part in [one, two, three] {
        frames.say(0x82, part);
    }
    let (first, packet) = frames.hear();
    assert_eq!((first, packet[0]), (0x82, 0x20));
    let ping = bytes(&Packet::PingReq);
    frames.say(0x82, &[&ping[..], &ping, &ping].concat());
    let mut pongs = Vec::new();
    while pongs.len() < 6 {
        let (first, packet) = frames.hear();
        assert_eq!(first, 0x82);
        pongs.extend(packet);
    }
    assert_eq!(pongs, [0xd0, 0, 0xd0, 0, 0xd0, 0]);
}

// broker: MQTT-6.0.0-4
#[test]
fn who_does_not_offer_mqtt_is_refused() {
    let issuer = Issuer::new("trusted");
    let broker = broker(&issuer);
    let notices = broker.watch();
    for request in [
        REQUEST.replace("Protocol: mqtt", "Protocol: chat"),
        REQUEST.replace("Sec-WebSocket-Protocol: mqtt\r\n", ""),
    ] {
        let mut stream = open(&broker.urls()[2]);
        stream.write_all(request.as_bytes()).unwrap();
        let answer = String::from_utf8(rest(&mut stream)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert_eq!(failure(&notices), WebSocketError::NoSubprotocol);
    }
}

#[test]
fn a_giant_frame_counts_for_what_is_in_it() {
    let issuer = Issuer::new("trusted");
    let broker = broker(&issuer);
    let good = Good::new(&broker);
    let mut frames = Frames::open(&broker);
    let header = [
        &[0x82, 0x80 | 127][..],
        &(1_u64 << 60).to_be_bytes(),
        &[0; 4],
    ]
    .concat();
    frames.stream.write_all(&header).unwrap();
    frames.stream.write_all(&connect_bytes("giant")).unwrap();
    let (first, packet) = frames.hear();
    assert_eq!((first, packet[0]), (0x82, 0x20));
    // A packet above what the broker takes ends it, whatever the frame says of itself.
    frames
        .stream
        .write_all(&[0x30, 0xff, 0xff, 0xff, 0x7f])
        .unwrap();
    let (first, packet) = frames.hear();
    assert_eq!((first, packet[0], packet[2]), (0x82, 0xe0, 0x95));
    rest(&mut frames.stream);
    good.is_well();
}
