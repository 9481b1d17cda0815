//! A PUBLISH from the server, delivered whole or, where the input buffer is smaller, in parts.

use crate::dispatch::{Came, Input, Told};
use crate::machine::Machine;
use crate::receipts::Partial;
use crate::rx_buffer::Rx;
use crate::store::{InboundStore, OutboundStore};
use crate::violation::Breach;
use mqtt_proto::{FixedHeader, PacketType, Publish, RawPacket};

impl Partial {
    /// What is to be told of a part that comes now.
    fn told(self) -> Told {
        if self.is_seen() {
            Told::Nothing
        } else {
            Told::Message
        }
    }
}

/// What is to be decoded of the packet at the front of the input, which has this header: all of it, or
/// of a PUBLISH what comes before its payload. If that is not there, how many bytes of the input are
/// wanted before there is news, and how many of it may be wanted.
#[inline]
pub(crate) fn head_of<'p>(
    header: &FixedHeader,
    bytes: &'p [u8],
    capacity: usize,
) -> Result<&'p [u8], (usize, usize)> {
    let len = header.packet_len();
    let (mut front, mut wanted, mut most) = (bytes, len, capacity);
    if header.packet_type() == PacketType::Publish && (len > capacity || bytes.len() >= len) {
        // In parts, a quarter of the buffer is left for the payload, so that the header is looked at
        // again only once for at least a third as many bytes as it has itself. What lies in that
        // quarter is not looked at, so that it does not matter whether it has come.
        if len > capacity {
            most = capacity.wrapping_sub(capacity / 4);
            front = bytes.get(..most).unwrap_or(bytes);
        }
        wanted = Publish::extent(header, front);
    }
    front.get(header.len()..wanted).ok_or((wanted, most))
}

impl Machine {
    /// A PUBLISH, or its next part. A whole message is one of a single part.
    pub(crate) fn on_publish<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        head: &RawPacket<'p>,
        came: &mut Came<'p>,
        input: &mut Input<'_, 'p, O, I>,
    ) -> Told {
        let header = head.header();
        let end = header.len().wrapping_add(head.body().len());
        came.total = header.packet_len().wrapping_sub(end);
        came.flags = header.publish_flags();
        let Some(partial) = self.begin_message(came, input) else {
            return Told::Broken;
        };
        let rx = &mut input.rx;
        came.offset = partial.offset();
        let left = came.total.wrapping_sub(came.offset);
        let part_len = left.min(rx.capacity().wrapping_sub(end));
        let start = end.wrapping_add(rx.cursor.passed());
        let Some(payload) = rx.part(start, part_len) else {
            // No more than there is room for.
            rx.cursor.want(end.wrapping_add(part_len));
            return Told::Wait;
        };
        came.fields.rest = payload;
        came.is_held = false;
        if part_len < left {
            rx.cursor.pass(end, part_len);
            self.intake.partial = Some(partial.behind(part_len));
            return partial.told();
        }
        let len = end.wrapping_add(part_len);
        self.end_message(len, partial, came, input)
    }

    /// Where the part of this message begins that comes now: at its start, if it may come.
    #[inline]
    fn begin_message<O: OutboundStore, I: InboundStore>(
        &mut self,
        came: &Came<'_>,
        input: &mut Input<'_, '_, O, I>,
    ) -> Option<Partial> {
        if self.intake.partial.is_some() {
            return self.intake.partial;
        }
        let (mut sender, mut receiver) = self.halves(input.stores());
        match receiver.admit(&came.fields, came.flags.qos(), &mut sender) {
            Ok(partial) => Some(partial),
            Err(breach) => {
                self.breaks(breach);
                None
            }
        }
    }

    /// This message has come whole. So many bytes are taken off the input, besides those that passed: its
    /// acknowledgement is owed, if there is room for that.
    #[inline]
    fn end_message<O: OutboundStore, I: InboundStore>(
        &mut self,
        len: usize,
        partial: Partial,
        came: &mut Came<'_>,
        input: &mut Input<'_, '_, O, I>,
    ) -> Told {
        if let Some(id) = came.fields.packet_id {
            let seen = partial.is_seen();
            let manually = self.out.config.acknowledges_manually();
            came.is_held = manually;
            let (mut sender, mut receiver) = self.halves(input.stores());
            if !receiver.accept(came.flags.qos(), id.value(), seen, manually, &mut sender) {
                // What is owed and cannot leave may have all the room: that passes.
                if self.intake.blocked {
                    return Told::Wait;
                }
                return self.breaks(Breach::ReceiveMaximum);
            }
        }
        self.intake.partial = None;
        input.rx.cursor.consume_passed(len);
        partial.told()
    }

    /// So many bytes are wanted of the input, of which no more than `most` may be.
    #[inline]
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
