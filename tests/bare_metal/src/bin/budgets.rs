//! What the library costs on a processor without an operating system, as a table.
//!
//! `budgets` prints it; `budgets symbols` adds the largest functions of the program; `budgets check`
//! fails where a number is larger than it has been; `budgets record` writes the numbers down.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use mqtt_bare_metal::cross::{CORTEX_M0, CORTEX_M3, CORTEX_M4F, Program, Toolchain};
use mqtt_bare_metal::emulator::Emulator;
use mqtt_bare_metal::image::Image;
use mqtt_bare_metal::reached::{self, Budget};
use mqtt_bare_metal::{peer, writes};

/// How long the conversation may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What others need, measured with the same program and flags.
const OTHERS: &str = "\
for comparison: code, bytes     coreMQTT 9,900 (it keeps no packets), minimq 18,492,
                                mountain-mqtt 20,524 (without QoS 2), rust-mqtt 33,564
                stack, bytes    coreMQTT 568, rust-mqtt 3,288, minimq 3,584";

const HOW: &str = "\
code:   the image less that of an empty program with the same runtime (text, constants, copied data);
        opt-level z, fat LTO, panic abort, one codegen unit
stack:  painted before main and looked at after the conversation, from the reset on, interrupts and the
        client's transport included, and the machine, which lies in a static, less its two buffers; an
        interrupt at its deepest moment, which one run in many has, makes it 44 more
client: size_of the machine with eight exchanges each way, less the arena and the transmit buffer
names:  functions and constants of the image whose names tell that they are for this";

const STACK: &str = "stack and client, bytes";

/// What an interrupt takes where the stack is deepest, which it meets in one run of many: the frame of
/// the processor, that of the handler, and a word that is reserved there and not written.
const INTERRUPT: u64 = 32 + 8 + 4;

/// Features of the client, and what the names of their functions have in them.
const FEATURES: [(&str, &str, &[&str]); 2] = [
    ("authentication", "auth", &["auth"]),
    ("topic aliases", "topic-alias", &["alias"]),
];

fn main() -> ExitCode {
    let word = env::args().nth(1).unwrap_or_default();
    let done = measure().and_then(|(budgets, client)| {
        print(&budgets);
        match word.as_str() {
            "symbols" => {
                for symbol in client.symbols.iter().take(40) {
                    println!("{:>7}  {}", symbol.size, symbol.name);
                }
            }
            "record" => reached::record(&budgets)?,
            "check" => {
                let lost: Vec<_> = budgets.iter().filter_map(Budget::lost).collect();
                if !lost.is_empty() {
                    return Err(lost.join("\n").into());
                }
            }
            _ => {}
        }
        Ok(())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// All numbers, and the client's image for the processor that the budgets are for.
fn measure() -> Result<(Vec<Budget>, Image), Box<dyn Error>> {
    let toolchain = Toolchain::find()?;
    let emulator = Emulator::find()?;
    let mut budgets = Vec::new();
    let mut add = |name: String, value, limit| {
        let varies = if name == STACK { INTERRUPT } else { 0 };
        budgets.push(Budget {
            name,
            value,
            limit,
            varies,
        });
    };
    let build = |name, target, features| {
        let package = "size";
        toolchain.build(&Program {
            package,
            name,
            target,
            features,
        })
    };
    let code = |target, features| {
        let empty = Image::read(&build("empty", target, "")?)?;
        let client = Image::read(&build("client", target, features)?)?;
        Ok::<_, String>((client.size - empty.size, client))
    };

    let (library, client) = code(CORTEX_M3, "")?;
    add(format!("code, bytes, {CORTEX_M3}"), library, Some(12_000));
    for target in [CORTEX_M0, CORTEX_M4F] {
        add(format!("code, bytes, {target}"), code(target, "")?.0, None);
    }
    let (mut running, line) = emulator.start(&build("client", CORTEX_M3, "")?)?;
    line.set_read_timeout(Some(LIMIT))?;
    peer::converse(&line)?;
    let status = running.finish(LIMIT)?;
    if !status.is_some_and(|status| status.success()) {
        return Err(format!("the client ended with {status:?}").into());
    }
    let logged = |name| {
        let lines = running.log().since(0);
        let line = lines.iter().find_map(|line| line.strip_prefix(name));
        let digits = line.ok_or_else(|| format!("the client did not log {name:?}"))?;
        u64::from_str_radix(digits.trim(), 16).map_err(|error| error.to_string())
    };
    let kept = (conversation::ARENA + conversation::TRANSMIT) as u64;
    let machine = logged("machine")? - kept;
    add(STACK.into(), logged("stack")? + machine, Some(1000));
    add("client, bytes".into(), machine, Some(512));
    let (written, batches) = writes::count()?;
    add(
        format!("writes for {batches} batches"),
        written.into(),
        Some(batches.into()),
    );
    for (what, feature, words) in FEATURES {
        add(
            format!("{what} unused, names"),
            client.named(words).len() as u64,
            Some(0),
        );
        let (with, image) = code(CORTEX_M3, feature)?;
        if image.named(words).is_empty() {
            return Err(format!("{what} is used, and has no name in the image").into());
        }
        add(
            format!("{what} used, bytes more"),
            with.saturating_sub(library),
            None,
        );
    }
    let broker = client.named(&["mqtt_session::broker"]).len() as u64;
    add("the broker's role unused, names".into(), broker, Some(0));
    Ok((budgets, client))
}

fn print(budgets: &[Budget]) {
    println!(
        "{:<40} {:>8} {:>8} {:>8}",
        "", "measured", "limit", "reached"
    );
    for budget in budgets {
        let number =
            |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let over = budget.limit.is_some_and(|limit| budget.value > limit);
        println!(
            "{:<40} {:>8} {:>8} {:>8}{}",
            budget.name,
            budget.value,
            number(budget.limit),
            number(budget.reached()),
            if over { "  over" } else { "" }
        );
    }
    println!("\n{HOW}\n\n{OTHERS}");
}
