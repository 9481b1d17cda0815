//! The broker of `mqtt-std`, over loopback, with the clients of `mqtt-std`.

mod embedded;

use embedded::{ALL, LIMIT, Raw, broker, connect, end_of, next, notice, options, publish, url};
use mqtt_proto::{Packet, QoS};
use mqtt_std::broker::{
    Access, BindError, Broker, BrokerConfig, BrokerEvent, BrokerLoad, BrokerOptions,
    BrokerPublishError, EndCause, Identity, Login, Notice,
};
use mqtt_std::{
    Cause, Client, ConnectError, Message, ReasonCode, State, SubscribeError, TopicFilter,
    TopicName, Will,
};
use mqtt_tests::hall::hello;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn many_clients_exchange_messages_at_all_qos() {
    const CLIENTS: usize = 24;
    const MESSAGES: usize = 60;
    let broker = broker();
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|number| connect(&broker, &format!("client-{number}")))
        .collect();
    // Everyone hears the two to its right, at the QoS of its own number.
    let subscriptions: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let qos = ALL[number % 3];
            [1, 2].map(|step| {
                let topic = format!("from/{}/+", (number + step) % CLIENTS);
                clients[number].subscribe(&topic, qos).unwrap()
            })
        })
        .collect();
    let received = thread::scope(|scope| {
        for (number, client) in clients.iter().enumerate() {
            scope.spawn(move || {
                let mut tokens = Vec::new();
                for count in 0..MESSAGES {
                    let qos = ALL[count % 3];
                    let topic = format!("from/{number}/{}", qos as u8);
                    let message = client.publish(&topic, count.to_string()).qos(qos);
                    tokens.push(message.send().unwrap());
                }
                for token in tokens {
                    token.acknowledged_timeout(LIMIT).unwrap();
                }
            });
        }
        let readers: Vec<_> = subscriptions
            .iter()
            .flatten()
            .map(|subscription| {
                scope.spawn(move || -> Vec<Message> {
                    (0..MESSAGES).map(|_| next(subscription)).collect()
                })
            })
            .collect();
        let read = |reader: thread::ScopedJoinHandle<'_, _>| reader.join().unwrap();
        readers.into_iter().map(read).collect::<Vec<_>>()
    });
    for (index, messages) in received.iter().enumerate() {
        let granted = ALL[index / 2 % 3];
        // Each topic has its order, and each message came once at the lower QoS of the two.
        let mut by_topic: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for message in messages {
            let count: usize = message.text().parse().unwrap();
            assert_eq!(message.qos, granted.min(ALL[count % 3]));
            by_topic.entry(&message.topic).or_default().push(count);
        }
        for (topic, counts) in by_topic {
            let first: usize = topic[topic.len() - 1..].parse().unwrap();
            let expected: Vec<usize> = (first..MESSAGES).step_by(3).collect();
            assert_eq!(counts, expected, "{topic}");
        }
    }
    assert_eq!(broker.load().connections, CLIENTS);
    for client in &clients {
        client.close(LIMIT).unwrap();
    }
    broker.shutdown(LIMIT).unwrap();
}

#[test]
fn large_and_empty_payloads_arrive_as_they_are() {
    let config = BrokerConfig {
        maximum_packet_size: 8 << 20,
        ..BrokerConfig::default()
    };
    let options = BrokerOptions::new().config(config);
    let broker = Broker::bind_with("127.0.0.1:0", options).unwrap();
    let client = connect(&broker, "sizes");
    let messages = client.subscribe("echo", QoS::AtLeastOnce).unwrap();
    for size in [0, 1, 1_023, 65_536, 300_000, 5_000_000] {
        let payload: Vec<u8> = (0..size).map(|n: u32| (n % 253) as u8).collect();
        publish(&client, "echo", payload.clone(), QoS::AtLeastOnce);
        assert!(next(&messages).payload == payload, "{size} bytes");
    }
}

#[test]
fn retained_messages_wills_and_properties_pass() {
    let broker = broker();
    let client = connect(&broker, "keeper");
    let token = client
        .publish("kept/a", "1")
        .qos(QoS::ExactlyOnce)
        .retain(true)
        .expiry(Duration::from_secs(1_000))
        .content_type("text/plain")
        .response_topic("answers")
        .correlation_data(b"\x00\xff")
        .user_property("k", "v")
        .user_property("k", "w")
        .send();
    token.unwrap().acknowledged_timeout(LIMIT).unwrap();
    let kept = client.subscribe("kept/#", QoS::AtLeastOnce).unwrap();
    let message = next(&kept);
    assert!(message.retain && message.text() == "1");
    let properties = &message.properties;
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    assert_eq!(properties.response_topic.as_deref(), Some("answers"));
    assert_eq!(
        properties.correlation_data.as_deref(),
        Some(&b"\x00\xff"[..])
    );
    let expected = [("k", "v"), ("k", "w")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(properties.user_properties, expected);
    let left = properties.message_expiry_interval.unwrap();
    assert!((900..=1_000).contains(&left), "{left}");

    let will = Will::new("kept/will", "gone")
        .qos(QoS::AtLeastOnce)
        .retain(true);
    let mut gone = Raw::open(&broker);
    let other = Client::connect(&url(&broker), options("willing").will(will)).unwrap();
    // The same identifier again: the first one is cut off, and its will is due.
    gone.say(&Packet::Connect(hello("willing")));
    assert_eq!(next(&kept).text(), "gone");
    let ended = other.wait_for_state(LIMIT, State::is_ended);
    assert!(ended.is_some(), "{:?}", other.state());
}

#[test]
fn the_program_publishes_by_itself() {
    let broker = broker();
    let client = connect(&broker, "listener");
    let all = client.subscribe("#", QoS::ExactlyOnce).unwrap();
    for qos in ALL {
        let message = broker.publish("own", "x").qos(qos).content_type("t");
        message.send().unwrap();
        let got = next(&all);
        assert_eq!((&*got.topic, got.qos, got.retain), ("own", qos, false));
        assert_eq!(got.properties.content_type.as_deref(), Some("t"));
    }
    broker.publish("own", "kept").retain(true).send().unwrap();
    assert!(!next(&all).retain);
    let later = client.subscribe("own", QoS::AtMostOnce).unwrap();
    assert!(next(&later).retain);
    assert_eq!(broker.load().retained, 1);

    let topic = broker.publish("a/#", "x").send().unwrap_err();
    assert!(matches!(topic, BrokerPublishError::Topic(_)), "{topic}");
    let answer = broker.publish("a", "x").response_topic("+").send();
    let answer = answer.unwrap_err();
    assert!(
        matches!(answer, BrokerPublishError::ResponseTopic(_)),
        "{answer}"
    );
    broker.shutdown(LIMIT).unwrap();
    let ended = broker.publish("a", "x").send();
    assert_eq!(ended, Err(BrokerPublishError::Ended));
    assert_eq!(broker.load(), BrokerLoad::default());
}

#[test]
fn what_cannot_be_retained_is_told_to_the_program() {
    let config = BrokerConfig {
        retained_messages: 1,
        ..BrokerConfig::default()
    };
    let options = BrokerOptions::new().config(config);
    let broker = Broker::bind_with("127.0.0.1:0", options).unwrap();
    let client = connect(&broker, "listener");
    let all = client.subscribe("#", QoS::AtMostOnce).unwrap();
    broker.publish("a", "1").retain(true).send().unwrap();
    let second = broker.publish("b", "2").retain(true).send();
    assert_eq!(second, Err(BrokerPublishError::NotRetained));
    assert_eq!(next(&all).text(), "1");
    assert_eq!(next(&all).text(), "2");
}

/// Ann may do everything, Bob only under `bob/`, and nobody else comes in.
struct House;

impl Access for House {
    fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
        match (login.user_name, login.password) {
            (Some("ann"), Some(b"a")) | (Some("bob"), Some(b"b")) => Ok(()),
            _ => Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD),
        }
    }

    fn publish(
        &mut self,
        who: &Identity<'_>,
        topic: TopicName<'_>,
        _: QoS,
        _: bool,
    ) -> Result<(), ReasonCode> {
        if who.user_name == Some("ann") || topic.as_str().starts_with("bob/") {
            return Ok(());
        }
        Err(ReasonCode::NOT_AUTHORIZED)
    }

    fn subscribe(
        &mut self,
        who: &Identity<'_>,
        filter: TopicFilter<'_>,
        options: mqtt_proto::SubscriptionOptions,
    ) -> Result<QoS, ReasonCode> {
        if who.user_name == Some("ann") || filter.as_str().starts_with("bob/") {
            return Ok(options.qos.min(QoS::AtLeastOnce));
        }
        Err(ReasonCode::NOT_AUTHORIZED)
    }
}

#[test]
fn the_program_decides_who_may_do_what() {
    let options = BrokerOptions::new().access(House);
    let broker = Broker::bind_with("127.0.0.1:0", options).unwrap();
    let login = |user: &str, password: &str| {
        let options = self::options(user).login(user, password);
        Client::connect(&url(&broker), options)
    };
    let refused = login("ann", "b").unwrap_err();
    let ConnectError::NotConnected(Cause::Refused { reason, .. }) = refused else {
        panic!("{refused}");
    };
    assert_eq!(reason, ReasonCode::BAD_USER_NAME_OR_PASSWORD);
    let (ann, bob) = (login("ann", "a").unwrap(), login("bob", "b").unwrap());
    let all = ann.subscribe("#", QoS::ExactlyOnce).unwrap();
    assert_eq!(all.granted(), QoS::AtLeastOnce);
    let refused = bob.subscribe("#", QoS::AtMostOnce).unwrap_err();
    assert!(
        matches!(&refused, SubscribeError::Refused { reason, .. } if *reason == ReasonCode::NOT_AUTHORIZED),
        "{refused}"
    );
    let token = bob.publish("ann/x", "no").qos(QoS::AtLeastOnce).send();
    let refused = token.unwrap().acknowledged_timeout(LIMIT).unwrap_err();
    assert!(refused.to_string().contains("not authorized"), "{refused}");
    publish(&bob, "bob/x", "yes", QoS::ExactlyOnce);
    assert_eq!(next(&all).text(), "yes");
}

#[test]
fn it_tells_what_happens_and_disconnects_on_demand() {
    let broker = broker();
    let notices = broker.watch();
    let mut raw = Raw::join(&broker, &hello("ann"));
    let peer = raw.stream.local_addr().unwrap();
    let opened = notice(&notices, |notice| match notice {
        Notice::Opened { connection, peer } => Some((*connection, *peer)),
        _ => None,
    });
    assert_eq!(opened.1, peer);
    let connected = notice(&notices, |notice| match notice {
        Notice::Event(BrokerEvent::Connected {
            connection,
            client_id,
            session_present: false,
        }) => Some((*connection, client_id.to_string())),
        _ => None,
    });
    assert_eq!(connected, (opened.0, "ann".to_owned()));
    // What no DISCONNECT of a server may carry does nothing.
    broker.disconnect(opened.0, ReasonCode::BAD_USER_NAME_OR_PASSWORD);
    broker.disconnect(opened.0, ReasonCode::ADMINISTRATIVE_ACTION);
    raw.hear(|packet| match packet {
        Packet::Disconnect(disconnect) => {
            assert_eq!(disconnect.reason, ReasonCode::ADMINISTRATIVE_ACTION);
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(raw.next(|packet| format!("{packet:?}")), None);
    let cause = end_of(&notices, Some("ann"));
    assert_eq!(cause, EndCause::Ordered(ReasonCode::ADMINISTRATIVE_ACTION));
    drop(broker);
    assert!(
        matches!(
            notices.recv_timeout(LIMIT),
            Some(Notice::Event(BrokerEvent::SessionEnded { .. }))
        ),
        "the session had no expiry"
    );
    assert!(notices.recv().is_none(), "it ends with the broker");
    assert_eq!(notices.dropped(), 0);
}

#[test]
fn where_it_cannot_listen_it_says_why() {
    let broker = broker();
    let address = broker.local_addr();
    let error = Broker::bind(address).unwrap_err();
    assert!(matches!(error, BindError::InUse(at) if at == address));
    assert!(error.to_string().contains("listens at"), "{error}");
    // The first of several addresses that is free is taken.
    let any = "127.0.0.1:0".parse().unwrap();
    let second = Broker::bind(&[address, any][..]).unwrap();
    assert_ne!(second.local_addr(), address);

    let error = Broker::bind("127.0.0.1").unwrap_err();
    assert!(matches!(error, BindError::Address(_)), "{error}");
    let error = Broker::bind("192.0.2.1:0").unwrap_err();
    assert!(matches!(error, BindError::NotBound { .. }), "{error}");
}

#[test]
fn it_serves_a_listener_of_the_programs_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let broker = Broker::serve(listener, BrokerOptions::new()).unwrap();
    assert_eq!(broker.local_addr(), address);
    connect(&broker, "one").close(LIMIT).unwrap();
}

#[test]
fn after_a_restart_on_the_same_port_clients_go_on_by_themselves() {
    let mut broker = broker();
    let address = broker.local_addr();
    let clients: Vec<Client> = (0..8)
        .map(|number| connect(&broker, &format!("client-{number}")))
        .collect();
    let subscriptions: Vec<_> = clients
        .iter()
        .map(|client| client.subscribe("news", QoS::AtLeastOnce).unwrap())
        .collect();
    for round in 0..3 {
        if round > 0 {
            let states: Vec<_> = clients.iter().map(Client::watch).collect();
            broker.shutdown(LIMIT).unwrap();
            broker = Broker::bind(address).unwrap();
            for states in states {
                // Told why, and back with what it had subscribed.
                let away = states.recv_timeout(LIMIT).unwrap();
                assert!(
                    matches!(
                        &away,
                        State::Waiting { cause: Cause::ServerDisconnect { reason, .. }, .. }
                            if *reason == ReasonCode::SERVER_SHUTTING_DOWN
                    ),
                    "{away}"
                );
            }
            wait_for_subscriptions(&broker, clients.len());
        }
        publish(&clients[0], "news", round.to_string(), QoS::ExactlyOnce);
        for subscription in &subscriptions {
            assert_eq!(next(subscription).text(), round.to_string());
        }
    }
}

/// Returns when the broker has this many subscriptions: a client asks for them again on its own.
#[track_caller]
fn wait_for_subscriptions(broker: &Broker, count: usize) {
    let until = Instant::now() + LIMIT;
    while broker.load().subscriptions < count {
        assert!(Instant::now() < until, "{:?}", broker.load());
        thread::yield_now();
    }
}
