//! What SUBSCRIBE and UNSUBSCRIBE of a client do.

use super::access::Identity;
use super::event::ConnectionId;
use super::packets::{Step, may_refuse};
use super::subscribers::{Granted, SessionKey};
use super::{Access, Broker};
use crate::violation::Violation;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use mqtt_proto::{
    PacketType, Properties, Property, QoS, ReasonCode, ReasonCodes, RetainHandling, Sender as From,
    SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe,
};

impl<A: Access> Broker<A> {
    pub(super) fn on_subscribe(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        subscribe: &Subscribe<'_>,
    ) -> Result<Step, Violation> {
        let blank = alloc::vec![ReasonCode::GRANTED_QOS_0; subscribe.subscriptions.len()];
        let Ok(len) = suback(subscribe, &blank).encoded_len() else {
            return Err(Violation::AnswerTooLarge(PacketType::Subscribe));
        };
        // Room first: the subscriptions and their answer are one.
        if !self.has_room_for_answer(key, PacketType::Subscribe, len)? {
            return Ok(Step::Wait(len));
        }
        let id = subscribe
            .properties
            .iter()
            .find_map(|property| match property {
                Property::SubscriptionIdentifier(id) => Some(id),
                _ => None,
            });
        let mut reasons = Vec::with_capacity(blank.len());
        let mut retained = VecDeque::new();
        for subscription in subscribe.subscriptions {
            match self.subscribe(connection, key, subscription, id) {
                Ok((granted, is_new)) => {
                    let handling = subscription.options.retain_handling;
                    let sends = handling == RetainHandling::SendAtSubscribe
                        || (handling == RetainHandling::SendIfNew && is_new);
                    if sends && !subscription.filter.is_shared() {
                        retained.push_back((subscription.filter.as_str().into(), granted));
                    }
                    reasons.push(granted_reason(granted.qos));
                }
                Err(reason) => reasons.push(reason),
            }
        }
        let packet = suback(subscribe, &reasons);
        let step = self.answer(connection, key, len, |out| {
            packet.encode(From::Server, out).is_ok()
        })?;
        if let Some(session) = self.session(key) {
            session.replay.append(&mut retained);
        }
        Ok(step)
    }

    /// Subscribes to one filter; what was granted, and whether it is a new subscription.
    fn subscribe(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        subscription: Subscription<'_>,
        id: Option<u32>,
    ) -> Result<(Granted, bool), ReasonCode> {
        let Subscription { filter, options } = subscription;
        let Some(session) = super::session_mut(&mut self.sessions, key) else {
            return Err(ReasonCode::UNSPECIFIED_ERROR);
        };
        let held = session.subscriptions.contains(filter.as_str());
        let bytes = session.filter_bytes.saturating_add(filter.as_str().len());
        let full = session.subscriptions.len() >= self.config.subscriptions
            || bytes > self.config.subscription_bytes;
        if !held && full
            || filter.unshared().as_str().split('/').count() > self.config.maximum_levels
        {
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        let who = Identity {
            connection,
            client_id: &session.client_id,
            user_name: session.user_name.as_deref(),
        };
        let allowed = self.access.subscribe(&who, filter, options);
        let most = allowed.map_err(|reason| {
            if may_refuse(reason, PacketType::SubAck) {
                reason
            } else {
                ReasonCode::NOT_AUTHORIZED
            }
        })?;
        let granted = Granted {
            qos: options.qos.min(most).min(self.config.maximum_qos),
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            id,
        };
        let is_new = self.insert_subscription(key, filter, granted);
        Ok((granted, is_new))
    }

    pub(super) fn on_unsubscribe(
        &mut self,
        connection: ConnectionId,
        key: SessionKey,
        unsubscribe: &Unsubscribe<'_>,
    ) -> Result<Step, Violation> {
        let mut reasons = alloc::vec![ReasonCode::SUCCESS; unsubscribe.filters.len()];
        let Ok(len) = unsuback(unsubscribe, &reasons).encoded_len() else {
            return Err(Violation::AnswerTooLarge(PacketType::Unsubscribe));
        };
        if !self.has_room_for_answer(key, PacketType::Unsubscribe, len)? {
            return Ok(Step::Wait(len));
        }
        for (filter, reason) in unsubscribe.filters.iter().zip(&mut reasons) {
            let held = self
                .session(key)
                .is_some_and(|session| session.forget_filter(filter.as_str()));
            if held {
                self.remove_subscription(key, filter);
            } else {
                *reason = ReasonCode::NO_SUBSCRIPTION_EXISTED;
            }
        }
        let packet = unsuback(unsubscribe, &reasons);
        self.answer(connection, key, len, |out| {
            packet.encode(From::Server, out).is_ok()
        })
    }
}

fn suback<'a>(subscribe: &Subscribe<'_>, reasons: &'a [ReasonCode]) -> SubAck<'a> {
    SubAck {
        packet_id: subscribe.packet_id,
        properties: Properties::EMPTY,
        reasons: ReasonCodes::new(reasons),
    }
}

fn unsuback<'a>(unsubscribe: &Unsubscribe<'_>, reasons: &'a [ReasonCode]) -> UnsubAck<'a> {
    UnsubAck {
        packet_id: unsubscribe.packet_id,
        properties: Properties::EMPTY,
        reasons: ReasonCodes::new(reasons),
    }
}

fn granted_reason(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::GRANTED_QOS_0,
        QoS::AtLeastOnce => ReasonCode::GRANTED_QOS_1,
        QoS::ExactlyOnce => ReasonCode::GRANTED_QOS_2,
    }
}
