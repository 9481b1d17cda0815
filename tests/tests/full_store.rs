//! What the feature `fast` is for, in a store that is full: room comes in parts, not message by
//! message. Without it all that is held moves for each message, which is right but slow.

use mqtt_proto::QoS;
use mqtt_session::{Config, Heap, HeapLimits};
use mqtt_tests::talk::*;

#[test]
fn a_full_store_takes_messages_again_without_moving_all_it_holds_for_each() {
    let limits = HeapLimits {
        bytes: 1 << 20,
        ..HeapLimits::default()
    };
    let mut talk = Talk::new(Config::default(), Heap::new(limits));
    talk.connects(&keeping(), connack());
    let payload = [7; 1_000];
    let publish = message(QoS::AtLeastOnce, "a", &payload);
    let mut count = 0;
    while talk.client.publish(talk.now, &publish).is_ok() {
        count += 1;
        talk.sent();
    }
    assert!(count > 1_000, "{count}");
    // One part in sixteen has to be free first; then there is room for all of that.
    let mut refused = 0u16;
    let mut number = 0;
    while talk.client.publish(talk.now, &publish).is_err() {
        number += 1;
        refused += 1;
        talk.server(puback(number)).next();
    }
    assert!((50..=80).contains(&refused), "{refused}");
    talk.sent();
    for _ in 1..refused.saturating_sub(1) {
        talk.publishes(QoS::AtLeastOnce, "a", &payload);
        talk.sent();
    }
    assert!(talk.client.unsettled() > 1_000);
    talk.quiet();
}
