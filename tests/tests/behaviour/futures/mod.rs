//! What only a world of futures has to promise. Threads have none to be dropped: there a call
//! returns when it is done, and no runtime can be shut down.

use super::{Own, client, peer};

mod dropping;
mod hand;
mod hurry;
mod shutdown;
