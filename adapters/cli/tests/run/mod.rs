//! The program started by the tests: a broker on a free port, and clients of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// What has not happened by then will not.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// `mqtt` with nothing of the tester's environment that it would follow.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
    for variable in [
        "URL",
        "HOST",
        "PORT",
        "USERNAME",
        "PASSWORD",
        "CLIENT_ID",
        "CAFILE",
        "CAPATH",
        "CERT",
        "KEY",
        "TLS_ALPN",
    ] {
        command.env_remove(format!("MQTT_{variable}"));
    }
    command.args(args);
    command
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

/// A running `mqtt`; it is killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
    errors: Option<ChildStderr>,
}

pub(crate) fn mqtt(command: &mut Command) -> Program {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Program {
        input: child.stdin.take(),
        output: child.stdout.take().map(BufReader::new),
        errors: child.stderr.take(),
        child,
    }
}

pub(crate) fn run(command: &mut Command) -> Ended {
    run_with_input(command, Vec::new())
}

pub(crate) fn run_with_input(command: &mut Command, bytes: Vec<u8>) -> Ended {
    let mut program = mqtt(command);
    let mut input = program.input.take().unwrap();
    // A program that reads nothing closes the pipe.
    thread::spawn(move || drop(input.write_all(&bytes)));
    program.finish()
}

impl Program {
    /// The next line that it prints.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut output = self.output.take().unwrap();
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = output.read_line(&mut line);
            let _ = sender.send((read.map(|_| line), output));
        });
        let (line, output) = receiver.recv_timeout(LIMIT).expect("a line in time");
        self.output = Some(output);
        line.unwrap().trim_end().to_owned()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ended {
        let mut errors = self.errors.take().unwrap();
        let stderr = collected(move |bytes| errors.read_to_end(bytes));
        let stdout = self
            .output
            .take()
            .map(|mut output| collected(move |bytes| output.read_to_end(bytes)));
        let stderr = String::from_utf8(awaited(&stderr)).unwrap();
        let stdout = stdout.map(|stdout| awaited(&stdout)).unwrap_or_default();
        let code = self.child.wait().unwrap().code();
        let code = code.unwrap_or_else(|| panic!("killed: {stderr}"));
        Ended {
            code,
            stdout,
            stderr,
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Nobody reads its output any more.
    pub(crate) fn close_output(&mut self) {
        self.output = None;
    }

    /// Asks it to end.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Collected = Receiver<std::io::Result<Vec<u8>>>;

/// Reads to the end on a thread of its own, so that waiting has a limit.
fn collected(
    read: impl FnOnce(&mut Vec<u8>) -> std::io::Result<usize> + Send + 'static,
) -> Collected {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let result = read(&mut bytes).map(|_| bytes);
        let _ = sender.send(result);
    });
    receiver
}

#[track_caller]
fn awaited(collected: &Collected) -> Vec<u8> {
    match collected.recv_timeout(LIMIT) {
        Ok(result) => result.unwrap(),
        Err(RecvTimeoutError::Timeout) => panic!("the program does not end"),
        Err(RecvTimeoutError::Disconnected) => panic!("reading panicked"),
    }
}

/// A running `mqtt broker` on a free port.
pub(crate) struct Server {
    pub(crate) url: String,
    program: Program,
    /// What it tells, line by line.
    told: Mutex<Receiver<String>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(args: &[&str]) -> Self {
        let mut program = mqtt(command(&["broker", "-p", "0", "-v"]).args(args));
        let line = program.line();
        let url = line.strip_prefix("listening at ").expect(&line).to_owned();
        let errors = BufReader::new(program.errors.take().unwrap());
        let (sender, told) = channel();
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            url,
            program,
            told: Mutex::new(told),
        }
    }

    /// A client's command, with this server as its address.
    pub(crate) fn client(&self, name: &str) -> Command {
        command(&[name, "-L", &self.url])
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("mqtt://").unwrap()
    }

    /// Waits until the broker tells something.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        let told = self.told.lock().unwrap();
        loop {
            let line = told.recv_timeout(LIMIT).expect(text);
            if line.contains(text) {
                return;
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// Asks it to end; its exit code.
    #[cfg(unix)]
    pub(crate) fn terminate(&mut self) -> i32 {
        self.program.terminate();
        let told = self.told.lock().unwrap();
        while told.recv_timeout(LIMIT).is_ok() {}
        self.program.child.wait().unwrap().code().unwrap()
    }
}
