//! CONNECT and its answer: who comes, which session, and what is agreed on.

use super::access::{AuthStep, Identity, Login};
use super::connection::{Phase, intake};
use super::event::ConnectionId;
use super::lifecycle::Farewell;
use super::message::{Message, whole};
use super::session::{Session, StoredWill};
use super::subscribers::SessionKey;
use super::{Access, Broker, BrokerEvent, EndCause};
use crate::instant::Instant;
use crate::limits::Limits;
use crate::violation::Violation;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use mqtt_proto::{
    Auth, ConnAck, Connect, PacketType, Properties, Property, QoS, RawPacket, ReasonCode,
    Sender as From,
};

impl<A: Access> Broker<A> {
    /// CONNECT came; `bytes` are the whole of it.
    pub(crate) fn on_connect(
        &mut self,
        connection: ConnectionId,
        raw: RawPacket<'_>,
        bytes: &[u8],
    ) -> Result<(), Violation> {
        let connect = raw.connect(From::Client)?;
        if let Some(found) = self.connection(connection)
            && let Some(maximum) = connect.properties.maximum_packet_size()
        {
            found.maximum_packet_size = maximum;
        }
        let Some(method) = connect.properties.authentication_method() else {
            self.accept(connection, &connect, None);
            return Ok(());
        };
        if let Some(found) = self.connection(connection) {
            found.phase = Phase::Authenticate;
            found.connect = Some(bytes.into());
            found.method = Some(method.into());
        }
        let data = connect.properties.authentication_data();
        self.on_auth_step(connection, method, data);
        Ok(())
    }

    /// AUTH came before CONNACK.
    pub(crate) fn on_early_auth(
        &mut self,
        connection: ConnectionId,
        raw: RawPacket<'_>,
    ) -> Result<(), Violation> {
        let auth = raw.auth(From::Client)?;
        let method = auth.properties.authentication_method();
        if auth.reason != ReasonCode::CONTINUE_AUTHENTICATION {
            return Err(Violation::AuthenticationReason(auth.reason));
        }
        match (method, self.connection(connection)) {
            (Some(method), Some(found)) if found.method.as_deref() == Some(method) => {
                self.on_auth_step(connection, method, auth.properties.authentication_data());
                Ok(())
            }
            _ => Err(Violation::AuthenticationMethod),
        }
    }

    fn on_auth_step(&mut self, connection: ConnectionId, method: &str, data: Option<&[u8]>) {
        match self.access.authenticate(connection, method, data) {
            AuthStep::Continue(data) => {
                let reason = ReasonCode::CONTINUE_AUTHENTICATION;
                match auth_packet(reason, method, Some(&data)) {
                    Some(packet) => match self.connection(connection) {
                        Some(found) if packet.len() <= found.maximum_packet_size as usize => {
                            found.say(&packet);
                            self.make_ready(connection);
                        }
                        // What the client has to answer it does not take.
                        _ => self.refuse(connection, ReasonCode::PACKET_TOO_LARGE),
                    },
                    None => self.refuse(connection, ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR),
                }
            }
            AuthStep::Accept(data) => {
                let connect = self
                    .connection(connection)
                    .and_then(|found| found.connect.take());
                let connect = connect.unwrap_or_default();
                let decoded = whole(&connect).and_then(|raw| raw.connect(From::Client).ok());
                if let Some(connect) = decoded {
                    self.accept(connection, &connect, data);
                }
            }
            AuthStep::Refuse(reason) => self.refuse(connection, reason),
        }
    }

    /// Refuses a client with CONNACK, and closes (MQTT-3.2.2-7).
    pub(crate) fn refuse(&mut self, connection: ConnectionId, reason: ReasonCode) {
        let told = if reason.is_failure() && reason.is_allowed(PacketType::ConnAck, From::Server) {
            reason
        } else {
            ReasonCode::NOT_AUTHORIZED
        };
        self.say_refusal(connection, told);
        self.end(connection, EndCause::Refused(told), Farewell::Flush);
    }

    /// Queues a CONNACK that refuses, unless the client would not take it (MQTT-3.1.2-24).
    pub(crate) fn say_refusal(&mut self, connection: ConnectionId, reason: ReasonCode) {
        let connack = ConnAck {
            session_present: false,
            reason,
            properties: Properties::EMPTY,
        };
        let mut bytes = [0; 8];
        if let Ok(len) = connack.encode(From::Server, &mut bytes)
            && let Some(found) = self.connection(connection)
            && len <= found.maximum_packet_size as usize
        {
            found.say(bytes.get(..len).unwrap_or_default());
        }
    }

    /// Decides on a client that is who it says, as far as enhanced authentication goes.
    fn accept(
        &mut self,
        connection: ConnectionId,
        connect: &Connect<'_>,
        auth_data: Option<Vec<u8>>,
    ) {
        let assigned = connect
            .client_id
            .is_empty()
            .then(|| self.assign_client_id());
        let client_id = assigned.as_deref().unwrap_or(connect.client_id);
        if let Err(reason) = self.check(connection, connect, client_id) {
            return self.refuse(connection, reason);
        }
        let known = self.by_client.get(client_id).copied();
        if known.is_none() && self.by_client.len() >= self.config.sessions {
            return self.refuse(connection, ReasonCode::QUOTA_EXCEEDED);
        }
        let answer = Answer::new(self, connect, assigned.as_deref(), auth_data.as_deref());
        let limits = Limits::of(&connect.properties);
        let fits = |present: bool| {
            let len = answer.packet(present).encoded_len();
            len.ok()
                .filter(|len| *len <= limits.maximum_packet_size as usize)
        };
        // A client that would not take its acceptance may still take the shorter refusal.
        let Some(len) = fits(true) else {
            return self.refuse(connection, ReasonCode::PACKET_TOO_LARGE);
        };
        if len > self.longest_answer() {
            return self.refuse(connection, ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR);
        }
        let (key, session_present) = self.find_session(client_id, connect.clean_start);
        let (now, aliases) = (self.now, self.config.topic_aliases);
        let will = connect.will.as_ref().and_then(|will| {
            Some(StoredWill {
                message: Message::of_will(will).keep(now)?,
                delay: will.properties.will_delay_interval().unwrap_or(0),
                due: Instant::NEVER,
            })
        });
        let intake = intake(
            self.config.receive_maximum,
            self.config.topic_alias_maximum,
            self.config.maximum_packet_size,
            true,
        );
        let Some(session) = self.session(key) else {
            return;
        };
        session.attach(connection, limits, intake, aliases);
        session.user_name = connect.user_name.map(Into::into);
        session.expiry = answer.expiry;
        session.will = will;
        let packet = answer.packet(session_present);
        session.write(len, now, |out| packet.encode(From::Server, out).is_ok());
        if let Some(found) = self.connection(connection) {
            found.phase = Phase::Connected(key);
            found.keep_alive = answer.keep_alive;
            found.may_expire_later = connect
                .properties
                .session_expiry_interval()
                .is_some_and(|expiry| expiry > 0);
            found.connect = None;
            let silence = found.silence_deadline();
            self.arm_connection(connection, silence);
        }
        self.tell_groups(key, true);
        self.arm_session(key);
        self.make_ready(connection);
        self.events.push_back(BrokerEvent::Connected {
            connection,
            client_id: client_id.into(),
            session_present,
        });
    }

    /// What the settings and the program say to a CONNECT.
    fn check(
        &mut self,
        connection: ConnectionId,
        connect: &Connect<'_>,
        client_id: &str,
    ) -> Result<(), ReasonCode> {
        let login = Login {
            connection,
            client_id: connect.client_id,
            user_name: connect.user_name,
            password: connect.password,
        };
        self.access.login(&login)?;
        if let Some(will) = &connect.will {
            if will.qos > self.config.maximum_qos {
                return Err(ReasonCode::QOS_NOT_SUPPORTED);
            }
            if will.retain && !self.config.retain_available {
                return Err(ReasonCode::RETAIN_NOT_SUPPORTED);
            }
            let who = Identity {
                connection,
                client_id,
                user_name: connect.user_name,
            };
            self.access
                .publish(&who, will.topic, will.qos, will.retain)
                .map_err(|_| ReasonCode::NOT_AUTHORIZED)?;
        }
        Ok(())
    }

    /// A client identifier that no session has (MQTT-3.1.3-6, MQTT-3.2.2-16).
    fn assign_client_id(&mut self) -> String {
        loop {
            self.assigned = self.assigned.wrapping_add(1);
            let id = alloc::format!("{}{}", self.config.assigned_prefix, self.assigned);
            if !self.by_client.contains_key(id.as_str()) {
                return id;
            }
        }
    }

    /// The session of a client, and whether it was there before. The connection that has it is
    /// ended (MQTT-3.1.4-3), and with Clean Start so is the session (MQTT-3.1.2-4).
    fn find_session(&mut self, client_id: &str, clean_start: bool) -> (SessionKey, bool) {
        let known = self.by_client.get(client_id).copied();
        let connection = known
            .and_then(|key| self.session(key))
            .and_then(|session| session.connection);
        if let Some(connection) = connection {
            let farewell = Farewell::Say(ReasonCode::SESSION_TAKEN_OVER);
            self.end(connection, EndCause::TakenOver, farewell);
        }
        // It may have ended with its connection.
        match self.by_client.get(client_id).copied() {
            Some(key) if !clean_start => return (key, true),
            Some(key) => self.end_session(key),
            None => {}
        }
        let session = Box::new(Session::new(client_id, &self.config));
        let key = match self.vacant.pop() {
            Some(key) => {
                if let Some(place) = self.sessions.get_mut(key as usize) {
                    *place = Some(session);
                }
                key
            }
            None => {
                let key = SessionKey::try_from(self.sessions.len()).unwrap_or(SessionKey::MAX);
                self.sessions.push(Some(session));
                key
            }
        };
        self.by_client.insert(client_id.into(), key);
        (key, false)
    }
}

/// What an accepting CONNACK says.
struct Answer<'a> {
    properties: Vec<Property<'a>>,
    expiry: u32,
    keep_alive: u16,
}

impl<'a> Answer<'a> {
    /// Only what differs from the standard's defaults, or from what was asked for, is said.
    fn new<A>(
        broker: &Broker<A>,
        connect: &Connect<'a>,
        assigned: Option<&'a str>,
        auth_data: Option<&'a [u8]>,
    ) -> Self {
        let config = &broker.config;
        let mut properties = Vec::new();
        let asked = connect.properties.session_expiry_interval().unwrap_or(0);
        let expiry = asked.min(config.maximum_session_expiry);
        if expiry != asked {
            properties.push(Property::SessionExpiryInterval(expiry));
        }
        if config.receive_maximum < u16::MAX {
            properties.push(Property::ReceiveMaximum(config.receive_maximum));
        }
        if config.maximum_qos < QoS::ExactlyOnce {
            properties.push(Property::MaximumQoS(config.maximum_qos));
        }
        if !config.retain_available {
            properties.push(Property::RetainAvailable(false));
        }
        properties.push(Property::MaximumPacketSize(config.maximum_packet_size));
        properties.extend(assigned.map(Property::AssignedClientIdentifier));
        if config.topic_alias_maximum > 0 {
            properties.push(Property::TopicAliasMaximum(config.topic_alias_maximum));
        }
        let keep_alive = match config.maximum_keep_alive {
            Some(most) if connect.keep_alive == 0 || connect.keep_alive > most => {
                properties.push(Property::ServerKeepAlive(most));
                most
            }
            _ => connect.keep_alive,
        };
        if connect.properties.request_response_information() == Some(true) {
            properties.extend(
                config
                    .response_information
                    .map(Property::ResponseInformation),
            );
        }
        if let Some(method) = connect.properties.authentication_method() {
            properties.push(Property::AuthenticationMethod(method));
            properties.extend(auth_data.map(Property::AuthenticationData));
        }
        Self {
            properties,
            expiry,
            keep_alive,
        }
    }

    fn packet(&self, session_present: bool) -> ConnAck<'_> {
        ConnAck {
            session_present,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(&self.properties),
        }
    }
}

/// A whole AUTH; `None` if it cannot be encoded.
pub(crate) fn auth_packet(
    reason: ReasonCode,
    method: &str,
    data: Option<&[u8]>,
) -> Option<Vec<u8>> {
    let method = Property::AuthenticationMethod(method);
    let both = [
        method,
        Property::AuthenticationData(data.unwrap_or_default()),
    ];
    let properties = if data.is_some() {
        &both[..]
    } else {
        core::slice::from_ref(&method)
    };
    let auth = Auth {
        reason,
        properties: Properties::new(properties),
    };
    let mut bytes = alloc::vec![0; auth.encoded_len().ok()?];
    auth.encode(From::Server, &mut bytes).ok()?;
    Some(bytes)
}
