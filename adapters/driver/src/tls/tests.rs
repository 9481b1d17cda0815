//! Both sides of TLS in memory, with certificates of their own.

use super::{ServerTls, Tls, TlsStream};
use crate::pipe::{End, converse, pipe};
use crate::tls_error::TlsError;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use std::io;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer(name: &str) -> Issuer {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `localhost` and its key, in PEM.
fn identity(issuer: &Issuer, adjust: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    adjust(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn server_of(issuer: &Issuer) -> ServerTls {
    let (chain, key) = identity(issuer, |_| {});
    ServerTls::from_pem(chain, key)
}

fn both(
    client: &Tls,
    server: &ServerTls,
    host: &str,
    room: usize,
) -> (TlsStream<End>, TlsStream<End>) {
    let (near, far) = pipe(room);
    let client = client.connector(&[b"mqtt"]).unwrap().over(host, near);
    (
        client.unwrap(),
        server.acceptor().unwrap().over(far).unwrap(),
    )
}

fn told(result: io::Result<Vec<u8>>) -> TlsError {
    let error = result.unwrap_err();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.cloned().unwrap_or_else(|| panic!("{error:?}"))
}

/// What each side is told of a handshake that fails.
fn failures(client: &Tls, server: &ServerTls, host: &str) -> (TlsError, TlsError) {
    let (mut client, mut server) = both(client, server, host, 100_000);
    let (client, server) = converse(&mut client, &mut server, b"up", b"down");
    (told(client), told(server))
}

#[test]
fn much_both_ways_at_once_arrives_through_streams_of_any_room() {
    let issuer = issuer("trusted");
    let (client, server) = (Tls::new().roots_pem(issuer.pem()), server_of(&issuer));
    for (room, size) in [(1, 300), (700, 300_000), (1 << 20, 2 << 20)] {
        let up: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let down: Vec<u8> = (0..size).map(|i| (i % 241) as u8).collect();
        let (mut client, mut server) = both(&client, &server, "localhost", room);
        let (heard, heard_by_server) = converse(&mut client, &mut server, &up, &down);
        assert!(heard.unwrap() == down && heard_by_server.unwrap() == up);
        assert_eq!(client.connection().alpn_protocol(), None);
    }
}

#[test]
fn what_is_held_until_the_handshake_is_over_is_not_flushed() {
    use std::io::{Read, Write};
    let issuer = issuer("trusted");
    let client = Tls::new().roots_pem(issuer.pem());
    let (mut client, mut server) = both(&client, &server_of(&issuer), "localhost", 100_000);
    let blocks = |result: io::Result<_>| {
        let error: io::Error = result.map(|_: usize| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    };
    assert_eq!(client.write(b"up").unwrap(), 2);
    blocks(client.flush().map(|()| 0));
    let mut buffer = [0; 10];
    blocks(server.read(&mut buffer));
    // The read that ends the handshake sends what was held.
    blocks(client.read(&mut buffer));
    assert_eq!(server.read(&mut buffer).unwrap(), 2);
    client.flush().unwrap();
}

#[test]
fn each_fault_of_a_certificate_has_its_name() {
    let (trusted, stranger) = (issuer("trusted"), issuer("stranger"));
    let client = Tls::new().roots_pem(trusted.pem());
    let fault = |issuer: &Issuer, host, adjust: fn(&mut CertificateParams)| {
        let (chain, key) = identity(issuer, adjust);
        let server = ServerTls::from_pem(chain, key);
        let (here, there) = failures(&client, &server, host);
        let alert = matches!(there, TlsError::CertificateRefused(_));
        (here, alert)
    };
    let old = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    };
    let early = |params: &mut CertificateParams| params.not_before = date_time_ymd(3000, 1, 1);
    let result = fault(&trusted, "localhost", old);
    assert!(matches!(result, (TlsError::Expired, true)), "{result:?}");
    let result = fault(&trusted, "localhost", early);
    assert!(matches!(result, (TlsError::NotValidYet, _)), "{result:?}");
    let result = fault(&stranger, "localhost", |_| {});
    assert!(
        matches!(result, (TlsError::UnknownIssuer, true)),
        "{result:?}"
    );
    let (error, _) = fault(&trusted, "127.0.0.1", |_| {});
    let TlsError::WrongName {
        expected,
        presented,
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(expected, "127.0.0.1");
    assert!(presented.concat().contains("localhost"), "{presented:?}");
}

#[test]
fn another_name_or_no_verification_can_be_asked_for() {
    let issuer = issuer("trusted");
    let (named, blind) = (
        Tls::new().roots_pem(issuer.pem()).server_name("localhost"),
        Tls::new().dangerously_trust_everybody(),
    );
    for client in [named, blind] {
        let (mut client, mut server) = both(&client, &server_of(&issuer), "10.0.0.1", 1_000);
        let (heard, _) = converse(&mut client, &mut server, b"up", b"down");
        assert_eq!(heard.unwrap(), b"down");
    }
}

#[test]
fn a_certificate_that_is_demanded_is_shown_or_its_lack_told() {
    let (issuer, stranger) = (issuer("trusted"), issuer("stranger"));
    let server = server_of(&issuer).client_roots_pem(issuer.pem());
    let client = Tls::new().roots_pem(issuer.pem());
    let (here, there) = failures(&client, &server, "localhost");
    assert!(matches!(here, TlsError::CertificateRequired), "{here:?}");
    assert!(matches!(there, TlsError::CertificateRequired), "{there:?}");
    let (chain, key) = identity(&stranger, |_| {});
    let foreign = client.clone().identity_pem(chain, key);
    let (here, there) = failures(&foreign, &server, "localhost");
    assert!(matches!(here, TlsError::CertificateRefused(_)), "{here:?}");
    assert!(matches!(there, TlsError::UnknownIssuer), "{there:?}");
    let (chain, key) = identity(&issuer, |_| {});
    let known = client.identity_pem(chain, key);
    let (mut near, mut far) = both(&known, &server, "localhost", 1_000);
    let (heard, _) = converse(&mut near, &mut far, b"up", b"down");
    assert_eq!(heard.unwrap(), b"down");
}

#[test]
fn protocols_are_agreed_on_or_their_lack_told() {
    let issuer = issuer("trusted");
    let client = Tls::new().roots_pem(issuer.pem());
    let server = server_of(&issuer).alpn(["mqtt"]);
    let (mut near, mut far) = both(&client, &server, "localhost", 1_000);
    let (heard, _) = converse(&mut near, &mut far, b"up", b"down");
    assert_eq!(heard.unwrap(), b"down");
    assert_eq!(near.connection().alpn_protocol(), Some(&b"mqtt"[..]));
    let (here, there) = failures(&client.alpn(["other"]), &server, "localhost");
    assert!(matches!(here, TlsError::NoCommonProtocol), "{here:?}");
    assert!(matches!(there, TlsError::NoCommonProtocol), "{there:?}");
}

#[test]
fn what_does_not_speak_tls_is_told_apart() {
    let client = Tls::new().dangerously_trust_everybody();
    let answers: [&[u8]; 3] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x03\0\0\0",
        &[0; 99],
    ];
    for answer in answers {
        let (near, mut far) = pipe(100_000);
        let connector = client.connector(&[b"mqtt"]).unwrap();
        let mut near = connector.over("localhost", near).unwrap();
        let (here, _) = converse(&mut near, &mut far, b"up", answer);
        let here = told(here);
        assert!(matches!(here, TlsError::Violation(_)), "{here:?}");
    }
    let (near, mut far) = pipe(100_000);
    let connector = client.connector(&[b"mqtt"]).unwrap();
    let mut near = connector.over("localhost", near).unwrap();
    crate::Carrier::close(&mut far).unwrap();
    let here = converse(&mut near, &mut far, b"up", b"never").0;
    assert!(matches!(told(here), TlsError::ClosedEarly));
}

#[test]
fn what_cannot_be_used_is_named() {
    let refused = |tls: Tls| tls.connector(&[]).unwrap_err();
    let absent = refused(Tls::new().roots_file("/nonesuch/ca.pem"));
    assert!(matches!(absent, TlsError::File { .. }), "{absent:?}");
    assert!(absent.to_string().contains("/nonesuch/ca.pem"), "{absent}");
    let absent = refused(Tls::new().roots_folder("/nonesuch"));
    assert!(matches!(absent, TlsError::File { .. }), "{absent:?}");
    let empty = refused(Tls::new().roots_pem(""));
    assert!(matches!(empty, TlsError::NoCertificate { .. }), "{empty:?}");
    let garbage = refused(Tls::new().root_der([1, 2, 3]));
    assert!(matches!(garbage, TlsError::Unusable { .. }), "{garbage:?}");
    let issuer = issuer("trusted");
    let trusting = Tls::new().roots_pem(issuer.pem());
    let (chain, key) = identity(&issuer, |_| {});
    let (_, other_key) = identity(&issuer, |_| {});
    let no_key = refused(trusting.clone().identity_pem(chain.clone(), chain.clone()));
    assert!(matches!(no_key, TlsError::NoKey { .. }), "{no_key:?}");
    let mismatch = refused(trusting.clone().identity_pem(chain.clone(), other_key));
    assert!(matches!(mismatch, TlsError::KeyMismatch), "{mismatch:?}");
    let shown = format!("{:?}", trusting.clone().identity_pem(chain, key.clone()));
    assert!(!shown.contains(&key[30..60]), "{shown}");
    let name = trusting.connector(&[]).unwrap().over("not a name", ());
    assert!(matches!(name, Err(TlsError::ServerName(_))));
}

/// A stream that is never at its end, and gives what came a byte at a time.
struct Drops(std::collections::VecDeque<u8>);

impl io::Read for Drops {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let byte = self.0.pop_front().expect("others have their turn before");
        buffer[0] = byte;
        Ok(1)
    }
}

impl io::Write for Drops {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_brings_nothing_holds_nobody_up() {
    use std::io::Read;
    let acceptor = server_of(&issuer("trusted")).acceptor().unwrap();
    // A handshake of 16 KiB begins.
    let record = [22, 3, 1, 0x40, 0].into_iter().chain([0; 10_000]);
    let mut server = acceptor.over(Drops(record.collect())).unwrap();
    for _ in 0..3 {
        let result = server.read(&mut [0; 100]).map_err(|error| error.kind());
        assert_eq!(result, Err(io::ErrorKind::Interrupted));
    }
}
