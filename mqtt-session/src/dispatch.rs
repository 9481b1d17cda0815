//! What a packet from the server does.

use crate::connection::{Facts, Phase, fingerprint};
use crate::event::{Cause, Event};
use crate::exchanges::Work;
use crate::instant::Moment;
use crate::limits::SHORT_ACK;
use crate::line::Standing;
use crate::machine::{Machine, Notices, Stores};
use crate::rx_buffer::Rx;
use crate::settle::Answer;
use crate::store::{InboundStore, OutboundStore};
use crate::violation::Breach;
use mqtt_proto::{
    ConnAck, Disconnect, Fields, PacketId, PacketType, PropertyId, PublishFlags, RawPacket,
    Sender as From,
};

/// What the caller is to be told of the input.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "fast"), repr(u32))] // Nothing is to be masked where it is returned.
pub(crate) enum Told {
    /// Nothing: the next packet may be looked at.
    Nothing,
    /// Nothing: there is no whole packet, or no room for its answer.
    Wait,
    /// What was written to the place for an event.
    Event,
    /// A message, or a part of one, that was written to its place.
    Message,
    /// The peer broke the protocol: how is the machine's [`Cause`].
    Broken,
}

/// A packet that came in, and besides, of a message or a part of one: what is told of it.
#[cfg_attr(not(feature = "fast"), repr(C))] // Short instructions reach what lies in front.
pub(crate) struct Came<'p> {
    /// Those of a message.
    pub(crate) flags: PublishFlags,
    /// Whether the application is to acknowledge it now.
    pub(crate) is_held: bool,
    /// Where in the whole payload the part of it begins.
    pub(crate) offset: usize,
    /// The rest of a message is its payload, or the part of it that is told.
    pub(crate) fields: Fields<'p>,
    /// Length of the whole payload.
    pub(crate) total: usize,
}

impl Came<'_> {
    /// To be filled.
    #[inline(always)]
    pub(crate) const fn none() -> Self {
        Self {
            fields: Fields::none(),
            flags: PublishFlags::NONE,
            is_held: false,
            offset: 0,
            total: 0,
        }
    }
}

/// What is read, where what comes of it goes, and what it is done with, so that one reference hands
/// them on.
pub(crate) struct Input<'x, 'p, O, I> {
    pub(crate) rx: Rx<'p>,
    pub(crate) event: &'x mut Event<'p>,
    pub(crate) outbound: &'x mut O,
    pub(crate) inbound: &'x mut I,
}

impl<O, I> Input<'_, '_, O, I> {
    #[inline]
    pub(crate) fn stores(&mut self) -> Stores<'_, O, I> {
        Stores {
            outbound: &mut *self.outbound,
            inbound: &mut *self.inbound,
        }
    }
}

/// Topics are looked up one by one, so only so many get an alias.
#[cfg(feature = "topic-alias")]
const MOST_ALIASES: u16 = 128;

impl Machine {
    /// Does what a packet says, if it may come now, or the part of a PUBLISH before its payload with
    /// what there is of that. What is wrong by itself is
    /// told as that, and not as coming at a wrong moment. An event that comes of it is written to
    /// its place at once, so that nothing so large is handed from one to the other.
    #[cfg_attr(not(feature = "fast"), inline(always))]
    pub(crate) fn hear<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        raw: &RawPacket<'p>,
        came: &mut Came<'p>,
        input: &mut Input<'_, 'p, O, I>,
    ) -> Told {
        let packet = raw.packet_type();
        // Without authentication nobody asked for it, whatever it says.
        let is_asked_for = cfg!(feature = "auth") || packet != PacketType::Auth;
        if is_asked_for {
            let told = self.understand(raw, &mut came.fields);
            if told != Told::Nothing {
                return told;
            }
        }
        if !is_asked_for || !self.phase.takes(packet) {
            return self.breaks(Breach::Unexpected(packet));
        }
        let fields = &came.fields;
        let told = match packet {
            PacketType::Publish => return self.on_publish(raw, came, input),
            PacketType::ConnAck | PacketType::Disconnect => {
                match self.on_verdict(packet, fields, input) {
                    Told::Nothing => self.adopt(fields, input.stores()),
                    told => told,
                }
            }
            #[cfg(feature = "auth")]
            PacketType::Auth => self.on_auth(fields, input.event),
            PacketType::PingResp => {
                self.connection.ping = Moment::NEVER;
                Told::Nothing
            }
            _ if self.says_too_much(fields) => {
                return self.breaks(Breach::ProblemInformation(packet));
            }
            // PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK or UNSUBACK: no others come this far.
            _ => self.on_ack(packet, fields, input),
        };
        if told != Told::Wait {
            input.rx.cursor.consume(raw.len());
        }
        told
    }

    /// Decodes a packet: nothing is told unless it is wrong by itself. What it may be told of that is not
    /// to lie below what the packet does.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn understand<'p>(&mut self, raw: &RawPacket<'p>, fields: &mut Fields<'p>) -> Told {
        match raw.fields(fields, From::Server) {
            Ok(()) => Told::Nothing,
            Err(error) => self.malformed(&error),
        }
    }

    /// SUBACK or UNSUBACK. One that nothing waited for is ignored and counted.
    #[cfg_attr(not(feature = "fast"), inline(always))]
    fn on_answer<'p, O: OutboundStore, I>(
        &mut self,
        packet: PacketType,
        fields: &Fields<'p>,
        input: &mut Input<'_, 'p, O, I>,
    ) -> Told {
        let reasons = fields.reasons();
        let id = fields.packet_id.map_or(0, PacketId::value);
        let ticket = match self
            .sender(input.outbound)
            .answered(packet, id, reasons.len())
        {
            Ok(Some(ticket)) => ticket,
            Ok(None) => return self.count_unsolicited(),
            Err(breach) => return self.breaks(breach),
        };
        let properties = fields.properties();
        *input.event = if packet == PacketType::UnsubAck {
            Event::Unsubscribed {
                ticket,
                reasons,
                properties,
            }
        } else {
            Event::Subscribed {
                ticket,
                reasons,
                properties,
            }
        };
        Told::Event
    }

    fn count_unsolicited(&mut self) -> Told {
        // The count stops at its end.
        if let Some(count) = self.intake.unsolicited.checked_add(1) {
            self.intake.unsolicited = count;
        }
        Told::Nothing
    }

    /// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK or UNSUBACK: what they do, and what is to be told of
    /// it.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn on_ack<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        packet: PacketType,
        fields: &Fields<'p>,
        input: &mut Input<'_, 'p, O, I>,
    ) -> Told {
        if matches!(packet, PacketType::SubAck | PacketType::UnsubAck) {
            return self.on_answer(packet, fields, input);
        }
        let id = fields.packet_id.map_or(0, PacketId::value);
        let properties = fields.properties();
        // What comes from the server is encoded.
        let explains = properties
            .wire_bytes()
            .is_some_and(|bytes| !bytes.is_empty());
        let (mut sender, mut receiver) = self.halves(Stores {
            outbound: &mut *input.outbound,
            inbound: &mut *input.inbound,
        });
        if packet == PacketType::PubRel {
            match receiver.released(id, &mut sender) {
                Ok(true) if explains => {}
                Ok(true) => return Told::Nothing,
                Ok(false) => return Told::Wait,
                Err(breach) => return self.breaks(breach),
            }
            *input.event = Event::Released {
                reason: fields.reason,
                properties,
            };
            return Told::Event;
        }
        *input.event = match sender.acknowledged(packet, id, fields.reason) {
            Ok(Answer::Settled(ticket, reason)) => Event::Published {
                ticket,
                outcome: Ok(reason),
                properties,
            },
            Ok(Answer::Continues(ticket, reason)) if explains => Event::Received {
                ticket,
                reason,
                properties,
            },
            Ok(Answer::Continues(..) | Answer::Quiet) => return Told::Nothing,
            Ok(Answer::Unsolicited) => return self.count_unsolicited(),
            Ok(Answer::Unknown) if receiver.unknown_pubrec(id, &mut sender) => {
                return Told::Nothing;
            }
            Ok(Answer::Unknown) => return Told::Wait,
            Err(breach) => return self.breaks(breach),
        };
        Told::Event
    }

    /// Reason String and User Property only where they were asked for (MQTT-3.1.2-29).
    pub(crate) fn says_too_much(&self, fields: &Fields<'_>) -> bool {
        !self.intake.problem_information
            && (fields.has(PropertyId::ReasonString) || fields.has(PropertyId::UserProperty))
    }

    /// CONNACK or DISCONNECT. Nothing is told, though the event is there, where the connection is to be
    /// adopted: what is looked up before is not to lie below that.
    fn on_verdict<'p, O, I: InboundStore>(
        &mut self,
        packet: PacketType,
        fields: &Fields<'p>,
        input: &mut Input<'_, 'p, O, I>,
    ) -> Told {
        let reason = fields.reason;
        let properties = fields.properties();
        let connack = ConnAck {
            session_present: fields.session_present,
            reason,
            properties,
        };
        let disconnect = Disconnect { reason, properties };
        // Where it breaks the protocol, that takes the place of the event.
        let (event, cause) = match packet {
            PacketType::Disconnect => (
                Event::ServerDisconnect(disconnect),
                Some(Cause::ServerDisconnect(reason)),
            ),
            // Closed without a word (MQTT-4.13.2-1).
            _ if reason.is_failure() => (Event::Refused(connack), Some(Cause::Refused(reason))),
            _ => (Event::Connected(connack), None),
        };
        *input.event = event;
        if let Some(cause) = cause {
            self.fail(cause);
            return Told::Event;
        }
        match self.accept(fields, input.inbound) {
            Ok(()) => Told::Nothing,
            Err(breach) => self.breaks(breach),
        }
    }

    /// The server accepts, if that does not break the protocol.
    #[inline]
    fn accept<I: InboundStore>(
        &mut self,
        fields: &Fields<'_>,
        inbound: &mut I,
    ) -> Result<(), Breach> {
        let session_present = fields.session_present;
        let properties = fields.properties();
        let facts = self.connection.facts;
        let clean_start = facts.has(Facts::CLEAN_START);
        if session_present && clean_start {
            return Err(Breach::SessionPresentAfterCleanStart);
        }
        #[cfg(feature = "auth")]
        let other_method = !self.is_method(properties.authentication_method_bytes());
        #[cfg(not(feature = "auth"))]
        let other_method = fields.has(PropertyId::AuthenticationMethod);
        if other_method {
            return Err(Breach::AuthenticationMethod);
        }
        let had_session = self.identity.has_session && !facts.has(Facts::ANOTHER_CLIENT);
        if session_present && !had_session && !self.out.config.adopts_session() {
            return Err(Breach::UnknownSession);
        }
        let assigned = fields.has(PropertyId::AssignedClientIdentifier);
        self.identity.client = match self.connection.client {
            Some(_) if assigned => return Err(Breach::UnwantedClientIdentifier),
            Some(client) => Some(client),
            None => match properties.assigned_client_identifier_bytes() {
                None | Some([]) => return Err(Breach::NoAssignedClientIdentifier),
                Some(id) if inbound.set_assigned_client_id(id) => Some(fingerprint(id)),
                Some(_) => return Err(Breach::ClientIdentifierTooLong),
            },
        };
        if had_session && !session_present && !clean_start {
            self.out.exchanges.work.note(Work::TELL);
            self.notices.add(Notices::SESSION_LOST);
        }
        Ok(())
    }

    /// The connection is accepted: what is agreed on holds from here.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn adopt<O: OutboundStore, I: InboundStore>(
        &mut self,
        fields: &Fields<'_>,
        stores: Stores<'_, O, I>,
    ) -> Told {
        const KEEP_ALIVE: u32 = PropertyId::ServerKeepAlive as u32;
        const EXPIRY: u32 = PropertyId::SessionExpiryInterval as u32;
        #[cfg(feature = "topic-alias")]
        let aliases = self
            .out
            .config
            .topic_aliases
            .min(MOST_ALIASES)
            .min(stores.outbound.alias_capacity());
        #[cfg(not(feature = "topic-alias"))]
        let aliases = 0;
        let line = &mut self.out.line;
        let connection = &mut self.connection;
        line.accept(fields, aliases, |property, number| match property {
            KEEP_ALIVE => connection.keep_alive = number as u16,
            EXPIRY => {
                let kept = Facts::KEPT | Facts::KEPT_AT_LAST;
                connection.facts.set(kept, number > 0);
            }
            _ => {}
        });
        if !line.takes(SHORT_ACK) {
            // No acknowledgement fits, so that nothing may come that wants one (MQTT-3.2.2-15).
            self.intake.receive_maximum = 0;
        }
        let facts = self.connection.facts;
        let clean_start = facts.has(Facts::CLEAN_START);
        if !fields.session_present || facts.has(Facts::ANOTHER_CLIENT) {
            let (mut sender, mut receiver) = self.halves(stores);
            sender.session_lost(clean_start);
            receiver.session_lost();
        }
        self.identity.has_session = true;
        self.identity.accepted = true;
        let now = self.out.clock.moment();
        let connection = &mut self.connection;
        connection.since = now;
        connection.facts.set(Facts::ACCEPTED, true);
        self.phase = Phase::Connected;
        if self.out.line.standing == Standing::Down {
            connection.deadline = Moment::NEVER;
            self.out.line.standing = Standing::Up;
        }
        self.out.exchanges.work.note(Work::PUMP);
        // The deadlines of a live connection are looked at with the next poll.
        #[cfg(feature = "fast")]
        self.out.clock.arm(self.out.clock.until(now));
        Told::Event
    }
}
