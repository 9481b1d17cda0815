//! Everything that the machine and the broker tell or want, one line each.

use mqtt_proto::{
    Auth, ConnAck, Disconnect, Frame, Packet, PacketId, Properties, Property, QoS, ReasonCode,
    ReasonCodes, Sender, Subscription, TopicError, TopicName, frame,
};
use mqtt_session::broker::{
    Access, AuthStep, Broker, BrokerAction, BrokerConfig, BrokerEvent, ConnectionId, EndCause,
    Identity, Login,
};
use mqtt_session::{
    Cause, Client, Config, Event, Fixed, GiveUp, Heap, Instant, Publish, Violation,
};

/// One line after the other.
pub fn log_each() {
    events();
    wire();
    stores();
    broker();
}

fn events() {
    let mut client = Client::new(Config::default(), Fixed::<2, 1, 256, 64>::new());
    let topic = TopicName::new("t").expect("it is one");
    let message = Publish::new(topic, b"held for later").qos(QoS::AtLeastOnce);
    let ticket = client
        .publish(Instant::from_secs(0), &message)
        .expect("there is room");
    let reasons = ReasonCodes::new(&[ReasonCode::SUCCESS, ReasonCode::NOT_AUTHORIZED]);
    let properties = Properties::new(&[Property::ReasonString("line 1\nline 2")]);
    let data = [
        Property::AuthenticationMethod("SCRAM"),
        Property::AuthenticationData(b"salt and count"),
    ];
    let connack = ConnAck {
        session_present: false,
        reason: ReasonCode::BANNED,
        properties,
    };
    let auth = Auth {
        reason: ReasonCode::CONTINUE_AUTHENTICATION,
        properties: Properties::new(&data),
    };
    let reason = ReasonCode::SUCCESS;
    for event in [
        Event::Connected(ConnAck { reason, ..connack }),
        Event::SessionLost,
        Event::Refused(connack),
        Event::ServerDisconnect(Disconnect {
            reason: ReasonCode::SERVER_BUSY,
            properties,
        }),
        Event::Violation(Violation::TopicAlias(7)),
        Event::Disconnected {
            cause: Cause::PingTimeout,
            retry: None,
        },
        Event::Published {
            ticket,
            outcome: Err(GiveUp::Expired),
            properties,
        },
        Event::Received {
            ticket,
            reason,
            properties,
        },
        Event::Released { reason, properties },
        Event::Subscribed {
            ticket,
            reasons,
            properties,
        },
        Event::Unsubscribed {
            ticket,
            reasons,
            properties,
        },
        Event::Unanswered {
            ticket,
            cause: GiveUp::ConnectionLost,
        },
        Event::Challenge(auth),
        Event::Reauthenticated(auth),
        Event::DeliveryCut,
    ] {
        defmt::info!("{}", event);
    }
    defmt::info!("{}", Instant::NEVER);
}

fn wire() {
    let bytes = b"\x32\x0c\x00\x01t\x00\x05\x00secret\xd0\x00";
    let found = frame(bytes, 100);
    defmt::info!("{}", found);
    if let Ok(Frame::Whole(packet)) = found {
        defmt::info!("{}", packet.decode(Sender::Client));
    }
    defmt::info!("{}", frame(&bytes[..4], 100));
    defmt::info!("{}", frame(bytes, 5));
    defmt::info!("{}", Packet::PingReq);
    defmt::info!("{}", PacketId::new(9));
    let topic: Result<TopicName<'_>, TopicError> = TopicName::new("a/#");
    defmt::info!("{}", topic);
}

fn stores() {
    defmt::info!("{}", Fixed::<2, 1, 256, 64>::new());
    defmt::info!("{}", Heap::default());
    defmt::info!("{}", Client::new(Config::default(), Heap::default()));
    defmt::info!("{}", Config::default());
}

/// Logs who logs in.
struct Door;

impl Access for Door {
    fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
        defmt::info!("{}", login);
        Ok(())
    }

    fn subscribe(
        &mut self,
        who: &Identity<'_>,
        _filter: mqtt_proto::TopicFilter<'_>,
        options: mqtt_proto::SubscriptionOptions,
    ) -> Result<QoS, ReasonCode> {
        defmt::info!("{}", who);
        Ok(options.qos)
    }
}

fn broker() {
    let (now, connection) = (Instant::from_secs(0), ConnectionId(7));
    let mut broker = Broker::with_access(BrokerConfig::default(), Door);
    broker.opened(now, connection);
    let connect = mqtt_proto::Connect {
        clean_start: true,
        keep_alive: 10,
        client_id: "me",
        properties: Properties::EMPTY,
        will: None,
        user_name: Some("somebody"),
        password: Some(b"a word"),
    };
    say(&mut broker, &Packet::Connect(connect));
    let filter = mqtt_proto::TopicFilter::new("t/#").expect("it is one");
    let options = mqtt_proto::SubscriptionOptions::default();
    say(
        &mut broker,
        &Packet::Subscribe(mqtt_proto::Subscribe {
            packet_id: PacketId::new(1).expect("it is not 0"),
            properties: Properties::EMPTY,
            subscriptions: mqtt_proto::Subscriptions::new(&[Subscription { filter, options }]),
        }),
    );
    defmt::info!("{}", broker);
    defmt::info!("{}", broker.load());
    broker.received(now, connection, b"\x10\x00");
    log_all(&mut broker);
    for event in [
        BrokerEvent::SessionEnded {
            client_id: "me".into(),
        },
        BrokerEvent::Dropped {
            client_id: "me".into(),
            count: 3,
        },
        BrokerEvent::Disconnected {
            connection,
            client_id: None,
            cause: EndCause::Violation(Violation::ReceiveMaximum),
        },
    ] {
        defmt::info!("{}", event);
    }
    defmt::info!("{}", AuthStep::Continue(b"salt and count".to_vec()));
    defmt::info!("{}", AuthStep::Accept(Some(b"proof".to_vec())));
    defmt::info!("{}", AuthStep::Refuse(ReasonCode::NOT_AUTHORIZED));
}

/// A packet from the client.
fn say(broker: &mut Broker<Door>, packet: &Packet<'_>) {
    let mut bytes = [0; 256];
    let len = packet
        .encode(Sender::Client, &mut bytes)
        .expect("the client keeps to the standard");
    broker.received(Instant::from_secs(0), ConnectionId(7), &bytes[..len]);
    log_all(broker);
}

/// What the broker wants, until it waits.
fn log_all(broker: &mut Broker<Door>) {
    loop {
        let action = broker.poll(Instant::from_secs(0));
        defmt::info!("{}", action);
        match action {
            BrokerAction::Send { connection, bytes } => {
                let count = bytes.len();
                broker.sent(Instant::from_secs(0), connection, count);
            }
            BrokerAction::Timeout(_) => break,
            BrokerAction::Close { .. } | BrokerAction::Event(_) => {}
        }
    }
}
