//! The machine itself, without its store: how a connection comes about, what is due, and how it
//! ends. It is compiled once, whatever the stores are.

use crate::backoff::Backoff;
use crate::config::Config;
use crate::connection::{Connection, Phase, fingerprint};
use crate::event::{Cause, Event};
use crate::exchanges::Work;
use crate::instant::Instant;
use crate::line::{Line, Standing};
use crate::receipts::{Intake, Receipts, Receiver};
use crate::request::{Connect, ConnectError, ControlError};
use crate::sender::{Outbox, Sending};
use crate::store::{InboundStore, OutboundStore};
use crate::transmit::RESERVE;
use crate::violation::Violation;
use mqtt_proto::{
    Auth, Connect as Packet, Disconnect, EncodeError, PacketType, Properties, Property, ReasonCode,
    Sender as From,
};

/// Everything but the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Machine {
    pub(crate) phase: Phase,
    // The sending half, of the session and of the connection.
    pub(crate) out: Outbox,
    // The session besides: what outlives a transport.
    pub(crate) receipts: Receipts,
    pub(crate) identity: Identity,
    // The connection besides: made afresh by `opened`.
    pub(crate) intake: Intake,
    pub(crate) connection: Connection,
    // Between connections.
    backoff: Backoff,
    pub(crate) stopping: bool,
    pub(crate) notices: Notices,
}

/// Whose session it is, and whether there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// Stands for the client identifier of the last accepted connection.
    pub(crate) client: Option<u64>,
    /// Whether the server should still have the session.
    pub(crate) has_session: bool,
    /// Whether any connection was ever accepted.
    pub(crate) accepted: bool,
}

/// What is to be told at the next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Notices {
    pub(crate) delivery_cut: bool,
    pub(crate) session_lost: bool,
    pub(crate) disconnected: Option<Cause>,
    /// When the next transport will be asked for; never, where it will not.
    pub(crate) retry: Instant,
    /// Bytes of the last transport may lie in the input buffer.
    pub(crate) stale_input: bool,
}

impl Notices {
    pub(crate) const fn any(&self) -> bool {
        self.delivery_cut || self.session_lost || self.disconnected.is_some() || self.stale_input
    }
}

/// Two stores, borrowed for one call.
pub(crate) struct Stores<'a, O, I> {
    pub(crate) outbound: &'a mut O,
    pub(crate) inbound: &'a mut I,
}

impl Machine {
    pub(crate) const fn new(config: Config) -> Self {
        Self {
            phase: Phase::Rest,
            out: Outbox::new(From::Client, config),
            receipts: Receipts::new(),
            identity: Identity {
                client: None,
                has_session: false,
                accepted: false,
            },
            intake: Intake::new(),
            connection: Connection::new(),
            backoff: Backoff::new(&config),
            stopping: false,
            notices: Notices {
                delivery_cut: false,
                session_lost: false,
                disconnected: None,
                retry: Instant::NEVER,
                stale_input: false,
            },
        }
    }

    pub(crate) fn sender<'a, O: OutboundStore>(&'a mut self, store: &'a mut O) -> Sending<'a, O> {
        Sending {
            out: &mut self.out,
            store,
        }
    }

    /// Both halves at once.
    #[inline]
    pub(crate) fn halves<'a, O: OutboundStore, I: InboundStore>(
        &'a mut self,
        stores: Stores<'a, O, I>,
    ) -> (Sending<'a, O>, Receiver<'a, I>) {
        (
            Sending {
                out: &mut self.out,
                store: stores.outbound,
            },
            Receiver {
                receipts: &mut self.receipts,
                intake: &mut self.intake,
                store: stores.inbound,
            },
        )
    }

    pub(crate) fn start(&mut self, now: Instant) {
        self.out.clock.advance(now);
        if matches!(self.phase, Phase::Rest | Phase::ComeToRest) {
            self.phase = Phase::Dial;
            self.stopping = false;
            self.backoff.reset();
        }
    }

    pub(crate) fn opened<O: OutboundStore, I: InboundStore>(
        &mut self,
        now: Instant,
        connect: &Connect<'_>,
        stores: Stores<'_, O, I>,
    ) -> Result<(), ConnectError> {
        self.out.clock.advance(now);
        if self.phase != Phase::AwaitTransport {
            return Err(ConnectError::NotExpected);
        }
        if self.stopping {
            self.connection = Connection::new();
            self.fail(Cause::Stopped);
            return Ok(());
        }
        let asked = Properties::new(connect.properties);
        let store_maximum = stores.inbound.receive_maximum();
        let receive_maximum = asked.receive_maximum().unwrap_or(store_maximum);
        if receive_maximum > store_maximum {
            return Err(ConnectError::ReceiveMaximum {
                store: store_maximum,
            });
        }
        let alias_maximum = asked.topic_alias_maximum().unwrap_or(0);
        if alias_maximum > stores.inbound.alias_capacity() {
            let store = stores.inbound.alias_capacity();
            return Err(ConnectError::TopicAliasMaximum { store });
        }
        let own = [Property::ReceiveMaximum(store_maximum)];
        let demanded = store_maximum < u16::MAX && asked.receive_maximum().is_none();
        let client_id = if connect.client_id.is_empty() {
            stores.inbound.assigned_client_id()
        } else {
            connect.client_id
        };
        let client = (!client_id.is_empty()).then(|| fingerprint(client_id));
        let another_client = self.identity.client.is_some() && self.identity.client != client;
        // Another client's session was not thrown away yet.
        let first = !self.identity.accepted || another_client;
        let clean_start = connect.clean_start && (self.out.config.clean_start_always || first);
        let packet = Packet {
            clean_start,
            keep_alive: connect.keep_alive,
            client_id,
            properties: Properties::chain(if demanded { &own } else { &[] }, connect.properties),
            will: connect.will,
            user_name: connect.user_name,
            password: connect.password,
        };
        let len = packet.encoded_len().map_err(ConnectError::Invalid)?;
        let needed = len.saturating_add(RESERVE);
        if !stores.outbound.grow_transmit(needed) {
            return Err(ConnectError::TransmitBuffer { needed });
        }
        let mut line = Line::new(self.out.clock.now);
        let out = line.tx.room(stores.outbound.transmit(), len);
        let out = out.ok_or(ConnectError::TransmitBuffer { needed })?;
        let written = packet
            .encode(From::Client, out)
            .map_err(ConnectError::Invalid)?;
        line.tx.commit(written);
        self.out.line = line;
        let expiry = asked.session_expiry_interval().unwrap_or(0);
        self.intake = Intake {
            receive_maximum,
            topic_alias_maximum: alias_maximum,
            problem_information: asked.request_problem_information().unwrap_or(true),
            maximum_packet_size: asked.maximum_packet_size().unwrap_or(u32::MAX),
            ..Intake::new()
        };
        let deadline = self
            .out
            .clock
            .now
            .plus_millis(self.out.config.connect_timeout);
        self.connection = Connection {
            deadline,
            last_life: self.out.clock.now,
            keep_alive: connect.keep_alive,
            asked_expiry: expiry,
            expiry,
            method: asked.authentication_method().map(fingerprint),
            clean_start,
            anonymous: client_id.is_empty(),
            another_client,
            client,
            ..Connection::new()
        };
        stores.inbound.clear_aliases();
        self.phase = Phase::AwaitConnAck;
        self.out.clock.arm(deadline);
        Ok(())
    }

    pub(crate) fn closed<O: OutboundStore, I: InboundStore>(
        &mut self,
        now: Instant,
        stores: Stores<'_, O, I>,
    ) {
        self.out.clock.advance(now);
        let cause = match self.phase {
            Phase::Rest | Phase::ComeToRest | Phase::Dial | Phase::BackOff => return,
            Phase::AwaitTransport => Cause::NotOpened,
            _ => self.connection.cause.unwrap_or(Cause::TransportClosed),
        };
        let cause = if self.stopping && cause == Cause::NotOpened {
            Cause::Stopped
        } else {
            cause
        };
        let lived = self.out.clock.now.since(self.connection.since).as_millis();
        let accepted = self.connection.since != Instant::NEVER;
        if accepted && lived >= u128::from(self.out.config.stable_after) {
            self.backoff.reset();
        }
        let left = self.out.line.tx.is_empty();
        let expiry = self.connection.last_expiry.filter(|_| left);
        let ends = accepted && expiry.unwrap_or(self.connection.expiry) == 0;
        let (mut sender, mut receiver) = self.halves(stores);
        sender.cut(accepted);
        let delivery_cut = receiver.cut();
        if ends {
            sender.session_lost(false);
            receiver.session_lost();
        }
        if ends {
            self.identity.has_session = false;
        }
        self.connection = Connection::new();
        let retry = if self.stopping || cause.is_permanent() || !self.out.config.reconnect {
            self.phase = Phase::ComeToRest;
            Instant::NEVER
        } else {
            let wait = self.backoff.next(&self.out.config);
            let at = self.out.clock.now.plus_millis(wait);
            self.phase = Phase::BackOff;
            self.connection.deadline = at;
            self.out.clock.arm(at);
            at
        };
        self.out.exchanges.work.note(Work::TELL);
        self.notices.stale_input = true;
        self.notices.delivery_cut |= delivery_cut;
        self.notices.disconnected = Some(cause);
        self.notices.retry = retry;
    }

    pub(crate) fn stop<O: OutboundStore>(&mut self, now: Instant, store: &mut O) {
        let reason = ReasonCode::NORMAL_DISCONNECTION;
        self.out.clock.advance(now);
        match self.phase {
            Phase::Rest | Phase::ComeToRest => return,
            Phase::Dial | Phase::BackOff => {
                self.phase = Phase::ComeToRest;
                // What is not told yet may not promise another attempt.
                self.notices.retry = Instant::NEVER;
            }
            Phase::Connected if !self.stopping => {
                self.out.line.standing = Standing::Stopping;
                self.out.exchanges.work.note(Work::PUMP);
                self.connection.cause = Some(Cause::Stopped);
                self.connection.deadline = self
                    .out
                    .clock
                    .now
                    .plus_millis(self.out.config.close_timeout);
                self.out.clock.arm(self.connection.deadline);
            }
            Phase::AwaitConnAck => {
                // Nothing but AUTH and DISCONNECT may leave before CONNACK.
                self.connection.cause = Some(Cause::Stopped);
                self.write_disconnect(reason, store);
                self.flush();
            }
            _ => {}
        }
        self.stopping = true;
    }

    pub(crate) fn stop_with<O: OutboundStore, I: InboundStore>(
        &mut self,
        now: Instant,
        reason: ReasonCode,
        properties: &[Property<'_>],
        stores: Stores<'_, O, I>,
    ) -> Result<(), ControlError> {
        self.out.clock.advance(now);
        if self.phase != Phase::Connected || self.stopping {
            return Err(ControlError::NotNow);
        }
        if !reason.is_allowed(PacketType::Disconnect, From::Client) {
            return Err(ControlError::Reason(reason));
        }
        let expiry = Properties::new(properties).session_expiry_interval();
        if self.connection.asked_expiry == 0 && expiry.is_some_and(|expiry| expiry > 0) {
            return Err(ControlError::SessionExpiry);
        }
        let maximum = self.out.line.limits.maximum_packet_size as usize;
        let kept = expiry.map(Property::SessionExpiryInterval);
        let mut packet = Disconnect {
            reason,
            properties: Properties::new(properties),
        };
        let mut len = packet.encoded_len().map_err(ControlError::Invalid)?;
        if len > maximum {
            // Reason String and User Property are left out where they make it too large
            // (MQTT-3.14.2-3, MQTT-3.14.2-4).
            packet.properties = Properties::new(kept.as_slice());
            len = packet.encoded_len().map_err(ControlError::Invalid)?;
        }
        if len > maximum {
            return Err(ControlError::TooLarge);
        }
        let encode = |sender: &mut Sending<'_, O>| {
            if !sender.has_room(len) {
                return Err(ControlError::NoRoom);
            }
            let out = sender.out.line.tx.room(sender.store.transmit(), len);
            packet
                .encode(From::Client, out.ok_or(ControlError::NoRoom)?)
                .map_err(ControlError::Invalid)
        };
        let (mut sender, mut receiver) = self.halves(stores);
        // Once for nothing, so that what is wrong with it shows before anything moves.
        encode(&mut sender)?;
        receiver.pump(&mut sender);
        sender.pump();
        let written = encode(&mut sender)?;
        sender.commit(written);
        self.connection.last_expiry = expiry;
        self.stopping = true;
        self.connection.cause = Some(Cause::Stopped);
        self.flush();
        Ok(())
    }

    /// Sends AUTH: the answer to a challenge, or the start of a re-authentication.
    pub(crate) fn authenticate<O: OutboundStore>(
        &mut self,
        now: Instant,
        reason: ReasonCode,
        properties: &[Property<'_>],
        store: &mut O,
    ) -> Result<(), ControlError> {
        self.out.clock.advance(now);
        let starts = reason == ReasonCode::RE_AUTHENTICATE;
        let Some(method) = self.connection.method else {
            return Err(ControlError::Method);
        };
        let possible = match self.phase {
            Phase::AwaitConnAck => !starts && self.connection.challenged,
            Phase::Connected if starts => !self.connection.reauthenticating,
            Phase::Connected => self.connection.challenged,
            _ => false,
        };
        if !possible || self.stopping {
            return Err(ControlError::NotNow);
        }
        let given = Properties::new(properties);
        if given.authentication_method().map(fingerprint) != Some(method) {
            return Err(ControlError::Method);
        }
        let maximum = self.out.line.limits.maximum_packet_size as usize;
        let packet = Auth {
            reason,
            properties: given,
        };
        let mut len = packet.encoded_len().map_err(ControlError::Invalid)?;
        let essential = [
            given
                .authentication_method()
                .map(Property::AuthenticationMethod),
            given
                .authentication_data()
                .map(Property::AuthenticationData),
        ];
        let mut least = [Property::AuthenticationMethod(""); 2];
        let mut count = 0usize;
        for (place, property) in least.iter_mut().zip(essential.into_iter().flatten()) {
            *place = property;
            count = count.saturating_add(1);
        }
        let mut packet = packet;
        if len > maximum {
            // Reason String and User Property are left out (MQTT-3.15.2-2, MQTT-3.15.2-3).
            packet.properties = Properties::new(least.get(..count).unwrap_or_default());
            len = packet.encoded_len().map_err(ControlError::Invalid)?;
        }
        if len > maximum {
            return Err(ControlError::TooLarge);
        }
        let mut sender = self.sender(store);
        if !sender.has_room(len) {
            return Err(ControlError::NoRoom);
        }
        let out = sender
            .out
            .line
            .tx
            .room(sender.store.transmit(), len)
            .ok_or(ControlError::NoRoom)?;
        let written = packet
            .encode(From::Client, out)
            .map_err(ControlError::Invalid)?;
        sender.commit(written);
        self.connection.challenged = false;
        self.connection.reauthenticating |= starts;
        if self.phase == Phase::Connected {
            let limit = self.out.config.connect_timeout;
            self.connection.deadline = self.out.clock.now.plus_millis(limit);
            self.out.clock.arm(self.connection.deadline);
        }
        Ok(())
    }

    /// The peer broke the protocol: it is told so, and the connection ends.
    #[cold]
    pub(crate) fn violate<'e, O: OutboundStore>(
        &mut self,
        violation: Violation,
        store: &mut O,
    ) -> Event<'e> {
        self.connection.cause = Some(Cause::Violation(violation));
        self.write_disconnect(violation.reason(), store);
        self.flush();
        Event::Violation(violation)
    }

    /// Nothing goes behind what is queued now; when it has left, the transport is closed.
    pub(crate) fn flush(&mut self) {
        // A stop has its time limit from the call on.
        if self.out.line.standing != Standing::Stopping {
            self.connection.deadline = self
                .out
                .clock
                .now
                .plus_millis(self.out.config.close_timeout);
            self.out.clock.arm(self.connection.deadline);
        }
        self.out.line.standing = Standing::Over;
        // What ends in the middle of a payload has nothing more to say.
        self.phase = if self.out.line.tx.is_drawing() {
            Phase::Close
        } else {
            Phase::Flush
        };
    }

    /// The connection is given up without a word.
    pub(crate) fn fail(&mut self, cause: Cause) {
        self.connection.cause = Some(cause);
        self.out.line.standing = Standing::Over;
        self.phase = Phase::Close;
    }

    /// DISCONNECT draws on bytes that nothing else can take. A server whose Maximum Packet Size
    /// is smaller is told nothing.
    pub(crate) fn write_disconnect<O: OutboundStore>(&mut self, reason: ReasonCode, store: &mut O) {
        let packet = Disconnect {
            reason,
            properties: Properties::EMPTY,
        };
        let len = packet.encoded_len();
        if len.is_ok_and(|len| len <= self.out.line.limits.maximum_packet_size as usize) {
            self.write_reserved(store, |out| packet.encode(From::Client, out), len);
        }
    }

    pub(crate) fn write_reserved<O: OutboundStore>(
        &mut self,
        store: &mut O,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
        len: Result<usize, EncodeError>,
    ) {
        let Ok(len) = len else { return };
        let mut sender = self.sender(store);
        if let Some(out) = sender.out.line.tx.reserved(sender.store.transmit(), len)
            && let Ok(written) = encode(out)
        {
            sender.commit(written);
        }
    }
}
