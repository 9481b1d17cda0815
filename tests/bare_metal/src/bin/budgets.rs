//! What the library costs on a processor without an operating system, as a table.
//!
//! `budgets` prints it; `budgets symbols` adds the largest functions of the program.

use std::env;
use std::process::ExitCode;

use mqtt_bare_metal::cross::{CORTEX_M0, CORTEX_M3, CORTEX_M4F, Program, Toolchain};
use mqtt_bare_metal::image::Image;

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
    for target in [CORTEX_M3, CORTEX_M0, CORTEX_M4F] {
        let image = |name| {
            let path = toolchain.build(&Program {
                package: "size",
                name,
                target,
                features: "",
            })?;
            Image::read(&path)
        };
        let (empty, client) = (image("empty")?, image("client")?);
        println!(
            "{:<22} {:>7} bytes  (image {}, empty {})",
            target,
            client.size - empty.size,
            client.size,
            empty.size
        );
        if symbols && target == CORTEX_M3 {
            for symbol in client.symbols.iter().take(40) {
                println!("{:>9}  {}", symbol.size, symbol.name);
            }
        }
    }
    Ok(())
}
