//! Where a broker listens, and what is spoken there.

use super::error::BindError;
#[cfg(feature = "tls")]
use mqtt_driver::tls::ServerTls;
use mqtt_driver::{Scheme, ServerLayers};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;

/// One of the places where a broker listens, for [`Broker::listen`](super::Broker::listen): TCP or
/// a socket in the file system, and TLS and WebSocket over it if that is wanted.
///
/// ```
/// use mqtt_std::broker::{Broker, BrokerOptions, Endpoint};
///
/// let endpoints = [Endpoint::tcp("127.0.0.1:0"), Endpoint::tcp("[::1]:0")];
/// let broker = Broker::listen(endpoints, BrokerOptions::new())?;
/// assert!(broker.urls()[0].starts_with("mqtt://127.0.0.1:"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "it is a place to listen at, for `Broker::listen`"]
pub struct Endpoint {
    place: Place,
    #[cfg(feature = "tls")]
    tls: Option<ServerTls>,
    #[cfg(feature = "websocket")]
    websocket: bool,
}

#[derive(Debug)]
enum Place {
    Addresses(io::Result<Vec<SocketAddr>>),
    Listener(TcpListener),
    #[cfg(unix)]
    Path(PathBuf),
}

/// A place that is listened at.
pub(super) struct Bound {
    pub(super) sockets: Sockets,
    pub(super) layers: ServerLayers,
    pub(super) url: String,
    /// None for a socket in the file system.
    pub(super) address: Option<SocketAddr>,
}

/// What gives connections.
pub(super) enum Sockets {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Unix(mio::net::UnixListener, PathBuf),
}

impl Endpoint {
    /// TCP, at an address such as `"127.0.0.1:1883"`; port 0 has the system choose a free one.
    pub fn tcp(address: impl ToSocketAddrs) -> Self {
        let addresses = address.to_socket_addrs();
        Self::at(Place::Addresses(addresses.map(Iterator::collect)))
    }

    /// TCP, at a listener that the program has made.
    pub fn listener(listener: TcpListener) -> Self {
        Self::at(Place::Listener(listener))
    }

    /// A socket in the file system, at a path where there is nothing yet, or a socket that nobody
    /// listens at any more. It is gone when the broker is shut down. Who may connect is a matter
    /// of the permissions of its folder.
    #[cfg(unix)]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::Path(path.into()))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "websocket")]
            websocket: false,
        }
    }

    /// Has TLS spoken there. Files are read when the broker is made.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Has MQTT ride in WebSocket frames there, whatever path a client asks for.
    #[cfg(feature = "websocket")]
    pub fn websocket(mut self) -> Self {
        self.websocket = true;
        self
    }

    fn layers(&self) -> Result<ServerLayers, BindError> {
        // Others may have switched on features of the driver that are off here.
        #[allow(unused_mut, reason = "each change is for a feature")]
        let mut layers = ServerLayers::default();
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            layers.tls = Some(tls.acceptor().map_err(BindError::Tls)?);
        }
        #[cfg(feature = "websocket")]
        {
            layers.websocket = self.websocket;
        }
        Ok(layers)
    }

    fn scheme(&self) -> Scheme {
        #[cfg(feature = "tls")]
        let secure = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let secure = false;
        #[cfg(feature = "websocket")]
        let websocket = self.websocket;
        #[cfg(not(feature = "websocket"))]
        let websocket = false;
        match (secure, websocket) {
            (false, false) => Scheme::Mqtt,
            (true, false) => Scheme::Mqtts,
            (false, true) => Scheme::Ws,
            (true, true) => Scheme::Wss,
        }
    }

    pub(super) fn bind(self) -> Result<Bound, BindError> {
        let layers = self.layers()?;
        let scheme = self.scheme();
        let listener = match self.place {
            Place::Addresses(addresses) => bind(addresses)?,
            Place::Listener(listener) => {
                listener.set_nonblocking(true)?;
                mio::net::TcpListener::from_std(listener)
            }
            #[cfg(unix)]
            Place::Path(path) => {
                let url = format!("{}://{}", Scheme::Unix, path.display());
                return Ok(Bound {
                    sockets: Sockets::Unix(bind_path(&path)?, path),
                    layers,
                    url,
                    address: None,
                });
            }
        };
        let address = listener.local_addr()?;
        Ok(Bound {
            sockets: Sockets::Tcp(listener),
            layers,
            url: format!("{scheme}://{address}"),
            address: Some(address),
        })
    }
}

/// Listens at the first of the addresses that allows it.
fn bind(addresses: io::Result<Vec<SocketAddr>>) -> Result<mio::net::TcpListener, BindError> {
    let unknown = |error| BindError::Address(Arc::new(error));
    let mut last = None;
    for address in addresses.map_err(unknown)? {
        // Of mio's making, for its longer queue of connections that are to be accepted.
        match mio::net::TcpListener::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(BindError::at(address, error)),
        }
    }
    let none = || {
        unknown(io::Error::new(
            ErrorKind::NotFound,
            "the name has no address",
        ))
    };
    Err(last.unwrap_or_else(none))
}

#[cfg(unix)]
fn bind_path(path: &std::path::Path) -> Result<mio::net::UnixListener, BindError> {
    use std::os::unix::{fs::FileTypeExt, net::UnixStream};
    let is_socket = || std::fs::symlink_metadata(path).map(|file| file.file_type().is_socket());
    let nobody_listens = || match UnixStream::connect(path) {
        Err(error) => error.kind() == ErrorKind::ConnectionRefused,
        Ok(_) => false,
    };
    if is_socket().unwrap_or(false) && nobody_listens() {
        // A program that was killed has left it.
        let _ = std::fs::remove_file(path);
    }
    mio::net::UnixListener::bind(path).map_err(|error| BindError::Socket {
        path: path.to_owned(),
        error: Arc::new(error),
    })
}
