//! How fast the clients are, through their public interfaces and with every token kept, against a
//! broker that acknowledges and does nothing else: messages, CPU time, system calls and
//! allocations, beside what another client and a bare `write` do in the same run.
//!
//! ```sh
//! cargo run --release -p mqtt-throughput
//! cargo run --release -p mqtt-throughput -- mqtt-std publish-0     # some of it
//! cargo run --release -p mqtt-throughput -- --seconds 5 --free
//! ```
//!
//! The broker is a process of its own, and so is each client with each load, on one core unless
//! `--free` is given. Machines are noisy: what holds are the ratios within one run.

#![deny(unsafe_code)]

mod allocations;
mod broker;
mod child;
mod clients;
mod load;
mod meter;
mod report;
mod table;

use crate::clients::Client;
use crate::load::Load;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

/// How a call of the program says what it is for.
const USAGE: &str = "usage: mqtt-throughput [--seconds S] [--free] [CLIENT|LOAD]...";

/// What the program was asked to show.
struct Wanted {
    words: Vec<String>,
    span: Duration,
    free: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mqtt-throughput: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(child::BROKER) => Ok(broker::serve()?),
        Some(child::CLIENT) => child::measure(&arguments),
        _ => compare(&Wanted::of(&arguments)?),
    }
}

fn compare(wanted: &Wanted) -> Result<(), Box<dyn Error>> {
    let broker = child::Broker::start()?;
    let counter = child::Counter::find();
    table::head(counter);
    for load in Load::ALL {
        let clients = Client::ALL.into_iter().filter(|client| client.can(load));
        let chosen: Vec<_> = clients.filter(|client| wanted.has(*client, load)).collect();
        let mut reports = Vec::new();
        for client in chosen {
            let report = broker.run(client, load, wanted.span, wanted.free, counter);
            reports.push((client, report?));
        }
        table::rows(load, &reports);
    }
    table::foot(counter, wanted.free);
    Ok(())
}

impl Wanted {
    fn of(arguments: &[String]) -> Result<Self, Box<dyn Error>> {
        let mut wanted = Self {
            words: Vec::new(),
            span: Duration::from_secs(1),
            free: false,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--free" => wanted.free = true,
                "--seconds" => {
                    let seconds = arguments.next().ok_or(USAGE)?;
                    wanted.span = Duration::try_from_secs_f64(seconds.parse()?)?;
                }
                word if Load::named(word).is_some() || Client::named(word).is_some() => {
                    wanted.words.push(word.to_owned());
                }
                _ => return Err(format!("{USAGE}\n{}", known()).into()),
            }
        }
        Ok(wanted)
    }

    /// Whether this is asked for: no word of its kind leaves it out.
    fn has(&self, client: Client, load: Load) -> bool {
        let named = |words: &mut dyn Iterator<Item = bool>| {
            let words: Vec<_> = words.collect();
            words.is_empty() || words.contains(&true)
        };
        let loads = self.words.iter().filter_map(|word| Load::named(word));
        let clients = self.words.iter().filter_map(|word| Client::named(word));
        named(&mut loads.map(|other| other == load))
            && named(&mut clients.map(|other| other == client))
    }
}

fn known() -> String {
    let clients: Vec<_> = Client::ALL.iter().map(|client| client.name()).collect();
    let loads: Vec<_> = Load::ALL.iter().map(|load| load.name()).collect();
    format!("clients: {}\nloads: {}", clients.join(" "), loads.join(" "))
}
