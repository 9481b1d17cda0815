//! What a packet from a client does.

use super::access::{AuthStep, Identity};
use super::connection::Phase;
use super::event::ConnectionId;
use super::handshake::auth_packet;
use super::hold_back::{Arrival, Room};
use super::lifecycle::Farewell;
use super::subscribers::{Match, SessionKey};
use super::{Access, Broker, EndCause, Overflow};
use crate::settle::Answer;
use crate::transmit::RESERVE;
use crate::violation::Violation;
use alloc::string::String;
use mqtt_proto::{
    Frame, Packet, PacketType, Publish, QoS, RawPacket, ReasonCode, Sender as From, TopicName,
    frame,
};

/// PUBCOMP or PUBREL with a reason.
const LONGEST_ACK: usize = 5;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is done with.
    Done,
    /// There is no room for its answer of so many bytes: nothing has changed, and it comes again.
    Wait(usize),
}

impl<A: Access> Broker<A> {
    /// Processes whole packets from the front of `bytes`; how many bytes are done with.
    pub(crate) fn read(&mut self, connection: ConnectionId, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        self.begin_turn();
        loop {
            if !self.replay(connection) || self.is_tired() && !rest.is_empty() {
                self.end_turn(connection);
                break;
            }
            let (at_most, connects) = (
                self.config.maximum_packet_size,
                self.config.maximum_connect_size,
            );
            let Some(found) = self.connection(connection) else {
                return bytes.len();
            };
            let maximum = match found.phase {
                Phase::Flush | Phase::Close => return bytes.len(),
                Phase::AwaitConnect => connects,
                Phase::Authenticate | Phase::Connected(_) => at_most,
            };
            found.wanted = 0;
            if rest.is_empty() {
                break;
            }
            let step = match frame(rest, maximum) {
                Ok(Frame::Whole(raw)) => {
                    let packet = rest.get(..raw.len()).unwrap_or_default();
                    self.take(connection, raw, packet)
                        .map(|step| (step, raw.len()))
                }
                Ok(Frame::Partial { need }) => {
                    found.wanted = rest.len().saturating_add(need);
                    break;
                }
                Err(error) => Err(error.into()),
            };
            match step {
                Ok((Step::Done, len)) => {
                    rest = rest.get(len..).unwrap_or_default();
                    self.finish_packet(connection);
                }
                Ok((Step::Wait(room), _)) => {
                    if let Some(found) = self.connection(connection) {
                        found.waits = Some(room);
                    }
                    break;
                }
                Err(violation) => {
                    self.violate(connection, violation);
                    return bytes.len();
                }
            }
        }
        bytes.len().saturating_sub(rest.len())
    }

    /// What a packet has caused is done before the next one is looked at: it makes no difference
    /// whether both came at once.
    pub(crate) fn finish_packet(&mut self, connection: ConnectionId) {
        self.end_overfull();
        let now = self.now;
        let key = self
            .connection(connection)
            .and_then(|found| found.session());
        if let Some(session) = key.and_then(|key| self.session(key)) {
            session.write_what_may_leave(now);
        }
    }

    /// A client broke the protocol: it is told so, and its connection ends (MQTT-4.13.1-1).
    pub(crate) fn violate(&mut self, connection: ConnectionId, violation: Violation) {
        let Some(found) = self.connection(connection) else {
            return;
        };
        let cause = EndCause::Violation(violation);
        let reason = violation.reason();
        let farewell = match found.phase {
            Phase::Connected(_) if reason.is_allowed(PacketType::Disconnect, From::Server) => {
                Farewell::Say(reason)
            }
            Phase::Connected(_) => Farewell::Say(ReasonCode::PROTOCOL_ERROR),
            // What is not even a CONNECT is no MQTT client; it gets no answer.
            Phase::AwaitConnect if !violation.is_of(PacketType::Connect) => Farewell::Silence,
            _ => {
                self.say_refusal(connection, reason);
                Farewell::Flush
            }
        };
        self.end(connection, cause, farewell);
    }

    /// Takes one whole packet, whose bytes are `bytes`.
    fn take(
        &mut self,
        connection: ConnectionId,
        raw: RawPacket<'_>,
        bytes: &[u8],
    ) -> Result<Step, Violation> {
        let Some(found) = self.connection(connection) else {
            return Ok(Step::Done);
        };
        let phase = found.phase;
        if !phase.takes(raw.packet_type()) {
            // What is wrong by itself is told as that, and not as coming at a wrong moment.
            raw.decode(From::Client)?;
            return Err(Violation::Unexpected(raw.packet_type()));
        }
        let Phase::Connected(key) = phase else {
            // A client that does not take what it was told gets no more to take.
            if !found.has_said_all() && raw.packet_type() == PacketType::Auth {
                return Ok(Step::Wait(0));
            }
            match raw.packet_type() {
                PacketType::Connect => self.on_connect(connection, raw, bytes)?,
                PacketType::Auth => self.on_early_auth(connection, raw)?,
                _ => {
                    let reason = raw.disconnect(From::Client)?.reason;
                    self.end(
                        connection,
                        EndCause::ClientDisconnect(reason),
                        Farewell::Silence,
                    );
                }
            }
            return Ok(Step::Done);
        };
        match raw.packet_type() {
            PacketType::Publish => {
                let publish = raw.publish(From::Client)?;
                self.on_publish(connection, key, &publish, bytes)
            }
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                self.on_ack(connection, key, raw)
            }
            PacketType::Subscribe => {
                self.on_subscribe(connection, key, &raw.subscribe(From::Client)?)
            }
            PacketType::Unsubscribe => {
                self.on_unsubscribe(connection, key, &raw.unsubscribe(From::Client)?)
            }
            PacketType::PingReq => {
                raw.decode(From::Client)?;
                self.answer(connection, key, 2, |out| {
                    Packet::PingResp.encode(From::Server, out).is_ok()
                })
            }
            PacketType::Disconnect => self.on_disconnect(connection, key, raw),
            PacketType::Auth => self.on_auth(connection, key, raw),
            packet => Err(Violation::Unexpected(packet)),
        }
    }

    /// Writes an answer of `len` bytes, where there is room for it.
    pub(super) fn answer(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        len: usize,
        encode: impl FnOnce(&mut [u8]) -> bool,
    ) -> Result<Step, Violation> {
        let now = self.now;
        let written = match self.session(key) {
            // Larger than the client takes: it cannot be told (MQTT-3.1.2-24).
            Some(session) if len > session.maximum_packet_size() => true,
            Some(session) => session.write(len, now, encode),
            None => true,
        };
        if !written {
            // It is looked at again when the transport has taken something; before that, nothing
            // would have changed.
            return Ok(Step::Wait(len));
        }
        self.make_ready(connection);
        Ok(Step::Done)
    }

    /// The longest answer that ever finds room.
    pub(crate) fn longest_answer(&self) -> usize {
        self.config.transmit.saturating_sub(RESERVE)
    }

    /// Whether there is room for an answer of `len` bytes that nothing may come between.
    ///
    /// # Errors
    /// An answer that the client would not take (MQTT-3.1.2-24), or that never finds room: what
    /// cannot be answered is not done either.
    pub(super) fn has_room_for_answer(
        &mut self,
        key: SessionKey,
        packet: PacketType,
        len: usize,
    ) -> Result<bool, Violation> {
        let (now, longest) = (self.now, self.longest_answer());
        match self.session(key) {
            Some(session) if len > session.maximum_packet_size().min(longest) => {
                Err(Violation::AnswerTooLarge(packet))
            }
            Some(session) => Ok(session.has_room(len, now)),
            None => Ok(true),
        }
    }

    fn on_publish(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        publish: &Publish<'_>,
        bytes: &[u8],
    ) -> Result<Step, Violation> {
        if publish.qos > self.config.maximum_qos {
            return Err(Violation::QoSNotSupported);
        }
        if publish.retain && !self.config.retain_available {
            return Err(Violation::RetainNotSupported);
        }
        let now = self.now;
        let Some(session) = self.session(key) else {
            return Ok(Step::Done);
        };
        let (mut sender, mut receiver) = session.halves(now);
        let seen = receiver.admit_publish(publish, &mut sender)?;
        // An alias was admitted, so it stands for a topic.
        let aliased: Option<String> = match (publish.topic, publish.properties.topic_alias()) {
            (None, Some(alias)) => session.alias(alias).map(Into::into),
            _ => None,
        };
        let topic = publish.topic.or_else(|| {
            aliased
                .as_deref()
                .and_then(|topic| TopicName::new(topic).ok())
        });
        let Some(topic) = topic else {
            return Ok(Step::Done);
        };
        let allowed = if seen {
            Ok(())
        } else {
            self.allows_publish(connection, key, publish, topic)
        };
        let arrival = Arrival {
            publish,
            topic,
            seen,
            allowed,
            since: now,
        };
        if self.config.overflow != Overflow::HoldBack {
            self.accept_publish(connection, key, &arrival, None)?;
            return Ok(Step::Done);
        }
        match self.receivers_with_room(connection, key, &arrival, bytes.len()) {
            Room::Enough(receivers) => {
                self.accept_publish(connection, key, &arrival, receivers.as_deref())?;
            }
            Room::TooLittle => self.hold_back(connection, key, &arrival, bytes)?,
        }
        Ok(Step::Done)
    }

    fn allows_publish(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        publish: &Publish<'_>,
        topic: TopicName<'_>,
    ) -> Result<(), ReasonCode> {
        let Some(session) = super::session_mut(&mut self.sessions, key) else {
            return Ok(());
        };
        let who = Identity {
            connection,
            client_id: &session.client_id,
            user_name: session.user_name.as_deref(),
        };
        self.access
            .publish(&who, topic, publish.qos, publish.retain)
    }

    /// A message is taken: it is routed if it is new, and acknowledged.
    pub(crate) fn accept_publish(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        arrival: &Arrival<'_>,
        receivers: Option<&[Match]>,
    ) -> Result<(), Violation> {
        let now = self.now;
        let Arrival { publish, seen, .. } = *arrival;
        let mut reason = ReasonCode::SUCCESS;
        if !seen {
            // Before it is routed: what cannot be remembered would be routed again.
            if let Some(session) = self.session(key) {
                session.halves(now).1.reserve(publish)?;
            }
            reason = self.publish_from(key, arrival, receivers);
        }
        let Some(id) = publish.packet_id else {
            return Ok(());
        };
        if let Some(session) = self.session(key) {
            let (mut sender, mut receiver) = session.halves(now);
            receiver.accept_with(publish.qos, id.value(), seen, reason, &mut sender)?;
        }
        self.make_ready(connection);
        Ok(())
    }

    /// Routes a client's message, if it may publish it; the code for its acknowledgement.
    pub(crate) fn publish_from(
        &mut self,
        key: SessionKey,
        arrival: &Arrival<'_>,
        receivers: Option<&[Match]>,
    ) -> ReasonCode {
        let message = arrival.message(self.now);
        let kept = arrival.allowed.and_then(|()| match message.qos {
            // Nobody can be told that it is not retained: it is published nevertheless.
            QoS::AtMostOnce => {
                let _ = self.retain_or_clear(&message);
                Ok(())
            }
            QoS::AtLeastOnce | QoS::ExactlyOnce => self.retain(&message),
        });
        if let Err(reason) = kept {
            return if may_refuse(reason, PacketType::PubRec) {
                reason
            } else {
                ReasonCode::NOT_AUTHORIZED
            };
        }
        let count = match receivers {
            Some(receivers) => self.route_to(receivers, &message),
            None => self.route(Some(key), &message),
        };
        if count == 0 {
            ReasonCode::NO_MATCHING_SUBSCRIBERS
        } else {
            ReasonCode::SUCCESS
        }
    }

    fn on_ack(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        raw: RawPacket<'_>,
    ) -> Result<Step, Violation> {
        let now = self.now;
        let packet = raw.packet_type();
        let ack = raw.ack(From::Client)?;
        let id = ack.packet_id.value();
        let Some(session) = self.session(key) else {
            return Ok(Step::Done);
        };
        let (mut sender, mut receiver) = session.halves(now);
        if packet == PacketType::PubRel {
            if !receiver.released(id, &mut sender)? {
                return Ok(Step::Wait(LONGEST_ACK));
            }
        } else {
            match sender.acknowledged(packet, id, ack.reason)? {
                Answer::Settled(ticket, _) => session.settled(ticket),
                Answer::Unknown => {
                    if !receiver.unknown_pubrec(id, &mut sender) {
                        return Ok(Step::Wait(LONGEST_ACK));
                    }
                }
                Answer::Continues(..) | Answer::Quiet | Answer::Unsolicited => {}
            }
            self.note_pace(key);
        }
        self.make_ready(connection);
        Ok(Step::Done)
    }

    fn on_disconnect(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        raw: RawPacket<'_>,
    ) -> Result<Step, Violation> {
        let disconnect = raw.disconnect(From::Client)?;
        let most = self.config.maximum_session_expiry;
        if let Some(expiry) = disconnect.properties.session_expiry_interval() {
            let may = self
                .connection(connection)
                .is_some_and(|found| found.may_expire_later);
            if expiry > 0 && !may {
                return Err(Violation::SessionExpiry);
            }
            if let Some(session) = self.session(key) {
                session.expiry = expiry.min(most);
            }
        }
        let cause = EndCause::ClientDisconnect(disconnect.reason);
        self.end(connection, cause, Farewell::Silence);
        Ok(Step::Done)
    }

    /// A live connection authenticates again (section 4.12.1).
    fn on_auth(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        raw: RawPacket<'_>,
    ) -> Result<Step, Violation> {
        let auth = raw.auth(From::Client)?;
        let method = auth.properties.authentication_method();
        let Some(found) = self.connection(connection) else {
            return Ok(Step::Done);
        };
        match (found.method.as_deref(), method) {
            (None, _) => return Err(Violation::Unexpected(PacketType::Auth)),
            (agreed, method) if agreed != method => return Err(Violation::AuthenticationMethod),
            _ => {}
        }
        // The client begins (MQTT-4.12.1-1), and goes on when it is asked to (MQTT-4.12.0-3).
        let due = if found.reauthenticates {
            ReasonCode::CONTINUE_AUTHENTICATION
        } else {
            ReasonCode::RE_AUTHENTICATE
        };
        if auth.reason != due {
            return Err(Violation::AuthenticationReason(auth.reason));
        }
        let method = method.unwrap_or_default();
        // The answer's length is known only afterwards: it gets all the room there is.
        let idle = self
            .session(key)
            .is_none_or(|session| session.stalled_since().is_none());
        if !idle {
            return Ok(Step::Wait(self.longest_answer()));
        }
        let data = auth.properties.authentication_data();
        let (answer, goes_on) = match self.access.authenticate(connection, method, data) {
            AuthStep::Continue(data) => {
                let reason = ReasonCode::CONTINUE_AUTHENTICATION;
                (auth_packet(reason, method, Some(&data)), true)
            }
            AuthStep::Accept(data) => {
                let answer = auth_packet(ReasonCode::SUCCESS, method, data.as_deref());
                (answer, false)
            }
            AuthStep::Refuse(reason) => {
                let told = if may_refuse(reason, PacketType::Disconnect) {
                    reason
                } else {
                    ReasonCode::NOT_AUTHORIZED
                };
                self.end_unauthenticated(connection, told);
                return Ok(Step::Done);
            }
        };
        let Some(answer) = answer else {
            self.end_unauthenticated(connection, ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR);
            return Ok(Step::Done);
        };
        if !self.has_room_for_answer(key, PacketType::Auth, answer.len())? {
            self.end_unauthenticated(connection, ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR);
            return Ok(Step::Done);
        }
        if let Some(found) = self.connection(connection) {
            found.reauthenticates = goes_on;
        }
        self.answer(connection, key, answer.len(), |out| {
            out.copy_from_slice(&answer);
            true
        })
    }

    /// A re-authentication has failed (MQTT-4.12.1-2).
    fn end_unauthenticated(&mut self, connection: ConnectionId, reason: ReasonCode) {
        let cause = EndCause::NotAuthenticated(reason);
        self.end(connection, cause, Farewell::Say(reason));
    }
}

/// Whether a server may refuse with this code in such a packet.
pub(super) fn may_refuse(reason: ReasonCode, packet: PacketType) -> bool {
    reason.is_failure() && reason.is_allowed(packet, From::Server)
}
