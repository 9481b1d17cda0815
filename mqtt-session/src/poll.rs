//! The one output: what came in, what may leave, and when to come back.

use crate::action::{Action, Asked, Place};
use crate::answer::Sender;
use crate::connection::Phase;
use crate::delivery::{Delivery, Message};
use crate::dispatch::{Came, Input, Told};
use crate::event::{Cause, Event};
use crate::exchanges::Work;
use crate::instant::{Instant, Moment};
use crate::line::Standing;
use crate::machine::{Machine, Notices, Stores};
use crate::parts::head_of;
use crate::receipts::PUMPS_AT_ONCE;
use crate::rx_buffer::Rx;
use crate::store::{InboundStore, OutboundStore};
#[cfg(feature = "fast")]
use crate::straight::ShortAck;
use mqtt_proto::{FixedHeader, Properties, RawPacket, ReasonCode, TopicName};

impl Machine {
    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) fn poll<'a, O: OutboundStore, I: InboundStore>(
        &'a mut self,
        now: Instant,
        stores: Stores<'a, O, I>,
        rx: Rx<'a>,
    ) -> Action<'a> {
        let mut action = Action::Done;
        self.out.clock.advance(now);
        self.poll_into(stores, rx, &mut action);
        action
    }

    /// What there is to do at the moment that the clock was told. What is told is written to its
    /// place where it comes about: it is large. A buffer becomes an [`Rx`] only here, so that there is
    /// one on the stack.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn poll_into<'a, O: OutboundStore, I: InboundStore, P: Place<'a>>(
        &'a mut self,
        stores: Stores<'a, O, I>,
        rx: impl Into<Rx<'a>>,
        place: &mut P,
    ) {
        let Stores { outbound, inbound } = stores;
        let Some(event) = place.event() else {
            return;
        };
        let mut input = Input {
            rx: rx.into(),
            event,
            outbound: &mut *outbound,
            inbound: &mut *inbound,
        };
        if self.out.clock.is_due() {
            // Before anything is judged late: what came in is a sign of life, however late the
            // caller looked.
            self.note_life(&input.rx);
            self.on_due(input.outbound);
        }
        if self.out.exchanges.work.has(Work::TELL) && self.next_told(&mut input) {
            return;
        }
        #[cfg(feature = "fast")]
        if self.phase.reads() {
            self.note_life(&input.rx);
        }
        let mut came = Came::none();
        let told = loop {
            // What a packet let go leaves before what the next one is answered with, also when both
            // came in one piece.
            if self.out.exchanges.work.has(Work::PUMP) {
                self.write(input.stores());
            }
            if !self.phase.reads() || !input.rx.cursor.brings_news() {
                break Told::Wait;
            }
            #[cfg(feature = "fast")]
            match self.take_short_ack(&mut *input.outbound, &mut input.rx) {
                ShortAck::Settled(settled) => {
                    *input.event = settled;
                    return;
                }
                ShortAck::Taken => continue,
                ShortAck::Otherwise => {}
            }
            came = Came::none();
            let told = self.read(&mut came, &mut input);
            if told != Told::Nothing {
                break told;
            }
        };
        self.connection.unread = input.rx.cursor.len();
        if told == Told::Broken {
            return self.violate(input.outbound, input.event);
        }
        if told != Told::Wait {
            if !PUMPS_AT_ONCE {
                let (mut sender, mut receiver) = self.halves(input.stores());
                receiver.pump(&mut sender);
            } else if told == Told::Event {
                return;
            }
            // An event came with no topic.
            debug_assert!(told == Told::Message || came.fields.topic.is_none());
            return self.deliver(outbound, inbound, &came, place);
        }
        // What may not leave was given up: nothing would wake the caller to be told later.
        if self.out.exchanges.work.has(Work::TELL) && self.next_told(&mut input) {
            return;
        }
        #[cfg(feature = "draw")]
        if self.phase == Phase::Connected
            && let Some(ticket) = self.sender(input.outbound).ask_for_payload()
        {
            *input.event = Event::PayloadWanted { ticket };
            return;
        }
        place.rest();
        place.ask(self.asked(outbound));
    }

    /// What is to be done where there is nothing to tell.
    fn asked<'a, O: OutboundStore>(&mut self, outbound: &'a mut O) -> Asked<'a> {
        if self.phase.writes() && self.out.line.tx.has_to_offer() {
            return Asked::Send(self.out.offer(outbound));
        }
        if let Some(asked) = self.turn() {
            return asked;
        }
        let deadline = self.next_deadline(outbound);
        self.out.clock.set_due(deadline);
        Asked::Timeout(self.out.clock.instant(deadline))
    }

    /// What a phase other than `Connected` asks for once the bytes before it have left.
    #[cold]
    fn turn<'e>(&mut self) -> Option<Asked<'e>> {
        let (next, asked) = match self.phase {
            Phase::Dial => (Phase::AwaitTransport, Asked::Open),
            // There is nothing to offer, nor has been. A payload that is drawn is not waited for: it
            // does not come to this phase.
            Phase::Flush if !self.out.line.tx.is_offered() => (Phase::AwaitClosed, Asked::Close),
            Phase::Close => (Phase::AwaitClosed, Asked::Close),
            Phase::ComeToRest => (Phase::Rest, Asked::Done),
            _ => return None,
        };
        self.phase = next;
        Some(asked)
    }

    /// The packet at the front of the input, which is taken off there unless it has to wait.
    #[inline(never)]
    fn read<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        came: &mut Came<'p>,
        input: &mut Input<'_, 'p, O, I>,
    ) -> Told {
        let mut raw = RawPacket::new(FixedHeader::NONE, &[]);
        let told = self.front(&mut raw, &mut input.rx);
        if told != Told::Nothing {
            return told;
        }
        self.hear(&raw, came, input)
    }

    /// What is to be decoded of the packet at the front of the input, if that has come.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn front<'p>(&mut self, raw: &mut RawPacket<'p>, rx: &mut Rx<'p>) -> Told {
        // They lie in the buffer.
        let Some(bytes) = rx.all() else {
            return Told::Wait;
        };
        let (wanted, most) = match raw.begin(bytes, self.intake.maximum_packet_size) {
            Err(error) => return self.malformed(&error),
            // There is one at least, and the smallest packet has two.
            Ok(false) => (bytes.len().wrapping_add(1), rx.capacity()),
            Ok(true) => match head_of(raw.header_ref(), bytes, rx.capacity()) {
                Ok(body) => {
                    raw.set_body(body);
                    return Told::Nothing;
                }
                Err(wanted) => wanted,
            },
        };
        self.want(wanted, most, rx)
    }

    /// Bytes that come in are a sign of life: answers have their time limit from there.
    #[inline]
    pub(crate) fn note_life(&mut self, rx: &Rx<'_>) {
        let unread = rx.cursor.len();
        if unread > self.connection.unread {
            self.connection.last_life = self.out.clock.moment();
            if self.connection.ping != Moment::NEVER {
                self.await_ping();
            }
            // How long it has been accepted can be told for 24 days.
            #[cfg(not(feature = "fast"))]
            self.note_stable();
        }
    }

    #[inline]
    fn deliver<'a, O: OutboundStore, I: InboundStore, P: Place<'a>>(
        &'a mut self,
        outbound: &'a mut O,
        inbound: &'a mut I,
        came: &Came<'a>,
        place: &mut P,
    ) {
        let properties = came.fields.properties();
        // What is kept for an alias came in as a topic name, and was there when the message was
        // admitted.
        let topic = came.fields.topic;
        let Some(topic) = topic.or_else(|| Self::aliased_topic(inbound, &properties)) else {
            return;
        };
        let message = Message {
            topic,
            payload: came.fields.rest,
            offset: came.offset,
            total: came.total,
            qos: came.flags.qos(),
            retain: came.flags.retain(),
            dup: came.flags.dup(),
            properties,
            token: came.is_held.then(|| self.receipts.last_token()),
        };
        place.deliver(Delivery {
            message,
            sender: Sender {
                out: &mut self.out,
                store: outbound,
            },
        });
    }

    /// The topic that an alias stands for.
    #[cfg(feature = "topic-alias")]
    fn aliased_topic<'i, I: InboundStore>(
        inbound: &'i I,
        properties: &Properties<'_>,
    ) -> Option<TopicName<'i>> {
        TopicName::from_bytes(inbound.alias(properties.topic_alias()?))
    }

    /// No alias was admitted.
    #[cfg(not(feature = "topic-alias"))]
    const fn aliased_topic<'i, I>(_: &'i I, _: &Properties<'_>) -> Option<TopicName<'i>> {
        None
    }

    /// Writes what may leave; when the application wants to stop and all has left that can,
    /// DISCONNECT.
    #[inline(never)]
    fn write<O: OutboundStore, I: InboundStore>(&mut self, stores: Stores<'_, O, I>) {
        let Stores { outbound, inbound } = stores;
        if !self.out.line.is_up() {
            return;
        }
        self.out.exchanges.work.done(Work::PUMP);
        self.out.line.set_blocked(false);
        let (mut sender, mut receiver) = self.halves(Stores {
            outbound: &mut *outbound,
            inbound,
        });
        receiver.pump(&mut sender);
        let drained = sender.pump();
        if drained && self.out.line.standing == Standing::Stopping && !self.intake.blocked {
            self.disconnect(ReasonCode::NORMAL_DISCONNECTION, outbound);
        }
    }

    /// What happened by itself or by a call, and is to be told; whether there is any.
    #[inline(never)]
    fn next_told<O: OutboundStore, I>(&mut self, input: &mut Input<'_, '_, O, I>) -> bool {
        if self.notices.any() {
            self.next_notice(&mut input.rx, input.event);
            return true;
        }
        self.sender(input.outbound).tell(input.event)
    }

    fn next_notice(&mut self, rx: &mut Rx<'_>, event: &mut Event<'_>) {
        let first = self.notices.take_first();
        if first == Notices::SESSION_LOST {
            *event = Event::SessionLost;
            return;
        }
        // Bytes of the last transport may lie in the input buffer, and those of the next do not come
        // before this is told.
        rx.cursor.clear();
        if first != Notices::DISCONNECTED {
            *event = Event::DeliveryCut;
            return;
        }
        // A wait for the next attempt has its deadline, and keeps it when it is over.
        let retry = self.connection.deadline;
        let clock = &self.out.clock;
        *event = Event::Disconnected {
            cause: Cause::TransportClosed,
            retry: (retry != Moment::NEVER).then(|| clock.instant_of(retry)),
        };
        // Copied to its place alone.
        if let Event::Disconnected { cause, .. } = event {
            *cause = self.cause;
        }
    }
}
