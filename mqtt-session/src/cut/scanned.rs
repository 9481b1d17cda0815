//! What becomes of exchanges where each record is looked at: its order in another place is known.

use crate::event::GiveUp;
use crate::line::Line;
use crate::record::{Flags, Place, Stage};
use crate::sender::Sending;
use crate::store::OutboundStore;
use crate::tables::oldest;

impl<O: OutboundStore> Sending<'_, O> {
    /// The transport is gone: what outlives it goes back to where it waits, the rest is settled.
    /// `accepted`: whether the server had accepted the connection.
    pub(crate) fn cut(&mut self, accepted: bool) {
        #[cfg(feature = "draw")]
        {
            let tx = self.out.line.tx;
            self.cut_unfinished(&tx);
        }
        // Those of the flight that the transport may have begun to send are sent again. What it did
        // not touch goes back to what was never sent.
        let mut slot = 0u16;
        #[cfg_attr(
            not(any(feature = "bytes", feature = "draw", feature = "topic-alias")),
            expect(clippy::while_let_loop, reason = "with those something comes first")
        )]
        loop {
            #[cfg(any(feature = "bytes", feature = "draw", feature = "topic-alias"))]
            let written = self.written_len(slot);
            let Some(record) = self.store.records().get_mut(usize::from(slot)) else {
                break;
            };
            #[cfg(not(any(feature = "bytes", feature = "draw", feature = "topic-alias")))]
            let written = record.len();
            slot = slot.wrapping_add(1);
            match record.place {
                Place::Flight => {
                    let sending = record.flags.has(Flags::SENDING);
                    if sending && self.out.line.tx.has_begun(record.mark, written) {
                        record.flags.set(Flags::MAYBE_SEEN);
                    }
                    record.place = Place::Resume;
                    if !record.flags.has(Flags::MAYBE_SEEN) {
                        record.id = 0;
                        record.place = Place::Queued;
                    }
                }
                Place::Released => record.place = Place::Release,
                _ => continue,
            }
            record.flags.forget_transport();
        }
        // Those that it took whole have ended.
        self.give_up_all(Place::Leaving, GiveUp::ConnectionLost);
        self.give_up_all(Place::Requests, GiveUp::ConnectionLost);
        if accepted {
            self.give_up_all(Place::Prompt, GiveUp::ConnectionLost);
        }
        self.out.line = Line::new(self.out.clock.moment());
    }

    /// The session is gone on the server's side, or is thrown away (`discarded`): nothing of it
    /// may be sent again under its old identifiers (MQTT-3.2.2-5).
    pub(crate) fn session_lost(&mut self, discarded: bool) {
        // Past PUBREC the server has the message: that counts as acknowledged.
        self.end_all(Place::Release, Stage::EndedWell);
        while let Some((_slot, record)) = oldest(self.store.records(), Place::Resume) {
            let again = if record.stage == Stage::AwaitPubAck {
                !self.out.config.gives_up_qos1()
            } else {
                self.out.config.publishes_qos2_again()
            };
            let cause = if discarded {
                GiveUp::SessionDiscarded
            } else if !again {
                GiveUp::OutcomeUnknown
            } else {
                record.flags.clear(Flags::MAYBE_SEEN);
                record.place = Place::Queued;
                continue;
            };
            self.out.end(record, Stage::Ended(cause));
            #[cfg(feature = "bytes")]
            self.store.release_payload(_slot);
        }
        // All identifiers are free, also those that were kept from use.
        for record in self.store.records() {
            record.id = 0;
            if record.place == Place::Reserved {
                record.place = Place::Free;
            }
        }
    }
}
