//! The server: what it owes, what it sends, what it remembers.

use super::hostile::Hostile;
use super::script::{Allows, Setup};
use super::session::{Content, Session, Stage, ToClient, payload, uid};
use super::wire::{Conn, Facts};
use mqtt_proto::{
    Ack, Auth, ConnAck, Packet, PacketId, PacketType, Properties, Property, Publish, QoS,
    ReasonCode, ReasonCodes, Sender, SubAck, TopicName, UnsubAck,
};
use std::collections::{BTreeMap, VecDeque};

/// The server, with at most one connection.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) conn: Option<Conn>,
    pub(crate) session: Option<Session>,
    /// The session before the connection that is not accepted yet.
    before: Option<Option<Session>>,
    /// Bytes on their way to the client.
    pub(crate) to_client: VecDeque<u8>,
    pub(crate) books: Books,
    /// The next connection finds no session.
    pub(crate) forgets: bool,
    /// What the client's store can hold inbound.
    pub(crate) client_holds: u16,
    /// What the client sends does not arrive at once.
    pub(crate) lags: bool,
    limits: Vec<Allows>,
    connections: usize,
    next_uid: u64,
    /// Whether the server ever did what no server may do.
    pub(crate) was_hostile: bool,
    /// Whether it may still matter.
    tainted: bool,
    /// Whether a session was ever forgotten.
    pub(crate) forgot: bool,
}

/// What was passed on, over all sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    /// How often each message of the client was passed on.
    pub(crate) passed_on: BTreeMap<u64, usize>,
    /// In which order those of one topic and QoS first came.
    pub(crate) order: BTreeMap<(String, QoS), Vec<u64>>,
    /// Messages to the client that must arrive, and how they were sent.
    pub(crate) promised: BTreeMap<u64, QoS>,
    /// In which order the server sent those of one topic and QoS.
    pub(crate) sent: BTreeMap<(String, QoS), Vec<u64>>,
}

impl Books {
    /// A message came, perhaps not for the first time.
    pub(crate) fn receives(&mut self, content: &Content, qos: QoS) {
        let order = self.order.entry((content.topic.clone(), qos)).or_default();
        if !order.contains(&content.uid()) {
            order.push(content.uid());
        }
    }

    pub(crate) fn passes_on(&mut self, content: &Content) {
        *self.passed_on.entry(content.uid()).or_default() += 1;
    }
}

/// A packet that the server owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owes {
    Challenge,
    ConnAck,
    AuthDone,
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    SubAck(PacketId, usize),
    UnsubAck(PacketId, usize),
    PingResp,
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).expect("identifiers are not zero")
}

impl Server {
    pub(crate) fn new(setup: &Setup, client_holds: u16) -> Self {
        Self {
            conn: None,
            session: None,
            before: None,
            to_client: VecDeque::new(),
            books: Books::default(),
            forgets: false,
            lags: false,
            client_holds,
            limits: setup.limits.clone(),
            connections: 0,
            next_uid: 1 << 63,
            was_hostile: false,
            tainted: false,
            forgot: false,
        }
    }

    /// A transport is open.
    pub(crate) fn opens(&mut self) {
        let allows = self.limits[self.connections % self.limits.len()].clone();
        self.connections += 1;
        self.to_client.clear();
        self.conn = Some(Conn::new(allows, self.tainted));
    }

    /// The client took the connection as accepted.
    pub(crate) fn is_accepted(&mut self) {
        self.before = None;
    }

    /// The transport is gone.
    pub(crate) fn closes(&mut self) {
        self.to_client.clear();
        let Some(conn) = self.conn.take() else { return };
        if let Some(before) = self.before.take() {
            // The client never learned of the new session: as if it had not begun.
            self.forget();
            self.session = before;
            self.promises_again();
            return;
        }
        if !conn.accepts {
            return;
        }
        if let Some(session) = &mut self.session {
            Self::fragment(&conn, session);
        }
        if conn.connect.is_some_and(|facts| facts.expiry == 0) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        self.forgot = true;
        for uid in session
            .to_client
            .iter()
            .filter_map(|open| uid(&open.payload))
        {
            self.books.promised.remove(&uid);
        }
    }

    /// The session has come back: so have its messages.
    fn promises_again(&mut self) {
        for open in self.session.iter().flat_map(|session| &session.to_client) {
            if let Some(uid) = uid(&open.payload) {
                self.books.promised.insert(uid, open.qos);
            }
        }
    }

    /// From now on the server is a model: no limits, no silence, and no memory of what it did
    /// as a bad one.
    pub(crate) fn reforms(&mut self) {
        self.limits = vec![Allows::default()];
        self.lags = false;
        self.arrive();
        if self.tainted {
            self.tainted = false;
            self.before = None;
            self.forget();
        }
    }

    fn send(&mut self, packet: &Packet<'_>) {
        let bytes = packet
            .to_vec(Sender::Server)
            .expect("the server's packet is valid");
        self.to_client.extend(bytes);
    }

    /// Gives one of the answers owed. False when there is none.
    pub(crate) fn answers(&mut self, which: u8, reason: u8, said: bool) -> bool {
        let Some(conn) = &mut self.conn else {
            return false;
        };
        if conn.owes.is_empty() || conn.over {
            return false;
        }
        let owed = conn.owes.remove(usize::from(which) % conn.owes.len());
        let said = said
            && conn
                .connect
                .as_ref()
                .is_some_and(|facts| facts.problem_information);
        let text = [Property::ReasonString("so")];
        let properties = if said {
            Properties::new(&text)
        } else {
            Properties::EMPTY
        };
        match owed {
            Owes::Challenge => {
                conn.challenges += 1;
                self.auth(ReasonCode::CONTINUE_AUTHENTICATION);
            }
            Owes::AuthDone => self.auth(ReasonCode::SUCCESS),
            Owes::ConnAck => self.connack(reason),
            Owes::PubAck(number) => self.puback(number, reason, properties),
            Owes::PubRec(number) => self.pubrec(number, reason, properties),
            Owes::PubRel(number) => self.pubrel(number, properties),
            Owes::PubComp(number) => self.pubcomp(number, properties),
            Owes::SubAck(packet_id, count) => {
                conn.requests.remove(&packet_id.value());
                let reasons = vec![pick(reason, &[0x00, 0x01, 0x02, 0x80, 0x8f]); count];
                self.send(&Packet::SubAck(SubAck {
                    packet_id,
                    properties,
                    reasons: ReasonCodes::new(&reasons),
                }));
            }
            Owes::UnsubAck(packet_id, count) => {
                conn.requests.remove(&packet_id.value());
                let reasons = vec![pick(reason, &[0x00, 0x11, 0x87]); count];
                self.send(&Packet::UnsubAck(UnsubAck {
                    packet_id,
                    properties,
                    reasons: ReasonCodes::new(&reasons),
                }));
            }
            Owes::PingResp => self.send(&Packet::PingResp),
        }
        true
    }

    fn auth(&mut self, reason: ReasonCode) {
        let properties = [Property::AuthenticationMethod("M")];
        self.send(&Packet::Auth(Auth {
            reason,
            properties: Properties::new(&properties),
        }));
    }

    fn connack(&mut self, reason: u8) {
        let Some(conn) = &mut self.conn else { return };
        let Some(facts) = conn.connect.clone() else {
            return;
        };
        if conn.accepts {
            return;
        }
        if reason == 7 {
            self.send(&Packet::ConnAck(ConnAck {
                session_present: false,
                reason: ReasonCode::SERVER_BUSY,
                properties: Properties::EMPTY,
            }));
            return;
        }
        conn.accepts = true;
        let kept = self
            .session
            .as_ref()
            .is_some_and(|session| session.client_id == facts.client_id);
        let session_present = kept && !facts.clean_start && !self.forgets;
        self.forgets = false;
        let anonymous = facts.client_id.is_empty();
        if !session_present {
            let old = self.session.clone();
            self.forget();
            self.before = Some(old);
            let client_id = if anonymous {
                "given".to_owned()
            } else {
                facts.client_id.clone()
            };
            self.session = Some(Session::new(client_id));
        }
        self.send_connack(&facts, session_present);
        if session_present {
            self.resume();
        }
    }

    fn send_connack(&mut self, facts: &Facts, session_present: bool) {
        let Some(conn) = &self.conn else { return };
        let allows = &conn.allows;
        let mut properties = Vec::new();
        properties.extend(allows.receive_maximum.map(Property::ReceiveMaximum));
        properties.extend(allows.maximum_packet_size.map(Property::MaximumPacketSize));
        properties.extend(allows.maximum_qos.map(Property::MaximumQoS));
        properties.extend(allows.keep_alive.map(Property::ServerKeepAlive));
        if allows.alias_maximum > 0 {
            properties.push(Property::TopicAliasMaximum(allows.alias_maximum));
        }
        let refusals = [
            (allows.no_retain, Property::RetainAvailable(false)),
            (
                allows.no_wildcards,
                Property::WildcardSubscriptionAvailable(false),
            ),
            (
                allows.no_shared,
                Property::SharedSubscriptionAvailable(false),
            ),
            (
                allows.no_identifiers,
                Property::SubscriptionIdentifierAvailable(false),
            ),
        ];
        properties.extend(refusals.into_iter().filter(|(no, _)| *no).map(|(_, p)| p));
        if facts.client_id.is_empty() {
            properties.push(Property::AssignedClientIdentifier("given"));
        }
        if facts.method.is_some() {
            properties.push(Property::AuthenticationMethod("M"));
        }
        self.send(&Packet::ConnAck(ConnAck {
            session_present,
            reason: ReasonCode::SUCCESS,
            properties: Properties::new(&properties),
        }));
    }

    /// What was open goes on: PUBREL, and PUBLISH with DUP, in their order.
    fn resume(&mut self) {
        let (Some(conn), Some(session)) = (&mut self.conn, &self.session) else {
            return;
        };
        for (number, exchange) in &session.from_client {
            let released = matches!(exchange.stage, Stage::Received | Stage::Over);
            if exchange.qos == QoS::ExactlyOnce && released {
                conn.earlier.insert(*number);
            }
        }
        let (released, published): (Vec<_>, Vec<_>) = session
            .to_client
            .clone()
            .into_iter()
            .partition(|open| open.received);
        for open in released {
            self.pubrel(open.id, Properties::EMPTY);
        }
        for open in published {
            self.send_publish(&open, true, None, &[]);
        }
    }

    fn send_publish(
        &mut self,
        open: &ToClient,
        dup: bool,
        topic: Option<Option<&str>>,
        properties: &[Property<'_>],
    ) {
        let Some(conn) = &mut self.conn else { return };
        if open.qos != QoS::AtMostOnce {
            conn.inbound.insert(open.id);
        }
        match open.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => conn.acks.push_back((PacketType::PubAck, open.id)),
            QoS::ExactlyOnce => conn.acks.push_back((PacketType::PubRec, open.id)),
        }
        let topic = topic.unwrap_or(Some(&open.topic));
        self.send(&Packet::Publish(Publish {
            dup,
            qos: open.qos,
            retain: false,
            topic: topic.map(|topic| TopicName::new(topic).expect("a topic name")),
            packet_id: PacketId::new(open.id),
            properties: Properties::new(properties),
            payload: &open.payload,
        }));
    }

    fn puback(&mut self, number: u16, reason: u8, properties: Properties<'_>) {
        let reason = pick(reason, &[0x00, 0x00, 0x00, 0x10, 0x87, 0x97]);
        if let (Some(conn), Some(session)) = (&mut self.conn, &mut self.session) {
            conn.in_flight.remove(&number);
            if let Some(exchange) = session.from_client.get_mut(&number) {
                exchange.stage = Stage::Over;
                if let (Some(content), false) = (&exchange.content, reason.is_failure()) {
                    self.books.passes_on(content);
                }
            }
        }
        self.send(&Packet::PubAck(Ack {
            packet_id: id(number),
            reason,
            properties,
        }));
    }

    fn pubrec(&mut self, number: u16, reason: u8, properties: Properties<'_>) {
        let mut reason = pick(reason, &[0x00, 0x00, 0x00, 0x10, 0x87, 0x97]);
        if let (Some(conn), Some(session)) = (&mut self.conn, &mut self.session) {
            let known = session.passed_on.contains(&number);
            if known {
                reason = ReasonCode::SUCCESS;
            }
            let now = session.tick();
            if let Some(exchange) = session.from_client.get_mut(&number) {
                exchange.stage = Stage::Received;
                exchange.received = now;
                if let (Some(content), false) = (&exchange.content, known || reason.is_failure()) {
                    self.books.passes_on(content);
                }
                if reason.is_failure() {
                    exchange.stage = Stage::Over;
                }
            }
            if reason.is_failure() {
                conn.in_flight.remove(&number);
            } else {
                session.passed_on.insert(number);
                conn.releases.push_back(number);
            }
        }
        self.send(&Packet::PubRec(Ack {
            packet_id: id(number),
            reason,
            properties,
        }));
    }

    fn pubrel(&mut self, number: u16, properties: Properties<'_>) {
        if let (Some(conn), Some(session)) = (&mut self.conn, &mut self.session) {
            conn.completions.push_back(number);
            *session.releases.entry(number).or_default() += 1;
        }
        self.send(&Packet::PubRel(Ack {
            packet_id: id(number),
            reason: ReasonCode::SUCCESS,
            properties,
        }));
    }

    fn pubcomp(&mut self, number: u16, properties: Properties<'_>) {
        let mut reason = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
        if let (Some(conn), Some(session)) = (&mut self.conn, &mut self.session) {
            conn.in_flight.remove(&number);
            if let Some(exchange) = session.from_client.get_mut(&number) {
                if exchange.stage == Stage::Received {
                    reason = ReasonCode::SUCCESS;
                }
                exchange.stage = Stage::Over;
            }
        }
        self.send(&Packet::PubComp(Ack {
            packet_id: id(number),
            reason,
            properties,
        }));
    }

    /// Publishes to the client, as far as its Receive Maximum allows.
    pub(crate) fn delivers(&mut self, qos: QoS, topic: &str, len: usize, alias: u16, said: bool) {
        let (Some(conn), Some(session)) = (&mut self.conn, &mut self.session) else {
            return;
        };
        let Some(facts) = conn.connect.clone() else {
            return;
        };
        if !conn.accepts || conn.over {
            return;
        }
        let open = conn.inbound.len();
        if qos != QoS::AtMostOnce && open >= usize::from(facts.receive_maximum) {
            return;
        }
        self.next_uid += 1;
        let uid = self.next_uid;
        let message = ToClient {
            id: if qos == QoS::AtMostOnce {
                0
            } else {
                session.next_id()
            },
            qos,
            topic: topic.to_owned(),
            payload: payload(uid, len),
            received: false,
        };
        if qos != QoS::AtMostOnce {
            session.to_client.push(message.clone());
            self.books.promised.insert(uid, qos);
        }
        let sent = self.books.sent.entry((topic.to_owned(), qos)).or_default();
        sent.push(uid);
        let mut properties = Vec::new();
        let mut name = Some(topic);
        if alias > 0 && alias <= facts.alias_maximum {
            properties.push(Property::TopicAlias(alias));
            if conn.own_aliases.get(&alias).is_some_and(|set| set == topic) {
                name = None;
            }
            conn.own_aliases.insert(alias, topic.to_owned());
        }
        if said {
            properties.push(Property::UserProperty("k", "v"));
        }
        self.send_publish(&message, false, Some(name), &properties);
    }

    /// Does what no server may do.
    pub(crate) fn misbehaves(&mut self, hostile: &Hostile) {
        let Some(conn) = &mut self.conn else { return };
        self.was_hostile = true;
        self.tainted = true;
        conn.hostile = true;
        match hostile {
            Hostile::Bytes(bytes) => self.to_client.extend(bytes),
            Hostile::Flip { at, bit } => {
                let at = at.checked_rem(self.to_client.len());
                if let Some(byte) = at.and_then(|at| self.to_client.get_mut(at)) {
                    *byte ^= 1 << bit;
                }
            }
            Hostile::Drop { at } => {
                let at = at.checked_rem(self.to_client.len()).unwrap_or(0);
                self.to_client.truncate(at);
            }
        }
    }
}

fn pick(which: u8, reasons: &[u8]) -> ReasonCode {
    let code = reasons[usize::from(which) % reasons.len()];
    ReasonCode::new(code).expect("a known reason")
}
