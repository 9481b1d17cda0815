//! What is told to `tracing`, where that feature is on: one span for each client, named `mqtt`,
//! with its client identifier; events for what happens to its connections, and at the level TRACE
//! for each message. Payloads and credentials are never told.

#[cfg(feature = "tracing")]
use crate::error::Cause;
use crate::state::State;
use mqtt_session::QoS;

/// Where a client's events belong.
#[cfg(feature = "tracing")]
#[derive(Clone, Debug)]
pub(crate) struct Trace(tracing::Span);

/// Nothing is told.
#[cfg(not(feature = "tracing"))]
#[derive(Clone, Debug)]
pub(crate) struct Trace;

#[cfg(feature = "tracing")]
impl Trace {
    pub(crate) fn new(client_id: &str) -> Self {
        Self(tracing::info_span!("mqtt", client_id))
    }

    pub(crate) fn state(&self, state: &State) {
        let span = &self.0;
        match state {
            State::Connecting => tracing::debug!(parent: span, "connecting"),
            State::Connected { session_present } => {
                tracing::info!(parent: span, session_present, "connected");
            }
            State::Waiting { cause, .. } => {
                tracing::warn!(parent: span, %cause, "waiting to connect again");
            }
            State::Ended {
                cause: Cause::Closed,
            } => tracing::info!(parent: span, "closed"),
            State::Ended { cause } => tracing::error!(parent: span, %cause, "ended"),
        }
    }

    pub(crate) fn accepted(&self, topic: &str, qos: QoS, bytes: usize) {
        tracing::trace!(parent: &self.0, topic, qos = qos as u8, bytes, "publish accepted");
    }

    pub(crate) fn settled(&self, qos: QoS, ended_well: bool) {
        tracing::trace!(parent: &self.0, qos = qos as u8, ended_well, "publish settled");
    }

    pub(crate) fn received(&self, topic: &str, qos: QoS, bytes: usize) {
        tracing::trace!(parent: &self.0, topic, qos = qos as u8, bytes, "message received");
    }

    pub(crate) fn dropped(&self, topic: &str) {
        tracing::debug!(parent: &self.0, topic, "a message found no room and was dropped");
    }
}

#[cfg(not(feature = "tracing"))]
impl Trace {
    pub(crate) fn new(_: &str) -> Self {
        Self
    }

    pub(crate) fn state(&self, _: &State) {}

    pub(crate) fn accepted(&self, _: &str, _: QoS, _: usize) {}

    pub(crate) fn settled(&self, _: QoS, _: bool) {}

    pub(crate) fn received(&self, _: &str, _: QoS, _: usize) {}

    pub(crate) fn dropped(&self, _: &str) {}
}
