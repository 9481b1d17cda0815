//! What is known of messages that came in, in one list in the order of arrival.
//!
//! Its entries are looked at one by one: where there are few, that takes less code and memory
//! than finding them by their identifiers.

use crate::receipt::{Receipt, Stage};

fn used(entries: &[Receipt]) -> impl Iterator<Item = &Receipt> {
    entries.iter().filter(|entry| entry.id != 0)
}

/// How many messages take a place in this connection's Receive Maximum.
pub(crate) fn outstanding(entries: &[Receipt]) -> u16 {
    count(entries, Stage::PubComp, Stage::Open)
}

/// How many PUBACK and PUBREC are owed or awaited.
pub(crate) fn acks(entries: &[Receipt]) -> u16 {
    count(entries, Stage::PubAckAwaited, Stage::PubRec)
}

#[cfg_attr(not(feature = "fast"), inline(never))]
fn count(entries: &[Receipt], first: Stage, last: Stage) -> u16 {
    let mut count = 0u16;
    for entry in used(entries) {
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
    for entry in used(entries) {
        if entry.stage.is_ack() {
            return None;
        }
        if entry.stage <= Stage::Open {
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
    let mut acks = entries
        .iter_mut()
        .filter(|entry| entry.id != 0 && entry.stage.is_ack());
    acks.nth(usize::from(index))
}

/// Adds an entry behind all others, in place of what is known of its QoS 2 message; how many
/// entries are in front of it. `None`, and nothing has changed, when there is no room.
pub(crate) fn put(entries: &mut [Receipt], receipt: Receipt) -> Option<usize> {
    if receipt.stage.is_exactly_once()
        && let Some(known) = known(entries, receipt.id)
    {
        *known = Receipt::FREE;
    }
    let mut len = 0usize;
    for at in 0..entries.len() {
        let entry = entries
            .get_mut(at)
            .map(|entry| core::mem::replace(entry, Receipt::FREE));
        if let Some(entry) = entry.filter(|entry| entry.id != 0)
            && let Some(place) = entries.get_mut(len)
        {
            *place = entry;
            len = len.wrapping_add(1);
        }
    }
    *entries.get_mut(len)? = receipt;
    Some(len)
}

/// The first that may leave: of PUBACK and PUBREC, none passes one that is awaited.
pub(crate) fn next(entries: &[Receipt]) -> Option<Receipt> {
    let mut waits = false;
    for entry in used(entries) {
        let is_ack = entry.stage.is_ack();
        if entry.stage.ready().is_some() && !(waits && is_ack) {
            return Some(*entry);
        }
        waits |= is_ack;
    }
    None
}

/// This one was written.
pub(crate) fn written(entries: &mut [Receipt], receipt: Receipt) {
    if let Some(entry) = entries.iter_mut().find(|entry| **entry == receipt) {
        if receipt.stage == Stage::PubRec && !receipt.reason.is_failure() {
            entry.stage = Stage::Open;
        } else {
            // After a failure the identifier is a new message's (MQTT-4.3.3-9).
            *entry = Receipt::FREE;
        }
    }
}

/// Every QoS 2 message that counts as received.
pub(crate) fn each_received(entries: &[Receipt], each: &mut dyn FnMut(u16)) {
    for entry in used(entries).filter(|entry| entry.is_received()) {
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
    use super::*;
    use mqtt_proto::ReasonCode;

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
            assert!(put(&mut list, receipt(id, stage)).is_some());
        }
        assert!(put(&mut list, receipt(5, Stage::PubAck)).is_none());
        assert_eq!((acks(&list), outstanding(&list)), (3, 3));
        for left in [receipt(1, Stage::PubAck), receipt(4, Stage::PubRel)] {
            assert_eq!(next(&list), Some(left));
            written(&mut list, left);
        }
        assert_eq!(next(&list), None);
        assert_eq!(ack(&mut list, 0).map(|entry| entry.id), Some(2));
        ack(&mut list, 0).unwrap().stage = Stage::PubRec;
        for left in [receipt(2, Stage::PubRec), receipt(3, Stage::PubAck)] {
            assert_eq!(next(&list), Some(left));
            written(&mut list, left);
        }
        assert_eq!((acks(&list), outstanding(&list)), (0, 1));
        assert_eq!(
            known(&mut list, 2).map(|entry| entry.stage),
            Some(Stage::Open)
        );
    }

    #[test]
    fn a_full_list_takes_what_stands_for_one_of_its_own() {
        let mut list = [Receipt::FREE; 2];
        assert!(put(&mut list, receipt(1, Stage::PubRec)).is_some());
        assert!(put(&mut list, receipt(1, Stage::PubAckAwaited)).is_some());
        written(&mut list, receipt(1, Stage::PubRec));
        assert!(put(&mut list, receipt(2, Stage::PubCompUncounted)).is_none());
        assert!(put(&mut list, receipt(1, Stage::PubComp)).is_some());
        assert!(known(&mut list, 1).is_none());
        assert_eq!(next(&list), Some(receipt(1, Stage::PubComp)));
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
            assert!(put(&mut list, receipt(id, stage)).is_some());
        }
        written(&mut list, receipt(3, Stage::PubRec));
        ack(&mut list, 3).unwrap().reason = ReasonCode::UNSPECIFIED_ERROR;
        cut(&mut list);
        let left = used(&list).map(|entry| (entry.id, entry.stage));
        assert!(left.eq([(3, Stage::Earlier), (4, Stage::Earlier)]));
        assert_eq!(outstanding(&list), 0);
    }
}
