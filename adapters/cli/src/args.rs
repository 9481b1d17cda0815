//! The command line as a whole, and how single values are read.

use crate::bench::BenchArgs;
use crate::broker::BrokerArgs;
use crate::publish::PublishArgs;
use crate::request::RequestArgs;
use crate::subscribe::SubscribeArgs;
use clap::{ArgAction, Parser, Subcommand};
use clap_complete::Shell;
use mqtt_std::{QoS, TopicFilter, TopicName};
use std::time::Duration;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something here failed: a file, standard input or output, the port of a broker
  2  the command line is wrong
  3  the server refused; the reason code is in the message
  4  the server cannot be reached, or is not one for MQTT 5
  5  something took longer than it may
  6  the connection was lost and did not come back";

const ENVIRONMENT: &str = "\
Environment, for what options do not tell:
  MQTT_URL                      mqtt://user:password@host:port
  MQTT_HOST, MQTT_PORT          where MQTT_URL is not set
  MQTT_USERNAME, MQTT_PASSWORD  not seen by others, as options are
  MQTT_CLIENT_ID
  MQTT_CAFILE, MQTT_CAPATH      whom to trust
  MQTT_CERT, MQTT_KEY           the certificate to show
  MQTT_TLS_ALPN";

fn epilogue() -> String {
    format!("{EXIT_CODES}\n\n{ENVIRONMENT}")
}

/// Publish, subscribe, ask and serve over MQTT 5.0.
///
/// The letters are those of mosquitto_pub and mosquitto_sub; -h is the host, and help is --help.
#[derive(Debug, Parser)]
#[command(
    name = "mqtt",
    version,
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = epilogue(),
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print this help
    #[arg(long, action = ArgAction::Help, global = true, help_heading = "Help")]
    help: Option<bool>,
    /// Print the version
    #[arg(long, action = ArgAction::Version, help_heading = "Help")]
    version: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish a message, or a message for each line of standard input
    #[command(after_help = epilogue())]
    Pub(PublishArgs),
    /// Subscribe and print what comes
    #[command(after_help = epilogue())]
    Sub(SubscribeArgs),
    /// Publish a request and print the answer to it
    ///
    /// Response topic and correlation data are made up where they are not given.
    #[command(after_help = epilogue())]
    Request(RequestArgs),
    /// Measure how fast a server takes messages and hands them on
    ///
    /// Clients of this one process publish and subscribe. Latency is from the call that publishes
    /// to the delivery; without subscribers to the acknowledgement, which at QoS 0 is when the
    /// message has been written.
    #[command(after_help = epilogue())]
    Bench(BenchArgs),
    /// Run an MQTT 5.0 broker that keeps everything in memory
    #[command(after_help = EXIT_CODES)]
    Broker(BrokerArgs),
    /// Print a script that completes this command's options in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print a manual page, as in: mqtt man sub | man -l -
    Man {
        /// The page of one command instead of that of all
        command: Option<String>,
    },
}

/// A quality of service by its number.
pub(crate) fn qos(text: &str) -> Result<QoS, String> {
    text.parse()
        .ok()
        .and_then(QoS::from_u8)
        .ok_or_else(|| "a QoS is 0, 1 or 2".to_owned())
}

/// A span in seconds, with decimals if need be.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "this is not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|_| "seconds are from 0 to about 10^19".to_owned())
}

/// `NAME=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "a user property is NAME=VALUE".to_owned())
}

pub(crate) fn topic_name(text: &str) -> Result<String, String> {
    match TopicName::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn topic_filter(text: &str) -> Result<String, String> {
    match TopicFilter::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The only version there is.
pub(crate) fn version(text: &str) -> Result<(), String> {
    match text {
        "5" | "mqttv5" => Ok(()),
        _ => Err("only MQTT 5.0 is spoken: say 5 or mqttv5, or leave -V away".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    #[test]
    fn the_description_of_the_options_is_consistent() {
        Cli::command().debug_assert();
    }

    #[track_caller]
    fn refused(line: &str, kind: ErrorKind, told: &str) {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(told), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        use ErrorKind::{ArgumentConflict, MissingRequiredArgument, ValueValidation};
        refused("mqtt pub -t a", MissingRequiredArgument, "--message");
        refused("mqtt pub -t a -m x -n", ArgumentConflict, "--null-message");
        refused("mqtt pub -t a -m x -l", ArgumentConflict, "--stdin-line");
        refused("mqtt pub -t a/+ -m x", ValueValidation, "--topic");
        refused("mqtt pub -t a -m x -q 3", ValueValidation, "0, 1 or 2");
        refused(
            "mqtt pub -t a -m x -V 311",
            ValueValidation,
            "only MQTT 5.0",
        );
        refused(
            "mqtt pub -t a -m x -L mqtt://h -p 1",
            ArgumentConflict,
            "--url",
        );
        refused(
            "mqtt pub -t a -m x --will-retain",
            MissingRequiredArgument,
            "--will-topic",
        );
        refused(
            "mqtt pub -t a -m x --user-property b",
            ValueValidation,
            "NAME=VALUE",
        );
        refused("mqtt sub -t a/#/b", ValueValidation, "--topic");
        refused("mqtt sub -t a -F %k", ValueValidation, "%k");
        refused("mqtt sub -t a -F %t -v", ArgumentConflict, "--verbose");
        refused("mqtt sub -t a -C 0", ValueValidation, "--count");
        refused(
            "mqtt sub -t a -W soon",
            ValueValidation,
            "number of seconds",
        );
        refused("mqtt bench --size 8", ValueValidation, "--size");
        refused("mqtt bench -t a/#", ValueValidation, "--topic");
        refused("mqtt bench --publishers 0", ValueValidation, "--publishers");
        refused("mqtt bench --rate 0", ValueValidation, "--rate");
        refused(
            "mqtt broker -P secret",
            MissingRequiredArgument,
            "--username",
        );
    }

    #[test]
    fn the_known_letters_are_taken() {
        for line in [
            "mqtt pub -h host -p 1884 -i me -u ann -P secret -V mqttv5 -k 30 -t a -m x -q 2 -r",
            "mqtt pub -L mqtt://ann:secret@host:1884/a/b -s",
            "mqtt pub -t a -l -c -i me -x 60",
            "mqtt pub -t a -f file --will-topic w --will-payload p --will-qos 1 --will-retain",
            "mqtt sub -t a -t b/# -T b/c -C 3 -W 2.5 -v -q 1 -N",
            "mqtt sub -t a -F %I\\t%t\\t%p --raw",
            "mqtt request -t a -n --json",
            "mqtt bench -h host -p 1884 -t a -q 2 -C 1000 -W 5 --rate 100 --json",
        ] {
            if let Err(error) = Cli::try_parse_from(line.split(' ')) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn seconds_have_decimals_and_bounds() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for wrong in ["-1", "nan", "inf", "1e30", "", "2s"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
