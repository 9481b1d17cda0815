//! The processes: the broker, a client with its load, and what counts a client's system calls.

use crate::clients::Client;
use crate::load::Load;
use crate::meter::Meter;
use crate::report::Report;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{self, Command, Stdio};
use std::time::Duration;

/// The word that makes a process the broker.
pub(crate) const BROKER: &str = "--be-the-broker";
/// The word that makes a process a client; its load, port, milliseconds and freedom follow.
pub(crate) const CLIENT: &str = "--be-a-client";

/// How long a run takes that only counts system calls.
const COUNTED: Duration = Duration::from_millis(300);

/// The broker's process. Dropping it ends it.
pub(crate) struct Broker {
    process: process::Child,
    port: u16,
}

impl Broker {
    pub(crate) fn start() -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(BROKER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("the broker says nothing")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok(Self {
            process,
            port: line.trim().parse()?,
        })
    }

    /// Measures a client, then counts its system calls in a shorter run: counting slows it down.
    pub(crate) fn run(
        &self,
        client: Client,
        load: Load,
        span: Duration,
        free: bool,
        counter: Counter,
    ) -> Result<Report, Box<dyn Error>> {
        let arguments = |span: Duration| {
            [
                CLIENT.to_owned(),
                client.name().to_owned(),
                load.name().to_owned(),
                self.port.to_string(),
                span.as_millis().to_string(),
                free.to_string(),
            ]
        };
        let program = std::env::current_exe()?;
        let (mut report, _) = finish(Command::new(&program).args(arguments(span)))?;
        if let Some(mut command) = counter.command() {
            let command = command.arg(&program).args(arguments(COUNTED.min(span)));
            let (counted, said) = finish(command)?;
            let calls = counter.calls(&said).ok_or("system calls are not told")?;
            report.calls = Some(calls / counted.all as f64);
        }
        Ok(report)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It ends when nothing holds its input any more.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Runs a client to its end: its report, and what was said beside it.
fn finish(command: &mut Command) -> Result<(Report, String), Box<dyn Error>> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(said.into());
    }
    let report = String::from_utf8_lossy(&output.stdout).parse()?;
    Ok((report, said))
}

/// This process is a client: it measures itself and prints the report.
pub(crate) fn measure(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [_, client, load, port, span, free] = arguments else {
        return Err("a client needs a load, a port, milliseconds and freedom".into());
    };
    let client = Client::named(client).ok_or("no such client")?;
    let load = Load::named(load).ok_or("no such load")?;
    if !free.parse::<bool>()? {
        stay_on_one_core()?;
    }
    let meter = Meter::new(Duration::from_millis(span.parse()?));
    println!("{}", client.run(load, port.parse()?, meter)?);
    // What a client leaves running ends with the process.
    process::exit(0)
}

/// Keeps this process, and every thread it will start, on the last core that it may use.
fn stay_on_one_core() -> rustix::io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    if let Some(core) = (0..CpuSet::MAX_CPU)
        .rev()
        .find(|core| allowed.is_set(*core))
    {
        one.set(core);
    }
    sched_setaffinity(None, &one)
}

/// What counts the system calls of a process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counter {
    /// `perf stat`, which slows a process little.
    Perf,
    /// `strace -c`, which slows it much; so more is done with each call.
    Strace,
    Nothing,
}

impl Counter {
    /// The best one that works here.
    pub(crate) fn find() -> Self {
        let works = |counter: &Self| {
            let Some(mut command) = counter.command() else {
                return true;
            };
            let output = command.arg("true").output();
            output.is_ok_and(|output| {
                let said = String::from_utf8_lossy(&output.stderr);
                counter.calls(&said).is_some_and(|calls| calls > 0.0)
            })
        };
        let all = [Self::Perf, Self::Strace];
        all.into_iter().find(works).unwrap_or(Self::Nothing)
    }

    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Perf => Some("perf"),
            Self::Strace => Some("strace"),
            Self::Nothing => None,
        }
    }

    /// A command that takes what is to be run behind it.
    fn command(self) -> Option<Command> {
        let mut command = Command::new(self.name()?);
        match self {
            Self::Perf => command.args(["stat", "-x,", "-e", "raw_syscalls:sys_enter"]),
            Self::Strace | Self::Nothing => command.args(["-c", "-f"]),
        };
        Some(command)
    }

    /// The number in what was said.
    fn calls(self, said: &str) -> Option<f64> {
        match self {
            Self::Perf => {
                let line = said.lines().find(|line| line.contains("sys_enter"))?;
                line.split(',').next()?.parse().ok()
            }
            Self::Strace => {
                let line = said
                    .lines()
                    .find(|line| line.trim_end().ends_with(" total"))?;
                line.split_whitespace().nth(3)?.parse().ok()
            }
            Self::Nothing => None,
        }
    }
}
