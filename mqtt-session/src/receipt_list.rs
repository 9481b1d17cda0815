//! What is known of messages that came in, in one list in the order of arrival.
//!
//! Its entries are looked at one by one: where there are few, that takes less code and memory
//! than finding them by their identifiers.

use crate::receipt::{Ready, Receipt, Stage};
use core::num::NonZero;

/// How many messages take a place in this connection's Receive Maximum.
pub(crate) fn outstanding(entries: &[Receipt]) -> u16 {
    count(entries, Stage::PubComp, Stage::Open)
}

/// How many PUBACK and PUBREC are owed or awaited.
pub(crate) fn acks(entries: &[Receipt]) -> u16 {
    count(entries, Stage::PubAckAwaited, Stage::PubRec)
}

fn count(entries: &[Receipt], first: Stage, last: Stage) -> u16 {
    let mut count = 0u16;
    for entry in entries {
        if entry.stage >= first && entry.stage <= last {
            count = count.wrapping_add(1);
        }
    }
    count
}

/// How many messages take a place in this connection's Receive Maximum, if no PUBACK or PUBREC is
/// owed or awaited.
#[cfg(feature = "fast")]
pub(crate) fn open(entries: &[Receipt]) -> Option<u16> {
    let mut open = 0u16;
    for entry in entries {
        if entry.stage.is_ack() {
            return None;
        }
        if entry.stage >= Stage::PubComp && entry.stage <= Stage::Open {
            open = open.wrapping_add(1);
        }
    }
    Some(open)
}

/// The entry of a QoS 2 message between PUBLISH and PUBREL.
#[cfg_attr(not(feature = "fast"), inline(never))]
pub(crate) fn known(entries: &mut [Receipt], id: u16) -> Option<&mut Receipt> {
    entries
        .iter_mut()
        .find(|entry| entry.id == id && entry.stage.is_known())
}

/// The PUBACK or PUBREC, owed or awaited, before which there are `index`.
pub(crate) fn ack(entries: &mut [Receipt], index: u16) -> Option<&mut Receipt> {
    let mut acks = entries.iter_mut().filter(|entry| entry.stage.is_ack());
    acks.nth(usize::from(index))
}

/// Adds an entry behind all others, in place of what is known of its QoS 2 message; false, and
/// nothing has changed, when there is no room.
pub(crate) fn put(entries: &mut [Receipt], receipt: Receipt) -> bool {
    if receipt.stage.is_exactly_once()
        && let Some(known) = known(entries, receipt.id)
    {
        *known = Receipt::FREE;
    }
    let mut entries = entries.iter_mut();
    let Some(mut place) = entries.find(|entry| entry.stage == Stage::Free) else {
        return false;
    };
    // Those behind the place that is free move up.
    for entry in entries {
        *place = *entry;
        place = entry;
    }
    *place = receipt;
    true
}

/// Has each that may leave written, as long as that can be; whether it could. Of PUBACK and PUBREC,
/// none passes one that is awaited.
#[inline]
pub(crate) fn write_ready(
    entries: &mut [Receipt],
    mut write: impl FnMut(NonZero<u8>, Receipt) -> bool,
) -> bool {
    let mut ready = &Ready::ALL;
    let mut at = 0;
    while let Some(entry) = entries.get_mut(at) {
        let mut receipt = *entry;
        if let Some(first) = ready.of(receipt.stage) {
            if !write(first, receipt) {
                return false;
            }
            receipt.end();
            *entry = receipt;
        } else if receipt.stage.is_ack() {
            // The acknowledgements behind it wait.
            ready = &Ready::OTHERS;
        }
        at = at.wrapping_add(1);
    }
    true
}

/// This one was written, which may leave.
pub(crate) fn written(entries: &mut [Receipt], receipt: Receipt) {
    if let Some(entry) = entries.iter_mut().find(|entry| **entry == receipt) {
        entry.end();
    }
}

/// Every QoS 2 message that counts as received.
pub(crate) fn each_received(entries: &[Receipt], each: &mut dyn FnMut(u16)) {
    for entry in entries.iter().filter(|entry| entry.is_received()) {
        each(entry.id);
    }
}

/// The transport is gone. What was not acknowledged comes again; what was, is remembered.
pub(crate) fn cut(entries: &mut [Receipt]) {
    for entry in entries {
        if entry.is_received() {
            entry.stage = Stage::Earlier;
        } else {
            *entry = Receipt::FREE;
        }
    }
}

/// The session is gone.
#[cfg_attr(not(feature = "fast"), inline(never))]
pub(crate) fn clear(entries: &mut [Receipt]) {
    entries.fill(Receipt::FREE);
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use mqtt_proto::ReasonCode;
    use std::vec::Vec;

    fn leaving(list: &mut [Receipt]) -> Vec<Receipt> {
        let mut left = Vec::new();
        assert!(write_ready(list, |packet, receipt| {
            assert_eq!(receipt.stage.ready(), Some(packet));
            left.push(receipt);
            true
        }));
        left
    }

    fn receipt(id: u16, stage: Stage) -> Receipt {
        Receipt {
            id,
            stage,
            reason: ReasonCode::SUCCESS,
        }
    }

    #[test]
    fn acknowledgements_leave_in_order_and_pass_nothing_that_is_awaited() {
        let mut list = [Receipt::FREE; 4];
        for (id, stage) in [
            (1, Stage::PubAck),
            (2, Stage::PubRecAwaited),
            (3, Stage::PubAck),
            (4, Stage::PubRel),
        ] {
            assert!(put(&mut list, receipt(id, stage)));
        }
        assert!(!put(&mut list, receipt(5, Stage::PubAck)));
        assert_eq!((acks(&list), outstanding(&list)), (3, 3));
        let expected = [receipt(1, Stage::PubAck), receipt(4, Stage::PubRel)];
        assert_eq!(leaving(&mut list), expected);
        assert_eq!(leaving(&mut list), []);
        assert_eq!(ack(&mut list, 0).map(|entry| entry.id), Some(2));
        ack(&mut list, 0).unwrap().stage = Stage::PubRec;
        let expected = [receipt(2, Stage::PubRec), receipt(3, Stage::PubAck)];
        assert_eq!(leaving(&mut list), expected);
        assert_eq!((acks(&list), outstanding(&list)), (0, 1));
        assert_eq!(
            known(&mut list, 2).map(|entry| entry.stage),
            Some(Stage::Open)
        );
    }

    #[test]
    fn a_full_list_takes_what_stands_for_one_of_its_own() {
        let mut list = [Receipt::FREE; 2];
        assert!(put(&mut list, receipt(1, Stage::PubRec)));
        assert!(put(&mut list, receipt(1, Stage::PubAckAwaited)));
        written(&mut list, receipt(1, Stage::PubRec));
        assert!(!put(&mut list, receipt(2, Stage::PubCompUncounted)));
        assert!(put(&mut list, receipt(1, Stage::PubComp)));
        assert!(known(&mut list, 1).is_none());
        let mut next = None;
        assert!(!write_ready(&mut list, |_, receipt| next
            .replace(receipt)
            .is_some()));
        assert_eq!(next, Some(receipt(1, Stage::PubComp)));
        assert_eq!(outstanding(&list), 2);
    }

    #[test]
    fn a_cut_leaves_what_was_received() {
        let mut list = [Receipt::FREE; 7];
        for (id, stage) in [
            (1, Stage::PubAck),
            (2, Stage::PubRecAwaited),
            (3, Stage::PubRec),
            (4, Stage::PubRec),
            (5, Stage::PubComp),
            (6, Stage::PubRec),
        ] {
            assert!(put(&mut list, receipt(id, stage)));
        }
        written(&mut list, receipt(3, Stage::PubRec));
        ack(&mut list, 3).unwrap().reason = ReasonCode::UNSPECIFIED_ERROR;
        cut(&mut list);
        let left = list.iter().filter(|entry| entry.stage != Stage::Free);
        let left = left.map(|entry| (entry.id, entry.stage));
        assert!(left.eq([(3, Stage::Earlier), (4, Stage::Earlier)]));
        assert_eq!(outstanding(&list), 0);
    }
}
