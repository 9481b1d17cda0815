//! Which bytes are offered to the transport next.

use crate::pump::packet_range;
use crate::sender::Outbox;
use crate::store::OutboundStore;
use crate::transmit::Transmit;

impl Outbox {
    /// Offers what is to be sent next.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn offer<'s, O: OutboundStore>(&mut self, store: &'s O) -> &'s [u8] {
        let bytes = first(&self.line.tx, store);
        self.line.tx.offer(bytes.len());
        self.line.begin_stall(self.clock.moment());
        bytes
    }

    /// Offers what is being offered, with what was queued since.
    pub(crate) fn offer_again<'s, O: OutboundStore>(&mut self, store: &'s O) -> &'s [u8] {
        if self.line.tx.is_offered() {
            self.offer(store)
        } else {
            &[]
        }
    }

    /// Offers all that is queued, where some of it is being offered.
    pub(crate) fn offer_all<'s, O: OutboundStore>(&mut self, store: &'s O) -> [&'s [u8]; 3] {
        if !self.line.tx.is_offered() {
            return [&[]; 3];
        }
        self.line.tx.offer_all();
        queued(&self.line.tx, store)
    }
}

/// What is to be sent next, or is being sent. What lies behind a large packet is never first.
pub(crate) fn first<'s, O: OutboundStore>(tx: &Transmit, store: &'s O) -> &'s [u8] {
    let (start, at, _) = tx.queue();
    if start == at {
        large(tx, store)
    } else {
        part(store.buffers().0, start, at)
    }
}

/// All that is queued, in its order: in the buffer, what of a large packet has not been taken, and
/// in the buffer again.
fn queued<'s, O: OutboundStore>(tx: &Transmit, store: &'s O) -> [&'s [u8]; 3] {
    let (transmit, _) = store.buffers();
    let (start, at, end) = tx.queue();
    [
        part(transmit, start, at),
        large(tx, store),
        part(transmit, at, end),
    ]
}

/// What the transport has not taken of a large packet, if there is one that is stored.
fn large<'s, O: OutboundStore>(tx: &Transmit, store: &'s O) -> &'s [u8] {
    let large = tx.large();
    if !large.is_some() || tx.is_drawing() {
        return &[];
    }
    #[cfg(feature = "bytes")]
    if large.apart {
        return part(store.payload(large.slot), large.sent(), usize::MAX);
    }
    let Some(record) = store.all_records().get(usize::from(large.slot)) else {
        return &[];
    };
    let (start, end) = packet_range(record);
    let (_, arena) = store.buffers();
    part(arena, start.wrapping_add(large.sent()), end)
}

/// The bytes from one place to another; none where there are not so many.
#[cfg_attr(not(feature = "fast"), inline(never))]
fn part(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end.min(bytes.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use crate::connected::connected;
    use crate::{Action, Client, Event, Fixed, Instant, Publish, QoS, TopicName};
    use std::vec::Vec;

    /// What is stored moves when gaps are closed, also under a packet that is being sent from there.
    #[test]
    fn a_large_packet_goes_on_where_it_was_moved_to() {
        let now = Instant::from_secs(1);
        let (mut client, mut input) = connected(now, Fixed::<4, 2, 640, 64>::new());
        let topic = TopicName::new("t").unwrap();
        let publish = |client: &mut Client<_>, byte: u8, len: usize| {
            let payload = std::vec![byte; len];
            let publish = Publish::new(topic, &payload).qos(QoS::AtLeastOnce);
            client.publish(now, &publish).unwrap();
        };
        publish(&mut client, b'a', 200);
        publish(&mut client, b'b', 300);
        let mut wire = Vec::new();
        let mut is_acknowledged = false;
        let mut is_moved = false;
        loop {
            match client.poll(now, &mut input) {
                Action::Send(bytes) => {
                    let count = bytes.len().min(50);
                    wire.extend_from_slice(&bytes[..count]);
                    if is_acknowledged && !is_moved && wire.ends_with(b"bb") {
                        // While it is offered: this has no room before the gap is closed.
                        publish(&mut client, b'c', 250);
                        is_moved = true;
                    }
                    client.sent(now, count);
                }
                Action::Timeout(_) => break,
                Action::Event(Event::Published { .. }) => is_acknowledged = true,
                other => panic!("{other:?}"),
            }
            if !is_acknowledged && wire.ends_with(b"bb") {
                input.spare()[..4].copy_from_slice(&[0x40, 2, 0, 1]);
                input.filled(4);
            }
        }
        assert!(is_moved);
        let mut expected = Vec::new();
        for (id, byte, len) in [(1, b'a', 200usize), (2, b'b', 300), (3, b'c', 250)] {
            let remaining = len + 6;
            let length = [(remaining % 128) as u8 | 0x80, (remaining / 128) as u8];
            expected.extend([0x32, length[0], length[1], 0, 1, b't', 0, id, 0]);
            expected.extend(core::iter::repeat_n(byte, len));
        }
        assert_eq!(wire, expected);
    }
}
