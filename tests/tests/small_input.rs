//! Every conversation with an input buffer of 64 bytes, the smallest that is promised to do.

extern crate self as mqtt_tests;

#[path = "../src/talk.rs"]
pub mod talk;

/// What the conversations take for their buffer.
pub mod input {
    /// Bytes.
    pub const INPUT: usize = 64;
}

/// As many exchanges as a test fills a store with, also where each step looks at all of them.
pub const MANY: u16 = 50;

#[path = "chunks.rs"]
mod chunks;
#[path = "main_paths.rs"]
mod main_paths;
#[path = "properties_found.rs"]
mod properties_found;
#[path = "qos_ack_timeout.rs"]
mod qos_ack_timeout;
#[path = "qos_expiry.rs"]
mod qos_expiry;
#[path = "qos_flow_control.rs"]
mod qos_flow_control;
#[path = "qos_identifiers.rs"]
mod qos_identifiers;
#[path = "qos_inbound.rs"]
mod qos_inbound;
#[path = "qos_manual_ack.rs"]
mod qos_manual_ack;
#[path = "qos_order.rs"]
mod qos_order;
#[path = "qos_outbound.rs"]
mod qos_outbound;
#[path = "qos_resume.rs"]
mod qos_resume;
#[path = "qos_session_lost.rs"]
mod qos_session_lost;
#[path = "qos_store.rs"]
mod qos_store;
#[path = "review_faults.rs"]
mod review_faults;
#[path = "scenario_alias.rs"]
mod scenario_alias;
#[path = "scenario_auth.rs"]
mod scenario_auth;
#[path = "scenario_back_off.rs"]
mod scenario_back_off;
#[path = "scenario_bad_input.rs"]
mod scenario_bad_input;
#[path = "scenario_connect.rs"]
mod scenario_connect;
#[path = "scenario_end.rs"]
mod scenario_end;
#[path = "scenario_keep_alive.rs"]
mod scenario_keep_alive;
#[path = "scenario_limits.rs"]
mod scenario_limits;
#[path = "scenario_nonsense.rs"]
mod scenario_nonsense;
#[path = "scenario_requests.rs"]
mod scenario_requests;
#[path = "scenario_session.rs"]
mod scenario_session;
#[path = "scenario_subscribe.rs"]
mod scenario_subscribe;
