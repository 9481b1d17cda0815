//! A world for the properties: a random script drives a client, its transport and a server.

mod chunks;
pub(crate) mod held;
pub(crate) mod hostile;
pub(crate) mod ledger;
pub(crate) mod runner;
pub(crate) mod script;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod wire;
pub(crate) mod world;

/// What a step of the world finds wrong.
pub(crate) type Found<T = ()> = Result<T, String>;

/// Finds something wrong unless the condition holds.
#[macro_export]
macro_rules! holds {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err(format!($($what)+));
        }
    };
}
