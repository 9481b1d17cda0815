//! What the tests of the machine share, as in `mqtt-tests`, without what needs a broker: that would
//! bring the feature `fast`.

#[path = "../../src/cut/mod.rs"]
pub mod cut;
#[path = "../../src/input.rs"]
pub mod input;
#[path = "../../src/server.rs"]
pub mod server;
#[path = "../../src/talk.rs"]
pub mod talk;
#[path = "../../src/wire_rules.rs"]
pub mod wire_rules;

/// As many exchanges as a test fills a store with: each step looks at all of them.
pub const MANY: u16 = 50;
