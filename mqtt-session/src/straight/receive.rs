//! The straight way of what comes with every message from the server: PUBLISH and PUBREL, over a
//! live connection on which nothing else is to be done.
//!
//! Each packet is either taken whole here or left untouched for [`Machine::poll`], which knows
//! every case and works on the same state.

use crate::action::Action;
use crate::answer::Sender;
use crate::delivery::{Delivery, Message};
use crate::machine::{Machine, Stores};
use crate::receipts::Receiver;
use crate::rx_buffer::Rx;
use crate::sender::Sending;
use crate::store::{InboundStore, OutboundStore};
use crate::straight::short_ack::{PUBACK, PUBCOMP, PUBREC, PUBREL, SHORT_ACK, short_ack};
use mqtt_proto::{PacketId, Publish, QoS, Sender as From, TopicName};

impl Machine {
    /// The input begins with PUBLISH. This is compiled into the client, where the stores are known
    /// by type.
    #[inline(always)]
    pub(crate) fn poll_publish<'a, O: OutboundStore, I: InboundStore>(
        &'a mut self,
        outbound: &'a mut O,
        inbound: &'a mut I,
        rx: Rx<'a>,
    ) -> Action<'a> {
        self.note_life(&rx);
        // A packet that comes in parts has its own way.
        if self.intake.partial.is_none()
            && let Some((publish, len)) =
                Publish::decode_plain(rx.unread(), self.intake.maximum_packet_size, From::Server)
            && let Some(topic) = publish.topic
            && self.accept_plainly(publish.qos, publish.packet_id, outbound, inbound)
        {
            rx.cursor.consume(len);
            self.connection.unread = rx.cursor.len();
            return self.deliver_plainly(outbound, topic, publish);
        }
        self.poll(self.out.clock.now, Stores { outbound, inbound }, rx)
    }

    /// Takes PUBREL from the front of the input, as long as it is there; whether it was.
    #[inline(always)]
    pub(crate) fn read_releases<O: OutboundStore, I: InboundStore>(
        &mut self,
        outbound: &mut O,
        inbound: &mut I,
        rx: Rx<'_>,
    ) -> bool {
        if self.intake.partial.is_some() {
            return false;
        }
        self.note_life(&rx);
        let mut read = false;
        while self.release_plainly(rx.unread(), outbound, inbound) {
            rx.cursor.consume(SHORT_ACK);
            read = true;
        }
        if read {
            self.connection.unread = rx.cursor.len();
        }
        read
    }

    /// Writes the acknowledgement of a PUBLISH. False where that cannot be done at once.
    #[inline(always)]
    fn accept_plainly<O: OutboundStore, I: InboundStore>(
        &mut self,
        qos: QoS,
        id: Option<PacketId>,
        outbound: &mut O,
        inbound: &mut I,
    ) -> bool {
        let Some(id) = id else {
            return true;
        };
        let (mut sender, mut receiver) = self.halves(Stores { outbound, inbound });
        receiver.accept_plainly(qos, id.value(), &mut sender)
    }

    #[inline(always)]
    fn deliver_plainly<'a, O: OutboundStore>(
        &'a mut self,
        outbound: &'a mut O,
        topic: TopicName<'a>,
        publish: Publish<'a>,
    ) -> Action<'a> {
        Action::Deliver(Delivery {
            message: Message {
                topic,
                payload: publish.payload,
                offset: 0,
                total: publish.payload.len(),
                qos: publish.qos,
                retain: publish.retain,
                dup: publish.dup,
                properties: publish.properties,
                token: None,
            },
            sender: Sender {
                out: &mut self.out,
                store: outbound,
            },
        })
    }

    /// PUBREL in the four bytes that nearly all have: PUBCOMP is written. False where that cannot
    /// be done at once, and for other packets.
    #[inline(always)]
    fn release_plainly<O: OutboundStore, I: InboundStore>(
        &mut self,
        bytes: &[u8],
        outbound: &mut O,
        inbound: &mut I,
    ) -> bool {
        let Some(&[PUBREL, 2, high, low]) = bytes.first_chunk::<SHORT_ACK>() else {
            return false;
        };
        let id = u16::from_be_bytes([high, low]);
        let fits = self.intake.maximum_packet_size as usize >= SHORT_ACK;
        let (mut sender, mut receiver) = self.halves(Stores { outbound, inbound });
        id != 0 && fits && receiver.release_plainly(id, &mut sender)
    }
}

impl<I: InboundStore> Receiver<'_, I> {
    /// As [`Receiver::admit`] and [`Receiver::accept`], where nothing stands in the way of the
    /// acknowledgement: the line is up, the application leaves it to the machine, none is owed
    /// before it, and the message is new. False, and nothing has changed, where that may not be.
    #[inline(always)]
    pub(crate) fn accept_plainly<O: OutboundStore>(
        &mut self,
        qos: QoS,
        id: u16,
        sender: &mut Sending<'_, O>,
    ) -> bool {
        if sender.out.config.acknowledges_manually()
            || !self.store.takes_plainly(self.intake.receive_maximum)
        {
            return false;
        }
        let room = sender.out.line.tx.spare(sender.store.transmit());
        let Some(place) = room.first_chunk_mut() else {
            return false;
        };
        if qos == QoS::ExactlyOnce {
            if !self.store.open_plainly(id) {
                return false;
            }
            *place = short_ack(PUBREC, id);
        } else {
            *place = short_ack(PUBACK, id);
        }
        sender.out.line.tx.commit(SHORT_ACK);
        true
    }

    /// As [`Receiver::released`], where PUBCOMP can be written at once. False, and nothing has
    /// changed, where that may not be.
    #[inline(always)]
    pub(crate) fn release_plainly<O: OutboundStore>(
        &mut self,
        id: u16,
        sender: &mut Sending<'_, O>,
    ) -> bool {
        let room = sender.out.line.tx.spare(sender.store.transmit());
        let Some(place) = room.first_chunk_mut() else {
            return false;
        };
        if !self.store.release_plainly(id) {
            return false;
        }
        *place = short_ack(PUBCOMP, id);
        sender.out.line.tx.commit(SHORT_ACK);
        true
    }
}
