//! Threads: `mqtt-std` as it is.

#[path = "suite/mod.rs"]
mod suite;

pub(crate) use self::suite::outage::outage;

/// The client, and the streams of its own that the suite needs.
mod client {
    pub(crate) use mqtt_std::*;

    use crate::facade::Writes;
    use mqtt_std::transport::{Carrier, Source, Stream, Tcp};
    use std::io::{self, ErrorKind, Read, Write};
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Arc, Mutex};

    /// A client whose stream does not open before what comes with it is dropped.
    pub(crate) fn start_stuck(options: Options) -> (Client, Sender<()>) {
        let (hold, held) = channel();
        let held = Mutex::new(held);
        let open = move |_| -> Result<Tcp, Cause> {
            // Until the test is over.
            let _ = held.lock().unwrap().recv();
            Err(io::Error::from(ErrorKind::NotConnected).into())
        };
        (Client::start_over(open, options).unwrap(), hold)
    }

    pub(crate) fn connect_panicking(options: Options) -> Result<Client, ConnectError> {
        let open = |_| -> Result<Tcp, Cause> { panic!("wrong by design") };
        Client::connect_over(open, options)
    }

    /// Over a stream that takes and gives at most so many bytes at a time.
    pub(crate) fn connect_noted(
        url: &str,
        most: usize,
        writes: &Writes,
        options: Options,
    ) -> Result<Client, ConnectError> {
        let address: Address = url.parse()?;
        let log = Arc::clone(writes);
        let open = move |limit| {
            let tcp = Tcp::connect(&address, limit)?;
            let writes = Arc::clone(&log);
            Ok(Noted { tcp, writes, most })
        };
        Client::connect_over(open, options)
    }

    /// TCP that notes what is written at once, and takes no more than so many bytes at a time.
    struct Noted {
        tcp: Tcp,
        writes: Writes,
        most: usize,
    }

    impl Read for Noted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(self.most);
            self.tcp.read(&mut buffer[..len])
        }
    }

    impl Write for Noted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.tcp.write(&bytes[..bytes.len().min(self.most)])?;
            self.writes.lock().unwrap().push(bytes[..count].to_vec());
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.tcp.flush()
        }
    }

    impl Stream for Noted {
        fn source(&mut self) -> &mut dyn Source {
            self.tcp.source()
        }
    }

    impl Carrier for Noted {
        fn close(&mut self) -> io::Result<()> {
            self.tcp.close()
        }
    }
}
