//! What a packet from the server does.

use crate::connection::{Phase, fingerprint};
use crate::delivery::AckToken;
use crate::event::{Cause, Event};
use crate::exchanges::Work;
use crate::instant::Instant;
use crate::limits::{Limits, SHORT_ACK};
use crate::line::Standing;
use crate::machine::{Machine, Stores};
use crate::settle::Answer;
use crate::store::{InboundStore, OutboundStore};
use crate::violation::Violation;
use mqtt_proto::{
    Ack, Auth, ConnAck, PacketType, Properties, PropertyId, Publish, RawPacket, ReasonCode,
    Sender as From,
};

/// What the caller is to be told of the input.
pub(crate) enum Told<'p> {
    /// Nothing: the next packet may be looked at.
    Nothing,
    /// Nothing: there is no whole packet, or no room for its answer.
    Wait,
    Event(Event<'p>),
    /// A message, or a part of one.
    Message(Publish<'p>, Option<AckToken>, Part),
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
    pub(crate) fn dispatch<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        raw: RawPacket<'p>,
        stores: Stores<'_, O, I>,
    ) -> Result<Told<'p>, Violation> {
        match raw.packet_type() {
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                self.read_ack(raw, stores)
            }
            PacketType::SubAck => {
                let ack = raw.suback(From::Server)?;
                self.check_problem_information(PacketType::SubAck, &ack.properties)?;
                let mut sender = self.sender(&mut *stores.outbound);
                let id = ack.packet_id.value();
                let ticket = sender.answered(PacketType::SubAck, id, ack.reasons.len())?;
                Ok(self.solicited(ticket.map(|ticket| Event::Subscribed {
                    ticket,
                    reasons: ack.reasons,
                    properties: ack.properties,
                })))
            }
            PacketType::UnsubAck => {
                let ack = raw.unsuback(From::Server)?;
                self.check_problem_information(PacketType::UnsubAck, &ack.properties)?;
                let mut sender = self.sender(&mut *stores.outbound);
                let id = ack.packet_id.value();
                let ticket = sender.answered(PacketType::UnsubAck, id, ack.reasons.len())?;
                Ok(self.solicited(ticket.map(|ticket| Event::Unsubscribed {
                    ticket,
                    reasons: ack.reasons,
                    properties: ack.properties,
                })))
            }
            PacketType::PingResp => {
                raw.validate(From::Server)?;
                self.connection.ping_due = Instant::NEVER;
                Ok(Told::Nothing)
            }
            PacketType::ConnAck => self.on_connack(raw.connack(From::Server)?, stores),
            PacketType::Auth => self.on_auth(raw.auth(From::Server)?),
            PacketType::Disconnect => {
                let disconnect = raw.disconnect(From::Server)?;
                self.fail(Cause::ServerDisconnect(disconnect.reason));
                Ok(Told::Event(Event::ServerDisconnect(disconnect)))
            }
            packet => Err(Violation::Unexpected(packet)),
        }
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP: what they do, and what is to be told of it.
    fn read_ack<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        raw: RawPacket<'p>,
        stores: Stores<'_, O, I>,
    ) -> Result<Told<'p>, Violation> {
        let ack = raw.ack(From::Server)?;
        let properties = ack.properties;
        Ok(match self.take_ack(raw.packet_type(), &ack, stores)? {
            Answer::NoRoom => Told::Wait,
            Answer::Settled(ticket, reason) => Told::Event(Event::Published {
                ticket,
                outcome: Ok(reason),
                properties,
            }),
            Answer::Continues(ticket, reason) if !properties.is_empty() => {
                Told::Event(Event::Received {
                    ticket,
                    reason,
                    properties,
                })
            }
            Answer::Quiet if raw.packet_type() == PacketType::PubRel && !properties.is_empty() => {
                Told::Event(Event::Released {
                    reason: ack.reason,
                    properties,
                })
            }
            Answer::Continues(..) | Answer::Quiet | Answer::Unsolicited | Answer::Unknown => {
                Told::Nothing
            }
        })
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
            Answer::Unsolicited => {
                self.intake.unsolicited = self.intake.unsolicited.saturating_add(1);
            }
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

    /// An answer that nothing waited for is ignored and counted.
    fn solicited<'p>(&mut self, event: Option<Event<'p>>) -> Told<'p> {
        match event {
            Some(event) => Told::Event(event),
            None => {
                self.intake.unsolicited = self.intake.unsolicited.saturating_add(1);
                Told::Nothing
            }
        }
    }

    /// Reason String and User Property only where they were asked for (MQTT-3.1.2-29).
    fn check_problem_information(
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

    fn check_method(&self, properties: &Properties<'_>) -> Result<(), Violation> {
        if properties.authentication_method().map(fingerprint) == self.connection.method {
            Ok(())
        } else {
            Err(Violation::AuthenticationMethod)
        }
    }

    fn on_connack<'p, O: OutboundStore, I: InboundStore>(
        &mut self,
        connack: ConnAck<'p>,
        stores: Stores<'_, O, I>,
    ) -> Result<Told<'p>, Violation> {
        if connack.reason.is_failure() {
            // Closed without a word (MQTT-4.13.2-1).
            self.fail(Cause::Refused(connack.reason));
            return Ok(Told::Event(Event::Refused(connack)));
        }
        if connack.session_present && self.connection.clean_start {
            return Err(Violation::SessionPresentAfterCleanStart);
        }
        self.check_method(&connack.properties)?;
        let had_session = self.identity.has_session && !self.connection.another_client;
        if connack.session_present && !had_session && !self.out.config.adopt_session {
            return Err(Violation::UnknownSession);
        }
        match (
            self.connection.anonymous,
            connack.properties.assigned_client_identifier(),
        ) {
            (true, None | Some("")) => return Err(Violation::NoAssignedClientIdentifier),
            (false, Some(_)) => return Err(Violation::UnwantedClientIdentifier),
            (false, None) => self.identity.client = self.connection.client,
            (true, Some(id)) => {
                if !stores.inbound.set_assigned_client_id(id) {
                    return Err(Violation::ClientIdentifierTooLong);
                }
                self.identity.client = Some(fingerprint(id));
            }
        }
        self.adopt(&connack, had_session, stores);
        Ok(Told::Event(Event::Connected(connack)))
    }

    /// The connection is accepted: what is agreed on holds from here.
    fn adopt<O: OutboundStore, I: InboundStore>(
        &mut self,
        connack: &ConnAck<'_>,
        had_session: bool,
        stores: Stores<'_, O, I>,
    ) {
        let now = self.out.clock.now;
        let limits = Limits::of(&connack.properties);
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
        let clean_start = self.connection.clean_start;
        let another_client = self.connection.another_client;
        let (mut sender, mut receiver) = self.halves(stores);
        if !connack.session_present || another_client {
            sender.session_lost(clean_start);
            receiver.session_lost();
            if had_session && !clean_start {
                self.out.exchanges.work.note(Work::TELL);
                self.notices.session_lost = true;
            }
        }
        self.identity.has_session = true;
        self.identity.accepted = true;
        let connection = &mut self.connection;
        if let Some(keep_alive) = connack.properties.server_keep_alive() {
            connection.keep_alive = keep_alive;
        }
        if let Some(expiry) = connack.properties.session_expiry_interval() {
            connection.expiry = expiry;
        }
        connection.since = now;
        self.phase = Phase::Connected;
        if self.out.line.standing == Standing::Down {
            connection.deadline = Instant::NEVER;
            self.out.line.standing = Standing::Up;
        }
        self.out.exchanges.work.note(Work::PUMP);
        // The deadlines of a live connection are looked at with the next poll.
        self.out.clock.arm(now);
    }

    fn on_auth<'p>(&mut self, auth: Auth<'p>) -> Result<Told<'p>, Violation> {
        if self.connection.method.is_none() {
            return Err(Violation::Unexpected(PacketType::Auth));
        }
        self.check_problem_information(PacketType::Auth, &auth.properties)?;
        self.check_method(&auth.properties)?;
        let running = self.phase == Phase::AwaitConnAck || self.connection.reauthenticating;
        if self.phase == Phase::Connected && self.out.line.standing == Standing::Up {
            // It is the application's turn, or nobody's.
            self.connection.deadline = Instant::NEVER;
        }
        match auth.reason {
            ReasonCode::CONTINUE_AUTHENTICATION if running => {
                self.connection.challenged = true;
                Ok(Told::Event(Event::Challenge(auth)))
            }
            ReasonCode::SUCCESS if self.connection.reauthenticating => {
                self.connection.reauthenticating = false;
                self.connection.challenged = false;
                Ok(Told::Event(Event::Reauthenticated(auth)))
            }
            reason => Err(Violation::AuthenticationReason(reason)),
        }
    }
}
