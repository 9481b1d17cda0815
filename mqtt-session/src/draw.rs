//! Payloads that are drawn from the application while they are sent.
//!
//! Only the header is stored, as that of a payload held by itself. When its turn has come it is
//! written for the transport, and the application is asked for the payload, part by part. Until the
//! last part has come nothing is written behind: acknowledgements stay owed, and no ping is needed.

use crate::answer::Sender;
use crate::client::Client;
use crate::connection::Phase;
use crate::event::{Cause, GiveUp, Ticket};
use crate::exchanges::Work;
use crate::instant::Instant;
use crate::machine::Machine;
use crate::pump::packet_range;
use crate::record::{Flags, Place, Record, Stage};
use crate::request::{Publish, RequestError};
use crate::sender::{Outbox, Sending};
use crate::store::{OutboundStore, Store};
use crate::stored::variable_integer;
use crate::transmit::Transmit;

/// A store that can grow gets at least so much room for parts, within its bound.
const AMPLE: usize = 16 << 10;

/// The place for the next part of a payload, which
/// [`Client::publish_drawn`](crate::Client::publish_drawn) announced.
///
/// Dropping it changes nothing: the part is still wanted.
#[derive(Debug)]
pub struct Draw<'a> {
    /// What `publish_drawn` returned.
    pub ticket: Ticket,
    /// Where in the payload the part begins, in bytes. After a cut it is 0 again.
    pub offset: usize,
    /// Length of the whole payload in bytes.
    pub total: usize,
    /// Whether the message may have been sent before, over an earlier transport.
    pub dup: bool,
    /// In the transmit buffer.
    room: &'a mut [u8],
    out: &'a mut Outbox,
}

#[cfg(feature = "defmt")]
impl defmt::Format for Draw<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Draw {{ ticket: {}, offset: {=usize}, total: {=usize}, dup: {=bool}, room: {} }}",
            self.ticket,
            self.offset,
            self.total,
            self.dup,
            crate::log::Size::of(self.room)
        );
    }
}

impl Draw<'_> {
    /// Where the part goes; never empty, and never longer than what is left of the payload.
    pub fn room(&mut self) -> &mut [u8] {
        self.room
    }

    /// The first `count` bytes of [`Draw::room`] are the part; a larger count counts as all of
    /// them, 0 changes nothing. Poll then: they can leave, and the next part may be wanted.
    pub fn supply(self, count: usize) {
        let count = count.min(self.room.len());
        if count == 0 {
            return;
        }
        let out = self.out;
        if out.line.tx.waits_for_parts() {
            // It was the application that was waited for, and no longer is.
            out.line.stalled_since = crate::instant::Alarm::NEVER;
        }
        if out.line.tx.supply(count) {
            out.exchanges.work.note(Work::PUMP);
        }
    }
}

impl<S: Store> Client<S> {
    /// Publishes a message whose payload of `total` bytes is drawn from the application while it
    /// is sent, so that it may be larger than any buffer; the payload in `publish` is not looked
    /// at. All else is as with [`Client::publish`].
    ///
    /// When its turn has come, [`Event::PayloadWanted`](crate::Event::PayloadWanted) asks for each
    /// part, and [`Client::draw`] has the place for it. Nothing else can leave before the last
    /// part: who supplies nothing for [`Config::ack_timeout`](crate::Config::ack_timeout) loses
    /// the connection and the message, and who cannot go on says so with [`Client::abandon`]. No ping
    /// leaves meanwhile either: a server gives up a client that it hears nothing of for one and a
    /// half times Keep Alive.
    /// After a cut a message of QoS 1 or 2 is drawn again, from its start. So it is after a restart
    /// with a session that was kept, where [`Client::each_unsettled`] names it: of its payload a
    /// [snapshot](crate::snapshot) has the length alone.
    ///
    /// ```
    /// use mqtt_session::{Action, Client, Event};
    /// # use mqtt_session::{Config, Connect, Fixed, Instant, Publish, QoS, RxBuffer, TopicName};
    /// # let mut client = Client::new(Config::default(), Fixed::<8, 8, 1024, 256>::new());
    /// # let (mut input, now) = (RxBuffer::new([0; 64]), Instant::from_secs(1));
    /// # client.start(now);
    /// # assert!(matches!(client.poll(now, &mut input), Action::Open));
    /// # client.opened(now, &Connect::new("c"))?;
    /// # assert!(matches!(client.poll(now, &mut input), Action::Send(_)));
    /// # client.sent(now, 100);
    /// # input.spare()[..5].copy_from_slice(&[0x20, 3, 0, 0, 0]);
    /// # input.filled(5);
    /// # assert!(matches!(client.poll(now, &mut input), Action::Event(_)));
    /// let image = [7u8; 20_000]; // or a file, a camera, a flash chip
    /// let publish = Publish::new(TopicName::new("image")?, &[]).qos(QoS::AtLeastOnce);
    /// client.publish_drawn(now, &publish, image.len())?;
    /// let mut sent = 0;
    /// loop {
    ///     match client.poll(now, &mut input) {
    ///         Action::Event(Event::PayloadWanted { .. }) => {
    ///             if let Some(mut draw) = client.draw(now) {
    ///                 let from = &image[draw.offset..];
    ///                 let room = draw.room();
    ///                 room.copy_from_slice(&from[..room.len()]);
    ///                 let count = room.len();
    ///                 draw.supply(count);
    ///             }
    ///         }
    ///         Action::Send(bytes) => {
    ///             let count = bytes.len();
    ///             sent += count;
    ///             client.sent(now, count);
    ///         }
    ///         Action::Timeout(_) => break,
    /// #       other => panic!("{other:?}"),
    ///         // …
    ///     }
    /// }
    /// assert_eq!(sent, 20_000 + 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn publish_drawn(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        total: usize,
    ) -> Result<Ticket, RequestError> {
        self.at(now).sending().publish_drawn(publish, total)
    }

    /// The place for the next part of the payload that is being drawn; `None` while there is none
    /// or no room for it. An application that had no bytes when it was asked comes back for it
    /// when it has.
    pub fn draw(&mut self, now: Instant) -> Option<Draw<'_>> {
        let (machine, stores) = self.split();
        machine.out.clock.advance(now);
        if machine.phase != Phase::Connected {
            return None;
        }
        machine.sender(stores.outbound).draw()
    }
}

impl Sender<'_> {
    /// Publishes a message whose payload is drawn, exactly as
    /// [`Client::publish_drawn`](crate::Client::publish_drawn) does.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed then.
    pub fn publish_drawn(
        &mut self,
        publish: &Publish<'_>,
        total: usize,
    ) -> Result<Ticket, RequestError> {
        self.store.publish_drawn(self.out, publish, total)
    }
}

impl<'a, O: OutboundStore> Sending<'a, O> {
    /// Publishes a message whose payload is drawn.
    pub(crate) fn publish_drawn(
        &mut self,
        publish: &Publish<'_>,
        total: usize,
    ) -> Result<Ticket, RequestError> {
        let (ticket, slot) = self.enqueue(publish, Some(total))?;
        if let Some(record) = self.store.records().get_mut(usize::from(slot)) {
            record.flags.clear(Flags::PAYLOAD_APART);
            record.flags.set(Flags::DRAWN);
        }
        Ok(ticket)
    }

    /// How long the payload is that a stored header announces.
    pub(crate) fn drawn_len(&mut self, record: &Record) -> usize {
        let (start, end) = packet_range(record);
        let header = self.store.arena().get(start..end).unwrap_or_default();
        let length = header.get(1..).and_then(variable_integer);
        length.map_or(0, |(remaining, len)| {
            // The fixed header is one byte, and the length.
            let rest = header.len().saturating_sub(1).saturating_sub(len);
            remaining.saturating_sub(rest)
        })
    }

    /// Whose payload the application is to be asked for now.
    pub(crate) fn ask_for_payload(&mut self) -> Option<Ticket> {
        let drawn = self.out.line.tx.drawn()?;
        if self.out.line.tx.waits_for_parts() {
            self.out.line.begin_stall(self.out.clock.moment());
        }
        let capacity = self.store.transmit().len();
        if !self.out.line.tx.asks_for_part(capacity) {
            return None;
        }
        if capacity < AMPLE && drawn.total > capacity {
            // By doubling; where it may not grow, it goes on with what there is.
            self.store.grow_transmit(capacity.saturating_add(1));
        }
        let record = self.record(drawn.slot)?;
        Some(self.out.exchanges.tables.ticket(&record))
    }

    fn draw(mut self) -> Option<Draw<'a>> {
        let drawn = self.out.line.tx.drawn()?;
        let record = self.record(drawn.slot)?;
        let buffer = self.store.transmit();
        let (start, end) = self.out.line.tx.place_part(buffer);
        let room = buffer.get_mut(start..end).filter(|room| !room.is_empty())?;
        Some(Draw {
            ticket: self.out.exchanges.tables.ticket(&record),
            offset: drawn.offset,
            total: drawn.total,
            dup: record.flags.has(Flags::MAYBE_SEEN),
            room,
            out: self.out,
        })
    }

    /// The transport is gone: a payload that will not be finished is given up. The server cannot
    /// have got the whole message over that transport.
    pub(crate) fn cut_unfinished(&mut self, tx: &Transmit) {
        let Some(slot) = tx.drawn().map(|drawn| drawn.slot) else {
            return;
        };
        let Some(record) = self.record(slot) else {
            return;
        };
        if !record.flags.has(Flags::UNFINISHED) {
            return;
        }
        let from = if record.stage == Stage::AwaitSent {
            Place::Leaving
        } else {
            Place::Flight
        };
        self.give_up(slot, from, GiveUp::PayloadUnfinished);
    }
}

impl Machine {
    /// Whether it is the application that nothing leaves: all that it supplied has left, and the
    /// rest has not come.
    pub(crate) fn is_starved(&self) -> bool {
        self.out.line.tx.waits_for_parts()
    }

    /// The payload that is being drawn will not be finished, so that the transport is of no use.
    pub(crate) fn give_up_drawing(&mut self, outbound: &mut impl OutboundStore) {
        if let Some(drawn) = self.out.line.tx.drawn()
            && let Some(record) = outbound.records().get_mut(usize::from(drawn.slot))
        {
            record.flags.set(Flags::UNFINISHED);
        }
        if self.phase == Phase::Connected {
            // A stop that waits for the rest is the cause where there is one.
            self.fail(match self.cause {
                Cause::TransportClosed => Cause::PayloadUnfinished,
                cause => cause,
            });
        }
    }

    /// Gives up the payload that is being drawn, if it is that of this ticket and was not given
    /// up before.
    pub(crate) fn abandon_drawing(
        &mut self,
        ticket: Ticket,
        outbound: &mut impl OutboundStore,
    ) -> bool {
        let Some(drawn) = self.out.line.tx.drawn() else {
            return false;
        };
        let record = outbound.records().get(usize::from(drawn.slot));
        let tables = &self.out.exchanges.tables;
        let found = record.is_some_and(|record| {
            tables.ticket(record) == ticket && !record.flags.has(Flags::UNFINISHED)
        });
        if found {
            self.give_up_drawing(outbound);
        }
        found
    }
}
