//! A PUBLISH from the server, delivered whole or, where the input buffer is smaller, in parts.

use crate::config::Acknowledge;
use crate::connection::Verdict;
use crate::dispatch::{Came, Told};
use crate::machine::{Machine, Stores};
use crate::receipts::Partial;
use crate::rx_buffer::Rx;
use crate::store::{InboundStore, OutboundStore};
use crate::violation::Breach;
use mqtt_proto::{FixedHeader, HeaderFrame, PacketType, Publish, Sender as From};

impl Machine {
    /// The PUBLISH at the front of the input, or its next part. A whole message is one of a single
    /// part.
    #[inline(never)]
    pub(crate) fn read_publish<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        header: FixedHeader,
        bytes: &'p [u8],
        stores: Stores<'_, O, I>,
        rx: &mut Rx<'p>,
        came: &mut Option<Came<'p>>,
    ) -> Told {
        let capacity = rx.capacity();
        // What is wanted of the input before there is news, and how much of it may be wanted.
        let (wanted, most) = 'wait: {
            let len = header.packet_len();
            let is_whole = len <= capacity;
            if is_whole && bytes.len() < len {
                break 'wait (len, capacity);
            }
            // In parts, a quarter of the buffer is left for the payload, so that the header is
            // looked at again only once for at least a third as many bytes as it has itself. What
            // lies in that quarter is not looked at, so that it does not matter whether it has
            // come.
            let most = if is_whole {
                len
            } else {
                capacity.wrapping_sub(capacity / 4)
            };
            let front = bytes.get(..most).unwrap_or(bytes);
            let body = front.get(header.len()..).unwrap_or_default();
            let (mut publish, end) = match Publish::decode_header(header, body, From::Server) {
                Err(error) => return self.malformed(&error),
                Ok(HeaderFrame::Partial { need }) => {
                    let there = header.len().wrapping_add(body.len());
                    break 'wait (there.wrapping_add(need), most);
                }
                Ok(HeaderFrame::Whole {
                    publish,
                    header_len,
                }) => (publish, header.len().wrapping_add(header_len)),
            };
            if self.phase.verdict(PacketType::Publish) == Verdict::Break {
                return self.breaks(Breach::Unexpected(PacketType::Publish));
            }
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
            let total = len.wrapping_sub(end);
            let left = total.wrapping_sub(offset);
            let part_len = left.min(capacity.wrapping_sub(end));
            let start = end.wrapping_add(rx.cursor.passed());
            let Some(payload) = bytes.get(start..start.wrapping_add(part_len)) else {
                break 'wait (end.wrapping_add(part_len), capacity);
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
            *came = Some(Came {
                publish,
                is_held,
                offset,
                total,
            });
            return Told::Message;
        };
        self.want(wanted, most, rx)
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
