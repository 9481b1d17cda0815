//! A message of the program that the broker runs in.

use super::{Broker, BrokerPublishError};
use crate::publish::Publication;
use mqtt_driver::{Target, WrongTopic};

impl Target for Broker {
    /// When it is `Ok`, the message is on its way to those who have subscribed, as far as there
    /// is room for them.
    type Sent<'a> = Result<(), BrokerPublishError>;

    fn send<'a>(publication: Publication<'a, Self>) -> Self::Sent<'a> {
        let request = publication.request()?;
        publication.to().shared.publish(&request.publish)
    }
}

impl From<WrongTopic> for BrokerPublishError {
    fn from(wrong: WrongTopic) -> Self {
        match wrong {
            WrongTopic::Topic(error) => Self::Topic(error),
            WrongTopic::ResponseTopic(error) => Self::ResponseTopic(error),
        }
    }
}
