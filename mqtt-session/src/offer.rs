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

    /// Offers anew what is to be sent next, where it is being offered.
    pub(crate) fn offered<'s, O: OutboundStore>(&mut self, store: &'s O) -> &'s [u8] {
        if !self.line.tx.is_offered() {
            return &[];
        }
        self.offer(store)
    }

    /// Offers all that is queued, where some of it is being offered: in the buffer, what of a large
    /// packet has not been taken, and in the buffer again.
    pub(crate) fn offer_all<'s, O: OutboundStore>(&mut self, store: &'s O) -> [&'s [u8]; 3] {
        let tx = &mut self.line.tx;
        if !tx.is_offered() {
            return [&[]; 3];
        }
        tx.offer_all();
        let transmit = store.buffers().0;
        let (start, at, end) = tx.queue();
        [
            part(transmit, start, at),
            large(tx, store),
            part(transmit, at, end),
        ]
    }
}

/// What is to be sent next, or is being sent. What lies behind a large packet is never first.
pub(crate) fn first<'s, O: OutboundStore>(tx: &Transmit, store: &'s O) -> &'s [u8] {
    let (start, at, _) = tx.queue();
    if start == at {
        return large(tx, store);
    }
    part(store.buffers().0, start, at)
}

/// What has not been taken of the large packet, if there is one that is stored.
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
    part(store.buffers().1, start.wrapping_add(large.sent()), end)
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

    #[test]
    fn what_is_offered_is_shown_until_some_of_it_is_taken() {
        let now = Instant::from_secs(1);
        let (mut client, mut input) = connected(now, Fixed::<4, 2, 640, 64>::new());
        assert_eq!(client.offered(), b"");
        let topic = TopicName::new("t").unwrap();
        client.publish(now, &Publish::new(topic, b"a")).unwrap();
        assert!(matches!(client.poll(now, &mut input), Action::Send(_)));
        assert_eq!(client.offered(), b"\x30\x05\0\x01t\0a");
        client.sent(now, 2);
        assert_eq!(client.offered(), b"");
        assert!(matches!(client.poll(now, &mut input), Action::Send(_)));
        assert_eq!(client.offered(), b"\0\x01t\0a");
    }

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
