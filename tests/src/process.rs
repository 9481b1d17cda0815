//! A child process whose output is kept and which never outlives its owner.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::transcript::Transcript;

/// A running (or ended) child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// What it reads as its standard input, where it has one.
    input: Option<ChildStdin>,
    /// What it writes to its standard output.
    pub output: Transcript,
    /// What it writes to its standard error.
    pub errors: Transcript,
}

impl Process {
    /// Starts `command` without input.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        Self::spawn_into(command, Transcript::default())
    }

    /// Starts `command` without input, its standard error appended to `errors`.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn spawn_into(command: &mut Command, errors: Transcript) -> io::Result<Self> {
        Self::start(command.stdin(Stdio::null()), errors)
    }

    /// Starts `command` with an input, see [`tell`](Self::tell).
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn spawn_listening(command: &mut Command) -> io::Result<Self> {
        Self::start(command.stdin(Stdio::piped()), Transcript::default())
    }

    /// Starts `command` with the input and output that it has been given.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn spawn_as_it_is(command: &mut Command) -> io::Result<Self> {
        Self::follow(command.stderr(Stdio::piped()), Transcript::default())
    }

    fn start(command: &mut Command, errors: Transcript) -> io::Result<Self> {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::follow(command, errors)
    }

    fn follow(command: &mut Command, errors: Transcript) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let output = Transcript::default();
        if let Some(pipe) = child.stdout.take() {
            output.follow(pipe);
        }
        if let Some(pipe) = child.stderr.take() {
            errors.follow(pipe);
        }
        let input = child.stdin.take();
        Ok(Self {
            child,
            input,
            output,
            errors,
        })
    }

    /// The operating system's number for it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its input.
    ///
    /// # Errors
    /// When it has ended, or was started without an input.
    pub fn tell(&mut self, line: &str) -> io::Result<()> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{line}")?;
        input.flush()
    }

    /// Waits until it has ended by itself and all of its output has been read. None when it
    /// still runs after `limit`.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn finish(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        // The pipes close when it ends: waiting for that needs no polling.
        if self.output.wait_for_end(limit) && self.errors.wait_for_end(limit) {
            return self.child.wait().map(Some);
        }
        Ok(None)
    }

    /// Ends it at once (SIGKILL where there are signals) and waits for that.
    ///
    /// # Errors
    /// As [`Child::kill`] and [`Child::wait`].
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.kill();
    }
}
