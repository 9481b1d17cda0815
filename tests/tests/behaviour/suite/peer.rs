//! The server's side of a conversation: a socket, and packets over it as a test wants them.

use super::client::{Client, Options};
use mqtt_proto::{
    Ack, ConnAck, Frame, Packet, PacketId, PacketType, Properties, Property, Publish, QoS,
    ReasonCode, ReasonCodes, Sender, SubAck, TopicName, UnsubAck, frame,
};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything that should happen at once may take on a loaded machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A listener on a free loopback port.
pub(crate) struct Server {
    address: SocketAddr,
    accepted: Mutex<Receiver<TcpStream>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::over(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn over(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (sender, accepted) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if sender.send(stream.unwrap()).is_err() {
                    break;
                }
            }
        });
        let accepted = Mutex::new(accepted);
        Self { address, accepted }
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// The next connection, before any packet.
    #[track_caller]
    pub(crate) fn accept(&self) -> Peer {
        let accepted = self.accepted.lock().unwrap();
        match accepted.recv_timeout(LIMIT) {
            Ok(stream) => Peer::new(stream),
            Err(error) => panic!("nobody connects: {error}"),
        }
    }

    /// Whether nobody has connected since.
    pub(crate) fn is_quiet(&self) -> bool {
        let next = self.accepted.lock().unwrap().recv_timeout(Duration::ZERO);
        matches!(next, Err(RecvTimeoutError::Timeout))
    }

    /// A client and the peer that accepted it, both up.
    #[track_caller]
    pub(crate) fn connect(&self, options: Options) -> (Client, Peer) {
        self.connect_with(options, &[])
    }

    /// As [`Server::connect`], with properties in CONNACK.
    #[track_caller]
    pub(crate) fn connect_with(
        &self,
        options: Options,
        properties: &[Property<'_>],
    ) -> (Client, Peer) {
        thread::scope(|scope| {
            let url = self.url();
            let client = scope.spawn(move || Client::connect(&url, options));
            let mut peer = self.accept();
            peer.expect_connect();
            peer.accept_session(false, properties);
            (client.join().unwrap().unwrap(), peer)
        })
    }

    /// The client's next connection, accepted.
    #[track_caller]
    pub(crate) fn reconnect(&self, session_present: bool) -> Peer {
        let mut peer = self.accept();
        assert!(
            !peer.expect_connect(),
            "a clean start throws the session away"
        );
        peer.accept_session(session_present, &[]);
        peer
    }
}

/// One accepted connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    bytes: Vec<u8>,
    used: usize,
    /// Bytes of one packet are sent one by one.
    pub(crate) in_chunks: bool,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        Self {
            stream,
            bytes: Vec::new(),
            used: 0,
            in_chunks: false,
        }
    }

    /// The next packet, handed to `look`. None at the end of the stream.
    #[track_caller]
    pub(crate) fn next<T>(&mut self, look: impl FnOnce(Packet<'_>) -> T) -> Option<T> {
        self.bytes.drain(..std::mem::take(&mut self.used));
        let len = loop {
            match frame(&self.bytes, u32::MAX).unwrap() {
                Frame::Whole(raw) => break raw.len(),
                Frame::Partial { .. } => {}
            }
            let mut chunk = [0; 65_536];
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    assert!(self.bytes.is_empty(), "half a packet: {:?}", self.bytes);
                    return None;
                }
                Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the client is silent: {error}"),
            }
        };
        self.used = len;
        let packet = Packet::decode(&self.bytes[..len], Sender::Client).unwrap();
        Some(look(packet))
    }

    /// Every byte up to the end of the stream, which has to come.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = self.bytes.split_off(self.used);
        self.stream.read_to_end(&mut rest).unwrap();
        rest
    }

    /// The next packet, which has to come.
    #[track_caller]
    pub(crate) fn packet<T>(&mut self, look: impl FnOnce(Packet<'_>) -> T) -> T {
        let looked = self.next(look);
        looked.expect("the client closed the connection")
    }

    /// Whether it asks for a clean start.
    #[track_caller]
    pub(crate) fn expect_connect(&mut self) -> bool {
        self.packet(|packet| match packet {
            Packet::Connect(connect) => connect.clean_start,
            other => panic!("not CONNECT but {other:?}"),
        })
    }

    pub(crate) fn accept_session(&mut self, session_present: bool, properties: &[Property<'_>]) {
        self.send(&Packet::ConnAck(ConnAck {
            session_present,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(properties),
        }));
    }

    pub(crate) fn refuse(&mut self, reason: ReasonCode) {
        self.send(&Packet::ConnAck(ConnAck {
            session_present: false,
            reason,
            properties: Properties::EMPTY,
        }));
    }

    /// Its identifier, QoS and whether it is marked as a repetition; 0 for an identifier at QoS 0.
    #[track_caller]
    pub(crate) fn expect_publish(&mut self, topic: &str) -> (u16, QoS, bool) {
        self.packet(|packet| match packet {
            Packet::Publish(publish) => {
                assert_eq!(publish.topic.unwrap().as_str(), topic);
                let id = publish.packet_id.map_or(0, PacketId::value);
                (id, publish.qos, publish.dup)
            }
            other => panic!("not PUBLISH but {other:?}"),
        })
    }

    /// The identifier of an acknowledgement of this kind.
    #[track_caller]
    pub(crate) fn expect_ack(&mut self, kind: PacketType) -> u16 {
        self.packet(|packet| match packet {
            Packet::PubAck(ack)
            | Packet::PubRec(ack)
            | Packet::PubRel(ack)
            | Packet::PubComp(ack)
                if packet.packet_type() == kind =>
            {
                assert_eq!(ack.reason, ReasonCode::SUCCESS);
                ack.packet_id.value()
            }
            other => panic!("not {kind} but {other:?}"),
        })
    }

    /// Its packet identifier and its subscription identifier.
    #[track_caller]
    pub(crate) fn expect_subscribe(&mut self, filter: &str) -> (u16, Option<u32>) {
        self.packet(|packet| match packet {
            Packet::Subscribe(subscribe) => {
                let filters: Vec<_> = subscribe.subscriptions.iter().collect();
                assert_eq!(filters.len(), 1);
                assert_eq!(filters[0].filter.as_str(), filter);
                let id = subscribe.properties.subscription_identifiers().next();
                (subscribe.packet_id.value(), id)
            }
            other => panic!("not SUBSCRIBE but {other:?}"),
        })
    }

    #[track_caller]
    pub(crate) fn expect_unsubscribe(&mut self, filter: &str) -> u16 {
        self.packet(|packet| match packet {
            Packet::Unsubscribe(unsubscribe) => {
                let filters: Vec<_> = unsubscribe.filters.iter().collect();
                assert_eq!(filters.len(), 1);
                assert_eq!(filters[0].as_str(), filter);
                unsubscribe.packet_id.value()
            }
            other => panic!("not UNSUBSCRIBE but {other:?}"),
        })
    }

    /// DISCONNECT with this reason, and the end of the stream behind it.
    #[track_caller]
    pub(crate) fn expect_goodbye(&mut self, expected: ReasonCode) {
        self.packet(|packet| match packet {
            Packet::Disconnect(disconnect) => assert_eq!(disconnect.reason, expected),
            other => panic!("not DISCONNECT but {other:?}"),
        });
        let after = self.next(|packet| format!("{packet:?}"));
        assert_eq!(after, None, "nothing may follow DISCONNECT");
    }

    pub(crate) fn ack(&mut self, kind: PacketType, id: u16) {
        let ack = Ack {
            packet_id: PacketId::new(id).unwrap(),
            reason: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        };
        self.send(&match kind {
            PacketType::PubAck => Packet::PubAck(ack),
            PacketType::PubRec => Packet::PubRec(ack),
            PacketType::PubRel => Packet::PubRel(ack),
            PacketType::PubComp => Packet::PubComp(ack),
            other => panic!("{other} is no acknowledgement"),
        });
    }

    pub(crate) fn suback(&mut self, id: u16, reason: ReasonCode) {
        self.send(&Packet::SubAck(SubAck {
            packet_id: PacketId::new(id).unwrap(),
            properties: Properties::EMPTY,
            reasons: ReasonCodes::new(&[reason]),
        }));
    }

    pub(crate) fn unsuback(&mut self, id: u16) {
        self.send(&Packet::UnsubAck(UnsubAck {
            packet_id: PacketId::new(id).unwrap(),
            properties: Properties::EMPTY,
            reasons: ReasonCodes::new(&[ReasonCode::SUCCESS]),
        }));
    }

    /// Grants what the client is about to ask for with `subscribe`; the subscription identifier.
    #[track_caller]
    pub(crate) fn grant(&mut self, filter: &str, qos: QoS) -> Option<u32> {
        let (id, identifier) = self.expect_subscribe(filter);
        self.suback(id, ReasonCode::new(qos as u8).unwrap());
        identifier
    }

    /// A message to the client; an identifier of 0 makes it QoS 0.
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8], qos: QoS, id: u16) {
        self.publish_with(topic, payload, qos, id, &[]);
    }

    pub(crate) fn publish_with(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        id: u16,
        properties: &[Property<'_>],
    ) {
        let bytes = publish_bytes(topic, payload, qos, id, properties);
        self.send_bytes(&bytes).unwrap();
    }

    pub(crate) fn send(&mut self, packet: &Packet<'_>) {
        let bytes = packet.to_vec(Sender::Server).unwrap();
        self.send_bytes(&bytes).unwrap();
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.in_chunks {
            return bytes
                .iter()
                .try_for_each(|byte| self.stream.write_all(&[*byte]));
        }
        self.stream.write_all(bytes)
    }

    /// Sends one byte each `pace` until the client has closed, or until all have gone.
    pub(crate) fn drip(&mut self, bytes: &[u8], pace: Duration) {
        for byte in bytes {
            if self.stream.write_all(&[*byte]).is_err() {
                return;
            }
            // Waits for the client to close, so it is no sleep.
            let until = Instant::now() + pace;
            self.stream.set_read_timeout(Some(pace)).unwrap();
            let mut end = [0];
            let ended = matches!(self.stream.read(&mut end), Ok(0));
            if ended && Instant::now() < until {
                return;
            }
        }
    }
}

/// A PUBLISH as a server sends it.
pub(crate) fn publish_bytes(
    topic: &str,
    payload: &[u8],
    qos: QoS,
    id: u16,
    properties: &[Property<'_>],
) -> Vec<u8> {
    let packet = Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: Some(TopicName::new(topic).unwrap()),
        packet_id: PacketId::new(id),
        properties: Properties::new(properties),
        payload,
    });
    packet.to_vec(Sender::Server).unwrap()
}
