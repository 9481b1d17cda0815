//! What a packet from the server does.

use crate::connection::{Facts, Phase, Verdict, fingerprint};
use crate::delivery::AckToken;
use crate::event::{Cause, Event};
use crate::exchanges::Work;
use crate::instant::Moment;
use crate::limits::{Limits, SHORT_ACK};
use crate::line::Standing;
use crate::machine::{Machine, Notices, Stores};
use crate::settle::Answer;
use crate::store::{InboundStore, OutboundStore};
use crate::violation::Violation;
use mqtt_proto::{
    Ack, ConnAck, PacketType, Properties, PropertyId, Publish, RawPacket, Sender as From, SubAck,
};

/// What the caller is to be told of the input.
pub(crate) enum Told<'p> {
    /// Nothing: the next packet may be looked at.
    Nothing,
    /// Nothing: there is no whole packet, or no room for its answer.
    Wait,
    /// What was written to the place for an event.
    Event,
    /// A message, or a part of one.
    Message(Publish<'p>, Option<AckToken>, Part),
}

/// What the caller is to be told of a packet other than PUBLISH.
#[derive(Clone, Copy)]
pub(crate) enum Heard {
    /// Nothing: the next packet may be looked at.
    Nothing,
    /// Nothing: there is no room for its answer.
    Wait,
    /// What was written to the place for an event.
    Event,
}

/// Which part of a payload a delivery has.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) offset: usize,
    pub(crate) total: usize,
}

/// Topics are looked up one by one, so only so many get an alias.
#[cfg(feature = "topic-alias")]
const MOST_ALIASES: u16 = 128;

impl Machine {
    /// Does what a packet other than PUBLISH says. An event that comes of it is written to its
    /// place at once, so that nothing so large is handed from one to the other; so is what breaks
    /// the protocol, of which the server is told.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn hear<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        raw: RawPacket<'p>,
        stores: Stores<'_, O, I>,
        event: &mut Event<'p>,
    ) -> Heard {
        let Stores { outbound, inbound } = stores;
        let stores = Stores {
            outbound: &mut *outbound,
            inbound,
        };
        match self.dispatch(raw, stores, event) {
            Ok(heard) => heard,
            Err(violation) => {
                self.violate(violation, outbound, event);
                Heard::Event
            }
        }
    }

    /// What a packet does, if it may come now. What is wrong by itself is told as that, and not as
    /// coming at a wrong moment.
    fn dispatch<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        raw: RawPacket<'p>,
        stores: Stores<'_, O, I>,
        event: &mut Event<'p>,
    ) -> Result<Heard, Violation> {
        let packet = raw.packet_type();
        if self.phase.verdict(packet) == Verdict::Break {
            raw.validate(From::Server)?;
            return Err(Violation::Unexpected(packet));
        }
        match packet {
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                self.read_ack(raw, stores, event)
            }
            PacketType::SubAck | PacketType::UnsubAck => self.read_answer(raw, stores, event),
            PacketType::PingResp => {
                raw.validate(From::Server)?;
                self.connection.ping_due = Moment::NEVER;
                Ok(Heard::Nothing)
            }
            PacketType::ConnAck => self.on_connack(raw.connack(From::Server)?, stores, event),
            #[cfg(feature = "auth")]
            PacketType::Auth => self.on_auth(raw.auth(From::Server)?, event),
            PacketType::Disconnect => {
                let disconnect = raw.disconnect(From::Server)?;
                self.fail(Cause::ServerDisconnect(disconnect.reason));
                *event = Event::ServerDisconnect(disconnect);
                Ok(Heard::Event)
            }
            _ => Err(Violation::Unexpected(packet)),
        }
    }

    /// SUBACK or UNSUBACK. One that nothing waited for is ignored and counted.
    fn read_answer<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        raw: RawPacket<'p>,
        stores: Stores<'_, O, I>,
        event: &mut Event<'p>,
    ) -> Result<Heard, Violation> {
        let packet = raw.packet_type();
        let is_suback = packet == PacketType::SubAck;
        let SubAck {
            packet_id: id,
            reasons,
            properties,
        } = raw.answer(From::Server)?;
        self.check_problem_information(packet, &properties)?;
        let mut sender = self.sender(stores.outbound);
        let Some(ticket) = sender.answered(packet, id.value(), reasons.len())? else {
            self.count_unsolicited();
            return Ok(Heard::Nothing);
        };
        *event = if is_suback {
            Event::Subscribed {
                ticket,
                reasons,
                properties,
            }
        } else {
            Event::Unsubscribed {
                ticket,
                reasons,
                properties,
            }
        };
        Ok(Heard::Event)
    }

    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn count_unsolicited(&mut self) {
        self.intake.unsolicited = self.intake.unsolicited.saturating_add(1);
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP: what they do, and what is to be told of it.
    fn read_ack<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        raw: RawPacket<'p>,
        stores: Stores<'_, O, I>,
        event: &mut Event<'p>,
    ) -> Result<Heard, Violation> {
        let ack = raw.ack(From::Server)?;
        let packet = raw.packet_type();
        let properties = ack.properties;
        *event = match self.take_ack(packet, &ack, stores)? {
            Answer::NoRoom => return Ok(Heard::Wait),
            Answer::Settled(ticket, reason) => Event::Published {
                ticket,
                outcome: Ok(reason),
                properties,
            },
            Answer::Continues(ticket, reason) if !properties.is_empty() => Event::Received {
                ticket,
                reason,
                properties,
            },
            Answer::Quiet if packet == PacketType::PubRel && !properties.is_empty() => {
                Event::Released {
                    reason: ack.reason,
                    properties,
                }
            }
            Answer::Continues(..) | Answer::Quiet | Answer::Unsolicited | Answer::Unknown => {
                return Ok(Heard::Nothing);
            }
        };
        Ok(Heard::Event)
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    #[inline]
    pub(crate) fn take_ack<O: OutboundStore, I: InboundStore>(
        &mut self,
        packet: PacketType,
        ack: &Ack<'_>,
        stores: Stores<'_, O, I>,
    ) -> Result<Answer, Violation> {
        self.check_problem_information(packet, &ack.properties)?;
        let id = ack.packet_id.value();
        if packet == PacketType::PubRel {
            let (mut sender, mut receiver) = self.halves(stores);
            let taken = receiver.released(id, &mut sender)?;
            return Ok(if taken { Answer::Quiet } else { Answer::NoRoom });
        }
        let answer = self
            .sender(&mut *stores.outbound)
            .acknowledged(packet, id, ack.reason)?;
        match answer {
            Answer::Unsolicited => self.count_unsolicited(),
            Answer::Unknown => {
                let (mut sender, mut receiver) = self.halves(stores);
                if !receiver.unknown_pubrec(id, &mut sender) {
                    return Ok(Answer::NoRoom);
                }
            }
            _ => {}
        }
        Ok(answer)
    }

    /// Reason String and User Property only where they were asked for (MQTT-3.1.2-29).
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn check_problem_information(
        &self,
        packet: PacketType,
        properties: &Properties<'_>,
    ) -> Result<(), Violation> {
        if self.intake.problem_information || properties.is_empty() {
            return Ok(());
        }
        if properties.contains(PropertyId::ReasonString)
            || properties.contains(PropertyId::UserProperty)
        {
            Err(Violation::ProblemInformation(packet))
        } else {
            Ok(())
        }
    }

    fn on_connack<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        connack: ConnAck<'p>,
        stores: Stores<'_, O, I>,
        event: &mut Event<'p>,
    ) -> Result<Heard, Violation> {
        if connack.reason.is_failure() {
            // Closed without a word (MQTT-4.13.2-1).
            self.fail(Cause::Refused(connack.reason));
            *event = Event::Refused(connack);
            return Ok(Heard::Event);
        }
        let facts = self.connection.facts;
        if connack.session_present && facts.has(Facts::CLEAN_START) {
            return Err(Violation::SessionPresentAfterCleanStart);
        }
        let properties = &connack.properties;
        let limits = Limits::of(properties);
        let said = Said {
            keep_alive: properties.server_keep_alive(),
            expiry: properties.session_expiry_interval(),
        };
        let client_id = properties.assigned_client_identifier();
        let method = properties.authentication_method();
        #[cfg(feature = "auth")]
        self.check_method(method)?;
        #[cfg(not(feature = "auth"))]
        if method.is_some() {
            return Err(Violation::AuthenticationMethod);
        }
        let another_client = facts.has(Facts::ANOTHER_CLIENT);
        let had_session = self.identity.has_session && !another_client;
        if connack.session_present && !had_session && !self.out.config.adopt_session {
            return Err(Violation::UnknownSession);
        }
        match client_id {
            None if facts.has(Facts::ANONYMOUS) => {
                return Err(Violation::NoAssignedClientIdentifier);
            }
            None => self.identity.client = self.connection.client,
            Some(_) if !facts.has(Facts::ANONYMOUS) => {
                return Err(Violation::UnwantedClientIdentifier);
            }
            Some("") => return Err(Violation::NoAssignedClientIdentifier),
            Some(id) => {
                if !stores.inbound.set_assigned_client_id(id) {
                    return Err(Violation::ClientIdentifierTooLong);
                }
                self.identity.client = Some(fingerprint(id));
            }
        }
        let lost = !connack.session_present || another_client;
        let told = lost && had_session && !facts.has(Facts::CLEAN_START);
        self.adopt(limits, &said, lost, stores);
        if told {
            self.out.exchanges.work.note(Work::TELL);
            self.notices.add(Notices::SESSION_LOST);
        }
        *event = Event::Connected(connack);
        Ok(Heard::Event)
    }

    /// The connection is accepted: what is agreed on holds from here.
    fn adopt<O: OutboundStore, I: InboundStore>(
        &mut self,
        limits: Limits,
        said: &Said,
        session_lost: bool,
        stores: Stores<'_, O, I>,
    ) {
        if (limits.maximum_packet_size as usize) < SHORT_ACK {
            // No acknowledgement fits, so that nothing may come that wants one (MQTT-3.2.2-15).
            self.intake.receive_maximum = 0;
        }
        #[cfg(feature = "topic-alias")]
        let alias_limit = self
            .out
            .config
            .topic_aliases
            .min(MOST_ALIASES)
            .min(limits.topic_alias_maximum)
            .min(stores.outbound.alias_capacity());
        #[cfg(not(feature = "topic-alias"))]
        let alias_limit = 0;
        self.out.line.agree(limits, alias_limit);
        let clean_start = self.connection.facts.has(Facts::CLEAN_START);
        if session_lost {
            let (mut sender, mut receiver) = self.halves(stores);
            sender.session_lost(clean_start);
            receiver.session_lost();
        }
        self.identity.has_session = true;
        self.identity.accepted = true;
        let now = self.out.clock.moment();
        let connection = &mut self.connection;
        if let Some(keep_alive) = said.keep_alive {
            connection.keep_alive = keep_alive;
        }
        connection.since = now;
        connection.facts.set(Facts::ACCEPTED, true);
        if let Some(expiry) = said.expiry {
            let kept = Facts::KEPT | Facts::KEPT_AT_LAST;
            connection.facts.set(kept, expiry > 0);
        }
        self.phase = Phase::Connected;
        if self.out.line.standing == Standing::Down {
            connection.deadline = Moment::NEVER;
            self.out.line.standing = Standing::Up;
        }
        self.out.exchanges.work.note(Work::PUMP);
        // The deadlines of a live connection are looked at with the next poll.
        #[cfg(feature = "fast")]
        self.out.clock.arm(self.out.clock.until(now));
    }
}

/// What CONNACK says besides the limits.
struct Said {
    /// Keep Alive in seconds, where the server wants another.
    keep_alive: Option<u16>,
    /// Session Expiry Interval in seconds, where the server wants another.
    expiry: Option<u32>,
}
