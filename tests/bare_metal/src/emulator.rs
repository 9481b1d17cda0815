//! QEMU with the board: a program runs on it, its line to the broker is a TCP connection.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mqtt_tests::mosquitto::find_program;
use mqtt_tests::process::Process;
use mqtt_tests::transcript::Transcript;

/// How long the emulator may take to begin.
const BEGINS: Duration = Duration::from_secs(20);

/// QEMU, found on this machine.
#[derive(Debug, Clone)]
pub struct Emulator {
    program: PathBuf,
}

/// A program that runs on the board. Dropping it ends the emulator.
#[derive(Debug)]
pub struct Running {
    process: Process,
}

impl Emulator {
    /// Looks for it.
    ///
    /// # Errors
    /// That it is missing, and which package brings it.
    pub fn find() -> Result<Self, String> {
        let program = find_program("qemu-system-arm")
            .map_err(|name| format!("{name} is not installed (qemu-system-arm)"))?;
        Ok(Self { program })
    }

    /// Starts a program, and gives its serial line beside it.
    ///
    /// # Errors
    /// When the emulator cannot be started, or does not connect the line.
    pub fn start(&self, image: &Path) -> io::Result<(Running, TcpStream)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let line = format!("tcp:{}", listener.local_addr()?);
        let mut command = Command::new(&self.program);
        command
            .args(["-machine", "lm3s6965evb", "-cpu", "cortex-m3"])
            .args(["-display", "none", "-monitor", "none", "-semihosting"])
            .args(["-serial", &line, "-serial", "stdio", "-kernel"])
            .arg(image);
        let process = Process::spawn(&mut command)?;
        let (accepted, accept) = mpsc::channel();
        thread::spawn(move || accepted.send(listener.accept()));
        let (line, _) = accept
            .recv_timeout(BEGINS)
            .map_err(|_| io::Error::other("the emulator did not connect its serial line"))??;
        line.set_nodelay(true)?;
        Ok((Running { process }, line))
    }
}

impl Running {
    /// What the program has logged.
    #[must_use]
    pub fn log(&self) -> &Transcript {
        &self.process.output
    }

    /// Waits until the program has ended by itself. None when it still runs after `limit`.
    ///
    /// # Errors
    /// Those of waiting for the emulator.
    pub fn finish(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        self.process.finish(limit)
    }
}
