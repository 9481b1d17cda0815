//! What the properties have found, each as the shortest conversation that shows it.

use mqtt_proto::{Packet, QoS};
use mqtt_session::Config;
use mqtt_tests::talk::*;

// covers: pitfall 75
#[test]
fn a_growing_store_remembers_as_many_open_qos_2_messages_as_it_advertises() {
    let mut talk = connected(Config::default());
    for id in 1..=100 {
        talk.server(Packet::Publish(publish(QoS::ExactlyOnce, id, "a", b"2")))
            .delivers("a", b"2")
            .sends(pubrec(id))
            .quiet();
    }
    for id in 1..=100 {
        talk.server(Packet::Publish(publish(QoS::ExactlyOnce, id, "a", b"2")))
            .sends(pubrec(id))
            .quiet();
        talk.server(pubrel(id)).sends(pubcomp(id)).quiet();
    }
}
