//! What a world promises where the client and those who use it share one thread.

use super::{Own, client, peer};

pub(super) mod fairness;
