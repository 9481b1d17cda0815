//! What follows from the description of the options: completions and manual pages.

use crate::args::Cli;
use crate::exit::{Failure, Kind, local};
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use std::io::{self, Write};

pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mqtt", &mut script);
    print(&script)
}

pub(crate) fn man(command: Option<&str>) -> Result<(), Failure> {
    print(&page(command)?)
}

fn page(name: Option<&str>) -> Result<Vec<u8>, Failure> {
    let mut all = Cli::command();
    all.build();
    let command = match name {
        None => all,
        Some(name) => {
            let found = all.find_subcommand(name).cloned();
            let missing =
                || Failure::new(Kind::Usage, format_args!("there is no command {name:?}"));
            let command = found.ok_or_else(missing)?;
            let title = format!("mqtt-{name}");
            command.name(title.clone()).display_name(title)
        }
    };
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .map_err(local("the manual page"))?;
    Ok(page)
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    match written {
        // Who pipes it into `head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(local("standard output")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_options() {
        for (name, option) in [
            ("pub", "stdin\\-line"),
            ("sub", "filter\\-out"),
            ("request", "response\\-topic"),
            ("broker", "verbose"),
        ] {
            let page = String::from_utf8(page(Some(name)).unwrap()).unwrap();
            assert!(page.contains(option), "{page}");
            assert!(page.contains("Exit codes"), "{page}");
        }
        let page = String::from_utf8(page(None).unwrap()).unwrap();
        assert!(page.contains("MQTT_PASSWORD"), "{page}");
    }

    #[test]
    fn a_page_that_does_not_exist_is_refused() {
        assert_eq!(page(Some("bake")).unwrap_err().kind, Kind::Usage);
    }
}
