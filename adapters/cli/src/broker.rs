//! `mqtt broker`.

use crate::exit::{Failure, Kind, local};
use crate::interrupt;
use clap::{Args, ValueEnum};
use mqtt_std::broker::{Access, BrokerConfig, BrokerOptions, Endpoint, Login, Overflow};
use mqtt_std::tls::ServerTls;
use mqtt_std::{Broker, ReasonCode};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long clients may take to be told that the broker ends.
const GOODBYE: Duration = Duration::from_secs(5);

/// Everything is kept in memory and ends with the broker.
#[derive(Debug, Args)]
pub(crate) struct BrokerArgs {
    /// The address to listen at; 0.0.0.0 or :: serves other machines too
    #[arg(short = 'h', long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,
    /// The port to listen at; 0 takes one that is free [default: 1883, or none with another place]
    #[arg(short, long)]
    port: Option<u16>,
    /// A port for TLS
    #[arg(long, value_name = "PORT", requires = "cert")]
    tls_port: Option<u16>,
    /// A port for WebSocket
    #[arg(long, value_name = "PORT")]
    ws_port: Option<u16>,
    /// A port for WebSocket over TLS
    #[arg(long, value_name = "PORT", requires = "cert")]
    wss_port: Option<u16>,
    /// The path of a socket for programs on this machine
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The certificate for TLS: a PEM file, with those that vouch for it
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key: a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Over TLS, let in only clients with a certificate that one in this PEM file vouches for
    #[arg(long, value_name = "FILE", requires = "cert")]
    cafile: Option<PathBuf>,
    /// Let in only clients with this user name
    #[arg(short, long, value_name = "NAME", requires = "password")]
    username: Option<String>,
    /// The password that they have to give with it
    #[arg(short = 'P', long, value_name = "PASSWORD", requires = "username")]
    password: Option<String>,
    /// Connections at a time; more are closed as they come
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    connections: usize,
    /// The largest packet taken, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20,
          value_parser = clap::value_parser!(u32).range(64..=268_435_460))]
    maximum_packet_size: u32,
    /// What becomes of a message for a client whose queue is full
    #[arg(long, value_name = "POLICY", default_value = "hold")]
    when_full: WhenFull,
    /// Messages that wait for one client
    #[arg(long, value_name = "COUNT", default_value_t = u16::MAX - 1,
          value_parser = clap::value_parser!(u16).range(1..=65_534))]
    queue_messages: u16,
    /// Bytes of those messages
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    queue_bytes: usize,
    /// Tell on standard error who comes and goes, and what is dropped
    #[arg(short, long)]
    verbose: bool,
}

/// The policies, by names for a command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum WhenFull {
    /// Who publishes it waits for its acknowledgement until there is room, though not for long
    /// for a client that makes none; at QoS 0 the message is dropped
    Hold,
    /// It is dropped, and those that wait are kept
    DropNewest,
    /// Those that have waited longest are dropped for it
    DropOldest,
    /// It is dropped, and its client is disconnected
    Disconnect,
}

impl From<WhenFull> for Overflow {
    fn from(when_full: WhenFull) -> Self {
        match when_full {
            WhenFull::Hold => Self::HoldBack,
            WhenFull::DropNewest => Self::DropNewest,
            WhenFull::DropOldest => Self::DropOldest,
            WhenFull::Disconnect => Self::Disconnect,
        }
    }
}

/// Lets in who knows the name and the password.
struct Password {
    user_name: String,
    password: String,
}

impl Access for Password {
    fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
        let password = login.password.unwrap_or_default();
        if login.user_name == Some(&self.user_name) && same(password, self.password.as_bytes()) {
            Ok(())
        } else {
            Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD)
        }
    }
}

/// Takes as long wherever the first difference is.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differences == 0
}

impl BrokerArgs {
    /// The places to listen at.
    fn endpoints(&self) -> Vec<Endpoint> {
        let at = |port| Endpoint::tcp((self.host.as_str(), port));
        let mut endpoints: Vec<_> = self.port.map(at).into_iter().collect();
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            let mut tls = ServerTls::from_files(cert, key);
            if let Some(cafile) = &self.cafile {
                tls = tls.client_roots_file(cafile);
            }
            endpoints.extend(self.tls_port.map(|port| at(port).tls(tls.clone())));
            endpoints.extend(self.wss_port.map(|port| at(port).tls(tls).websocket()));
        }
        endpoints.extend(self.ws_port.map(|port| at(port).websocket()));
        #[cfg(unix)]
        endpoints.extend(self.socket.as_ref().map(Endpoint::unix));
        if endpoints.is_empty() {
            endpoints.push(at(1883));
        }
        endpoints
    }
}

pub(crate) fn run(args: BrokerArgs) -> Result<(), Failure> {
    let (sender, interrupted) = mpsc::channel();
    interrupt::on_interrupt(move || {
        let _ = sender.send(());
    })?;
    let config = BrokerConfig {
        maximum_packet_size: args.maximum_packet_size,
        queue_messages: args.queue_messages,
        queue_bytes: args.queue_bytes,
        overflow: args.when_full.into(),
        ..BrokerConfig::default()
    };
    let endpoints = args.endpoints();
    let mut options = BrokerOptions::new()
        .config(config)
        .connections(args.connections);
    if let (Some(user_name), Some(password)) = (args.username, args.password) {
        options = options.access(Password {
            user_name,
            password,
        });
    }
    let broker =
        Broker::listen(endpoints, options).map_err(|error| Failure::new(Kind::Local, error))?;
    let notices = broker.watch();
    thread::spawn(move || {
        for notice in notices {
            if args.verbose {
                eprintln!("{notice}");
            }
        }
    });
    let mut stdout = io::stdout().lock();
    let mut places = broker.urls().iter();
    places
        .try_for_each(|url| writeln!(stdout, "listening at {url}"))
        .and_then(|()| stdout.flush())
        .map_err(local("standard output"))?;
    // It ends when the program is asked to; the handler keeps the other end for ever.
    let _ = interrupted.recv();
    broker
        .shutdown(GOODBYE)
        .map_err(|error| Failure::new(Kind::Local, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_compared_whole() {
        assert!(same(b"secret", b"secret") && same(b"", b""));
        for wrong in ["secre", "secrets", "Secret", ""] {
            assert!(!same(wrong.as_bytes(), b"secret"), "{wrong}");
        }
    }
}
