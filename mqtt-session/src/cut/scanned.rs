//! What becomes of exchanges where each record is looked at: its order in another place is known.

use crate::event::GiveUp;
use crate::line::Line;
use crate::record::{Flags, Place, Record, Stage};
use crate::sender::Sending;
use crate::store::OutboundStore;
use crate::transmit::Transmit;

/// What a transport takes with it: last what only waits, where the server had accepted the connection.
const ENDS: [Place; 3] = [Place::Leaving, Place::Requests, Place::Prompt];

impl<O: OutboundStore> Sending<'_, O> {
    /// The transport is gone: what outlives it goes back to where it waits, the rest is settled.
    /// `accepted`: whether the server had accepted the connection.
    #[inline(never)] // Beside what else is done when a transport is gone, it is short of registers.
    pub(crate) fn cut(&mut self, accepted: bool) {
        #[cfg(feature = "draw")]
        {
            let tx = self.out.line.tx;
            self.cut_unfinished(&tx);
        }
        // Those of the flight that the transport may have begun to send are sent again. What it did
        // not touch goes back to what was never sent.
        #[cfg(any(feature = "bytes", feature = "draw", feature = "topic-alias"))]
        for slot in 0u16.. {
            let written = self.written_len(slot);
            let Some(record) = self.store.records().get_mut(usize::from(slot)) else {
                break;
            };
            put_back(record, &self.out.line.tx, written);
        }
        #[cfg(not(any(feature = "bytes", feature = "draw", feature = "topic-alias")))]
        for record in self.store.records() {
            let written = record.len();
            put_back(record, &self.out.line.tx, written);
        }
        // Those that it took whole have ended.
        for place in ENDS.iter().take(usize::from(accepted).wrapping_add(2)) {
            self.give_up_all(*place, GiveUp::ConnectionLost);
        }
        self.out.line = Line::new();
    }

    /// The session is gone on the server's side, or is thrown away (`discarded`): nothing of it
    /// may be sent again under its old identifiers (MQTT-3.2.2-5).
    pub(crate) fn session_lost(&mut self, discarded: bool) {
        for record in self.store.records() {
            // All identifiers are free, also those that were kept from use.
            record.id = 0;
            let is_qos1 = record.stage == Stage::AwaitPubAck;
            let config = &self.out.config;
            if record.place == Place::Reserved {
                record.place = Place::Free;
            } else if record.place == Place::Resume
                && !discarded
                && !(is_qos1 && config.gives_up_qos1())
                && (is_qos1 || config.publishes_qos2_again())
            {
                record.flags.clear(Flags::MAYBE_SEEN);
                record.place = Place::Queued;
            }
        }
        // Past PUBREC the server has the message: that counts as acknowledged.
        self.end_all(Place::Release, Stage::EndedWell);
        let cause = if discarded {
            GiveUp::SessionDiscarded
        } else {
            GiveUp::OutcomeUnknown
        };
        self.give_up_all(Place::Resume, cause);
    }
}

/// What was written for the transport that is gone, in so many bytes, goes back to where it waits.
fn put_back(record: &mut Record, tx: &Transmit, written: usize) {
    record.place = match record.place {
        Place::Flight => {
            // Of what was taken whole the mark is a moment: it may have been seen in any case.
            if tx.has_begun(record.mark, written) {
                record.flags.set(Flags::MAYBE_SEEN);
            }
            if record.flags.has(Flags::MAYBE_SEEN) {
                Place::Resume
            } else {
                record.id = 0;
                Place::Queued
            }
        }
        Place::Released => Place::Release,
        _ => return,
    };
    record.flags.forget_transport();
}
