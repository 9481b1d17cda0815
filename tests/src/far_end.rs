//! The other end of a way that is not the network: what comes out of it goes to a server over TCP,
//! and back. For the programs of `docs/porting.md`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::Arc;
use std::thread;

/// Hands on the bytes of a stream, until one side ends.
///
/// # Errors
/// The server cannot be reached.
pub fn of_bytes(mut line: UnixStream, server: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    let (mut coming, mut answers) = (line.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        // However it ended, the other side is to see the end.
        let _ = io::copy(&mut coming, &mut server);
        let _ = server.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut line);
        let _ = line.shutdown(Shutdown::Write);
    });
    Ok(())
}

/// Hands on what lies in datagrams of at most 512 bytes, of which an empty one is the end.
///
/// # Errors
/// The server cannot be reached.
pub fn of_datagrams(tunnel: UnixDatagram, server: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    let mut answers = server.try_clone()?;
    let tunnel = Arc::new(tunnel);
    let back = Arc::clone(&tunnel);
    thread::spawn(move || {
        let mut datagram = [0; 512];
        while let Ok(len @ 1..) = tunnel.recv(&mut datagram) {
            if server.write_all(&datagram[..len]).is_err() {
                break;
            }
        }
        // However it ended, the other side is to see the end.
        let _ = server.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let mut datagram = [0; 512];
        while let Ok(len @ 1..) = answers.read(&mut datagram) {
            if back.send(&datagram[..len]).is_err() {
                break;
            }
        }
        let _ = back.send(&[]);
    });
    Ok(())
}
