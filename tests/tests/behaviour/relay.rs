//! A way to a server that can be taken away and given back.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// Hands connections on to a server, or turns them away while it is away itself.
pub(crate) struct Relay {
    address: SocketAddr,
    state: Arc<Mutex<Way>>,
}

#[derive(Default)]
struct Way {
    is_away: bool,
    /// Both ends of what is handed on.
    open: Vec<TcpStream>,
    turned_away: Vec<Instant>,
}

impl Relay {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<Way>>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut way = shared.lock().unwrap();
                if way.is_away {
                    way.turned_away.push(Instant::now());
                } else if let Ok(both) = stream.and_then(|stream| hand_on(stream, server)) {
                    way.open.extend(both);
                }
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// Cuts every connection, without a word, and turns all others away.
    pub(crate) fn goes_away(&self) {
        let mut way = self.state.lock().unwrap();
        way.is_away = true;
        for stream in way.open.drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// When connections were turned away.
    pub(crate) fn comes_back(&self) -> Vec<Instant> {
        let mut way = self.state.lock().unwrap();
        way.is_away = false;
        std::mem::take(&mut way.turned_away)
    }
}

/// Has two threads hand on what comes, each one way.
fn hand_on(client: TcpStream, server: SocketAddr) -> io::Result<[TcpStream; 2]> {
    let server = TcpStream::connect(server)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let both = [client.try_clone()?, server.try_clone()?];
    let (up, down) = ((client.try_clone()?, server.try_clone()?), (server, client));
    for (mut from, mut to) in [up, down] {
        thread::spawn(move || {
            let mut buffer = [0; 16_384];
            while let Ok(count) = from.read(&mut buffer) {
                if count == 0 || to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            // The end is handed on, too.
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
    Ok(both)
}
