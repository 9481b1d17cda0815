//! An MQTT 5.0 broker inside a program: for development, tests, gateways and small sites.
//!
//! ```
//! use mqtt_std::{Broker, Client, Options, QoS};
//! use std::time::Duration;
//!
//! let broker = Broker::bind("127.0.0.1:0")?;
//! let url = format!("mqtt://{}", broker.local_addr());
//!
//! let client = Client::connect(&url, Options::new("sensor-7"))?;
//! let orders = client.subscribe("orders", QoS::AtLeastOnce)?;
//! broker.publish("orders", "measure").qos(QoS::AtLeastOnce).send()?;
//! assert_eq!(orders.recv().unwrap().text(), "measure");
//!
//! client.close(Duration::from_secs(5))?;
//! broker.shutdown(Duration::from_secs(5))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! One thread serves all connections. Everything is kept in memory: sessions, retained messages
//! and what waits end with the broker. What MQTT asks of a server is decided by
//! [`mqtt_session::broker`]; this module owns the sockets and the clock.
//!
//! [`Broker::listen`] opens several [`Endpoint`]s for one broker: TCP, sockets in the file system,
//! and over them TLS (feature `tls`) and WebSocket (feature `websocket`). What a client does there
//! before its CONNECT counts against [`BrokerConfig::connect_timeout`].
//!
//! [`BrokerOptions`] says who may do what and bounds what can grow; [`Broker::watch`] tells what
//! happens.

mod endpoint;
mod error;
mod line;
mod listener;
mod notice;
mod options;
mod publish;
mod shared;
mod worker;

pub use endpoint::Endpoint;
pub use error::{BindError, BrokerPublishError, ShutdownError};
pub use notice::{Notice, Notices, Peer};
pub use options::BrokerOptions;

pub use mqtt_session::broker::{
    Access, AllowAll, AuthStep, BrokerConfig, BrokerEvent, BrokerLoad, ConnectionId, EndCause,
    Identity, Login, Overflow,
};

use crate::publish::Publication;
use crate::transport::LONGEST;
use bytes::Bytes;
use mqtt_session::ReasonCode;
use shared::Shared;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long dropping a broker may take.
const LINGER: Duration = Duration::from_millis(500);

/// A running MQTT 5.0 broker: a thread of its own serves every connection. See the
/// [module](self) for an example.
///
/// Dropping it shuts it down as [`Broker::shutdown`] does, within half a second.
///
/// None of its methods may be called from an [`Access`], which the broker waits for.
#[derive(Debug)]
pub struct Broker {
    shared: Arc<Shared>,
    /// Where it listens at a port.
    address: Option<SocketAddr>,
    urls: Vec<String>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Broker {
    /// Listens at an address such as `"127.0.0.1:1883"`, and serves everyone who connects there
    /// with the defaults of [`BrokerOptions`]: everyone may do everything. Port 0 has the system
    /// choose a free one, see [`Broker::local_addr`].
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(address: impl ToSocketAddrs) -> Result<Self, BindError> {
        Self::bind_with(address, BrokerOptions::new())
    }

    /// As [`Broker::bind`], with options.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind_with(
        address: impl ToSocketAddrs,
        options: BrokerOptions,
    ) -> Result<Self, BindError> {
        Self::listen([Endpoint::tcp(address)], options)
    }

    /// Serves those who connect to a listener that the program has made.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn serve(listener: TcpListener, options: BrokerOptions) -> Result<Self, BindError> {
        Self::listen([Endpoint::listener(listener)], options)
    }

    /// Listens at several places, all for one broker: whoever connects at one of them meets those
    /// of the others. When one cannot be listened at, none is.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn listen(
        endpoints: impl IntoIterator<Item = Endpoint>,
        options: BrokerOptions,
    ) -> Result<Self, BindError> {
        let bound = endpoints.into_iter().map(Endpoint::bind);
        let bound = bound.collect::<Result<Vec<_>, _>>()?;
        let address = bound.iter().find_map(|bound| bound.address);
        let urls = bound.iter().map(|bound| bound.url.clone()).collect();
        let (shared, thread) = worker::start(bound, options)?;
        Ok(Self {
            shared,
            address,
            urls,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Where it listens, with the port that the system chose: the first of its ports. Without
    /// any, 0.0.0.0:0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        let none = (Ipv4Addr::UNSPECIFIED, 0).into();
        self.address.unwrap_or(none)
    }

    /// Where it listens, as clients write it, each place in the order they were given:
    /// `mqtts://127.0.0.1:8883`, with the port that the system chose.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// A message of the program's own for `topic`, at QoS 0 unless said otherwise: it goes to
    /// those who have subscribed, as if a client had published it.
    pub fn publish<'a>(
        &'a self,
        topic: &'a str,
        payload: impl Into<Bytes>,
    ) -> Publication<'a, Self> {
        Publication::new(self, topic, payload.into())
    }

    /// What happens from now on; the last 10,000 notices are held for a reader.
    #[must_use]
    pub fn watch(&self) -> Notices {
        self.shared.watch()
    }

    /// How much it holds; nothing when it has ended. The cost grows with the number of sessions.
    #[must_use]
    pub fn load(&self) -> BrokerLoad {
        self.shared.load()
    }

    /// Disconnects one client, with a reason code that a server's DISCONNECT may carry, such as
    /// 0x98, Administrative action. Nothing happens with another code, or where no client has
    /// been accepted on the connection.
    pub fn disconnect(&self, connection: ConnectionId, reason: ReasonCode) {
        self.shared.disconnect(connection, reason);
    }

    /// Shuts the broker down: nobody is accepted any more and the port is free again, every
    /// client is told (DISCONNECT 0x8B, Server shutting down), and when all have taken that, or
    /// `limit` is over, all connections are closed and the thread has ended. Sessions and
    /// retained messages are gone with it.
    ///
    /// # Errors
    /// [`ShutdownError`]; the broker has ended nevertheless. Calling it again gives the same
    /// answer.
    pub fn shutdown(&self, limit: Duration) -> Result<(), ShutdownError> {
        let result = self.shared.shutdown(Instant::now() + limit.min(LONGEST));
        if result != Err(ShutdownError::Stuck) {
            let thread = self.thread.lock();
            let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
            // A panic has been told already.
            let _ = thread.map(JoinHandle::join);
        }
        result
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.shutdown(LINGER);
    }
}

impl From<io::Error> for BindError {
    fn from(error: io::Error) -> Self {
        Self::System(Arc::new(error))
    }
}
