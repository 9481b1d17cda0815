//! Messages on standard output: for people, for programs, or by a template.

use crate::escape::write_escaped;
use crate::exit::{Failure, local};
use crate::json;
use crate::template::Template;
use crate::time::Timestamp;
use clap::Args;
use mqtt_std::{Message, MessageProperties, QoS};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Stdout, Write};

const TEMPLATE: &str = "\
Print each message by this template.
%t topic, %p payload, %x and %X payload in hexadecimal, %l its length, %q QoS, %r 1 if retained, \
%d 1 if maybe delivered before, %j the object of --json, %J the same with a payload that is JSON as \
it is, %I time of arrival in UTC, %U the same in seconds since 1970, %C content type, %R response \
topic, %D correlation data, %E message expiry in seconds, %F payload format, %P user properties, \
%% a percent sign. %20t has room for 20 characters at least, %.20t at most; %-20t begins at the left, \
%020l is filled with zeros. @Y @m @d @H @M @S and other letters of strftime are parts of the time \
of arrival in UTC, @N its nanoseconds, @@ an at sign. \\n \\t \\r \\0 \\a \\e \\v \\\\";

/// How messages are printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Print the topic before each payload
    #[arg(short, long)]
    verbose: bool,
    /// Print no line feed after each message
    #[arg(short = 'N', long)]
    no_newline: bool,
    /// Print each message as a JSON object on a line of its own
    ///
    /// A payload that is not UTF-8 has its bytes in base64 as payload_base64.
    #[arg(long, conflicts_with_all = ["verbose", "no_newline", "format"])]
    json: bool,
    #[arg(short = 'F', long, value_name = "TEMPLATE", value_parser = Template::parse, help = TEMPLATE,
          conflicts_with = "verbose")]
    format: Option<Template>,
    /// Print bytes to a terminal as they are, with those that command it
    ///
    /// To files and pipes they are always written as they are.
    #[arg(long)]
    raw: bool,
}

/// What is printed of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) time: Timestamp,
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    pub(crate) properties: &'a MessageProperties,
}

/// Where messages are printed to, and how.
pub(crate) struct Output<'a> {
    args: &'a OutputArgs,
    escaped: bool,
    stdout: BufWriter<Stdout>,
}

/// Whether somebody still reads what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Reads,
    Gone,
}

impl<'a> Output<'a> {
    pub(crate) fn new(args: &'a OutputArgs) -> Self {
        let stdout = io::stdout();
        Self {
            args,
            escaped: stdout.is_terminal() && !args.raw,
            stdout: BufWriter::with_capacity(64 << 10, stdout),
        }
    }

    /// Prints a message; it may wait in the buffer until [`Output::flush`].
    pub(crate) fn print(&mut self, message: &Message) -> Result<Reader, Failure> {
        let received = Received {
            time: Timestamp::now(),
            topic: &message.topic,
            payload: &message.payload,
            qos: message.qos,
            retain: message.retain,
            dup: message.dup,
            properties: &message.properties,
        };
        outcome(write(&mut self.stdout, self.args, self.escaped, &received))
    }

    pub(crate) fn flush(&mut self) -> Result<Reader, Failure> {
        outcome(self.stdout.flush())
    }
}

fn outcome(result: io::Result<()>) -> Result<Reader, Failure> {
    match result {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(local("standard output")(error)),
    }
}

fn write(
    out: &mut dyn Write,
    args: &OutputArgs,
    escaped: bool,
    message: &Received<'_>,
) -> io::Result<()> {
    if args.json {
        return writeln!(out, "{}", json::line(message));
    }
    if let Some(template) = &args.format {
        template.write(out, escaped, message)?;
    } else {
        if args.verbose {
            write_bytes(out, escaped, message.topic.as_bytes())?;
            out.write_all(b" ")?;
        }
        write_bytes(out, escaped, message.payload)?;
    }
    if args.no_newline {
        return Ok(());
    }
    out.write_all(b"\n")
}

/// Writes what others have chosen.
pub(crate) fn write_bytes(out: &mut dyn Write, escaped: bool, bytes: &[u8]) -> io::Result<()> {
    if escaped {
        write_escaped(out, bytes)
    } else {
        out.write_all(bytes)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use clap::Parser;
    use std::time::Duration;

    /// A message at QoS 0 that came a second after the epoch.
    pub(crate) fn received<'a>(
        topic: &'a str,
        payload: &'a [u8],
        properties: &'a MessageProperties,
    ) -> Received<'a> {
        Received {
            time: Timestamp(Duration::from_secs(1)),
            topic,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties,
        }
    }

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        output: OutputArgs,
    }

    #[track_caller]
    fn printed(options: &str, escaped: bool, payload: &[u8]) -> Vec<u8> {
        let words = std::iter::once("mqtt").chain(options.split_whitespace());
        let line = Line::try_parse_from(words).unwrap();
        let properties = MessageProperties::default();
        let mut out = Vec::new();
        write(
            &mut out,
            &line.output,
            escaped,
            &received("a\u{7}b", payload, &properties),
        )
        .unwrap();
        out
    }

    #[test]
    fn a_program_gets_the_bytes_as_they_are() {
        assert_eq!(printed("", false, b"\x1b\xff\0"), b"\x1b\xff\0\n");
        assert_eq!(printed("-v", false, b"1"), b"a\x07b 1\n");
        assert_eq!(printed("-v -N", false, b"1"), b"a\x07b 1");
        assert_eq!(
            printed("-F %t=%p", false, b"\x1b\xff"),
            b"a\x07b=\x1b\xff\n"
        );
    }

    #[test]
    fn a_terminal_gets_nothing_that_commands_it() {
        assert_eq!(printed("", true, b"\x1b[2J\xff"), b"\\x1b[2J\\xff\n");
        assert_eq!(printed("-v", true, b"1"), b"a\\x07b 1\n");
        // What the template itself says is the user's own.
        assert_eq!(
            printed("-N -F \\e[1m%t=%p", true, b"\x1b"),
            b"\x1b[1ma\\x07b=\\x1b"
        );
        let json = String::from_utf8(printed("--json", true, b"\x1b")).unwrap();
        assert!(
            json.contains("a\\u0007b") && json.ends_with("}\n"),
            "{json}"
        );
    }
}
