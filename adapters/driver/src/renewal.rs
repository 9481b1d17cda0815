//! Credentials that a server no longer takes, where the application can give others.

use crate::error::Cause;
use crate::options::Credentials;
use mqtt_session::ReasonCode;
use std::time::{Duration, Instant};

/// New credentials are tried at most so often, lest a server that takes none be asked all the
/// time.
const PAUSE: Duration = Duration::from_secs(10);

/// Whether a refusal that is for good, as far as the machine knows, is worth one more attempt.
#[derive(Debug)]
pub(crate) struct Renewal {
    /// The application is asked for credentials afresh at each attempt.
    possible: bool,
    /// With what the last attempt was made.
    used: Option<Credentials>,
    /// What was refused, and how, while others are asked for.
    refused: Option<(Credentials, Cause)>,
    /// When others were asked for last.
    last: Option<Instant>,
    /// The machine is to begin again.
    begins: bool,
}

impl Renewal {
    pub(crate) fn new(possible: bool) -> Self {
        Self {
            possible,
            used: None,
            refused: None,
            last: None,
            begins: false,
        }
    }

    /// An attempt is to be made with these.
    ///
    /// # Errors
    /// The refusal, where they are what was refused.
    pub(crate) fn attempt(&mut self, credentials: &Credentials) -> Result<(), Cause> {
        if let Some((refused, cause)) = self.refused.take()
            && refused == *credentials
        {
            return Err(cause);
        }
        if self.possible {
            self.used = Some(credentials.clone());
        }
        Ok(())
    }

    /// The client would end. Whether it rather asks for other credentials.
    pub(crate) fn is_worth_it(&mut self, cause: &Cause, now: Instant) -> bool {
        let (Cause::Refused { reason, .. } | Cause::ServerDisconnect { reason, .. }) = cause else {
            return false;
        };
        let of_credentials = matches!(
            *reason,
            ReasonCode::BAD_USER_NAME_OR_PASSWORD | ReasonCode::NOT_AUTHORIZED
        );
        let recent = |last| now.saturating_duration_since(last) < PAUSE;
        if !of_credentials || self.last.is_some_and(recent) {
            return false;
        }
        let Some(used) = self.used.take() else {
            return false;
        };
        self.refused = Some((used, cause.clone()));
        self.last = Some(now);
        self.begins = true;
        true
    }

    /// Whether the machine has to begin again; told once.
    pub(crate) fn begins(&mut self) -> bool {
        std::mem::take(&mut self.begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(reason: ReasonCode) -> Cause {
        Cause::Refused {
            reason,
            reason_string: None,
            server_reference: None,
        }
    }

    #[test]
    fn other_credentials_are_asked_for_once_in_a_while_and_the_same_are_not_sent_again() {
        let now = Instant::now();
        let wrong = refusal(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
        let (old, new) = (Credentials::new("a", "old"), Credentials::new("a", "new"));
        let mut renewal = Renewal::new(true);
        assert!(renewal.attempt(&old).is_ok());
        assert!(renewal.is_worth_it(&wrong, now) && renewal.begins() && !renewal.begins());
        assert!(renewal.attempt(&old).is_err());
        assert!(renewal.attempt(&new).is_ok());
        assert!(!renewal.is_worth_it(&wrong, now + PAUSE / 2));
        assert!(renewal.is_worth_it(&wrong, now + PAUSE));
    }

    #[test]
    fn what_new_credentials_cannot_cure_ends_the_client() {
        let now = Instant::now();
        let mut renewal = Renewal::new(true);
        assert!(renewal.attempt(&Credentials::default()).is_ok());
        assert!(!renewal.is_worth_it(&refusal(ReasonCode::BANNED), now));
        assert!(!renewal.is_worth_it(&Cause::StreamClosed, now));
        // Credentials that were given once and for all are what they are.
        let mut renewal = Renewal::new(false);
        assert!(renewal.attempt(&Credentials::default()).is_ok());
        assert!(!renewal.is_worth_it(&refusal(ReasonCode::NOT_AUTHORIZED), now));
    }
}
