//! The command `mqtt`: publishes, subscribes, asks, measures and serves over MQTT 5.0.
//!
//! Options have the letters of `mosquitto_pub` and `mosquitto_sub`; exit codes tell apart what
//! can go wrong. `mqtt --help` says both, and `mqtt man` prints the manual.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod broker;
mod connection;
mod escape;
mod exit;
mod generate;
mod interrupt;
mod json;
mod message;
mod output;
mod publish;
mod request;
mod security;
mod subscribe;
mod template;
mod time;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Pub(options) => publish::run(&options),
        Command::Sub(options) => subscribe::run(&options),
        Command::Request(options) => request::run(options),
        Command::Bench(options) => bench::run(&options),
        Command::Broker(options) => broker::run(options),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { command } => generate::man(command.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mqtt: {failure}");
            failure.code()
        }
    }
}
