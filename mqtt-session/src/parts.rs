//! A PUBLISH from the server, delivered whole or, where the input buffer is smaller, in parts.

use crate::dispatch::{Came, Input, Told};
use crate::machine::{Machine, Stores};
use crate::receipts::Partial;
use crate::rx_buffer::Rx;
use crate::store::{InboundStore, OutboundStore};
use crate::violation::Breach;
use mqtt_proto::{FixedHeader, Publish, RawPacket};

/// What comes before the payload of the PUBLISH at the front of the input, if it is there; otherwise
/// how many bytes of the input are wanted before there is news, and how many of it may be wanted.
#[inline]
pub(crate) fn head_of_publish(
    header: FixedHeader,
    bytes: &[u8],
    capacity: usize,
) -> Result<RawPacket<'_>, (usize, usize)> {
    let len = header.packet_len();
    let is_whole = len <= capacity;
    if is_whole && bytes.len() < len {
        return Err((len, capacity));
    }
    // In parts, a quarter of the buffer is left for the payload, so that the header is looked at
    // again only once for at least a third as many bytes as it has itself. What lies in that
    // quarter is not looked at, so that it does not matter whether it has come.
    let most = if is_whole {
        len
    } else {
        capacity.wrapping_sub(capacity / 4)
    };
    let front = bytes.get(..most).unwrap_or(bytes);
    let body = front.get(header.len()..).unwrap_or_default();
    let there = header.len().wrapping_add(body.len());
    Publish::head(header, body).map_err(|need| (there.wrapping_add(need), most))
}

impl Machine {
    /// A PUBLISH, or its next part. A whole message is one of a single part.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn on_publish<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        head: &RawPacket<'p>,
        came: &mut Came<'p>,
        input: &mut Input<'_, 'p, O, I>,
    ) -> Told {
        let rx = &mut *input.rx;
        let header = head.header();
        let end = header.len().wrapping_add(head.body().len());
        let total = header.packet_len().wrapping_sub(end);
        let publish = came.fields.publish(header, &[]);
        came.total = total;
        came.is_held = false;
        came.qos = publish.qos;
        came.retain = publish.retain;
        came.dup = publish.dup;
        let manually = self.out.config.acknowledges_manually();
        let (mut sender, mut receiver) = self.halves(Stores {
            outbound: &mut *input.outbound,
            inbound: &mut *input.inbound,
        });
        let partial = match receiver.intake.partial {
            Some(partial) => partial,
            None => match receiver.admit(&came.fields, publish.qos, &mut sender) {
                Ok(seen) => Partial::new(seen),
                Err(breach) => return self.breaks(breach),
            },
        };
        came.offset = partial.offset();
        let left = total.wrapping_sub(came.offset);
        let part_len = left.min(rx.capacity().wrapping_sub(end));
        let start = end.wrapping_add(rx.cursor.passed());
        let part = rx.unread().get(start..start.wrapping_add(part_len));
        let Some(payload) = part else {
            let capacity = rx.capacity();
            return self.want(end.wrapping_add(part_len), capacity, rx);
        };
        came.payload = payload;
        let seen = partial.is_seen();
        if part_len < left {
            rx.cursor.pass(end, part_len);
            receiver.intake.partial = Some(partial.behind(part_len));
        } else {
            if let Some(id) = came.fields.packet_id {
                came.is_held = manually;
                let qos = publish.qos;
                if !receiver.accept(qos, id.value(), seen, manually, &mut sender) {
                    // What is owed and cannot leave may have all the room: that passes.
                    if !receiver.is_drained() {
                        return Told::Wait;
                    }
                    return self.breaks(Breach::ReceiveMaximum);
                }
            }
            receiver.intake.partial = None;
            rx.cursor.consume_passed(start.wrapping_add(part_len));
        }
        if seen { Told::Nothing } else { Told::Message }
    }

    /// So many bytes are wanted of the input, of which no more than `most` may be.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn want(&mut self, wanted: usize, most: usize, rx: &mut Rx<'_>) -> Told {
        if wanted > most {
            return self.breaks(Breach::LargerThanBuffer);
        }
        rx.cursor.want(wanted);
        Told::Wait
    }
}

#[cfg(test)]
mod tests {
    use crate::connected::connected;
    use crate::{Action, Event, Fixed, Instant, Publish, TopicName};

    /// Acknowledgements that are owed and cannot leave may take all the room there is.
    #[test]
    fn a_message_waits_for_the_room_of_its_acknowledgement() {
        let now = Instant::from_secs(1);
        let (mut client, mut input) = connected(now, Fixed::<2, 1, 128, 64>::new());
        // It fills the transmit buffer up to the reserve, and the transport takes nothing.
        let publish = Publish::new(TopicName::new("t").unwrap(), &[0; 53]);
        client.publish(now, &publish).unwrap();
        assert!(matches!(client.poll(now, &mut input), Action::Send(_)));
        // PUBREC for what was never sent, twice, and a message of QoS 1.
        let came = [0x50, 2, 0, 7, 0x50, 2, 0, 8, 0x32, 6, 0, 1, b't', 0, 1, 0];
        input.spare()[..came.len()].copy_from_slice(&came);
        input.filled(came.len());
        match client.poll(now, &mut input) {
            Action::Timeout(_) => {}
            other => panic!("{other:?}"),
        }
        client.sent(now, 100);
        let mut sent = [0; 16];
        let mut len = 0;
        let mut delivered = 0;
        loop {
            let count = match client.poll(now, &mut input) {
                Action::Send(bytes) => {
                    sent[len..][..bytes.len()].copy_from_slice(bytes);
                    bytes.len()
                }
                Action::Deliver(_) => {
                    delivered += 1;
                    0
                }
                Action::Event(Event::Published { .. }) => 0,
                Action::Timeout(_) => break,
                other => panic!("{other:?}"),
            };
            len += count;
            if count > 0 {
                client.sent(now, count);
            }
        }
        assert_eq!(delivered, 1);
        let answers = [0x62, 3, 0, 7, 0x92, 0x62, 3, 0, 8, 0x92, 0x40, 2, 0, 1];
        assert_eq!(sent[..len], answers);
    }
}
