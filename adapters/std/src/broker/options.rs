//! What a broker is made with.

use super::{Access, AllowAll, BrokerConfig};
use std::fmt;

/// Who may do what on a broker, and the bounds of what can grow.
///
/// ```
/// use mqtt_std::broker::{Access, Broker, BrokerConfig, BrokerOptions, Login};
/// use mqtt_std::{Client, Options, ReasonCode};
///
/// struct Passwords;
///
/// impl Access for Passwords {
///     fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
///         match (login.user_name, login.password) {
///             (Some("ann"), Some(b"secret")) => Ok(()),
///             _ => Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD),
///         }
///     }
/// }
///
/// let options = BrokerOptions::new()
///     .access(Passwords)
///     .config(BrokerConfig { maximum_packet_size: 64 << 10, ..BrokerConfig::default() })
///     .connections(100);
/// let broker = Broker::bind_with("127.0.0.1:0", options)?;
///
/// let url = |login: &str| format!("mqtt://{login}@{}", broker.local_addr());
/// assert!(Client::connect(&url("ann:guess"), Options::new("a")).is_err());
/// assert!(Client::connect(&url("ann:secret"), Options::new("a")).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a broker is started with `Broker::bind_with`"]
pub struct BrokerOptions {
    pub(super) config: BrokerConfig,
    pub(super) access: Box<dyn Access + Send>,
    pub(super) connections: usize,
}

impl BrokerOptions {
    /// The defaults: those of [`BrokerConfig`], everyone may do everything, 10,000 connections.
    pub fn new() -> Self {
        Self {
            config: BrokerConfig::default(),
            access: Box::new(AllowAll),
            connections: 10_000,
        }
    }

    /// Time limits, and bounds for what one client and all together can make the broker keep.
    pub fn config(mut self, config: BrokerConfig) -> Self {
        self.config = config;
        self
    }

    /// Who may connect, publish and subscribe. It is asked on the broker's thread, and
    /// everything waits for its answers.
    pub fn access(mut self, access: impl Access + Send + 'static) -> Self {
        self.access = Box::new(access);
        self
    }

    /// Connections at a time, at least 1; more are closed as they come. Each needs a file
    /// descriptor, of which the system allows a program only so many.
    pub fn connections(mut self, at_most: usize) -> Self {
        self.connections = at_most.max(1);
        self
    }
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for BrokerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerOptions")
            .field("config", &self.config)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
