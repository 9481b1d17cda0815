//! The one output: what came in, what may leave, and when to come back.

use crate::action::{Action, Asked, Place};
use crate::answer::Sender;
use crate::connection::Phase;
use crate::delivery::{Delivery, Message};
use crate::dispatch::{Came, Input, Told};
use crate::event::Event;
use crate::exchanges::Work;
use crate::instant::{Instant, Moment};
use crate::line::Standing;
use crate::machine::{Machine, Notices, Stores};
use crate::parts::head_of_publish;
use crate::rx_buffer::Rx;
use crate::store::{InboundStore, OutboundStore};
#[cfg(feature = "fast")]
use crate::straight::ShortAck;
use crate::violation::Breach;
use mqtt_proto::{FixedHeader, PacketType, Properties, RawPacket, ReasonCode, TopicName};

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
    /// place where it comes about: it is large.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn poll_into<'a, O: OutboundStore, I: InboundStore, P: Place<'a>>(
        &'a mut self,
        stores: Stores<'a, O, I>,
        mut rx: Rx<'a>,
        place: &mut P,
    ) {
        let Stores { outbound, inbound } = stores;
        let Some(event) = place.event() else {
            return;
        };
        if self.out.clock.is_due() {
            // Before anything is judged late: what came in is a sign of life, however late the
            // caller looked.
            if self.phase.reads() {
                self.note_life(&rx);
            }
            self.on_due(outbound);
        }
        if self.out.exchanges.work.has(Work::TELL) && self.next_told(outbound, &mut rx, event) {
            return;
        }
        if self.phase.reads() {
            #[cfg(feature = "fast")]
            self.note_life(&rx);
            let mut came = Came::none();
            // Every packet that tells the application something returns from here.
            while rx.cursor.brings_news() {
                // What a packet let go leaves before what the next one is answered with, also
                // when both came in one piece.
                if self.out.exchanges.work.has(Work::PUMP) {
                    self.write(outbound, inbound);
                    if !self.phase.reads() {
                        break;
                    }
                }
                #[cfg(feature = "fast")]
                match self.take_short_ack(&mut *outbound, &mut rx) {
                    ShortAck::Settled(settled) => {
                        *event = settled;
                        return;
                    }
                    ShortAck::Taken => continue,
                    ShortAck::Otherwise => {}
                }
                let told = self.read(
                    &mut came,
                    &mut Input {
                        rx: &mut rx,
                        event: &mut *event,
                        outbound: &mut *outbound,
                        inbound: &mut *inbound,
                    },
                );
                match told {
                    Told::Nothing => continue,
                    Told::Wait => break,
                    Told::Broken => {
                        self.violate(outbound, event);
                        return;
                    }
                    Told::Event | Told::Message => {}
                }
                self.connection.unread = rx.cursor.len();
                if told == Told::Message {
                    self.deliver(outbound, inbound, &came, place);
                }
                return;
            }
            self.connection.unread = rx.cursor.len();
        }
        if self.out.exchanges.work.has(Work::PUMP) {
            self.write(outbound, inbound);
        }
        // What may not leave was given up: nothing would wake the caller to be told later.
        if self.out.exchanges.work.has(Work::TELL) && self.next_told(outbound, &mut rx, event) {
            return;
        }
        #[cfg(feature = "draw")]
        if self.phase == Phase::Connected
            && let Some(ticket) = self.sender(outbound).ask_for_payload()
        {
            *event = Event::PayloadWanted { ticket };
            return;
        }
        if self.phase.writes() && self.out.line.tx.has_to_offer() {
            place.ask(Asked::Send(self.out.offer(outbound)));
            return;
        }
        if let Some(asked) = self.turn() {
            place.ask(asked);
            return;
        }
        let deadline = self.next_deadline(outbound);
        self.out.clock.set_due(deadline);
        place.ask(Asked::Timeout(self.out.clock.instant(deadline)));
    }

    /// What a phase other than `Connected` asks for once the bytes before it have left.
    #[cold]
    fn turn<'e>(&mut self) -> Option<Asked<'e>> {
        let (next, asked) = match self.phase {
            Phase::Dial => (Phase::AwaitTransport, Asked::Open),
            Phase::Flush if self.out.line.tx.is_empty() => (Phase::AwaitClosed, Asked::Close),
            Phase::Close => (Phase::AwaitClosed, Asked::Close),
            Phase::ComeToRest => (Phase::Rest, Asked::Done),
            _ => return None,
        };
        self.phase = next;
        Some(asked)
    }

    /// The packet at the front of the input, which is taken off there unless it has to wait.
    #[cfg_attr(feature = "fast", inline(never))]
    fn read<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        came: &mut Came<'p>,
        input: &mut Input<'_, 'p, O, I>,
    ) -> Told {
        match self.front(input.rx) {
            Ok(raw) => self.hear(&raw, came, input),
            Err(told) => told,
        }
    }

    /// What is to be decoded of the packet at the front of the input, if that has come.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn front<'p>(&mut self, rx: &mut Rx<'p>) -> Result<RawPacket<'p>, Told> {
        let bytes = rx.unread();
        let (wanted, most) = match FixedHeader::parse(bytes, self.intake.maximum_packet_size) {
            Err(error) => return Err(self.malformed(&error)),
            // The smallest packet has two bytes.
            Ok(None) => (bytes.len().wrapping_add(1).max(2), rx.capacity()),
            Ok(Some(header)) if header.packet_type() == PacketType::Publish => {
                match head_of_publish(header, bytes, rx.capacity()) {
                    Ok(head) => return Ok(head),
                    Err(wanted) => wanted,
                }
            }
            Ok(Some(header)) => match header.packet(bytes) {
                Some(raw) => return Ok(raw),
                None => (header.packet_len(), rx.capacity()),
            },
        };
        Err(self.want(wanted, most, rx))
    }

    /// Bytes that come in are a sign of life: answers have their time limit from there.
    #[inline]
    pub(crate) fn note_life(&mut self, rx: &Rx<'_>) {
        let unread = rx.cursor.len();
        if unread > self.connection.unread {
            self.connection.last_life = self.out.clock.moment();
            if self.connection.ping_due != Moment::NEVER {
                self.await_ping();
            }
            // How long it has been accepted can be told for 24 days.
            #[cfg(not(feature = "fast"))]
            self.note_stable();
        }
    }

    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn deliver<'a, O: OutboundStore, I: InboundStore, P: Place<'a>>(
        &'a mut self,
        outbound: &'a mut O,
        inbound: &'a mut I,
        came: &Came<'a>,
        place: &mut P,
    ) {
        let properties = came.fields.properties();
        let topic = match came.fields.topic {
            Some(topic) => topic,
            None => match Self::aliased_topic(inbound, &properties) {
                Ok(topic) => topic,
                // What is kept for an alias came in as a topic name, and was there when the
                // message was admitted.
                Err(alias) => {
                    self.breaks(Breach::UnknownTopicAlias(alias));
                    if let Some(event) = place.event() {
                        self.violate(outbound, event);
                    }
                    return;
                }
            },
        };
        let message = Message {
            topic,
            payload: came.payload,
            offset: came.offset,
            total: came.total,
            qos: came.qos,
            retain: came.retain,
            dup: came.dup,
            properties,
            token: if came.is_held {
                self.receipts.last_token()
            } else {
                None
            },
        };
        place.deliver(Delivery {
            message,
            sender: Sender {
                out: &mut self.out,
                store: outbound,
            },
        });
    }

    /// The topic that an alias stands for, or the alias.
    #[cfg(feature = "topic-alias")]
    fn aliased_topic<'i, I: InboundStore>(
        inbound: &'i I,
        properties: &Properties<'_>,
    ) -> Result<TopicName<'i>, u16> {
        let alias = properties.topic_alias().unwrap_or(0);
        TopicName::from_bytes(inbound.alias(alias)).ok_or(alias)
    }

    /// No alias was admitted.
    #[cfg(not(feature = "topic-alias"))]
    fn aliased_topic<'i, I: InboundStore>(
        _: &'i I,
        _: &Properties<'_>,
    ) -> Result<TopicName<'i>, u16> {
        Err(0)
    }

    /// Writes what may leave; when the application wants to stop and all has left that can,
    /// DISCONNECT.
    #[cfg_attr(feature = "fast", inline(never))]
    fn write<O: OutboundStore, I: InboundStore>(&mut self, outbound: &mut O, inbound: &mut I) {
        if !self.out.line.is_up() {
            return;
        }
        self.out.exchanges.work.done(Work::PUMP);
        self.out.line.blocked = false;
        let (mut sender, mut receiver) = self.halves(Stores {
            outbound: &mut *outbound,
            inbound: &mut *inbound,
        });
        receiver.pump(&mut sender);
        sender.pump();
        if self.out.line.standing != Standing::Stopping {
            return;
        }
        let (mut sender, receiver) = self.halves(Stores {
            outbound: &mut *outbound,
            inbound,
        });
        if sender.is_drained() && receiver.is_drained() {
            self.disconnect(ReasonCode::NORMAL_DISCONNECTION, outbound);
        }
    }

    /// What happened by itself or by a call, and is to be told; whether there is any.
    #[inline(never)]
    fn next_told<O: OutboundStore>(
        &mut self,
        outbound: &mut O,
        rx: &mut Rx<'_>,
        event: &mut Event<'_>,
    ) -> bool {
        if self.notices.any() && self.next_notice(rx, event) {
            return true;
        }
        self.sender(outbound).tell(event)
    }

    fn next_notice(&mut self, rx: &mut Rx<'_>, event: &mut Event<'_>) -> bool {
        if self.notices.take(Notices::STALE_INPUT) {
            rx.cursor.clear();
        }
        *event = match self.notices.take_first() {
            Notices::DELIVERY_CUT => Event::DeliveryCut,
            Notices::DISCONNECTED => {
                // A wait for the next attempt has its deadline, and keeps it when it is over.
                let retry = self.connection.deadline;
                let clock = &self.out.clock;
                Event::Disconnected {
                    cause: self.cause,
                    retry: (retry != Moment::NEVER).then(|| clock.instant_of(retry)),
                }
            }
            Notices::SESSION_LOST => Event::SessionLost,
            _ => return false,
        };
        true
    }
}
