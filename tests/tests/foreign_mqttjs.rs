//! MQTT.js, the client for Node, against the broker of `mqtt-std`.

mod foreign;

use foreign::{agent::mqttjs, scenarios};

#[test]
fn every_qos_passes_both_ways() {
    if let Some(tool) = mqttjs() {
        scenarios::every_qos(&tool);
    }
}

#[test]
fn retained_messages_are_kept_told_apart_and_cleared() {
    if let Some(tool) = mqttjs() {
        scenarios::retained(&tool);
    }
}

#[test]
fn a_will_is_published_for_the_dead_only() {
    if let Some(tool) = mqttjs() {
        scenarios::will(&tool);
    }
}

#[test]
fn a_shared_subscription_deals_out_in_turn() {
    if let Some(tool) = mqttjs() {
        scenarios::shared_subscriptions(&tool);
    }
}

#[test]
fn a_session_is_kept_and_resumed() {
    if let Some(tool) = mqttjs() {
        scenarios::session_resumption(&tool);
    }
}

#[test]
fn properties_arrive_as_they_were_sent() {
    if let Some(tool) = mqttjs() {
        scenarios::properties(&tool);
    }
}

#[test]
fn a_wrong_password_is_told() {
    if let Some(tool) = mqttjs() {
        scenarios::refusal(&tool);
    }
}
