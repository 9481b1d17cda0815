//! A message of the program that the broker runs in.

use super::{Broker, BrokerPublishError};
use crate::publish::Publication;
use mqtt_session::TopicName;

impl Publication<'_, Broker> {
    /// Hands the message to the broker. When this returns it is on its way to those who have
    /// subscribed, as far as there is room for them.
    ///
    /// # Errors
    /// See [`BrokerPublishError`].
    pub fn send(self) -> Result<(), BrokerPublishError> {
        self.response_topic
            .map_err(BrokerPublishError::ResponseTopic)?;
        let topic = TopicName::new(self.topic).map_err(BrokerPublishError::Topic)?;
        self.to.shared.publish(&self.publish(topic))
    }
}
