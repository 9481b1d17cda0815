//! A PUBLISH larger than the input buffer, delivered in parts.

use crate::connection::Verdict;
use crate::delivery::AckToken;
use crate::dispatch::{Part, Told};
use crate::machine::{Machine, Stores};
use crate::receipts::Partial;
use crate::rx_buffer::Rx;
use crate::store::{InboundStore, OutboundStore};
use crate::violation::Violation;
use mqtt_proto::{FixedHeader, HeaderFrame, PacketId, PacketType, Publish, QoS, Sender as From};

impl Machine {
    /// A PUBLISH that does not fit the input buffer: its header stays, its payload passes.
    pub(crate) fn begin_parts<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        bytes: &'p [u8],
        stores: Stores<'_, O, I>,
        rx: &mut Rx<'p>,
    ) -> Result<Told<'p>, Violation> {
        let header = FixedHeader::parse(bytes, self.intake.maximum_packet_size)?
            .filter(|header| header.packet_type() == PacketType::Publish)
            .ok_or(Violation::LargerThanBuffer)?;
        if self.phase.verdict(PacketType::Publish) == Verdict::Break {
            return Err(Violation::Unexpected(PacketType::Publish));
        }
        // A quarter of the buffer is left for the payload, so that the header is looked at again
        // only once for at least a third as many bytes as it has itself. What lies in that quarter
        // is not looked at, so that it does not matter whether it has come.
        let most = rx.capacity().saturating_sub(rx.capacity() / 4);
        let bytes = bytes.get(..most).unwrap_or(bytes);
        let body = bytes.get(header.len()..).unwrap_or_default();
        match Publish::decode_header(header, body, From::Server)? {
            HeaderFrame::Partial { need } => {
                let total = bytes.len().saturating_add(need);
                if total > most {
                    return Err(Violation::LargerThanBuffer);
                }
                rx.cursor.want(total);
                Ok(Told::Wait)
            }
            HeaderFrame::Whole {
                publish,
                header_len,
            } => {
                let pinned = header.len().saturating_add(header_len);
                if pinned > most {
                    return Err(Violation::LargerThanBuffer);
                }
                let (_, mut receiver) = self.halves(stores);
                let known = receiver.admit(&publish)?;
                let total = header.packet_len().saturating_sub(pinned);
                self.intake.partial = Some(Partial {
                    offset: 0,
                    total: u32::try_from(total).unwrap_or(u32::MAX),
                    duplicate: known.seen,
                });
                rx.cursor.pin(pinned);
                Ok(Told::Nothing)
            }
        }
    }

    /// The next part, once the buffer is full of it or it is the last.
    pub(crate) fn read_part<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        partial: Partial,
        bytes: &'p [u8],
        stores: Stores<'_, O, I>,
        rx: &mut Rx<'p>,
    ) -> Result<Told<'p>, Violation> {
        let (pinned, gap) = rx.cursor.pinned();
        let left = partial.total.saturating_sub(partial.offset) as usize;
        let part_len = left.min(rx.capacity().saturating_sub(pinned));
        let start = pinned.saturating_add(gap);
        let Some(payload) = bytes.get(start..start.saturating_add(part_len)) else {
            rx.cursor.want(pinned.saturating_add(part_len));
            return Ok(Told::Wait);
        };
        let header = FixedHeader::parse(bytes, u32::MAX)?.ok_or(Violation::LargerThanBuffer)?;
        let body = bytes.get(header.len()..pinned).unwrap_or_default();
        let HeaderFrame::Whole { mut publish, .. } =
            Publish::decode_header(header, body, From::Server)?
        else {
            return Err(Violation::LargerThanBuffer);
        };
        publish.payload = payload;
        let last = part_len == left;
        let mut token = None;
        if last {
            token = self.accept_last_part(&publish, partial.duplicate, stores)?;
        }
        rx.cursor.pass(part_len);
        if last {
            rx.cursor.unpin();
            self.intake.partial = None;
        } else {
            let passed = u32::try_from(part_len).unwrap_or(u32::MAX);
            let offset = partial.offset.saturating_add(passed);
            self.intake.partial = Some(Partial { offset, ..partial });
        }
        if partial.duplicate {
            return Ok(Told::Nothing);
        }
        let part = Part {
            offset: partial.offset as usize,
            total: partial.total as usize,
        };
        Ok(Told::Message(publish, token, part))
    }

    fn accept_last_part<O: OutboundStore, I: InboundStore>(
        &mut self,
        publish: &Publish<'_>,
        duplicate: bool,
        stores: Stores<'_, O, I>,
    ) -> Result<Option<AckToken>, Violation> {
        let Some(id) = publish.packet_id.map(PacketId::value) else {
            return Ok(None);
        };
        debug_assert_ne!(publish.qos, QoS::AtMostOnce);
        let acknowledge = self.out.config.acknowledge;
        let (mut sender, mut receiver) = self.halves(stores);
        receiver.make_room_for_receipt(&mut sender);
        let known = receiver.known(duplicate, id);
        receiver.accept(publish.qos, id, known, acknowledge, &mut sender)
    }
}
