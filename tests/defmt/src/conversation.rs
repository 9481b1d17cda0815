//! A client and what a server says to it, every action logged.

use crate::logger::NOW;
use mqtt_proto::{
    Ack, Auth, ConnAck, Packet, PacketId, Properties, Property, QoS, ReasonCode, ReasonCodes,
    Sender, SubAck, Subscription, SubscriptionOptions, TopicFilter, TopicName, Will,
};
use mqtt_session::{
    Action, Client, Config, Connect, Event, Fixed, Instant, Publish, RequestError, RxBuffer,
};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A client with its input, and the clock.
struct Device {
    client: Client<Fixed<4, 4, 512, 256>>,
    input: RxBuffer<[u8; 128]>,
    now: Instant,
}

/// From the first connection to the end.
pub fn hold() {
    let mut device = Device {
        client: Client::new(Config::default(), Fixed::new()),
        input: RxBuffer::new([0; 128]),
        now: Instant::from_secs(0),
    };
    device.connect();
    device.subscribe();
    device.publish();
    device.receive();
    device.receive_in_parts();
    device.meet_a_violation();
    device.give_up();
}

impl Device {
    fn connect(&mut self) {
        defmt::info!("-- connect");
        self.client.start(self.now);
        self.poll();
        let topic = TopicName::new("state/7").expect("it is one");
        let will = Will {
            qos: QoS::AtLeastOnce,
            retain: true,
            topic,
            payload: b"gone for good",
            properties: Properties::EMPTY,
        };
        let properties = [
            Property::SessionExpiryInterval(3600),
            Property::AuthenticationMethod("SCRAM"),
            Property::AuthenticationData(b"client first"),
        ];
        let connect = Connect {
            user_name: Some("sensor"),
            password: Some(b"correct horse"),
            will: Some(will),
            properties: &properties,
            ..Connect::new("sensor-7")
        };
        defmt::info!("{}", connect);
        match self.client.opened(self.now, &connect) {
            Ok(()) => self.poll(),
            Err(error) => defmt::error!("{}", error),
        }
        let proof = [
            Property::AuthenticationMethod("SCRAM"),
            Property::AuthenticationData(b"client final"),
        ];
        self.hear(&Packet::Auth(Auth {
            reason: ReasonCode::CONTINUE_AUTHENTICATION,
            properties: Properties::new(&[
                Property::AuthenticationMethod("SCRAM"),
                Property::AuthenticationData(b"server first"),
            ]),
        }));
        let answer = Auth {
            reason: ReasonCode::CONTINUE_AUTHENTICATION,
            properties: Properties::new(&proof),
        };
        defmt::info!("{}", answer);
        if let Err(error) = self.client.authenticate(self.now, &proof) {
            defmt::error!("{}", error);
        }
        self.poll();
        self.hear(&Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(&[
                Property::ReceiveMaximum(10),
                Property::MaximumPacketSize(1000),
                Property::AuthenticationMethod("SCRAM"),
                Property::AuthenticationData(b"server final"),
            ]),
        }));
        defmt::info!("{}", self.client.limits());
    }

    fn subscribe(&mut self) {
        defmt::info!("-- subscribe");
        let filter = TopicFilter::new("set/7/#").expect("it is one");
        let options = SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            ..SubscriptionOptions::default()
        };
        let wanted = [Subscription { filter, options }];
        defmt::info!("{}", wanted);
        let ticket = self.client.subscribe(self.now, &wanted, &[]);
        defmt::info!("{}", ticket);
        self.poll();
        self.hear(&Packet::SubAck(SubAck {
            packet_id: packet_id(1),
            properties: Properties::new(&[Property::ReasonString("as you like")]),
            reasons: ReasonCodes::new(&[ReasonCode::GRANTED_QOS_2]),
        }));
    }

    fn publish(&mut self) {
        defmt::info!("-- publish");
        let ticket = self.publish_at(QoS::ExactlyOnce);
        defmt::info!("{}", ticket);
        defmt::info!("{}", self.client);
        self.poll();
        self.hear(&Packet::PubRec(Ack {
            packet_id: packet_id(2),
            reason: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        }));
        self.hear(&Packet::PubComp(Ack {
            packet_id: packet_id(2),
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(&[Property::UserProperty("stored", "twice")]),
        }));
        let refused = self.client.publish(
            self.now,
            &Publish::new(TopicName::new("t").expect("it is one"), &[0; 2000]),
        );
        defmt::warn!("{}", refused);
    }

    fn publish_at(&mut self, qos: QoS) -> Result<mqtt_session::Ticket, RequestError> {
        let topic = TopicName::new("sensors/7").expect("it is one");
        let properties = [Property::ContentType("text/plain")];
        let message = Publish::new(topic, b"twenty-one and a half")
            .qos(qos)
            .properties(&properties);
        defmt::info!("{}", message);
        self.client.publish(self.now, &message)
    }

    fn receive(&mut self) {
        defmt::info!("-- receive");
        self.hear(&Packet::Publish(mqtt_proto::Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: Some(TopicName::new("set/7/rate").expect("it is one")),
            packet_id: Some(packet_id(7)),
            properties: Properties::new(&[
                Property::ResponseTopic(TopicName::new("answer").expect("it is one")),
                Property::CorrelationData(b"question 12"),
            ]),
            payload: b"once a minute",
        }));
    }

    fn receive_in_parts(&mut self) {
        defmt::info!("-- receive in parts");
        self.hear(&Packet::Publish(mqtt_proto::Publish {
            dup: true,
            qos: QoS::ExactlyOnce,
            retain: true,
            topic: Some(TopicName::new("set/7/image").expect("it is one")),
            packet_id: Some(packet_id(8)),
            properties: Properties::EMPTY,
            payload: &[b'i'; 250],
        }));
        defmt::info!("{}", self.input);
    }

    fn meet_a_violation(&mut self) {
        defmt::info!("-- a violation");
        // PUBREL with the flags of another packet.
        self.take(&[0x60, 0x02, 0x00, 0x08]);
        let refused = self.publish_at(QoS::AtMostOnce);
        defmt::warn!("{}", refused);
    }

    fn give_up(&mut self) {
        defmt::info!("-- the end");
        self.pass(Duration::from_secs(2));
        self.client.closed(self.now);
        self.poll();
        self.client.stop(self.now);
        self.poll();
    }

    /// A packet from the server.
    fn hear(&mut self, packet: &Packet<'_>) {
        let mut bytes = [0; 512];
        let len = packet
            .encode(Sender::Server, &mut bytes)
            .expect("the server keeps to the standard");
        self.take(&bytes[..len]);
    }

    /// Bytes from the server.
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let spare = self.input.spare();
            let count = spare.len().min(bytes.len());
            spare[..count].copy_from_slice(&bytes[..count]);
            self.input.filled(count);
            bytes = &bytes[count..];
            self.poll();
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        NOW.store(self.now.as_micros(), Ordering::Relaxed);
        self.poll();
    }

    /// Does what the machine wants, and logs it, until it waits.
    fn poll(&mut self) {
        loop {
            let action = self.client.poll(self.now, &mut self.input);
            match &action {
                Action::Event(Event::Violation(_)) => defmt::error!("{}", action),
                Action::Event(_) | Action::Deliver(_) => defmt::info!("{}", action),
                _ => defmt::debug!("{}", action),
            }
            match action {
                Action::Send(bytes) => {
                    let count = bytes.len();
                    self.client.sent(self.now, count);
                }
                Action::Close => self.client.closed(self.now),
                Action::Open | Action::Timeout(_) | Action::Done => break,
                Action::Deliver(_) | Action::Event(_) => {}
            }
        }
    }
}

fn packet_id(number: u16) -> PacketId {
    PacketId::new(number).expect("it is not 0")
}
