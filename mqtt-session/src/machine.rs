//! The machine itself, without its store: how a connection comes about, what is due, and how it
//! ends. It is compiled for the store it is used with.

use crate::backoff::Backoff;
use crate::config::Config;
use crate::connection::{Connection, Facts, Fingerprint, Phase, fingerprint};
use crate::dispatch::Told;
use crate::event::{Cause, Event};
use crate::exchanges::Work;
use crate::instant::Moment;
use crate::line::Standing;
use crate::receipts::{Intake, Receipts, Receiver};
use crate::request::{Connect, ConnectError, ControlError};
use crate::sender::{Outbox, Sending};
use crate::store::{InboundStore, OutboundStore};
use crate::transmit::RESERVE;
use crate::violation::{Breach, Violation};
use mqtt_proto::{
    ConnectParts, DecodeError, Disconnect, EncodeError, PacketType, Properties, Property,
    ReasonCode, Sender as From,
};

/// Everything but the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "fast"), repr(C))] // Short instructions reach what lies in front.
pub(crate) struct Machine {
    pub(crate) phase: Phase,
    pub(crate) stopping: bool,
    pub(crate) notices: Notices,
    // Between connections.
    backoff: Backoff,
    pub(crate) identity: Identity,
    /// Why the connection ends, once that is known; and why it ended, until that is told.
    pub(crate) cause: Cause,
    // The connection, but for its sending half: made afresh by `opened`.
    pub(crate) connection: Connection,
    pub(crate) intake: Intake,
    // The session, but for its sending half: what outlives a transport.
    pub(crate) receipts: Receipts,
    // The sending half, of the session and of the connection.
    pub(crate) out: Outbox,
}

/// Whose session it is, and whether there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// Stands for the client identifier of the last accepted connection.
    pub(crate) client: Option<Fingerprint>,
    /// Whether the server should still have the session.
    pub(crate) has_session: bool,
    /// Whether any connection was ever accepted.
    pub(crate) accepted: bool,
}

/// What is to be told at the next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Notices(u8);

impl Notices {
    pub(crate) const DELIVERY_CUT: u8 = 1;
    pub(crate) const DISCONNECTED: u8 = 2;
    pub(crate) const SESSION_LOST: u8 = 4;

    pub(crate) const fn any(self) -> bool {
        self.0 != 0
    }

    pub(crate) fn add(&mut self, what: u8) {
        self.0 |= what;
    }

    /// The first in the order in which they are told; it is not among them any longer.
    pub(crate) fn take_first(&mut self) -> u8 {
        let first = self.0 & self.0.wrapping_neg();
        self.0 &= !first;
        first
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
            cause: Cause::TransportClosed,
            backoff: Backoff::new(),
            stopping: false,
            notices: Notices(0),
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

    pub(crate) fn start(&mut self) {
        if matches!(self.phase, Phase::Rest | Phase::ComeToRest) {
            self.phase = Phase::Dial;
            self.stopping = false;
            self.backoff.reset();
        }
    }

    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn opened<O: OutboundStore, I: InboundStore>(
        &mut self,
        connect: &Connect<'_>,
        stores: Stores<'_, O, I>,
    ) -> Result<(), ConnectError> {
        if self.phase != Phase::AwaitTransport {
            return Err(ConnectError::NotExpected);
        }
        if self.stopping {
            self.fail(Cause::Stopped);
            return Ok(());
        }
        let store = stores.inbound.receive_maximum();
        let mut receive_maximum = store;
        let mut topic_alias_maximum = 0;
        // What holds where CONNECT does not say otherwise (sections 3.1.2.11.2 to 3.1.2.11.7).
        let mut maximum_packet_size = u32::MAX;
        let mut problem_information = true;
        let mut facts = Facts::NONE;
        // What is said besides: how many messages there is room for, unless that is a matter of course.
        let room = [Property::ReceiveMaximum(store)];
        let mut own: &[_] = if store < u16::MAX { &room } else { &[] };
        // Of what is there twice, which is refused later, the first counts.
        for property in connect.properties.iter().rev() {
            match *property {
                #[cfg(not(feature = "auth"))]
                Property::AuthenticationMethod(_) | Property::AuthenticationData(_) => {
                    return Err(ConnectError::Authentication);
                }
                Property::ReceiveMaximum(maximum) => {
                    receive_maximum = maximum;
                    own = &[];
                }
                Property::TopicAliasMaximum(maximum) => topic_alias_maximum = maximum,
                Property::MaximumPacketSize(maximum) => maximum_packet_size = maximum,
                Property::RequestProblemInformation(asked) => problem_information = asked,
                Property::SessionExpiryInterval(expiry) => {
                    let kept = Facts::ASKED_TO_KEEP | Facts::KEPT | Facts::KEPT_AT_LAST;
                    facts = Facts::NONE.with(kept, expiry > 0);
                }
                _ => {}
            }
        }
        let properties = Properties::chain(own, connect.properties);
        if receive_maximum > store {
            return Err(ConnectError::ReceiveMaximum { store });
        }
        let store = stores.inbound.alias_capacity();
        if topic_alias_maximum > store {
            return Err(ConnectError::TopicAliasMaximum { store });
        }
        stores.inbound.clear_aliases();
        let client_id = match connect.client_id {
            "" => stores.inbound.assigned_client_id(),
            client_id => client_id,
        };
        let client = (!client_id.is_empty()).then(|| fingerprint(client_id.as_bytes()));
        let another_client = self.identity.client.is_some() && self.identity.client != client;
        // Another client's session was not thrown away yet.
        let first = !self.identity.accepted || another_client;
        let clean_start = connect.clean_start && (self.out.config.is_clean_start_always() || first);
        let facts = facts
            .with(Facts::CLEAN_START, clean_start)
            .with(Facts::ANOTHER_CLIENT, another_client);
        let begin = |machine: &mut Self| {
            let intake = &mut machine.intake;
            intake.receive_maximum = receive_maximum;
            #[cfg(feature = "topic-alias")]
            {
                intake.topic_alias_maximum = topic_alias_maximum;
            }
            intake.maximum_packet_size = maximum_packet_size;
            intake.problem_information = problem_information;
            let connection = &mut machine.connection;
            connection.last_life = machine.out.clock.moment();
            connection.ping = Moment::NEVER;
            connection.unread = 0;
            connection.keep_alive = connect.keep_alive;
            connection.client = client;
            #[cfg(feature = "auth")]
            {
                connection.method = properties.authentication_method_bytes().map(fingerprint);
            }
            connection.facts = facts;
        };
        self.queue(
            stores.outbound,
            connect,
            &properties,
            client_id,
            facts.has(Facts::CLEAN_START),
            begin,
        )
    }

    /// Writes CONNECT for the transport, and waits for CONNACK.
    #[cfg_attr(not(feature = "fast"), inline(always))]
    fn queue<O: OutboundStore>(
        &mut self,
        store: &mut O,
        connect: &Connect<'_>,
        properties: &Properties<'_>,
        client_id: &str,
        clean_start: bool,
        begin: impl FnOnce(&mut Self),
    ) -> Result<(), ConnectError> {
        let packet = ConnectParts {
            clean_start,
            keep_alive: connect.keep_alive,
            client_id,
            properties,
            will: &connect.will,
            user_name: &connect.user_name,
            password: &connect.password,
        };
        loop {
            // Nothing was written for this transport yet.
            let transmit = store.transmit();
            let end = transmit.len().saturating_sub(RESERVE);
            let room = transmit.get_mut(..end).unwrap_or_default();
            match packet.encode(From::Client, room) {
                Ok(written) => {
                    begin(self);
                    let line = &mut self.out.line;
                    line.tx.commit(written);
                    line.last_sent = self.out.clock.moment();
                    self.cause = Cause::TransportClosed;
                    self.phase = Phase::AwaitConnAck;
                    self.give_time(self.out.config.connect_timeout.get());
                    return Ok(());
                }
                Err(EncodeError::BufferTooSmall { needed }) => {
                    let needed = needed.wrapping_add(RESERVE);
                    if !O::GROWS || !store.grow_transmit(needed) {
                        return Err(ConnectError::TransmitBuffer { needed });
                    }
                }
                Err(error) => return Err(ConnectError::Invalid(error)),
            }
        }
    }

    /// The time limit of the phase runs from now, in milliseconds.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn give_time(&mut self, millis: u32) {
        self.connection.deadline = self.out.clock.arm_in(millis);
    }

    /// Once the connection has proved stable, the next wait is the first again.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn note_stable(&mut self) {
        let since = self.connection.since;
        let stable_after = self.out.config.stable_after.get();
        if self.out.clock.has_passed(since, stable_after)
            && self.connection.facts.has(Facts::ACCEPTED)
        {
            self.backoff.reset();
        }
    }

    pub(crate) fn closed<O: OutboundStore, I: InboundStore>(&mut self, stores: Stores<'_, O, I>) {
        match self.phase {
            Phase::Rest | Phase::ComeToRest | Phase::Dial | Phase::BackOff => return,
            Phase::AwaitTransport if self.stopping => self.cause = Cause::Stopped,
            Phase::AwaitTransport => self.cause = Cause::NotOpened,
            _ => {}
        }
        let facts = self.connection.facts;
        let accepted = facts.has(Facts::ACCEPTED);
        self.note_stable();
        let kept = if self.out.line.tx.is_empty() {
            Facts::KEPT_AT_LAST
        } else {
            Facts::KEPT
        };
        let ends = accepted && !facts.has(kept);
        let (mut sender, mut receiver) = self.halves(stores);
        sender.cut(accepted);
        let delivery_cut = receiver.cut();
        if ends {
            sender.session_lost(false);
            receiver.session_lost();
            self.identity.has_session = false;
        }
        self.connection.facts = Facts::NONE;
        #[cfg(feature = "auth")]
        {
            self.connection.method = None;
        }
        if self.stopping || self.cause.is_refusal() || self.out.config.stays_away() {
            self.phase = Phase::ComeToRest;
            self.connection.deadline = Moment::NEVER;
        } else {
            self.phase = Phase::BackOff;
            let wait = self.backoff.next(&mut self.out.config);
            self.give_time(wait);
        }
        self.out.exchanges.work.note(Work::TELL);
        let mut notices = Notices::DISCONNECTED;
        if delivery_cut {
            notices |= Notices::DELIVERY_CUT;
        }
        self.notices.add(notices);
    }

    pub(crate) fn stop<O: OutboundStore>(&mut self, store: &mut O) {
        let reason = ReasonCode::NORMAL_DISCONNECTION;
        match self.phase {
            Phase::Rest | Phase::ComeToRest => return,
            Phase::Dial | Phase::BackOff => {
                self.phase = Phase::ComeToRest;
                // What is not told yet may not promise another attempt.
                self.connection.deadline = Moment::NEVER;
            }
            Phase::Connected if !self.stopping => {
                self.out.line.standing = Standing::Stopping;
                self.out.exchanges.work.note(Work::PUMP);
                self.cause = Cause::Stopped;
                self.give_time(self.out.config.close_timeout.get());
            }
            Phase::AwaitConnAck => {
                // Nothing but AUTH and DISCONNECT may leave before CONNACK.
                self.cause = Cause::Stopped;
                self.disconnect(reason, store);
            }
            _ => {}
        }
        self.stopping = true;
    }

    pub(crate) fn stop_with<O: OutboundStore, I: InboundStore>(
        &mut self,
        reason: ReasonCode,
        properties: &[Property<'_>],
        stores: Stores<'_, O, I>,
    ) -> Result<(), ControlError> {
        if self.phase != Phase::Connected || self.stopping {
            return Err(ControlError::NotNow);
        }
        if !reason.is_allowed(PacketType::Disconnect, From::Client) {
            return Err(ControlError::Reason(reason));
        }
        let expiry = Properties::new(properties).session_expiry_interval();
        if !self.connection.facts.has(Facts::ASKED_TO_KEEP)
            && expiry.is_some_and(|expiry| expiry > 0)
        {
            return Err(ControlError::SessionExpiry);
        }
        let maximum = self.out.line.limits().maximum_packet_size as usize;
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
        if let Some(expiry) = expiry {
            let facts = &mut self.connection.facts;
            facts.set(Facts::KEPT_AT_LAST, expiry > 0);
        }
        self.stopping = true;
        self.cause = Cause::Stopped;
        self.flush();
        Ok(())
    }

    /// The peer broke the protocol in this way.
    #[cold]
    #[inline(never)]
    pub(crate) fn breaks(&mut self, breach: Breach) -> Told {
        self.cause = Cause::Violation(breach.into());
        Told::Broken
    }

    /// The peer sent a packet that is wrong by itself.
    #[cold]
    pub(crate) fn malformed(&mut self, error: &DecodeError) -> Told {
        self.cause = Cause::Violation(Violation::Packet(DecodeError::BLANK));
        // Copied to its place alone, word by word.
        if let Cause::Violation(Violation::Packet(place)) = &mut self.cause {
            *place = *error;
        }
        Told::Broken
    }

    /// The peer broke the protocol: it is told so, and the connection ends.
    #[cold]
    pub(crate) fn violate<O: OutboundStore>(&mut self, store: &mut O, event: &mut Event<'_>) {
        if let Cause::Violation(violation) = &self.cause {
            *event = Event::Violation(Violation::LargerThanBuffer);
            if let Event::Violation(place) = event {
                place.set(violation);
            }
            self.disconnect(violation.reason_of_servers(), store);
        }
    }

    /// Nothing goes behind what is queued now; when it has left, the transport is closed.
    pub(crate) fn flush(&mut self) {
        // A stop has its time limit from the call on.
        if self.out.line.standing != Standing::Stopping {
            self.give_time(self.out.config.close_timeout.get());
        }
        // What ends in the middle of a payload has nothing more to say.
        self.end_in(if self.out.line.tx.is_drawing() {
            Phase::Close
        } else {
            Phase::Flush
        });
    }

    /// The connection is given up without a word.
    #[inline(always)]
    pub(crate) fn fail(&mut self, cause: Cause) {
        self.cause = cause;
        self.end_in(Phase::Close);
    }

    /// No application packet leaves any longer.
    fn end_in(&mut self, phase: Phase) {
        self.out.line.standing = Standing::Over;
        self.phase = phase;
    }

    /// DISCONNECT is the last thing that is said. It draws on bytes that nothing else can take. A
    /// server whose Maximum Packet Size is smaller is told nothing.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn disconnect<O: OutboundStore>(&mut self, reason: ReasonCode, store: &mut O) {
        // Success is what is meant where nothing is said.
        let says = u8::from(reason != ReasonCode::NORMAL_DISCONNECTION);
        let packet = (0xe0 | u32::from(says) << 8 | u32::from(reason.value()) << 16).to_le_bytes();
        let len = usize::from(says).wrapping_add(2);
        if len <= self.out.line.limits().maximum_packet_size as usize {
            self.write_reserved(store, packet.get(..len).unwrap_or_default());
        }
        self.flush();
    }

    #[cfg_attr(not(feature = "fast"), inline(always))]
    pub(crate) fn write_reserved<O: OutboundStore>(&mut self, store: &mut O, packet: &[u8]) {
        self.out.line.tx.append(store.transmit(), packet);
    }
}

#[cfg(all(test, not(feature = "auth")))]
mod tests {
    use crate::{
        Action, Client, Config, Connect, ConnectError, Event, Fixed, Instant, PacketType, Property,
        RxBuffer, Violation,
    };

    #[test]
    fn without_authentication_nobody_asks_for_it_and_auth_breaks_the_protocol() {
        let now = Instant::from_secs(1);
        let mut client = Client::new(Config::new(), Fixed::<2, 2, 64, 64>::new());
        let mut input = RxBuffer::new([0; 64]);
        client.start(now);
        assert!(matches!(client.poll(now, &mut input), Action::Open));
        for property in [
            Property::AuthenticationMethod("SCRAM-SHA-256"),
            Property::AuthenticationData(b"n,,n=user"),
        ] {
            let properties = [property];
            let connect = Connect {
                properties: &properties,
                ..Connect::new("sensor")
            };
            let refused = client.opened(now, &connect);
            assert_eq!(refused, Err(ConnectError::Authentication));
        }
        assert_eq!(client.opened(now, &Connect::new("sensor")), Ok(()));
        let auth = [0xf0, 0];
        input.spare()[..auth.len()].copy_from_slice(&auth);
        input.filled(auth.len());
        let violation = Violation::Unexpected(PacketType::Auth);
        assert_eq!(violation.reason().value(), 0x82);
        match client.poll(now, &mut input) {
            Action::Event(event) => assert_eq!(event, Event::Violation(violation)),
            other => panic!("{other:?}"),
        }
    }
}
