//! TLS, WebSocket and sockets in the file system against the broker of `mqtt-std`: one broker,
//! every kind of listener.

mod layers;

use layers::{Folder, Issuer, LIMIT, cause, connect, converse, options, payload, tls_error};
use mqtt_std::broker::{BindError, Broker, BrokerConfig, BrokerOptions, Endpoint, Notice, Peer};
use mqtt_std::tls::ServerTls;
use mqtt_std::{Buffer, Bytes, Cause, Client, Overflow, QoS, SubscribeOptions, TlsError};
use std::time::Instant;

const LOOPBACK: &str = "127.0.0.1:0";

fn endpoints(issuer: &Issuer) -> Vec<Endpoint> {
    vec![
        Endpoint::tcp(LOOPBACK),
        Endpoint::tcp(LOOPBACK).tls(issuer.server()),
        Endpoint::tcp(LOOPBACK).websocket(),
        Endpoint::tcp(LOOPBACK).tls(issuer.server()).websocket(),
    ]
}

fn broker(issuer: &Issuer) -> Broker {
    let config = BrokerConfig {
        maximum_packet_size: 4 << 20,
        ..BrokerConfig::default()
    };
    Broker::listen(endpoints(issuer), BrokerOptions::new().config(config)).unwrap()
}

#[test]
fn every_kind_of_listener_leads_to_the_same_broker() {
    let issuer = Issuer::new("trusted");
    let folder = Folder::new("every-kind");
    let mut endpoints = endpoints(&issuer);
    if cfg!(unix) {
        endpoints.push(Endpoint::unix(folder.path("mqtt.sock")));
    }
    let broker = Broker::listen(endpoints, BrokerOptions::new()).unwrap();
    let schemes: Vec<_> = broker
        .urls()
        .iter()
        .map(|url| url.split("://").next().unwrap())
        .collect();
    assert_eq!(
        schemes,
        ["mqtt", "mqtts", "ws", "wss", "unix"][..schemes.len()]
    );
    let clients: Vec<Client> = broker
        .urls()
        .iter()
        .map(|url| connect(url, options(url).tls(issuer.trusted())))
        .collect();
    let heard: Vec<_> = clients
        .iter()
        .map(|client| client.subscribe("all", QoS::AtLeastOnce).unwrap())
        .collect();
    for (client, url) in clients.iter().zip(broker.urls()) {
        let token = client
            .publish("all", url.clone())
            .qos(QoS::AtLeastOnce)
            .send();
        token.unwrap().acknowledged_timeout(LIMIT).unwrap();
        for subscription in &heard {
            assert_eq!(subscription.recv_timeout(LIMIT).unwrap().text(), *url);
        }
    }
    for client in clients {
        client.close(LIMIT).unwrap();
    }
    broker.shutdown(LIMIT).unwrap();
    assert!(!folder.path("mqtt.sock").exists());
}

#[test]
fn messages_of_all_sizes_pass_over_every_layer() {
    let issuer = Issuer::new("trusted");
    let broker = broker(&issuer);
    for url in broker.urls() {
        let client = connect(url, options("a").tls(issuer.trusted()));
        converse(&client, "layers/all", 1 << 20);
    }
}

/// Both sides say far more than lies between them, at the same time, while nobody reads the
/// messages: neither waits for the other for ever.
#[test]
fn much_both_ways_at_once_with_a_reader_that_is_late() {
    const MESSAGES: usize = 24;
    const SIZE: usize = 1 << 20;
    let issuer = Issuer::new("trusted");
    let broker = broker(&issuer);
    for url in broker.urls() {
        let (one, other) = (format!("{url}/one"), format!("{url}/other"));
        let clients = [one, other].map(|id| connect(url, options(&id).tls(issuer.trusted())));
        let buffer = Buffer {
            messages: MESSAGES,
            bytes: 2 * MESSAGES * SIZE,
            overflow: Overflow::DropNewest,
        };
        let options = || SubscribeOptions::from(QoS::AtLeastOnce).buffer(buffer);
        let topics = ["to/one", "to/other"];
        let heard: Vec<_> = clients
            .iter()
            .zip(topics)
            .map(|(client, topic)| client.subscribe(topic, options()).unwrap())
            .collect();
        let said = [1, 2].map(|seed| Bytes::from(payload(SIZE, seed)));
        let mut tokens = Vec::new();
        for _ in 0..MESSAGES {
            for side in 0..2 {
                let publication = clients[side].publish(topics[1 - side], said[side].clone());
                tokens.push(publication.qos(QoS::AtLeastOnce).send().unwrap());
            }
        }
        for token in tokens {
            token.acknowledged_timeout(LIMIT).unwrap();
        }
        for side in 0..2 {
            for number in 0..MESSAGES {
                let message = heard[side].recv_timeout(LIMIT);
                let message = message.unwrap_or_else(|| panic!("{url}: {number}"));
                assert!(message.payload == said[1 - side], "{url}: {number}");
            }
        }
    }
}

#[test]
fn what_was_published_before_closing_arrives_at_any_qos() {
    let issuer = Issuer::new("trusted");
    let broker = broker(&issuer);
    for url in broker.urls() {
        let listener = connect(url, options("listener").tls(issuer.trusted()));
        let heard = listener.subscribe("last", QoS::AtMostOnce).unwrap();
        let speaker = connect(url, options("speaker").tls(issuer.trusted()));
        for _ in 0..9 {
            speaker.publish("last", vec![7; 1 << 20]).send().unwrap();
        }
        speaker.publish("last", "end").send().unwrap();
        speaker.close(LIMIT).unwrap();
        for _ in 0..9 {
            assert_eq!(heard.recv_timeout(LIMIT).unwrap().payload.len(), 1 << 20);
        }
        assert_eq!(heard.recv_timeout(LIMIT).unwrap().text(), "end");
    }
}

#[test]
fn clients_come_back_over_every_layer() {
    let issuer = Issuer::new("trusted");
    let broker = broker(&issuer);
    for url in broker.urls() {
        let notices = broker.watch();
        let client = connect(url, options("back").tls(issuer.trusted()));
        let heard = client.subscribe("back", QoS::AtLeastOnce).unwrap();
        let connection = notices.into_iter().find_map(|notice| match notice {
            Notice::Opened { connection, .. } => Some(connection),
            _ => None,
        });
        let states = client.watch();
        broker.disconnect(
            connection.unwrap(),
            mqtt_std::ReasonCode::ADMINISTRATIVE_ACTION,
        );
        let again = states.into_iter().find(|state| state.is_connected());
        assert!(again.is_some());
        let token = client
            .publish("back", url.clone())
            .qos(QoS::AtLeastOnce)
            .send();
        token.unwrap().acknowledged_timeout(LIMIT).unwrap();
        assert_eq!(heard.recv_timeout(LIMIT).unwrap().text(), *url);
    }
}

#[test]
fn faults_of_certificates_have_their_names_on_both_sides() {
    let (issuer, stranger) = (Issuer::new("trusted"), Issuer::new("stranger"));
    let server = issuer.server().client_roots_pem(issuer.pem());
    let endpoint = Endpoint::tcp(LOOPBACK).tls(server);
    let broker = Broker::listen([endpoint], BrokerOptions::new()).unwrap();
    let notices = broker.watch();
    let failed = || {
        let until = Instant::now() + LIMIT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let notice = notices.recv_timeout(left).expect("it is told");
            if let Notice::Failed {
                cause: Cause::Tls(error),
                ..
            } = notice
            {
                return error;
            }
        }
    };
    let url = &broker.urls()[0];
    let unknown = tls_error(url, options("a").tls(stranger.trusted()));
    assert!(matches!(unknown, TlsError::UnknownIssuer), "{unknown:?}");
    assert!(matches!(failed(), TlsError::CertificateRefused(_)));
    let wrong = options("a").tls(issuer.trusted().server_name("other"));
    let wrong = tls_error(url, wrong);
    assert!(matches!(wrong, TlsError::WrongName { .. }), "{wrong:?}");
    assert!(matches!(failed(), TlsError::CertificateRefused(_)));
    let missing = tls_error(url, options("a").tls(issuer.trusted()));
    assert!(
        matches!(missing, TlsError::CertificateRequired),
        "{missing:?}"
    );
    assert!(matches!(failed(), TlsError::CertificateRequired));
    let known = issuer.identity("sensor", |_| {});
    let tls = issuer.trusted().identity_pem(known.certificate, known.key);
    converse(&connect(url, options("a").tls(tls)), "known", 1_000);
}

#[test]
fn what_cannot_be_listened_at_is_named() {
    let listen = |endpoint| Broker::listen([endpoint], BrokerOptions::new()).map(drop);
    let tls = ServerTls::from_files("/nonesuch.pem", "/nonesuch.key");
    let error = listen(Endpoint::tcp(LOOPBACK).tls(tls)).unwrap_err();
    assert!(
        matches!(error, BindError::Tls(TlsError::File { .. })),
        "{error:?}"
    );
    assert!(error.to_string().contains("/nonesuch.pem"), "{error}");
    let cause = cause(
        "mqtts://127.0.0.1:9",
        options("a").tls(Issuer::new("a").trusted()),
    );
    assert!(matches!(cause, Cause::Unreachable { .. }), "{cause:?}");
}

#[cfg(unix)]
#[test]
fn a_path_is_taken_over_only_from_a_socket_nobody_listens_at() {
    let folder = Folder::new("paths");
    let path = folder.path("mqtt.sock");
    let listen = || Broker::listen([Endpoint::unix(&path)], BrokerOptions::new());
    // What a program that was killed leaves.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let broker = listen().unwrap();
    assert_eq!(broker.local_addr().port(), 0);
    let notices = broker.watch();
    let error = listen().map(drop).unwrap_err();
    assert!(error.to_string().contains("somebody listens"), "{error}");
    let client = connect(&broker.urls()[0], options("unix"));
    let peer = notices.into_iter().find_map(|notice| match notice {
        Notice::Opened { peer, .. } => Some(peer),
        _ => None,
    });
    assert!(matches!(peer, Some(Peer::Unix)));
    client.close(LIMIT).unwrap();
    broker.shutdown(LIMIT).unwrap();
    std::fs::write(&path, "a file").unwrap();
    assert!(matches!(listen(), Err(BindError::Socket { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file");
}

/// A client of tokio's and one of smol's over each listener, heard by one of threads.
#[test]
fn clients_of_every_runtime_have_every_layer() {
    let issuer = Issuer::new("trusted");
    let broker = broker(&issuer);
    let heard = connect(&broker.urls()[0], options("threads"));
    let heard = heard.subscribe("runtimes", QoS::AtLeastOnce).unwrap();
    let said = payload(1 << 20, 3);
    for url in broker.urls() {
        let task = async |id: &str| {
            let options = mqtt_tokio::Options::new(id).tls(issuer.trusted());
            let client = mqtt_tokio::Client::connect(url, options).await.unwrap();
            let mut back = client
                .subscribe("runtimes", QoS::AtLeastOnce)
                .await
                .unwrap();
            let publication = client.publish("runtimes", said.clone());
            let token = publication.qos(QoS::AtLeastOnce).await.unwrap();
            token.acknowledged().await.unwrap();
            assert!(back.next().await.unwrap().payload == said);
            client.close(LIMIT).await.unwrap();
        };
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(task("tokio"));
        assert!(heard.recv_timeout(LIMIT).unwrap().payload == said, "{url}");
        smol::block_on(async {
            let options = mqtt_smol::Options::new("smol").tls(issuer.trusted());
            let client = mqtt_smol::Client::connect(url, options).await.unwrap();
            let mut back = client
                .subscribe("runtimes", QoS::AtLeastOnce)
                .await
                .unwrap();
            let publication = client.publish("runtimes", said.clone());
            let token = publication.qos(QoS::AtLeastOnce).await.unwrap();
            token.acknowledged().await.unwrap();
            assert!(back.next().await.unwrap().payload == said);
            client.close(LIMIT).await.unwrap();
        });
        assert!(heard.recv_timeout(LIMIT).unwrap().payload == said, "{url}");
    }
}
