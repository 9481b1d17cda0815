//! Enhanced authentication (section 4.12), as far as the machine is concerned: whose turn it is.

use crate::connection::{Facts, Phase, fingerprint};
use crate::dispatch::Told;
use crate::event::Event;
use crate::instant::{Instant, Moment};
use crate::line::Standing;
use crate::machine::Machine;
use crate::request::ControlError;
use crate::store::OutboundStore;
use crate::violation::Breach;
use core::slice;
use mqtt_proto::{
    Auth, Fields, PacketType, Properties, Property, PropertyId, ReasonCode, Sender as From,
};

impl Machine {
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
        let facts = self.connection.facts;
        let possible = match self.phase {
            Phase::AwaitConnAck => !starts && facts.has(Facts::CHALLENGED),
            Phase::Connected if starts => !facts.has(Facts::REAUTHENTICATING),
            Phase::Connected => facts.has(Facts::CHALLENGED),
            _ => false,
        };
        if !possible || self.stopping {
            return Err(ControlError::NotNow);
        }
        let given = Properties::new(properties);
        if given.authentication_method_bytes().map(fingerprint) != Some(method) {
            return Err(ControlError::Method);
        }
        let maximum = self.out.line.limits().maximum_packet_size as usize;
        let mut packet = Auth {
            reason,
            properties: given,
        };
        let mut len = packet.encoded_len().map_err(ControlError::Invalid)?;
        if len > maximum {
            // Reason String and User Property are left out (MQTT-3.15.2-2, MQTT-3.15.2-3).
            let only = |id| {
                let found = properties.iter().find(|property| property.id() == id);
                found.map(slice::from_ref).unwrap_or_default()
            };
            packet.properties = Properties::chain(
                only(PropertyId::AuthenticationMethod),
                only(PropertyId::AuthenticationData),
            );
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
        self.connection.facts.set(Facts::CHALLENGED, false);
        if starts {
            self.connection.facts.set(Facts::REAUTHENTICATING, true);
        }
        if self.phase == Phase::Connected {
            self.give_time(self.out.config.connect_timeout.get());
        }
        Ok(())
    }

    pub(crate) fn on_auth<'p>(&mut self, fields: &Fields<'p>, event: &mut Event<'p>) -> Told {
        let auth = Auth {
            reason: fields.reason,
            properties: fields.properties(),
        };
        if self.connection.method.is_none() {
            return self.breaks(Breach::Unexpected(PacketType::Auth));
        }
        if self.says_too_much(fields) {
            return self.breaks(Breach::ProblemInformation(PacketType::Auth));
        }
        if !self.is_method(auth.properties.authentication_method_bytes()) {
            return self.breaks(Breach::AuthenticationMethod);
        }
        let again = self.connection.facts.has(Facts::REAUTHENTICATING);
        if self.phase == Phase::Connected && self.out.line.standing == Standing::Up {
            // It is the application's turn, or nobody's.
            self.connection.deadline = Moment::NEVER;
        }
        match auth.reason {
            ReasonCode::CONTINUE_AUTHENTICATION if again || self.phase == Phase::AwaitConnAck => {
                self.connection.facts.set(Facts::CHALLENGED, true);
                *event = Event::Challenge(auth);
            }
            ReasonCode::SUCCESS if again => {
                let asked = Facts::REAUTHENTICATING | Facts::CHALLENGED;
                self.connection.facts.set(asked, false);
                *event = Event::Reauthenticated(auth);
            }
            reason => return self.breaks(Breach::AuthenticationReason(reason)),
        }
        Told::Event
    }

    /// Every AUTH, and the CONNACK that ends them, names the method of CONNECT.
    pub(crate) fn is_method(&self, method: Option<&[u8]>) -> bool {
        method.map(fingerprint) == self.connection.method
    }
}
