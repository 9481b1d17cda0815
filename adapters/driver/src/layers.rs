//! What an address asks for over the bare stream.

use crate::address::Address;
use crate::error::{Cause, ConnectError};
use crate::line::Carrier;
use crate::options::Options;
#[cfg(feature = "tls")]
use crate::tls::{TlsAcceptor, TlsConnector, TlsStream};
#[cfg(feature = "websocket")]
use crate::websocket::WebSocket;
use std::io::{self, IoSlice, Read, Write};

/// Puts TLS and WebSocket over a client's bare streams, where its address asks for them.
#[derive(Clone, Debug)]
pub struct Layers {
    #[cfg(feature = "tls")]
    tls: Option<(TlsConnector, String)>,
    /// What is asked for, of which host.
    #[cfg(feature = "websocket")]
    websocket: Option<(String, String)>,
}

impl Layers {
    /// What `address` asks for, with the settings of `options`. This may read files.
    ///
    /// # Errors
    /// [`ConnectError::Tls`].
    #[allow(unused_variables, reason = "each is for a feature")]
    pub fn new(address: &Address, options: &Options) -> Result<Self, ConnectError> {
        Ok(Self {
            #[cfg(feature = "tls")]
            tls: if address.scheme.is_secure() {
                // A server for WebSocket is one for HTTP first.
                let websocket = address.scheme.is_websocket();
                let alpn: &[u8] = if websocket { b"http/1.1" } else { b"mqtt" };
                let connector = options.tls.connector(&[alpn])?;
                Some((connector, address.host.clone()))
            } else {
                None
            },
            #[cfg(feature = "websocket")]
            websocket: address
                .scheme
                .is_websocket()
                .then(|| (address.http_host(), address.path.clone())),
        })
    }

    /// Puts them over a stream that has just been opened. Nothing is sent before it is used.
    ///
    /// # Errors
    /// [`Cause::Tls`].
    pub fn over<C: Carrier>(&self, carrier: C) -> Result<Layered<C>, Cause> {
        #[cfg(feature = "tls")]
        if let Some((connector, host)) = &self.tls {
            let secure = connector.over(host, carrier)?;
            #[cfg(feature = "websocket")]
            if let Some((host, path)) = &self.websocket {
                return Ok(Layered::Wss(Box::new(WebSocket::client(
                    secure, host, path,
                ))));
            }
            return Ok(Layered::Tls(secure));
        }
        #[cfg(feature = "websocket")]
        if let Some((host, path)) = &self.websocket {
            return Ok(Layered::Ws(Box::new(WebSocket::client(
                carrier, host, path,
            ))));
        }
        Ok(Layered::Plain(carrier))
    }
}

/// Puts TLS and WebSocket over a server's bare streams.
#[derive(Clone, Debug, Default)]
pub struct ServerLayers {
    /// TLS, if there is to be any.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsAcceptor>,
    /// Whether WebSocket lies over that.
    #[cfg(feature = "websocket")]
    pub websocket: bool,
}

impl ServerLayers {
    /// Puts them over a stream that a client has opened. Nothing is sent before the client has
    /// begun.
    ///
    /// # Errors
    /// [`Cause::Tls`].
    pub fn over<C: Carrier>(&self, carrier: C) -> Result<Layered<C>, Cause> {
        #[cfg(feature = "tls")]
        if let Some(acceptor) = &self.tls {
            let secure = acceptor.over(carrier)?;
            #[cfg(feature = "websocket")]
            if self.websocket {
                return Ok(Layered::Wss(Box::new(WebSocket::server(secure))));
            }
            return Ok(Layered::Tls(secure));
        }
        #[cfg(feature = "websocket")]
        if self.websocket {
            return Ok(Layered::Ws(Box::new(WebSocket::server(carrier))));
        }
        Ok(Layered::Plain(carrier))
    }
}

/// A stream with what lies over it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Layered<C> {
    /// Nothing.
    Plain(C),
    /// TLS.
    #[cfg(feature = "tls")]
    Tls(TlsStream<C>),
    /// WebSocket.
    #[cfg(feature = "websocket")]
    Ws(Box<WebSocket<C>>),
    /// WebSocket over TLS.
    #[cfg(all(feature = "tls", feature = "websocket"))]
    Wss(Box<WebSocket<TlsStream<C>>>),
}

impl<C: Carrier> Layered<C> {
    /// The bare stream.
    pub fn bare(&mut self) -> &mut C {
        match self {
            Self::Plain(carrier) => carrier,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.beneath(),
            #[cfg(feature = "websocket")]
            Self::Ws(websocket) => websocket.beneath(),
            #[cfg(all(feature = "tls", feature = "websocket"))]
            Self::Wss(websocket) => websocket.beneath().beneath(),
        }
    }

    fn top(&mut self) -> &mut dyn Carrier {
        match self {
            Self::Plain(carrier) => carrier,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls,
            #[cfg(feature = "websocket")]
            Self::Ws(websocket) => websocket.as_mut(),
            #[cfg(all(feature = "tls", feature = "websocket"))]
            Self::Wss(websocket) => websocket.as_mut(),
        }
    }
}

impl<C: Carrier> Read for Layered<C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.top().read(buffer)
    }
}

impl<C: Carrier> Write for Layered<C> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.top().write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.top().write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.top().flush()
    }
}

impl<C: Carrier> Carrier for Layered<C> {
    fn close(&mut self) -> io::Result<()> {
        self.top().close()
    }
}
