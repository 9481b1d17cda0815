//! A broker that does nothing: it takes messages and acknowledges them, and to a subscription to
//! `flood/QOS/LENGTH` it sends messages of that topic as fast as they are taken.

use mqtt_proto::{
    ConnAck, FixedHeader, Packet, PacketId, PacketType, Properties, Property, Publish, QoS,
    ReasonCode, ReasonCodes, Sender, SubAck, Subscribe, TopicName,
};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Bytes read at a time.
const INPUT: usize = 256 << 10;
/// Bytes written at a time, about, where it sends by itself.
const BLOCK: usize = 64 << 10;
/// Messages in flight, at most: their acknowledgements have to fit into what sockets hold, or
/// both sides could wait for each other.
const WINDOW: usize = 16 << 10;

type Failed = Box<dyn Error + Send + Sync>;

/// Serves until nobody holds the input of this process any more; says its port first.
pub(crate) fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that is done goes without a word.
            thread::spawn(move || Line::new(stream).and_then(Line::run));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// One client.
struct Line {
    stream: TcpStream,
    input: Vec<u8>,
    /// What of the input is not used up.
    start: usize,
    end: usize,
    output: Vec<u8>,
    /// The client's Receive Maximum.
    window: usize,
}

/// What the client asks to be flooded with.
struct Flood {
    qos: QoS,
    len: usize,
    topic: String,
    id: Option<u32>,
}

impl Line {
    fn new(stream: TcpStream) -> Result<Self, Failed> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            input: vec![0; INPUT],
            start: 0,
            end: 0,
            output: Vec::with_capacity(INPUT / 8),
            window: WINDOW,
        })
    }

    fn run(mut self) -> Result<(), Failed> {
        while self.read()? {
            let mut flood = None;
            while let Some((header, packet)) = next(&self.input[self.start..self.end])? {
                self.start += packet.len();
                match header.packet_type() {
                    PacketType::Publish => acknowledge(&mut self.output, header, packet),
                    PacketType::Disconnect => return Ok(()),
                    _ => match Packet::decode(packet, Sender::Client)? {
                        Packet::Connect(connect) => {
                            let maximum = connect.properties.receive_maximum();
                            self.window = maximum.map_or(WINDOW, usize::from).min(WINDOW);
                            accept(&mut self.output)?;
                        }
                        Packet::Subscribe(subscribe) => {
                            flood = grant(&mut self.output, &subscribe)?;
                        }
                        Packet::PingReq => encode(&mut self.output, &Packet::PingResp)?,
                        _ => {}
                    },
                }
            }
            self.stream.write_all(&self.output)?;
            self.output.clear();
            if let Some(flood) = flood {
                return self.send(&flood);
            }
        }
        Ok(())
    }

    /// Reads some more; false at the end.
    fn read(&mut self) -> io::Result<bool> {
        self.input.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let count = self.stream.read(&mut self.input[self.end..])?;
        self.end += count;
        Ok(count > 0)
    }

    /// Sends messages until the client is gone.
    fn send(mut self, flood: &Flood) -> Result<(), Failed> {
        let (mut block, places) = flood.block()?;
        if flood.qos == QoS::AtMostOnce {
            loop {
                self.stream.write_all(&block)?;
            }
        }
        let (mut open, mut last_id) = (0, 0_u16);
        let size = block.len() / places.len();
        loop {
            let count = places.len().min(self.window - open);
            for place in places.iter().take(count) {
                last_id = last_id.checked_add(1).unwrap_or(1);
                block[*place..*place + 2].copy_from_slice(&last_id.to_be_bytes());
            }
            self.stream.write_all(&block[..count * size])?;
            open += count;
            while open > self.window / 2 {
                if !self.read()? {
                    return Ok(());
                }
                while let Some((header, packet)) = next(&self.input[self.start..self.end])? {
                    self.start += packet.len();
                    open -= usize::from(header.packet_type() == PacketType::PubAck);
                }
            }
        }
    }
}

/// The packet at the front, if it is all there.
fn next(input: &[u8]) -> Result<Option<(FixedHeader, &[u8])>, Failed> {
    let Some(header) = FixedHeader::parse(input, u32::MAX)? else {
        return Ok(None);
    };
    let packet = input.get(..header.packet_len());
    Ok(packet.map(|packet| (header, packet)))
}

/// PUBACK for a PUBLISH that wants one.
fn acknowledge(output: &mut Vec<u8>, header: FixedHeader, packet: &[u8]) {
    if packet[0] & 0x06 == 0 {
        return;
    }
    let topic = header.len();
    let id = topic + 2 + usize::from(u16::from_be_bytes([packet[topic], packet[topic + 1]]));
    output.extend_from_slice(&[0x40, 2, packet[id], packet[id + 1]]);
}

fn accept(output: &mut Vec<u8>) -> Result<(), Failed> {
    let connack = ConnAck {
        session_present: false,
        reason: ReasonCode::SUCCESS,
        properties: Properties::new(&[]),
    };
    encode(output, &Packet::ConnAck(connack))
}

/// SUBACK, and what the client will be sent.
fn grant(output: &mut Vec<u8>, subscribe: &Subscribe<'_>) -> Result<Option<Flood>, Failed> {
    let first = subscribe.subscriptions.iter().next();
    let filter = first.map_or("", |subscription| subscription.filter.as_str());
    let mut flood = None;
    if let ["flood", qos, len] = filter.split('/').collect::<Vec<_>>()[..] {
        let qos = QoS::from_u8(qos.parse()?).ok_or("no such QoS")?;
        let id = subscribe.properties.subscription_identifiers().next();
        flood = Some(Flood {
            qos,
            len: len.parse()?,
            topic: filter.to_owned(),
            id,
        });
    }
    let reasons = [match flood.as_ref().map(|flood| flood.qos) {
        Some(QoS::AtLeastOnce) => ReasonCode::GRANTED_QOS_1,
        Some(QoS::ExactlyOnce) => ReasonCode::GRANTED_QOS_2,
        Some(QoS::AtMostOnce) | None => ReasonCode::GRANTED_QOS_0,
    }];
    let suback = SubAck {
        packet_id: subscribe.packet_id,
        properties: Properties::new(&[]),
        reasons: ReasonCodes::new(&reasons),
    };
    encode(output, &Packet::SubAck(suback))?;
    Ok(flood)
}

fn encode(output: &mut Vec<u8>, packet: &Packet<'_>) -> Result<(), Failed> {
    output.extend(packet.to_vec(Sender::Server)?);
    Ok(())
}

impl Flood {
    /// Messages back to back, and where their packet identifiers lie.
    fn block(&self) -> Result<(Vec<u8>, Vec<usize>), Failed> {
        let id = self.id.map(Property::SubscriptionIdentifier);
        let packet_id = PacketId::new(1).filter(|_| self.qos != QoS::AtMostOnce);
        let message = Packet::Publish(Publish {
            dup: false,
            qos: self.qos,
            retain: false,
            topic: Some(TopicName::new(&self.topic)?),
            packet_id,
            properties: Properties::new(id.as_slice()),
            payload: &vec![b'x'; self.len],
        })
        .to_vec(Sender::Server)?;
        let header = FixedHeader::parse(&message, u32::MAX)?.ok_or("half a message")?;
        let place = header.len() + 2 + self.topic.len();
        let count = BLOCK.div_ceil(message.len());
        let places = (0..count).map(|index| index * message.len() + place);
        Ok((message.repeat(count), places.collect()))
    }
}
