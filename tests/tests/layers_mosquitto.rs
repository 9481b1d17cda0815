//! TLS, WebSocket and sockets in the file system against Mosquitto, with certificates of the
//! tests' own.

mod layers;

use layers::{Identity, Issuer, cause, connect, converse, options, tls_error};
use mqtt_std::{Cause, Tls, TlsError, WebSocketError};
use mqtt_tests::mosquitto::{Broker, Config, Mosquitto, require_broker};
use rcgen::{CertificateParams, date_time_ymd};

const TLS: &[&str] = &[
    "certfile {folder}/server.pem",
    "keyfile {folder}/server.key",
];
const DEMANDING: &[&str] = &[
    "certfile {folder}/server.pem",
    "keyfile {folder}/server.key",
    "cafile {folder}/ca.pem",
    "require_certificate true",
];
// Mosquitto 2.0.11 ends where it has nothing but WebSocket to listen for.
const ANOTHER: &str = "listener 0 {folder}/mqtt.sock";
const WEBSOCKET: &[&str] = &["protocol websockets", ANOTHER];
const SECURE_WEBSOCKET: &[&str] = &[
    "certfile {folder}/server.pem",
    "keyfile {folder}/server.key",
    "protocol websockets",
    ANOTHER,
];

fn start(mosquitto: &Mosquitto, lines: &'static [&'static str], server: &Identity) -> Broker {
    mosquitto.start(Config {
        lines,
        files: vec![
            ("server.pem", server.certificate.clone()),
            ("server.key", server.key.clone()),
        ],
        ..Config::default()
    })
}

fn url(scheme: &str, broker: &Broker) -> String {
    format!("{scheme}://localhost:{}", broker.address().port())
}

#[test]
fn messages_of_all_sizes_pass_over_every_layer() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let issuer = Issuer::new("trusted");
    let server = issuer.identity("localhost", |_| {});
    let kinds = [
        ("mqtt", &[][..], 1 << 20),
        ("mqtts", TLS, 1 << 20),
        // Mosquitto 2.0.11 takes 4 KiB over WebSocket every 100 ms.
        ("ws", WEBSOCKET, 20_000),
        ("wss", SECURE_WEBSOCKET, 20_000),
    ];
    for (scheme, lines, largest) in kinds {
        let broker = start(&mosquitto, lines, &server);
        let options = options(scheme).tls(issuer.trusted());
        converse(
            &connect(&url(scheme, &broker), options),
            "layers/all",
            largest,
        );
    }
}

#[cfg(unix)]
#[test]
fn messages_of_all_sizes_pass_over_a_socket_in_the_file_system() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let broker = mosquitto.start(Config {
        lines: &[ANOTHER],
        ..Config::default()
    });
    let url = format!("unix://{}", broker.path("mqtt.sock").display());
    converse(&connect(&url, options("unix")), "layers/all", 1 << 20);
    let nobody = cause("unix:///nonesuch/mqtt.sock", options("unix"));
    assert!(matches!(nobody, Cause::Unreachable { .. }), "{nobody}");
    assert!(nobody.to_string().contains("/nonesuch/mqtt.sock"));
}

#[test]
fn each_fault_of_the_certificate_has_its_name() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let issuer = Issuer::new("trusted");
    let fault = |issuer: &Issuer, tls: Tls, adjust: fn(&mut CertificateParams)| {
        let broker = start(&mosquitto, TLS, &issuer.identity("localhost", adjust));
        let port = broker.address().port();
        (
            tls_error(&url("mqtts", &broker), options("a").tls(tls.clone())),
            tls_error(&format!("mqtts://127.0.0.1:{port}"), options("a").tls(tls)),
        )
    };
    let old = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    };
    let (expired, _) = fault(&issuer, issuer.trusted(), old);
    assert!(matches!(expired, TlsError::Expired), "{expired:?}");
    let (unknown, _) = fault(&Issuer::new("stranger"), issuer.trusted(), |_| {});
    assert!(matches!(unknown, TlsError::UnknownIssuer), "{unknown:?}");
    let broker = start(&mosquitto, TLS, &issuer.identity("localhost", |_| {}));
    let by_number = format!("mqtts://{}", broker.address());
    let wrong = tls_error(&by_number, options("a").tls(issuer.trusted()));
    assert!(matches!(wrong, TlsError::WrongName { .. }), "{wrong:?}");
    assert!(wrong.to_string().contains("127.0.0.1"), "{wrong}");
    for tls in [
        issuer.trusted().server_name("localhost"),
        Tls::new().dangerously_trust_everybody(),
    ] {
        converse(
            &connect(&by_number, options("a").tls(tls)),
            "layers/name",
            300_000,
        );
    }
}

#[test]
fn a_certificate_is_shown_where_it_is_demanded() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let issuer = Issuer::new("trusted");
    let server = issuer.identity("localhost", |_| {});
    let broker = mosquitto.start(Config {
        lines: DEMANDING,
        files: vec![
            ("server.pem", server.certificate),
            ("server.key", server.key),
            ("ca.pem", issuer.pem()),
        ],
        ..Config::default()
    });
    let url = url("mqtts", &broker);
    let missing = tls_error(&url, options("a").tls(issuer.trusted()));
    assert!(
        matches!(missing, TlsError::CertificateRequired),
        "{missing:?}"
    );
    let foreign = Issuer::new("stranger").identity("sensor", |_| {});
    let tls = issuer
        .trusted()
        .identity_pem(foreign.certificate, foreign.key);
    let refused = tls_error(&url, options("a").tls(tls));
    assert!(
        matches!(refused, TlsError::CertificateRefused(_)),
        "{refused:?}"
    );
    let known = issuer.identity("sensor", |_| {});
    let tls = issuer.trusted().identity_pem(known.certificate, known.key);
    converse(
        &connect(&url, options("a").tls(tls)),
        "layers/identity",
        300_000,
    );
}

#[test]
fn who_speaks_something_else_at_a_port_is_told_what_to_look_at() {
    let Some(mosquitto) = require_broker() else {
        return;
    };
    let issuer = Issuer::new("trusted");
    let server = issuer.identity("localhost", |_| {});
    let plain = start(&mosquitto, &[], &server);
    let secure = start(&mosquitto, TLS, &server);
    let websocket = start(&mosquitto, WEBSOCKET, &server);
    let ask = |scheme: &str, broker: &Broker| {
        let options = options("a").tls(issuer.trusted());
        cause(&url(scheme, broker), options)
    };
    let cause = ask("mqtts", &plain);
    assert!(
        matches!(
            cause,
            Cause::Tls(TlsError::ClosedEarly | TlsError::Violation(_))
        ),
        "{cause:?}"
    );
    assert!(cause.to_string().contains("TLS"), "{cause}");
    let cause = ask("ws", &plain);
    assert!(
        matches!(
            cause,
            Cause::WebSocket(WebSocketError::ClosedEarly | WebSocketError::Answer(_))
        ),
        "{cause:?}"
    );
    let cause = ask("mqtts", &websocket);
    assert!(matches!(cause, Cause::Tls(_)), "{cause:?}");
    let cause = ask("mqtt", &secure);
    assert!(
        matches!(
            cause,
            Cause::StreamClosed | Cause::Broken(_) | Cause::Violation(_)
        ),
        "{cause:?}"
    );
}
