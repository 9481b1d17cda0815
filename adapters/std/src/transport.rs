//! The way to the server: any stream whose readiness can be waited for.

pub use mqtt_driver::Carrier;
use mqtt_driver::{Address, Cause, ConnectError, Layers, Options};
pub use mqtt_driver::{Layered, Scheme};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use mio::event::Source;

/// A [`Carrier`] whose readiness can be waited for: the client is woken by the [`Source`] beneath.
/// [`Tcp`] is one; a wrapper around it that encrypts, records or cuts is another.
pub trait Stream: Carrier {
    /// What tells when the stream is ready again.
    fn source(&mut self) -> &mut dyn Source;
}

impl<S: Stream> Stream for Layered<S> {
    fn source(&mut self) -> &mut dyn Source {
        self.bare().source()
    }
}

/// What opens streams to an address, with TLS and WebSocket over them where it asks for these;
/// for [`Client::connect_over`](crate::Client::connect_over). It reads what files `options` name.
///
/// # Errors
/// [`ConnectError::Tls`].
pub fn opener(
    address: &Address,
    options: &Options,
) -> Result<
    impl FnMut(Duration) -> Result<Layered<Socket>, Cause> + Send + 'static + use<>,
    ConnectError,
> {
    let layers = Layers::new(address, options)?;
    let address = address.clone();
    Ok(move |limit| layers.over(Socket::connect(&address, limit)?))
}

/// A socket of the operating system's.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// TCP.
    Tcp(Tcp),
    /// A socket in the file system.
    #[cfg(unix)]
    Unix(Unix),
}

impl Socket {
    /// Connects to an address, whichever kind of socket it asks for.
    ///
    /// # Errors
    /// As [`Tcp::connect`].
    pub fn connect(address: &Address, limit: Duration) -> Result<Self, Cause> {
        match address.scheme {
            #[cfg(unix)]
            Scheme::Unix => Unix::connect(&address.path).map(Self::Unix),
            _ => Tcp::connect(address, limit).map(Self::Tcp),
        }
    }

    fn stream(&mut self) -> &mut dyn Stream {
        match self {
            Self::Tcp(tcp) => tcp,
            #[cfg(unix)]
            Self::Unix(unix) => unix,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream().read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream().write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream().write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream().flush()
    }
}

impl Carrier for Socket {
    fn close(&mut self) -> io::Result<()> {
        self.stream().close()
    }
}

impl Stream for Socket {
    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(tcp) => tcp.source(),
            #[cfg(unix)]
            Self::Unix(unix) => unix.source(),
        }
    }
}

/// A socket in the file system.
#[cfg(unix)]
#[derive(Debug)]
pub struct Unix {
    stream: mio::net::UnixStream,
}

#[cfg(unix)]
impl Unix {
    /// Connects to the socket at a path.
    ///
    /// # Errors
    /// [`Cause::Unreachable`].
    pub fn connect(path: &str) -> Result<Self, Cause> {
        let stream = UnixStream::connect(path).and_then(Self::new);
        stream.map_err(|error| Cause::Unreachable {
            address: path.to_owned(),
            error: Arc::new(error),
        })
    }

    /// Takes a connected socket over: it no longer blocks.
    ///
    /// # Errors
    /// As [`UnixStream::set_nonblocking`].
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: mio::net::UnixStream::from_std(stream),
        })
    }

    /// Takes over what a listener of the broker's has accepted.
    #[cfg(feature = "broker")]
    pub(crate) fn accepted(stream: mio::net::UnixStream) -> Self {
        Self { stream }
    }
}

#[cfg(unix)]
impl Read for Unix {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

#[cfg(unix)]
impl Write for Unix {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(unix)]
impl Stream for Unix {
    fn source(&mut self) -> &mut dyn Source {
        &mut self.stream
    }
}

#[cfg(unix)]
impl Carrier for Unix {
    fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

/// TCP.
#[derive(Debug)]
pub struct Tcp {
    stream: mio::net::TcpStream,
}

impl Tcp {
    /// Connects to an address, trying all that its name has in turn, for at most `limit`; name
    /// resolution takes as long as the system lets it.
    ///
    /// # Errors
    /// [`Cause::UnknownHost`], [`Cause::Unreachable`] or [`Cause::NotOpened`].
    pub fn connect(address: &Address, limit: Duration) -> Result<Self, Cause> {
        Ok(Self::new(connect(address, limit)?)?)
    }

    /// Takes a connected socket over: it no longer blocks, and small packets leave at once.
    ///
    /// # Errors
    /// As [`TcpStream::set_nonblocking`] and [`TcpStream::set_nodelay`].
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: mio::net::TcpStream::from_std(stream),
        })
    }

    /// Takes over what a listener of the broker's has accepted.
    #[cfg(feature = "broker")]
    pub(crate) fn accepted(stream: mio::net::TcpStream) -> Self {
        // Where the peer has gone already, that is found out as it is read.
        let _ = stream.set_nodelay(true);
        Self { stream }
    }

    /// Ends one direction or both, at once.
    ///
    /// # Errors
    /// As [`TcpStream::shutdown`].
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}

impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Tcp {
    fn source(&mut self) -> &mut dyn Source {
        &mut self.stream
    }
}

impl Carrier for Tcp {
    fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

/// What opens streams; it may block up to the time limit that it is given.
pub(crate) type Dial = Box<dyn FnMut(Duration) -> Result<Box<dyn Stream>, Cause> + Send>;

/// Beyond this a time limit is none; it keeps sums within what the clock can tell.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

fn connect(address: &Address, limit: Duration) -> Result<TcpStream, Cause> {
    let deadline = Instant::now() + limit.min(LONGEST);
    let unknown = |error| Cause::UnknownHost {
        host: address.host.clone(),
        error: Arc::new(error),
    };
    let found = (address.host.as_str(), address.port).to_socket_addrs();
    let found: Vec<_> = found.map_err(unknown)?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut remaining = found.len() as u32;
    for target in found {
        // What one address does not use of its share is the next one's.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / remaining.max(1);
        remaining = remaining.saturating_sub(1);
        if share.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(&target, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(Cause::Unreachable {
        address: address.authority(),
        error: Arc::new(last),
    })
}
