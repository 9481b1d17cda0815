//! What the tests of TLS, WebSocket and sockets in the file system share: certificates, and what
//! is said over every kind of stream.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "shared by test binaries")]

use mqtt_std::tls::ServerTls;
use mqtt_std::{Cause, Client, ConnectError, Options, QoS, Tls, TlsError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::path::PathBuf;
use std::time::Duration;

/// How long anything that should happen at once may take on a loaded machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A folder that is gone with its test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mqtt-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A certificate and its private key, in PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// Somebody who vouches for others.
pub struct Issuer(CertifiedIssuer<'static, KeyPair>);

impl Issuer {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name`.
    pub fn identity(&self, name: &str, adjust: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Who trusts it.
    pub fn trusted(&self) -> Tls {
        Tls::new().roots_pem(self.pem())
    }

    /// A server that is `localhost` and 127.0.0.1.
    pub fn server(&self) -> ServerTls {
        let identity = self.identity("localhost", |params| {
            let loopback = "127.0.0.1".parse().unwrap();
            params
                .subject_alt_names
                .push(rcgen::SanType::IpAddress(loopback));
        });
        ServerTls::from_pem(identity.certificate, identity.key)
    }
}

pub fn options(client_id: &str) -> Options {
    Options::new(client_id)
        .reconnect_between(Duration::from_millis(20), Duration::from_millis(200))
        .connect_timeout(LIMIT)
}

#[track_caller]
pub fn connect(url: &str, options: Options) -> Client {
    match Client::connect(url, options) {
        Ok(client) => client,
        Err(error) => panic!("{url}: {error}"),
    }
}

/// What became of a connection that was not to come about.
#[track_caller]
pub fn cause(url: &str, options: Options) -> Cause {
    match Client::connect(url, options).map(drop) {
        Err(ConnectError::NotConnected(cause)) => cause,
        other => panic!("{url}: {other:?}"),
    }
}

#[track_caller]
pub fn tls_error(url: &str, options: Options) -> TlsError {
    match cause(url, options) {
        Cause::Tls(error) => error,
        other => panic!("{url}: {other}"),
    }
}

/// Bytes that differ from place to place.
pub fn payload(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8 ^ seed).collect()
}

/// Says and hears messages of all sizes up to `largest` and all qualities, and closes.
#[track_caller]
pub fn converse(client: &Client, topic: &str, largest: usize) {
    let heard = client.subscribe(topic, QoS::ExactlyOnce).unwrap();
    let sizes = [
        0,
        1,
        125,
        126,
        127,
        20_000,
        65_535,
        65_536,
        300_000,
        1 << 20,
    ];
    let qualities = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    for (round, len) in sizes.into_iter().filter(|len| *len <= largest).enumerate() {
        let said = payload(len, round as u8);
        let publication = client.publish(topic, said.clone());
        let token = publication.qos(qualities[round % 3]).send().unwrap();
        token.acknowledged_timeout(LIMIT).unwrap();
        let message = heard.recv_timeout(LIMIT).expect("it comes back");
        assert!(message.payload == said, "{len} bytes");
    }
    drop(heard);
    client.close(LIMIT).unwrap();
}
