//! Opening streams on a thread of its own: a resolver or a stream that takes its time must not
//! hold up whoever wants to close meanwhile.

use crate::transport::{Dial, Stream};
use crate::wait::wait;
use mqtt_driver::{Asked, Awaited, Cause, Credentials, Login, Shared};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A stream and what CONNECT says over it.
pub(crate) type Opened = Result<(Box<dyn Stream>, Credentials), Cause>;

/// Makes one attempt at a time.
pub(crate) struct Dialer {
    tools: Arc<Mutex<Tools>>,
    returns: Receiver<Opened>,
    handover: Sender<Opened>,
    /// Whether a thread is at it.
    busy: bool,
    /// Whether what it brings is still wanted.
    wanted: bool,
    limit: Duration,
}

struct Tools {
    dial: Dial,
    login: Option<Login>,
}

impl Dialer {
    pub(crate) fn new(dial: Dial, login: Option<Login>, limit: Duration) -> Self {
        let (handover, returns) = channel();
        Self {
            tools: Arc::new(Mutex::new(Tools { dial, login })),
            returns,
            handover,
            busy: false,
            wanted: false,
            limit,
        }
    }

    /// Begins an attempt. Where the thread of one that was given up still runs, what that brings
    /// is taken for this one.
    pub(crate) fn begin(&mut self, shared: &Arc<Shared>) -> io::Result<()> {
        self.wanted = true;
        if self.busy {
            return Ok(());
        }
        let tools = Arc::clone(&self.tools);
        let (handover, limit) = (self.handover.clone(), self.limit);
        let shared = Arc::downgrade(shared);
        let attempt = move || {
            let opened = panic::catch_unwind(AssertUnwindSafe(|| {
                let mut tools = tools.lock().unwrap_or_else(PoisonError::into_inner);
                tools.open(limit)
            }));
            // Nobody takes it when the client has ended.
            let _ = handover.send(opened.unwrap_or(Err(Cause::Panicked)));
            if let Some(shared) = shared.upgrade() {
                shared.wake();
            }
        };
        let thread = thread::Builder::new().name("mqtt-dial".into());
        thread.spawn(attempt)?;
        self.busy = true;
        Ok(())
    }

    /// The attempt is given up, if there is one for which somebody waits; whether there was. What
    /// comes of it will be dropped.
    pub(crate) fn give_up(&mut self) -> bool {
        std::mem::take(&mut self.wanted)
    }

    /// What has come of the attempt. None while it goes on.
    pub(crate) fn take(&mut self) -> Option<Opened> {
        let opened = self.returns.try_recv().ok()?;
        self.busy = false;
        std::mem::take(&mut self.wanted).then_some(opened)
    }
}

impl Tools {
    fn open(&mut self, limit: Duration) -> Opened {
        let credentials = match &mut self.login {
            Some(login) => match login.ask() {
                Asked::Given(given) => given?,
                // The next attempt asks anew.
                Asked::Coming(coming) => {
                    let late = Err(Cause::TimedOut {
                        what: Awaited::Open,
                        limit,
                    });
                    wait(Instant::now().checked_add(limit), coming).unwrap_or(late)?
                }
            },
            None => Credentials::default(),
        };
        let stream = (self.dial)(limit)?;
        Ok((stream, credentials))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_driver::Options;

    #[test]
    fn credentials_that_do_not_come_end_the_attempt_and_are_asked_for_again() {
        let mut asked = 0;
        let mut options = Options::new("a").credentials_async(move || {
            asked += 1;
            let comes = asked > 1;
            async move {
                if !comes {
                    std::future::pending::<()>().await;
                }
                Ok(Credentials::default())
            }
        });
        let login = options.take_login();
        let dial: Dial = Box::new(|_| Err(Cause::StreamClosed));
        let (done, returned) = channel();
        thread::spawn(move || {
            let mut tools = Tools { dial, login };
            let mut attempt = || tools.open(Duration::from_millis(1)).err();
            let _ = done.send((attempt(), attempt()));
        });
        let causes = returned.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(
            matches!(
                causes,
                (Some(Cause::TimedOut { .. }), Some(Cause::StreamClosed))
            ),
            "{causes:?}"
        );
    }
}
