//! A real broker: Eclipse Mosquitto on a free loopback port, with its own configuration.
//!
//! Everything waits for what Mosquitto writes to its log, not for time to pass. What goes
//! wrong here panics with the end of that log: it is a test that failed.

mod clients;

pub use clients::{Received, Subscriber};

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::process::Process;
use crate::required::required;
use crate::transcript::Transcript;

/// How long anything that should happen at once may take on a loaded machine.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Mosquitto, found on this machine.
#[derive(Debug, Clone)]
pub struct Mosquitto {
    broker: PathBuf,
    passwd: PathBuf,
    publisher: PathBuf,
    subscriber: PathBuf,
}

/// Mosquitto and its clients; None, after saying why, where they are not installed, so that
/// a test can return.
///
/// # Panics
/// Where they are not installed although the environment variable `MQTT_REQUIRE_BROKER` is
/// set (to anything but nothing and `0`), as it is in CI.
pub fn require_broker() -> Option<Mosquitto> {
    let missing = |name| format!("{name} is not installed (mosquitto, mosquitto-clients)");
    required(Mosquitto::find().map_err(missing))
}

impl Mosquitto {
    /// Looks for the four programs; the name of a missing one is the error.
    fn find() -> Result<Self, &'static str> {
        Ok(Self {
            broker: find_program("mosquitto")?,
            passwd: find_program("mosquitto_passwd")?,
            publisher: find_program("mosquitto_pub")?,
            subscriber: find_program("mosquitto_sub")?,
        })
    }

    /// Starts a broker and waits until it accepts connections.
    ///
    /// # Panics
    /// When it does not within [`LIMIT`].
    #[track_caller]
    pub fn start(&self, config: Config) -> Broker {
        let folder = Folder::create();
        if !config.users.is_empty() {
            self.write_passwords(&folder.path("passwords"), config.users);
        }
        for (name, contents) in &config.files {
            fs::write(folder.path(name), contents).unwrap();
        }
        for _ in 0..50 {
            let port = free_port();
            let file = folder.path("mosquitto.conf");
            fs::write(&file, config.text(port, &folder)).unwrap();
            let log = Transcript::default();
            if let Some(process) = self.run(&file, &log) {
                return Broker {
                    mosquitto: self.clone(),
                    config,
                    port,
                    process,
                    log,
                    folder,
                };
            }
        }
        panic!("no free port for Mosquitto in fifty attempts");
    }

    /// Runs the broker until it accepts connections. None when its port has been taken.
    #[track_caller]
    fn run(&self, config: &Path, log: &Transcript) -> Option<Process> {
        let from = log.len();
        let mut command = Command::new(&self.broker);
        let process = Process::spawn_into(command.arg("-c").arg(config), log.clone()).unwrap();
        let running = |line: &str| line.contains("mosquitto version") && line.ends_with("running");
        if log.wait_for(from, LIMIT, running).is_some() {
            return Some(process);
        }
        let log = log.tail(30);
        assert!(
            log.contains("Address already in use"),
            "Mosquitto did not start:\n{log}"
        );
        None
    }

    #[track_caller]
    fn write_passwords(&self, file: &Path, users: &[(&str, &str)]) {
        fs::write(file, "").unwrap();
        for (user, password) in users {
            let mut command = Command::new(&self.passwd);
            let command = command.arg("-b").arg(file).args([user, password]);
            let output = command.output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "mosquitto_passwd: {errors}");
        }
    }
}

/// What a broker is configured with. Anonymous clients are welcome unless there are users.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Names and passwords of the only clients admitted.
    pub users: &'static [(&'static str, &'static str)],
    /// Whether sessions and messages outlive [`Broker::stop`]; see [`Broker::save`] for a kill.
    pub persistence: bool,
    /// At most so many QoS 1 and 2 messages unacknowledged with one client; 0 is no limit.
    pub max_inflight_messages: Option<u16>,
    /// The largest packet taken from a client, in bytes; at least 20.
    pub max_packet_size: Option<u32>,
    /// Further lines of `mosquitto.conf`, in which `{folder}` is where the files lie.
    pub lines: &'static [&'static str],
    /// Names and contents of further files.
    pub files: Vec<(&'static str, String)>,
}

impl Config {
    fn text(&self, port: u16, folder: &Folder) -> String {
        // `user` keeps a broker that root starts from giving up its right to the folder.
        let mut text = format!(
            "listener {port} 127.0.0.1\nuser root\nlog_dest stderr\nlog_type all\n\
             allow_anonymous {}\npersistence {}\npersistence_location {}/\n",
            self.users.is_empty(),
            self.persistence,
            folder.path.display(),
        );
        if !self.users.is_empty() {
            let file = folder.path("passwords");
            let _ = writeln!(text, "password_file {}", file.display());
        }
        if let Some(count) = self.max_inflight_messages {
            let _ = writeln!(text, "max_inflight_messages {count}");
        }
        if let Some(size) = self.max_packet_size {
            let _ = writeln!(text, "max_packet_size {size}");
        }
        for line in self.lines {
            let folder = folder.path.display().to_string();
            let _ = writeln!(text, "{}", line.replace("{folder}", &folder));
        }
        text
    }
}

/// A broker of a test's own. Dropping it kills it and removes its files.
#[derive(Debug)]
pub struct Broker {
    mosquitto: Mosquitto,
    config: Config,
    port: u16,
    process: Process,
    log: Transcript,
    // Last, so that the files go after the process.
    folder: Folder,
}

impl Broker {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where it listens, as `mqtt://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address())
    }

    /// Where a file of its lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// Everything it has logged, through every restart: each packet in and out has a line.
    pub fn log(&self) -> &Transcript {
        &self.log
    }

    /// Waits for a line that contains `text`, from number `from` of the log on.
    ///
    /// # Panics
    /// When there is none within [`LIMIT`].
    #[track_caller]
    pub fn wait_for_log(&self, from: usize, text: &str) {
        let found = self.log.wait_for(from, LIMIT, |line| line.contains(text));
        if found.is_none() {
            panic!(
                "the broker did not log {text:?}; its last lines:\n{}",
                self.log.tail(30)
            );
        }
    }

    /// Ends it as a power cut would (SIGKILL): what was not saved is lost.
    #[track_caller]
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        assert!(self.log.wait_for_end(LIMIT), "the broker's log stays open");
    }

    /// Asks it to end (SIGTERM) and waits: with persistence it saves everything first.
    ///
    /// # Panics
    /// When it has not ended within [`LIMIT`].
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal("TERM");
        let status = self.process.finish(LIMIT).unwrap();
        assert!(status.is_some(), "the broker does not stop");
    }

    /// Has it save its state (SIGUSR1), and returns when that is done: what came before
    /// survives a [`kill`](Self::kill).
    ///
    /// # Panics
    /// When persistence is off, or it does not save within [`LIMIT`].
    #[track_caller]
    pub fn save(&self) {
        assert!(self.config.persistence, "there is nothing to save to");
        let from = self.log.len();
        self.signal("USR1");
        self.wait_for_log(from, "Saving in-memory database");
        // That line comes before the writing; the broker has one thread, so whoever it
        // answers next, it answers after the writing.
        self.publish(&["-t", "mqtt-tests/saved", "-m", ""]);
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop), on the same port.
    ///
    /// # Panics
    /// When it does not accept connections within [`LIMIT`].
    #[track_caller]
    pub fn restart(&mut self) {
        let config = self.folder.path("mosquitto.conf");
        let process = self.mosquitto.run(&config, &self.log);
        self.process = process.expect("the broker's port has been taken");
    }

    #[track_caller]
    fn signal(&self, name: &str) {
        // The shell's own `kill`: the program of that name is not installed everywhere.
        let script = format!("kill -{name} {}", self.process.id());
        let status = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert!(status.success(), "{script}: {status}");
    }
}

/// A folder under the system's temporary one, removed with everything in it when dropped.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create() -> Self {
        static COUNTER: AtomicU16 = AtomicU16::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("mqtt-tests-{}-{number}", process::id()));
        // Left by a killed process that had the same number.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self { path }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A loopback port that nothing listens on, below those that the system gives to outgoing
/// connections: a client that keeps dialling a port of theirs while the broker is down can
/// end up connected to itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    // Test binaries run beside each other: each starts somewhere else.
    let start = (process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!(
        "no free loopback port from {FIRST} to {}",
        FIRST + COUNT - 1
    );
}

/// A program by its name, which is the error where there is none. Looks where `PATH` says and where system programs lie, which `PATH` often leaves out.
pub fn find_program(name: &'static str) -> Result<PathBuf, &'static str> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or(name)
}
