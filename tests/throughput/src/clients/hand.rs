//! What a connection takes, written out: CONNECT, one PUBLISH, its PUBACK, and again.

use super::Failed;
use crate::load::{Load, TOPIC};
use crate::meter::Meter;
use crate::report::Report;
use mqtt_proto::{
    Connect, Packet, PacketId, Properties, Publish, QoS, Sender, Subscribe, Subscription,
    SubscriptionOptions, Subscriptions, TopicFilter, TopicName,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

pub(super) fn run(load: Load, port: u16, mut meter: Meter) -> Result<Report, Failed> {
    let mut stream = connect(port)?;
    let mut message = message(TOPIC, load)?;
    let place = message.len() - load.len - 3;
    let mut id = 0_u16;
    loop {
        let sent = Instant::now();
        id = id.checked_add(1).unwrap_or(1);
        message[place..place + 2].copy_from_slice(&id.to_be_bytes());
        stream.write_all(&message)?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        let [high, low] = id.to_be_bytes();
        if answer != [0x40, 2, high, low] {
            return Err("another answer".into());
        }
        if let Some(report) = meter.returned(sent) {
            return Ok(report);
        }
    }
}

/// A connection that is accepted.
pub(super) fn connect(port: u16) -> Result<TcpStream, Failed> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let connect = Connect {
        client_id: "throughput",
        clean_start: true,
        keep_alive: 0,
        properties: Properties::new(&[]),
        will: None,
        user_name: None,
        password: None,
    };
    stream.write_all(&Packet::Connect(connect).to_vec(Sender::Client)?)?;
    let mut connack = [0; 5];
    stream.read_exact(&mut connack)?;
    Ok(stream)
}

/// The message of a load; its packet identifier stands before the properties' length.
pub(super) fn message(topic: &str, load: Load) -> Result<Vec<u8>, Failed> {
    let publish = Publish {
        dup: false,
        qos: load.qos,
        retain: false,
        topic: Some(TopicName::new(topic)?),
        packet_id: PacketId::new(1).filter(|_| load.qos != QoS::AtMostOnce),
        properties: Properties::new(&[]),
        payload: &vec![b'x'; load.len],
    };
    Ok(Packet::Publish(publish).to_vec(Sender::Client)?)
}

/// Has the broker send the messages of a load.
pub(super) fn subscribe(stream: &mut TcpStream, load: Load) -> Result<(), Failed> {
    let filter = load.flood();
    let subscriptions = [Subscription {
        filter: TopicFilter::new(&filter)?,
        options: SubscriptionOptions {
            qos: load.qos,
            ..SubscriptionOptions::default()
        },
    }];
    let subscribe = Subscribe {
        packet_id: PacketId::new(1).ok_or("an identifier is not zero")?,
        properties: Properties::new(&[]),
        subscriptions: Subscriptions::new(&subscriptions),
    };
    stream.write_all(&Packet::Subscribe(subscribe).to_vec(Sender::Client)?)?;
    let mut suback = [0; 6];
    stream.read_exact(&mut suback)?;
    Ok(())
}
