//! The client: machine, input buffer, transport and clock, and the calls that do not wait.

use crate::clock::Clock;
use crate::turn::{Answer, Failed, Turn};
use mqtt_session::{
    AckToken, AcknowledgeError, Connect, Instant, Now, Property, Publish, ReasonCode, RequestError,
    RxBuffer, Store, Subscription, Ticket, TopicFilter,
};

/// CONNECT with a session that outlives a cut by an hour, begun afresh by the first connection.
///
/// A `const` of it costs no memory. Fields are changed by naming them; who sets other properties
/// puts the Session Expiry Interval among them.
///
/// ```
/// use mqtt_session::{Connect, Property};
///
/// const HELLO: Connect<'_> = Connect {
///     user_name: Some("sensor"),
///     password: Some(b"secret"),
///     ..mqtt_embedded::connect("sensor-7")
/// };
/// assert_eq!(HELLO.properties, [Property::SessionExpiryInterval(3600)]);
/// ```
#[must_use]
pub const fn connect(client_id: &str) -> Connect<'_> {
    Connect {
        clean_start: true,
        properties: &[Property::SessionExpiryInterval(3600)],
        ..Connect::new(client_id)
    }
}

/// The machine, held or lent. One in a `static` that has the defaults is all zero bits at first, so
/// that it costs neither flash nor stack; [`mqtt_session::Client::configure`] gives it other limits.
pub trait Machine {
    /// What it keeps its messages in.
    type Store: Store;
    /// The machine itself.
    fn get(&mut self) -> &mut mqtt_session::Client<Self::Store>;
}

impl<S: Store> Machine for mqtt_session::Client<S> {
    type Store = S;

    fn get(&mut self) -> &mut mqtt_session::Client<S> {
        self
    }
}

impl<S: Store> Machine for &mut mqtt_session::Client<S> {
    type Store = S;

    fn get(&mut self) -> &mut mqtt_session::Client<S> {
        self
    }
}

/// A client over transports `T`, which its function `F` dials, and with the time of `C`.
///
/// `S` is the store of the machine, `B` the bytes of the input buffer. The calls here return at once:
/// what they ask for is done by the next turns, [`Client::turn_blocking`] or [`Client::turn`].
#[derive(Debug)]
pub struct Client<'c, M, B, F, T, C> {
    pub(crate) machine: M,
    pub(crate) input: RxBuffer<B>,
    connect: &'c Connect<'c>,
    pub(crate) dial: F,
    pub(crate) transport: Option<T>,
    pub(crate) clock: C,
    pub(crate) next: Next,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    /// Until when to wait, where that is to be done.
    pub(crate) deadline: Instant,
    pub(crate) todo: Todo,
    pub(crate) left: Left,
}

/// A moment that has come.
pub(crate) const AT_ONCE: Instant = Instant::from_micros(0);

/// What the machine asked for last. It stays until it is done, so that a turn may be dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Todo {
    Poll,
    Open,
    Wait,
    Close,
}

/// What the transport is still to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    /// What was offered to it, and it has not taken.
    Offered,
    /// It took bytes since it was last flushed, and nothing else is offered.
    Flush,
}

/// What the transport is to be given.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// Nothing.
    Nothing,
    /// Bytes to write: some are as good as all.
    Bytes(&'a [u8]),
    /// Nothing, but what was written has to leave.
    Flush,
}

/// A transport, what it is to be given, the room for what it has, and the clock for as long as
/// that takes.
pub(crate) struct Exchange<'a, T, C> {
    pub(crate) transport: Option<&'a mut T>,
    pub(crate) output: Output<'a>,
    pub(crate) room: &'a mut [u8],
    pub(crate) clock: &'a mut C,
}

impl<'c, M, B, F, T, C> Client<'c, M, B, F, T, C>
where
    M: Machine,
    B: AsRef<[u8]> + AsMut<[u8]>,
    C: Clock,
{
    /// A client at rest: [`Client::start`] wakes it.
    ///
    /// `dial` opens a transport each time one is wanted; `connect` is what CONNECT says, see
    /// [`connect`].
    pub const fn new(machine: M, input: B, connect: &'c Connect<'c>, dial: F, clock: C) -> Self {
        Self {
            machine,
            input: RxBuffer::new(input),
            connect,
            dial,
            transport: None,
            clock,
            next: Next {
                deadline: Instant::NEVER,
                todo: Todo::Poll,
                left: Left::Nothing,
            },
        }
    }

    /// Wants a connection from now on. Does nothing unless the client is at rest.
    pub fn start(&mut self) {
        self.machine_now().start();
    }

    /// Ends the connection in good order, see [`mqtt_session::Client::stop`]. Turns have to be taken
    /// until [`Turn::Done`].
    pub fn stop(&mut self) {
        self.machine_now().stop();
        if matches!(self.next.todo, Todo::Open) {
            self.closed();
        }
    }

    /// What CONNECT says from the next connection on: other credentials, for example.
    pub fn set_connect(&mut self, connect: &'c Connect<'c>) {
        self.connect = connect;
    }

    /// Publishes, see [`mqtt_session::Client::publish`].
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn publish(&mut self, publish: &Publish<'_>) -> Result<Ticket, RequestError> {
        self.machine_now().publish(publish)
    }

    /// Publishes a message whose payload of `total` bytes is drawn from the application while it is
    /// sent, see [`mqtt_session::Client::publish_drawn`]: from flash, or from a sensor, through a
    /// transmit buffer of any size. `Event::PayloadWanted` asks for each part, which
    /// [`Client::draw`] has the place for.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    #[cfg(feature = "draw")]
    pub fn publish_drawn(
        &mut self,
        publish: &Publish<'_>,
        total: usize,
    ) -> Result<Ticket, RequestError> {
        let now = self.now();
        self.machine.get().publish_drawn(now, publish, total)
    }

    /// The place for the next part of the payload that is being drawn, see
    /// [`mqtt_session::Client::draw`].
    ///
    /// ```
    /// # use mqtt_embedded::{Clock, Machine};
    /// # fn feed<M: Machine, B: AsRef<[u8]> + AsMut<[u8]>, F, T, C: Clock>(
    /// #     client: &mut mqtt_embedded::Client<'_, M, B, F, T, C>, image: &[u8]) {
    /// // After `Turn::Event(Event::PayloadWanted { .. })`:
    /// if let Some(mut draw) = client.draw() {
    ///     let rest = &image[draw.offset..];
    ///     let room = draw.room();
    ///     let count = room.len().min(rest.len());
    ///     room[..count].copy_from_slice(&rest[..count]);
    ///     draw.supply(count);
    /// }
    /// # }
    /// ```
    #[cfg(feature = "draw")]
    pub fn draw(&mut self) -> Option<mqtt_session::Draw<'_>> {
        let now = self.now();
        self.machine.get().draw(now)
    }

    /// Subscribes, see [`mqtt_session::Client::subscribe`].
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn subscribe(
        &mut self,
        subscriptions: &[Subscription<'_>],
    ) -> Result<Ticket, RequestError> {
        self.machine_now().subscribe(subscriptions, &[])
    }

    /// Unsubscribes, see [`mqtt_session::Client::unsubscribe`].
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn unsubscribe(&mut self, filters: &[TopicFilter<'_>]) -> Result<Ticket, RequestError> {
        self.machine_now().unsubscribe(filters, &[])
    }

    /// Acknowledges a message, where the application does that, see
    /// [`mqtt_session::Client::acknowledge`].
    ///
    /// # Errors
    /// See [`AcknowledgeError`]; nothing has changed then.
    pub fn acknowledge(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
    ) -> Result<(), AcknowledgeError> {
        self.now();
        self.machine.get().acknowledge(token, reason)
    }

    /// The machine, and the time, for its other calls: properties, authentication, limits, what is
    /// unsettled. `poll`, `opened`, `sent` and `closed` are for the turns to call.
    pub fn machine(&mut self) -> (&mut mqtt_session::Client<M::Store>, Instant) {
        let now = self.now();
        (self.machine.get(), now)
    }

    /// The moment at which the machine is called, which may have something to do after it. What it
    /// has offered is written all the same, and what has come is read: otherwise nobody could call it
    /// between any two turns.
    fn now(&mut self) -> Instant {
        self.next.deadline = AT_ONCE;
        self.clock.now()
    }

    /// The machine, which is told the time: by one function for all that call it. A deadline that has
    /// been forgotten is not missed, because a turn that waits has been told one by the poll before.
    #[inline(never)]
    fn machine_now(&mut self) -> Now<'_, M::Store> {
        let now = self.now();
        let machine = self.machine.get();
        machine.advance(now);
        machine.now()
    }

    /// The end of a turn: everything that was asked for is done, and the machine says what is next.
    /// What is told is written to its place.
    pub(crate) fn polled<'t, D, E>(&'t mut self, turn: &mut Turn<'t, D, E>) {
        self.machine_now();
        self.next.todo = Todo::Poll;
        let mut answer = Answer {
            turn,
            next: &mut self.next,
        };
        let machine = self.machine.get().now();
        machine.poll_into(&mut self.input, &mut answer);
    }

    /// What is to be done with the transport while the client waits.
    pub(crate) fn exchange(&mut self) -> Exchange<'_, T, C> {
        Exchange {
            transport: self.transport.as_mut(),
            output: output(&mut self.machine, &self.next.left),
            room: self.input.spare(),
            clock: &mut self.clock,
        }
    }

    /// Whether what was written is to be flushed before the transport is closed.
    pub(crate) fn is_unflushed(&self) -> bool {
        self.next.left == Left::Flush
    }

    /// The transport is open, or could not be opened. False where something failed, which is told.
    pub(crate) fn dialled<D, E>(
        &mut self,
        dialled: Result<T, D>,
        turn: &mut Turn<'_, D, E>,
    ) -> bool {
        let failed = match dialled {
            Ok(transport) => {
                self.transport = Some(transport);
                self.machine_now();
                match self.machine.get().now().opened(self.connect) {
                    Ok(()) => return true,
                    Err(error) => Failed::Connect(error),
                }
            }
            Err(error) => Failed::Dial(error),
        };
        self.closed();
        *turn = Turn::Failed(failed);
        false
    }

    /// The transport was given what [`Client::exchange`] said; `None`: nothing came of it yet. True
    /// where that failed, which is told.
    pub(crate) fn given<D, E>(
        &mut self,
        given: Option<Result<usize, E>>,
        turn: &mut Turn<'_, D, E>,
    ) -> bool {
        match given {
            // What was taken may have arrived, whatever else becomes of the transport.
            Some(Ok(count)) if self.next.left == Left::Offered => {
                self.machine_now().sent(count);
                self.next.left = Left::Flush;
            }
            Some(Ok(_)) => self.next.left = Left::Nothing,
            Some(Err(error)) => {
                *turn = Turn::Failed(Failed::Write(error));
                return true;
            }
            None => {}
        }
        false
    }

    /// The transport brought this; `None`: nothing yet. `failed`: what it was given. False where
    /// something failed, which is told.
    pub(crate) fn came<D, E>(
        &mut self,
        read: Option<Result<usize, E>>,
        mut failed: bool,
        turn: &mut Turn<'_, D, E>,
    ) -> bool {
        match read {
            // The server's last words may lie here, though it takes none of ours any more. The next
            // attempt to write fails again.
            Some(Ok(count @ 1..)) => {
                self.input.filled(count);
                return true;
            }
            Some(Err(error)) if !failed => {
                *turn = Turn::Failed(Failed::Read(error));
                failed = true;
            }
            None if !failed => return true,
            _ => {}
        }
        self.closed();
        !failed
    }

    /// The transport is given up.
    pub(crate) fn closed(&mut self) {
        self.transport = None;
        self.next.left = Left::Nothing;
        self.next.todo = Todo::Poll;
        self.machine_now().closed();
    }
}

/// What the transport is to be given.
pub(crate) fn output<'m, M: Machine>(machine: &'m mut M, left: &Left) -> Output<'m> {
    match left {
        Left::Nothing => Output::Nothing,
        Left::Flush => Output::Flush,
        Left::Offered => match machine.get().offered() {
            [] => Output::Flush,
            bytes => Output::Bytes(bytes),
        },
    }
}
