//! Both sides in memory, and bytes that no good side would send.

use super::WebSocket;
use crate::line::Carrier;
use crate::pipe::{End, converse, pipe};
use crate::websocket_error::WebSocketError;
use std::io::{self, ErrorKind, Read, Write};

fn both(room: usize) -> (WebSocket<End>, WebSocket<End>) {
    let (near, far) = pipe(room);
    let client = WebSocket::client(near, "localhost", "/mqtt");
    (client, WebSocket::server(far))
}

/// What comes until nothing more does.
fn rest(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 1_000];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(all),
            Ok(count) => all.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(all),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[track_caller]
fn told<T: std::fmt::Debug>(result: io::Result<T>) -> WebSocketError {
    let error = result.unwrap_err();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.cloned().unwrap_or_else(|| panic!("{error:?}"))
}

/// A client that has shaken hands, and the bare end of its server.
fn open_client(room: usize) -> (WebSocket<End>, End) {
    let (near, far) = pipe(room);
    let mut client = WebSocket::client(near, "localhost", "/mqtt");
    let mut server = WebSocket::server(far);
    assert_eq!(rest(&mut client).unwrap(), []);
    assert_eq!(rest(&mut server).unwrap(), []);
    assert_eq!(rest(&mut client).unwrap(), []);
    (client, server.stream)
}

/// A server that has shaken hands, and the bare end of its client.
fn open_server(room: usize) -> (WebSocket<End>, End) {
    let (near, far) = pipe(room);
    let mut client = WebSocket::client(near, "localhost", "/mqtt");
    let mut server = WebSocket::server(far);
    assert_eq!(rest(&mut client).unwrap(), []);
    assert_eq!(rest(&mut server).unwrap(), []);
    assert_eq!(rest(&mut client).unwrap(), []);
    (server, client.stream)
}

/// A frame as a client sends it, with a mask that changes nothing.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    assert!(len < 126);
    [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat()
}

// covers: MQTT-6.0.0-2
#[test]
fn much_both_ways_at_once_arrives_through_streams_of_any_room() {
    for (room, size) in [(1, 3_000), (700, 300_000), (1 << 20, 3 << 20)] {
        let up: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let down: Vec<u8> = (0..size).map(|i| (i % 241) as u8).collect();
        let (mut client, mut server) = both(room);
        let (heard, heard_by_server) = converse(&mut client, &mut server, &up, &down);
        assert!(heard.unwrap() == down && heard_by_server.unwrap() == up);
    }
}

// covers: MQTT-6.0.0-1, MQTT-6.0.0-3
#[test]
fn a_client_offers_mqtt_and_sends_binary_frames_with_masks() {
    let (near, mut far) = pipe(10_000);
    let mut client = WebSocket::client(near, "example:81", "/a?b=c");
    assert_eq!(client.write(b"held").unwrap(), 4);
    let asked = String::from_utf8(rest(&mut far).unwrap()).unwrap();
    assert!(asked.starts_with("GET /a?b=c HTTP/1.1\r\nHost: example:81\r\n"));
    assert!(asked.contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"));
    assert!(asked.ends_with("\r\n\r\n"), "{asked}");
    let (mut client, mut far) = open_client(10_000);
    assert_eq!(client.write(b"payload").unwrap(), 7);
    let mut frame = rest(&mut far).unwrap();
    assert_eq!(frame[..2], [0x82, 0x80 | 7]);
    let mask = [frame[2], frame[3], frame[4], frame[5]];
    super::mask::apply(mask, 0, &mut frame[6..]);
    assert_eq!(&frame[6..], b"payload");
}

// covers: MQTT-6.0.0-2
#[test]
fn packets_and_frames_need_not_align() {
    let (mut server, mut client) = open_server(10_000);
    let parts = [
        masked(0x82, b"one, two"),
        masked(0x82, b""),
        masked(0x02, b"thre"),
        masked(0x89, b"ping"),
        masked(0x00, b"e"),
        masked(0x80, b", four"),
    ];
    client.write_all(&parts.concat()).unwrap();
    assert_eq!(rest(&mut server).unwrap(), b"one, twothree, four");
    assert_eq!(rest(&mut client).unwrap(), b"\x8a\x04ping");
}

// covers: MQTT-6.0.0-1
#[test]
fn a_frame_of_text_ends_the_connection() {
    let (mut server, mut client) = open_server(10_000);
    client.write_all(&masked(0x82, b"good")).unwrap();
    client.write_all(&masked(0x81, b"text")).unwrap();
    let mut buffer = [0; 100];
    assert_eq!(server.read(&mut buffer).unwrap(), 4);
    assert_eq!(told(server.read(&mut buffer)), WebSocketError::NotBinary);
    assert_eq!(told(server.write(b"no")), WebSocketError::NotBinary);
    // The close says why: unsupported data.
    assert_eq!(rest(&mut client).unwrap(), b"\x88\x02\x03\xeb");
    let (mut client, mut server) = open_client(10_000);
    server.write_all(b"\x81\x04text").unwrap();
    assert_eq!(told(client.read(&mut buffer)), WebSocketError::NotBinary);
    let close = rest(&mut server).unwrap();
    assert_eq!((close[0], close.len()), (0x88, 8));
}

#[test]
fn what_breaks_the_rules_ends_the_connection() {
    let long = [&masked(0x82, b"x")[..1], &[0x80 | 127], &[0xff; 8], &[0; 4]].concat();
    let to_server = [
        b"\x82\x01x".to_vec(),
        masked(0x83, b"x"),
        masked(0x8b, b"x"),
        masked(0xc2, b"x"),
        masked(0x80, b"x"),
        [masked(0x02, b"x"), masked(0x82, b"x")].concat(),
        masked(0x09, b"x"),
        vec![0x89, 0x80 | 126, 0, 126],
        masked(0x88, b"x"),
        long,
    ];
    for bytes in to_server {
        let (mut server, mut client) = open_server(10_000);
        client.write_all(&bytes).unwrap();
        client.write_all(&[0; 4]).unwrap();
        let error = told(rest(&mut server));
        assert!(matches!(error, WebSocketError::Frame(_)), "{bytes:?}");
        assert_eq!(rest(&mut client).unwrap(), b"\x88\x02\x03\xea", "{bytes:?}");
    }
    let (mut client, mut server) = open_client(10_000);
    server.write_all(&masked(0x82, b"x")).unwrap();
    assert!(matches!(told(rest(&mut client)), WebSocketError::Frame(_)));
}

#[test]
fn a_giant_frame_is_passed_on_as_it_comes() {
    let (mut server, mut client) = open_server(100_000);
    let header = [
        &[0x82, 0x80 | 127][..],
        &(1_u64 << 62).to_be_bytes(),
        &[1; 4],
    ]
    .concat();
    client.write_all(&header).unwrap();
    let mut heard = 0;
    for _ in 0..100 {
        client.write_all(&[1; 50_000]).unwrap();
        let came = rest(&mut server).unwrap();
        assert!(came.iter().all(|byte| *byte == 0));
        heard += came.len();
        assert!(
            server.incoming.room(&mut [0; 10], 1).is_some(),
            "nothing is kept"
        );
    }
    assert_eq!(heard, 5_000_000);
}

#[test]
fn pings_without_end_are_not_remembered() {
    let (mut server, mut client) = open_server(10_000);
    for _ in 0..5_000 {
        client.write_all(&masked(0x89, &[7; 100])).unwrap();
        assert_eq!(rest(&mut server).unwrap(), []);
    }
    assert!(server.output.len() < super::PONGS + 200);
}

/// A stream that says the same for ever once it has said something else.
struct Endless {
    first: Vec<u8>,
    then: Vec<u8>,
    read: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.first.is_empty() {
            let count = self.first.len();
            buffer[..count].copy_from_slice(&std::mem::take(&mut self.first));
            return Ok(count);
        }
        let count = buffer.len() / self.then.len() * self.then.len();
        for piece in buffer[..count].chunks_exact_mut(self.then.len()) {
            piece.copy_from_slice(&self.then);
        }
        self.read += count;
        assert!(self.read < 1 << 24, "others have their turn before");
        Ok(count)
    }
}

impl Write for Endless {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn frames_that_bring_nothing_hold_nobody_up() {
    for then in [masked(0x89, b"ping"), masked(0x82, b""), masked(0x8a, b"")] {
        let mut server = WebSocket::server(Endless {
            first: REQUEST.into(),
            then,
            read: 0,
        });
        for _ in 0..3 {
            let result = server.read(&mut [0; 100]).map_err(|error| error.kind());
            assert_eq!(result, Err(ErrorKind::Interrupted));
        }
    }
}

#[test]
fn a_goodbye_is_answered_and_its_reason_told() {
    let (mut server, mut client) = open_server(10_000);
    client.write_all(&masked(0x88, b"\x03\xe8bye")).unwrap();
    assert_eq!(server.read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(rest(&mut client).unwrap(), b"\x88\x02\x03\xe8");
    let (mut server, mut client) = open_server(10_000);
    client.write_all(&masked(0x88, b"\x03\xf3why")).unwrap();
    let closed = WebSocketError::Closed {
        code: 1011,
        reason: "why".into(),
    };
    assert_eq!(told(server.read(&mut [0; 9])), closed);
    let (mut client, mut server) = open_client(10_000);
    client.close().unwrap();
    assert_eq!(rest(&mut server).unwrap().len(), 8);
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqttv3.1, mqtt\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What a server says to a request, and how it ends.
fn asked(request: &str) -> (String, io::Result<Vec<u8>>) {
    let (near, mut client) = pipe(100_000);
    let mut server = WebSocket::server(near);
    client.write_all(request.as_bytes()).unwrap();
    let result = rest(&mut server);
    let answer = rest(&mut client).unwrap();
    (String::from_utf8(answer).unwrap(), result)
}

// covers: MQTT-6.0.0-4
#[test]
fn a_server_chooses_mqtt_and_refuses_whoever_does_not_offer_it() {
    let (answer, result) = asked(REQUEST);
    result.unwrap();
    let answer = answer.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(
        answer.contains("\r\nsec-websocket-protocol: mqtt\r\n"),
        "{answer}"
    );
    assert!(answer.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
    for (what, with) in [("mqttv3.1, mqtt", "mqttv3.1"), ("-Protocol", "-Other")] {
        let (answer, result) = asked(&REQUEST.replace(what, with));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert_eq!(told(result), WebSocketError::NoSubprotocol);
    }
    for (what, with) in [
        ("GET", "POST"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("HTTP", "MQTT"),
        ("Upgrade: WebSocket", "Upgrade: other"),
        ("Version: 13", "Version: 12"),
        ("dGhl", "short"),
        ("Host: h", "Host"),
    ] {
        let (answer, result) = asked(&REQUEST.replacen(what, with, 1));
        let error = told(result);
        assert!(
            matches!(error, WebSocketError::Request(_)),
            "{with}: {error:?}"
        );
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

#[test]
fn a_request_without_end_is_cut_off() {
    let (near, mut client) = pipe(100_000);
    let mut server = WebSocket::server(near);
    client.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut lines = 0;
    let error = loop {
        client.write_all(b"X-Header: and another one\r\n").unwrap();
        lines += 1;
        assert!(lines < 2_000, "there has to be an end");
        if let Err(error) = rest(&mut server) {
            break told(Err::<(), _>(error));
        }
    };
    assert!(matches!(error, WebSocketError::Request(_)), "{error:?}");
}

/// How a client takes an answer, in which `KEY` stands for what it has to be.
fn answered(answer: &str) -> io::Result<Vec<u8>> {
    let (near, mut server) = pipe(100_000);
    let mut client = WebSocket::client(near, "h", "/mqtt");
    rest(&mut client).unwrap();
    let asked = String::from_utf8(rest(&mut server).unwrap()).unwrap();
    let key = asked.split("Sec-WebSocket-Key: ").nth(1).unwrap();
    let key = key.split("\r\n").next().unwrap();
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    let answer = answer.replace("KEY", &accept);
    server.write_all(answer.as_bytes()).unwrap();
    server.close().unwrap();
    rest(&mut client)
}

const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

// covers: MQTT-6.0.0-4
#[test]
fn a_client_takes_no_answer_but_the_right_one() {
    // The first frame may come with the answer.
    let with_frame = format!("{ANSWER}\u{2}\u{2}ab");
    assert_eq!(answered(&with_frame).unwrap(), b"ab");
    for (what, with) in [
        ("Protocol: mqtt", "Protocol: mqttv3.1"),
        ("Sec-WebSocket-Protocol: mqtt\r\n", ""),
    ] {
        let error = told(answered(&ANSWER.replace(what, with)));
        assert_eq!(error, WebSocketError::NoSubprotocol);
    }
    let lost = told(answered("HTTP/1.1 404 Not Found\r\n\r\n"));
    assert_eq!(lost, WebSocketError::Status(404));
    assert!(lost.to_string().contains("404"), "{lost}");
    for (what, with) in [
        ("KEY", "KEZ"),
        ("Upgrade: websocket\r\n", ""),
        ("Connection: Upgrade\r\n", ""),
        (
            "mqtt\r\n",
            "mqtt\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        ),
        ("HTTP/1.1 101", "SSH-2.0 101"),
    ] {
        let error = told(answered(&ANSWER.replace(what, with)));
        assert!(
            matches!(error, WebSocketError::Answer(_)),
            "{with}: {error:?}"
        );
    }
    assert_eq!(told(answered("HTTP/1.1 101 ")), WebSocketError::ClosedEarly);
}

/// Frames changed at random: none panics, and a stream that has failed stays so.
#[test]
fn whatever_comes_nothing_panics() {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut failed = 0;
    for round in 0..1_000 {
        let (mut server, mut bare) = if round % 2 == 0 {
            open_server(1_000_000)
        } else {
            open_client(1_000_000)
        };
        let mut bytes = Vec::new();
        for _ in 0..random() % 6 {
            let first = [0x82, 0x02, 0x00, 0x80, 0x89, 0x8a][random() as usize % 6];
            let mut frame = masked(first, &vec![7; random() as usize % 120]);
            if round % 2 == 1 {
                frame[1] &= 0x7f;
                frame.drain(2..6);
            }
            bytes.append(&mut frame);
        }
        for _ in 0..random() % 3 {
            let len = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(random() as usize % len) {
                *byte = random() as u8;
            }
        }
        for piece in bytes.chunks(1 + random() as usize % 50) {
            bare.write_all(piece).unwrap();
            if rest(&mut server).is_err() {
                failed += 1;
                assert!(server.read(&mut [0; 9]).is_err());
                break;
            }
        }
    }
    assert!((100..900).contains(&failed), "{failed}");
}
