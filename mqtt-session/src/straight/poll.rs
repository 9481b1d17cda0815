//! The straight way of polling: on a live connection on which nothing is due, what nearly every poll
//! finds is done at once. This is compiled into the client, where the type of the store is known;
//! it changes the same state as [`Machine::poll`](crate::machine::Machine::poll), or leaves what it
//! meets to that.

use crate::action::Action;
use crate::client::Client;
use crate::event::Event;
use crate::instant::Instant;
use crate::rx_buffer::RxBuffer;
use crate::store::{OutboundStore, Store};
use crate::straight::calm::Calm;
use crate::straight::short_ack::{PUBACK, PUBCOMP, PUBREC, PUBREL};
use mqtt_proto::{PacketType, ReasonCode};

impl<S: Store> Client<S> {
    #[inline(always)]
    pub(crate) fn poll_straight<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &'a mut self,
        now: Instant,
        input: &'a mut RxBuffer<B>,
    ) -> Action<'a> {
        let machine = &mut self.machine;
        if machine.is_calm(now) {
            if machine.only_reads() {
                if machine.has_read(input.cursor()) {
                    match machine.calm_output() {
                        Calm::Send(start, end) => return self.send_buffered(start, end),
                        Calm::Wait(deadline) => return Action::Timeout(deadline),
                        Calm::LookUp => return self.poll_waiting(now, input),
                        Calm::Otherwise => {}
                    }
                } else {
                    match input.first_unread() {
                        Some(0x30..=0x3f) => return self.poll_publish(input),
                        Some(PUBACK) => return self.poll_puback(now, input),
                        Some(PUBREC) => return self.poll_pubrecs(now, input),
                        Some(PUBCOMP) => return self.poll_pubcomp(now, input),
                        Some(PUBREL) => return self.poll_releases(now, input),
                        _ => {}
                    }
                }
            } else if machine.only_tells_taken() {
                return self.poll_taken(now, input);
            }
        }
        self.poll_closely(now, input)
    }

    /// Hands out the part of the transmit buffer that is offered.
    #[inline(always)]
    fn send_buffered(&mut self, start: usize, end: usize) -> Action<'_> {
        let bytes = self.store.split().0.transmit().get(start..end);
        Action::Send(bytes.unwrap_or_default())
    }

    /// There is nothing to do but to wait, how long is to be looked up.
    #[inline(never)]
    fn poll_waiting<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &'a mut self,
        now: Instant,
        input: &'a mut RxBuffer<B>,
    ) -> Action<'a> {
        let records = self.store.split().0.records();
        self.machine.out.look_up_ack_due(records);
        match self.machine.calm_output() {
            Calm::Wait(deadline) => Action::Timeout(deadline),
            _ => self.poll_closely(now, input),
        }
    }

    /// A QoS 0 message was taken.
    #[inline(never)]
    fn poll_taken<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &'a mut self,
        now: Instant,
        input: &'a mut RxBuffer<B>,
    ) -> Action<'a> {
        let (outbound, _) = self.store.split();
        match self.machine.out.tell_taken(outbound.records()) {
            Some(ticket) => Action::Event(Event::published(ticket, ReasonCode::SUCCESS)),
            None => self.poll_closely(now, input),
        }
    }

    #[inline(never)]
    fn poll_puback<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &'a mut self,
        now: Instant,
        input: &'a mut RxBuffer<B>,
    ) -> Action<'a> {
        self.poll_settling(PacketType::PubAck, now, input)
    }

    #[inline(never)]
    fn poll_pubcomp<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &'a mut self,
        now: Instant,
        input: &'a mut RxBuffer<B>,
    ) -> Action<'a> {
        self.poll_settling(PacketType::PubComp, now, input)
    }

    /// An acknowledgement has come in that settles a message.
    #[inline(always)]
    fn poll_settling<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &'a mut self,
        packet: PacketType,
        now: Instant,
        input: &'a mut RxBuffer<B>,
    ) -> Action<'a> {
        let machine = &mut self.machine;
        let rx = input.parts();
        machine.note_life(&rx);
        if let Some(id) = machine.short_ack_of(packet, &rx) {
            let (outbound, _) = self.store.split();
            let settled = machine.out.settle_in_turn(outbound.parts(), packet, id);
            if let Some((ticket, reason)) = settled {
                machine.consume_short_ack(rx.cursor);
                return Action::Event(Event::published(ticket, reason));
            }
        }
        self.poll_closely(now, input)
    }

    /// The server has taken messages over: PUBREL goes out for each.
    #[inline(never)]
    fn poll_pubrecs<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &'a mut self,
        now: Instant,
        input: &'a mut RxBuffer<B>,
    ) -> Action<'a> {
        let machine = &mut self.machine;
        let rx = input.parts();
        machine.note_life(&rx);
        let mut any = false;
        while machine.only_reads()
            && let Some(id) = machine.short_ack_of(PacketType::PubRec, &rx)
        {
            let (outbound, _) = self.store.split();
            if !machine.out.release_in_turn(outbound, id) {
                break;
            }
            machine.consume_short_ack(rx.cursor);
            any = true;
        }
        if !any {
            return self.poll_closely(now, input);
        }
        if machine.only_reads()
            && machine.has_read(input.cursor())
            && let Some((start, end)) = machine.next_buffered()
        {
            return self.send_buffered(start, end);
        }
        self.poll(now, input)
    }

    /// A message has come in.
    #[inline(never)]
    fn poll_publish<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &'a mut self,
        input: &'a mut RxBuffer<B>,
    ) -> Action<'a> {
        let (outbound, inbound) = self.store.split();
        self.machine.poll_publish(outbound, inbound, input.parts())
    }

    /// Messages were released.
    #[inline(never)]
    fn poll_releases<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &'a mut self,
        now: Instant,
        input: &'a mut RxBuffer<B>,
    ) -> Action<'a> {
        let (outbound, inbound) = self.store.split();
        if self.machine.read_releases(outbound, inbound, input.parts()) {
            if matches!(input.first_unread(), Some(0x30..=0x3f)) {
                return self.poll_publish(input);
            }
            if self.machine.has_read(input.cursor())
                && let Some((start, end)) = self.machine.next_buffered()
            {
                return self.send_buffered(start, end);
            }
        }
        self.poll_closely(now, input)
    }
}
