//! A PUBLISH from the server, delivered whole or, where the input buffer is smaller, in parts.

use crate::config::Acknowledge;
use crate::dispatch::{Came, Input, Told};
use crate::machine::{Machine, Stores};
use crate::receipts::Partial;
use crate::rx_buffer::Rx;
use crate::store::{InboundStore, OutboundStore};
use crate::violation::Breach;
use mqtt_proto::{Fields, FixedHeader, Publish, RawPacket};

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
        fields: &Fields<'p>,
        stores: Stores<'_, O, I>,
        input: &mut Input<'_, 'p>,
    ) -> Told {
        let rx = &mut *input.rx;
        let header = head.header();
        let end = header.len().wrapping_add(head.body().len());
        let mut publish = fields.publish(header, &[]);
        let acknowledge = self.out.config.acknowledge;
        let (mut sender, mut receiver) = self.halves(stores);
        let partial = match receiver.intake.partial {
            Some(partial) => partial,
            None => match receiver.admit(&publish, &mut sender) {
                Ok(seen) => Partial::new(0, seen),
                Err(breach) => return self.breaks(breach),
            },
        };
        let offset = partial.offset() as usize;
        let total = header.packet_len().wrapping_sub(end);
        let left = total.wrapping_sub(offset);
        let part_len = left.min(rx.capacity().wrapping_sub(end));
        let start = end.wrapping_add(rx.cursor.passed());
        let part = rx.unread().get(start..start.wrapping_add(part_len));
        let Some(payload) = part else {
            let capacity = rx.capacity();
            return self.want(end.wrapping_add(part_len), capacity, rx);
        };
        publish.payload = payload;
        let mut is_held = false;
        if part_len < left {
            rx.cursor.pass(end, part_len);
            let offset = partial.offset().wrapping_add(part_len as u32);
            receiver.intake.partial = Some(Partial::new(offset, partial.is_seen()));
        } else {
            receiver.intake.partial = None;
            if let Some(id) = publish.packet_id {
                let (qos, id) = (publish.qos, id.value());
                let seen = partial.is_seen();
                is_held = acknowledge == Acknowledge::Manually;
                if !receiver.accept(qos, id, seen, acknowledge, &mut sender) {
                    return self.breaks(Breach::ReceiveMaximum);
                }
            }
            rx.cursor.consume_passed(start.wrapping_add(part_len));
        }
        if partial.is_seen() {
            return Told::Nothing;
        }
        *input.came = Some(Came {
            publish,
            is_held,
            offset,
            total,
        });
        Told::Message
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
