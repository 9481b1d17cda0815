//! What the library costs on a processor without an operating system, as a table.
//!
//! `budgets` prints it; `budgets symbols` adds the largest functions of the program.

use std::collections::BTreeMap;
use std::env;
use std::process::ExitCode;
use std::time::Duration;

use mqtt_bare_metal::cross::{CORTEX_M0, CORTEX_M3, CORTEX_M4F, Program, Toolchain};
use mqtt_bare_metal::emulator::Emulator;
use mqtt_bare_metal::image::Image;
use mqtt_bare_metal::peer;

/// How long the conversation may take.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let symbols = env::args().nth(1).is_some_and(|word| word == "symbols");
    match measure(symbols) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn measure(symbols: bool) -> Result<(), String> {
    let toolchain = Toolchain::find()?;
    let emulator = Emulator::find()?;
    for target in [CORTEX_M3, CORTEX_M0, CORTEX_M4F] {
        let build = |name| {
            toolchain.build(&Program {
                package: "size",
                name,
                target,
                features: "",
            })
        };
        let path = build("client")?;
        let (empty, client) = (Image::read(&build("empty")?)?, Image::read(&path)?);
        println!(
            "{:<22} {:>7} bytes  (image {}, empty {})",
            target,
            client.size - empty.size,
            client.size,
            empty.size
        );
        if target == CORTEX_M3 {
            if symbols {
                for symbol in client.symbols.iter().take(40) {
                    println!("{:>9}  {}", symbol.size, symbol.name);
                }
            }
            let (mut running, line) = emulator.start(&path).map_err(|e| e.to_string())?;
            line.set_read_timeout(Some(LIMIT))
                .map_err(|e| e.to_string())?;
            let batches = peer::converse(&line).map_err(|e| e.to_string())?;
            let status = running.finish(LIMIT).map_err(|e| e.to_string())?;
            println!("{status:?}; batches {batches}");
            let numbers: BTreeMap<_, _> = running
                .log()
                .since(0)
                .iter()
                .filter_map(|line| line.split_once(' '))
                .filter_map(|(name, digits)| {
                    Some((name.to_owned(), u32::from_str_radix(digits, 16).ok()?))
                })
                .collect();
            println!("{numbers:?}");
        }
    }
    Ok(())
}
