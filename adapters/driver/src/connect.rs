//! CONNECT, as the options want it.

use crate::error::Cause;
use crate::options::{Credentials, Options, Will, whole_seconds};
use mqtt_session::{Connect, Properties, Property, TopicName};

impl Options {
    /// Puts CONNECT together for one attempt and lends it.
    ///
    /// # Errors
    /// [`Cause::WillTopic`], and what `lend` fails with.
    pub(crate) fn lend_connect<T>(
        &self,
        credentials: &Credentials,
        lend: impl FnOnce(&Connect<'_>) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        let properties = self.properties();
        let will_properties;
        let mut will = None;
        if let Some(own) = &self.will {
            will_properties = own.properties();
            will = Some(mqtt_session::Will {
                qos: own.qos,
                retain: own.retain,
                topic: TopicName::new(&own.topic).map_err(Cause::WillTopic)?,
                payload: &own.payload,
                properties: Properties::new(&will_properties),
            });
        }
        lend(&Connect {
            client_id: &self.client_id,
            clean_start: self.clean_start,
            keep_alive: u16::try_from(whole_seconds(self.keep_alive)).unwrap_or(u16::MAX),
            properties: &properties,
            will,
            user_name: credentials.user_name.as_deref(),
            password: credentials.password.as_deref(),
        })
    }

    fn properties(&self) -> Vec<Property<'_>> {
        let expiry = whole_seconds(self.session_expiry);
        let mut properties = Vec::new();
        if expiry > 0 {
            properties.push(Property::SessionExpiryInterval(expiry));
        }
        properties.extend(self.maximum_packet_size.map(Property::MaximumPacketSize));
        if self.inbound_aliases > 0 {
            properties.push(Property::TopicAliasMaximum(self.inbound_aliases));
        }
        let own = self.user_properties.iter();
        properties.extend(own.map(|(name, value)| Property::UserProperty(name, value)));
        properties
    }
}

impl Will {
    fn properties(&self) -> Vec<Property<'_>> {
        let mut properties = Vec::new();
        let delay = whole_seconds(self.delay);
        if delay > 0 {
            properties.push(Property::WillDelayInterval(delay));
        }
        properties.extend(self.content_type.as_deref().map(Property::ContentType));
        let own = self.user_properties.iter();
        properties.extend(own.map(|(name, value)| Property::UserProperty(name, value)));
        properties
    }
}
