//! The client: the machine with its store, as the application holds it.

use crate::action::Action;
use crate::config::Config;
use crate::connection::Phase;
use crate::delivery::AckToken;
use crate::event::Ticket;
use crate::instant::Instant;
use crate::limits::Limits;
use crate::machine::{Machine, Stores};
use crate::now::Now;
use crate::request::{
    AcknowledgeError, Connect, ConnectError, ControlError, Publish, RequestError,
};
use crate::rx_buffer::RxBuffer;
use crate::store::{OutboundStore, Store};
use mqtt_proto::{Property, ReasonCode, Subscription, TopicFilter};

/// An MQTT 5.0 client that does no I/O.
///
/// The loop around it is the same for every runtime:
///
/// ```
/// use mqtt_session::{Action, Client, Config, Connect, Fixed, Instant, RxBuffer};
///
/// # struct Stream; impl Stream {
/// #   fn write(&mut self, b: &[u8]) -> Result<usize, ()> { Ok(b.len()) }
/// #   fn read_until(&mut self, _: &mut [u8], _: Instant) -> Result<Option<usize>, ()> { Err(()) }
/// # }
/// # fn dial() -> Result<Stream, ()> { Ok(Stream) }
/// # let mut clock = 0; let mut now = move || { clock += 1; Instant::from_secs(clock) };
/// let mut client = Client::new(
///     Config::default().reconnect(false),
///     Fixed::<8, 8, 1024, 256>::new(),
/// );
/// let mut input = RxBuffer::new([0u8; 1024]);
/// let mut stream = None;
/// client.start(now());
/// loop {
///     match client.poll(now(), &mut input) {
///         Action::Open => match dial() {
///             Ok(opened) => {
///                 stream = Some(opened);
///                 client.opened(now(), &Connect::new("sensor-7"))?;
///             }
///             Err(_) => client.closed(now()),
///         },
///         Action::Send(bytes) => match stream.as_mut().map(|s| s.write(bytes)) {
///             Some(Ok(count)) => client.sent(now(), count),
///             _ => client.closed(now()),
///         },
///         Action::Deliver(delivery) => println!("{}", delivery.message.topic),
///         Action::Event(event) => println!("{event:?}"),
///         Action::Close => {
///             stream = None;
///             client.closed(now());
///         }
///         Action::Timeout(deadline) => {
///             match stream.as_mut().map(|s| s.read_until(input.spare(), deadline)) {
///                 Some(Ok(Some(count))) if count > 0 => input.filled(count),
///                 Some(Ok(None)) => {} // the deadline came
///                 _ => client.closed(now()),
///             }
///         }
///         Action::Done => break,
///     }
/// }
/// # Ok::<(), mqtt_session::ConnectError>(())
/// ```
///
/// It is `Clone`, and with [`Fixed`](crate::Fixed) also `Eq` and `Hash`, so that a test can fork
/// it, compare it and walk what it can become.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client<S> {
    pub(crate) machine: Machine,
    pub(crate) store: S,
}

impl<S: Store> Client<S> {
    /// A client at rest.
    #[must_use]
    pub const fn new(config: Config, store: S) -> Self {
        Self {
            machine: Machine::new(config),
            store,
        }
    }

    pub(crate) fn split(&mut self) -> (&mut Machine, Stores<'_, S::Outbound, S::Inbound>) {
        let (outbound, inbound) = self.store.split();
        (&mut self.machine, Stores { outbound, inbound })
    }

    /// The policies and time limits that hold now, to change some of them with
    /// [`Client::configure`]. The seed of the jitter is where that has come to.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mqtt_session::{Client, Config, Fixed};
    /// # let mut client = Client::new(Config::new(), Fixed::<8, 8, 1024, 256>::new());
    /// client.configure(client.config().ack_timeout(Duration::from_secs(5)));
    /// ```
    #[must_use]
    pub const fn config(&self) -> Config {
        self.machine.out.config
    }

    /// Other policies and time limits from now on: for a client in a `static`, which costs no flash
    /// while it has the defaults. The jitter of the waits begins again with the seed.
    pub fn configure(&mut self, config: Config) {
        self.machine.out.config.set(&config);
    }

    /// Wants a connection from now on. Does nothing unless the client is at rest.
    pub fn start(&mut self, now: Instant) {
        self.at(now).start();
    }

    /// What to do next; see [`Action`]. `Timeout` comes when there is nothing else to do.
    ///
    /// It never fails and never panics. In this order it does what is due at `now`, processes
    /// what lies in `input` as long as there is room for the answers and returns at the first
    /// thing the application should know, offers bytes to send, and returns the one earliest
    /// deadline.
    pub fn poll<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &'a mut self,
        now: Instant,
        input: &'a mut RxBuffer<B>,
    ) -> Action<'a> {
        #[cfg(feature = "fast")]
        return self.poll_straight(now, input);
        #[cfg(not(feature = "fast"))]
        self.poll_closely(now, input)
    }

    /// The way that knows every case.
    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) fn poll_closely<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &'a mut self,
        now: Instant,
        input: &'a mut RxBuffer<B>,
    ) -> Action<'a> {
        let (outbound, inbound) = self.store.split();
        self.machine
            .poll(now, Stores { outbound, inbound }, input.parts())
    }

    /// The transport that [`Action::Open`] asked for is open: CONNECT is queued for it.
    ///
    /// `connect` is read now and not kept, so credentials can be fresh each time.
    ///
    /// # Errors
    /// See [`ConnectError`]. Nothing was queued; call this again, or [`Client::closed`].
    pub fn opened(&mut self, now: Instant, connect: &Connect<'_>) -> Result<(), ConnectError> {
        self.at(now).opened(connect)
    }

    /// What [`Action::Send`] offered, and what was queued behind it since, until [`Client::sent`] has
    /// said what of it was taken: for a caller that keeps no borrow of it. Nothing, where nothing is
    /// offered.
    pub fn offered(&mut self) -> &[u8] {
        let (outbound, _) = self.store.split();
        self.machine.out.offered(outbound)
    }

    /// All that is to be written, once [`Action::Send`] has offered the first of it: for a
    /// transport that writes several slices at once, where a payload that is held by itself lies
    /// between a header and what comes behind. What was taken of them together is said with
    /// [`Client::sent`]. Unused slices are empty; all are where nothing is offered.
    ///
    /// ```
    /// # use mqtt_session::{Action, Client, Config, Connect, Fixed, Instant, RxBuffer};
    /// # use std::io::{IoSlice, Write};
    /// # let mut client = Client::new(Config::default(), Fixed::<8, 8, 1024, 256>::new());
    /// # let (mut input, now, mut stream) = (RxBuffer::new([0; 64]), Instant::from_secs(1), Vec::new());
    /// # client.start(now);
    /// # assert!(matches!(client.poll(now, &mut input), Action::Open));
    /// # client.opened(now, &Connect::new("sensor-7"))?;
    /// match client.poll(now, &mut input) {
    ///     Action::Send(_) => {
    ///         let count = stream.write_vectored(&client.offer_all().map(IoSlice::new))?;
    ///         client.sent(now, count);
    ///     }
    /// #   other => panic!("{other:?}"),
    ///     // …
    /// }
    /// # assert_eq!(stream[0], 0x10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn offer_all(&mut self) -> [&[u8]; 3] {
        let (outbound, _) = self.store.split();
        self.machine.out.offer_all(outbound)
    }

    /// The transport took `count` of the bytes of [`Action::Send`]. A larger count counts as all
    /// of them; 0 has what is left offered again.
    ///
    /// Say so before bytes that came in later are polled for: an answer to what has not been sent
    /// answers nothing, and is ignored.
    pub fn sent(&mut self, now: Instant, count: usize) {
        self.at(now).sent(count);
    }

    /// The transport is closed, or could not be opened. Does nothing without one.
    pub fn closed(&mut self, now: Instant) {
        self.at(now).closed();
    }

    /// Ends the connection in good order: writes what is queued for the transport, then
    /// DISCONNECT, then closes. It waits for no acknowledgement; what is unsettled stays in the
    /// session and goes on when the client is started again. The will is discarded.
    pub fn stop(&mut self, now: Instant) {
        self.at(now).stop();
    }

    /// Like [`Client::stop`], on a live connection, with a reason code for DISCONNECT (0x04 has
    /// the server publish the will) and properties. Setting Session Expiry Interval to 0 ends
    /// the session. Reason String and User Property are left out where the packet would be too
    /// large for the server (MQTT-3.14.2-3, MQTT-3.14.2-4).
    ///
    /// # Errors
    /// See [`ControlError`]; nothing has changed then.
    pub fn stop_with(
        &mut self,
        now: Instant,
        reason: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), ControlError> {
        self.advance(now);
        let (machine, stores) = self.split();
        machine.stop_with(reason, properties, stores)
    }

    /// Publishes a message, now or as soon as there is a connection and the server's Receive
    /// Maximum allows. The ticket is settled by exactly one
    /// [`Event::Published`](crate::Event::Published).
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn publish(&mut self, now: Instant, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        self.at(now).publish(publish)
    }

    /// Subscribes. The ticket is settled by exactly one
    /// [`Event::Subscribed`](crate::Event::Subscribed) or
    /// [`Event::Unanswered`](crate::Event::Unanswered): a SUBSCRIBE is not repeated after a cut.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn subscribe(
        &mut self,
        now: Instant,
        subscriptions: &[Subscription<'_>],
        properties: &[Property<'_>],
    ) -> Result<Ticket, RequestError> {
        self.at(now).subscribe(subscriptions, properties)
    }

    /// Unsubscribes. The ticket is settled by exactly one
    /// [`Event::Unsubscribed`](crate::Event::Unsubscribed) or
    /// [`Event::Unanswered`](crate::Event::Unanswered).
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn unsubscribe(
        &mut self,
        now: Instant,
        filters: &[TopicFilter<'_>],
        properties: &[Property<'_>],
    ) -> Result<Ticket, RequestError> {
        self.at(now).unsubscribe(filters, properties)
    }

    /// The client, which is told the time before it is called: the time is not handed on.
    #[inline(always)]
    pub(crate) fn at(&mut self, now: Instant) -> Now<'_, S> {
        self.advance(now);
        self.now()
    }

    /// Acknowledges a message, where the application does that. This may be called in any order;
    /// the packets leave in the order of arrival (MQTT-4.6.0-2, MQTT-4.6.0-3).
    ///
    /// A reason of 0x80 and above refuses the message: the server does not send it again.
    ///
    /// # Errors
    /// See [`AcknowledgeError`]; nothing has changed then.
    pub fn acknowledge(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
    ) -> Result<(), AcknowledgeError> {
        self.acknowledge_with(token, reason, &[])
    }

    /// Acknowledges with Reason String and User Properties. Properties cannot wait: the message
    /// has to be the oldest unacknowledged one, and there has to be room.
    ///
    /// # Errors
    /// See [`AcknowledgeError`]; nothing has changed then.
    pub fn acknowledge_with(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), AcknowledgeError> {
        let (machine, stores) = self.split();
        let (mut sender, mut receiver) = machine.halves(stores);
        receiver.acknowledge(token, reason, properties, &mut sender)
    }

    /// Answers a challenge with AUTH 0x18. The properties hold the Authentication Method of
    /// CONNECT (MQTT-4.12.0-3, MQTT-4.12.0-5) and, mostly, Authentication Data.
    ///
    /// # Errors
    /// See [`ControlError`]; nothing has changed then.
    #[cfg(feature = "auth")]
    pub fn authenticate(
        &mut self,
        now: Instant,
        properties: &[Property<'_>],
    ) -> Result<(), ControlError> {
        let (machine, stores) = self.split();
        let reason = ReasonCode::CONTINUE_AUTHENTICATION;
        machine.authenticate(now, reason, properties, stores.outbound)
    }

    /// Starts a re-authentication on a live connection with AUTH 0x19 (MQTT-4.12.1-1). Other
    /// traffic goes on; one runs at a time.
    ///
    /// # Errors
    /// See [`ControlError`]; nothing has changed then.
    #[cfg(feature = "auth")]
    pub fn reauthenticate(
        &mut self,
        now: Instant,
        properties: &[Property<'_>],
    ) -> Result<(), ControlError> {
        let (machine, stores) = self.split();
        let reason = ReasonCode::RE_AUTHENTICATE;
        machine.authenticate(now, reason, properties, stores.outbound)
    }

    /// Gives up a publish, subscribe or unsubscribe that has not been written for the present
    /// transport. Its settling event says [`GiveUp::Abandoned`](crate::GiveUp::Abandoned). False
    /// when there is none such. The cost grows with what waits.
    ///
    /// A payload that is being drawn from the application is given up in the middle, too: its
    /// length was announced, so that the transport has to be closed. Its settling event then says
    /// [`GiveUp::PayloadUnfinished`](crate::GiveUp::PayloadUnfinished), and all else goes on over
    /// the next transport.
    pub fn abandon(&mut self, ticket: Ticket) -> bool {
        let (machine, stores) = self.split();
        #[cfg(feature = "draw")]
        if machine.abandon_drawing(ticket, &mut *stores.outbound) {
            return true;
        }
        machine.sender(stores.outbound).abandon(ticket)
    }

    /// Whether the server has accepted the present connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.machine.phase == Phase::Connected
    }

    /// What the server of the present connection allows; the standard's defaults without one.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.machine.out.line.limits()
    }

    /// QoS 1 and QoS 2 messages that are not settled.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        let records = self.store.outbound().all_records();
        let tables = &self.machine.out.exchanges.tables;
        tables
            .waiting(records)
            .wrapping_add(usize::from(tables.open(records)))
    }

    /// QoS 1 and QoS 2 messages among them that wait to be sent, for the first time or again: for
    /// a connection, for the window of the server (section 4.9), or for room to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let records = self.store.outbound().all_records();
        self.machine.out.exchanges.tables.waiting(records)
    }

    /// Acknowledgements on the present connection that nothing waited for. They are ignored.
    #[must_use]
    pub fn unsolicited(&self) -> u32 {
        self.machine.intake.unsolicited
    }
}

/// Where it is and how much is on its way; not what it holds.
#[cfg(feature = "defmt")]
impl<S: Store> defmt::Format for Client<S> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Client {{ phase: {}, unsettled: {=usize}, waiting: {=usize}, unsolicited: {=u32} }}",
            self.machine.phase,
            self.unsettled(),
            self.waiting(),
            self.machine.intake.unsolicited
        );
    }
}

#[cfg(feature = "bytes")]
impl Client<crate::store::Heap> {
    /// Publishes a message whose payload is held and sent as it is, never copied; the payload in
    /// `publish` is not looked at.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn publish_bytes(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        payload: bytes::Bytes,
    ) -> Result<Ticket, RequestError> {
        let (ticket, slot) = self
            .at(now)
            .sending()
            .enqueue(publish, Some(payload.len()))?;
        self.store.hold_payload(slot, payload);
        Ok(ticket)
    }
}
