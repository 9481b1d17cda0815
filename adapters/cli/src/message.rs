//! What is published: a payload, and what is said with it.

use crate::args::{pair, qos, seconds, topic_name};
use crate::exit::{Failure, local};
use clap::{ArgAction, Args};
use mqtt_std::{Bytes, Client, PayloadFormat, Publication, QoS};
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

/// Where the payload comes from: one of these.
#[derive(Debug, Args)]
#[group(id = "payload", required = true, multiple = false)]
#[command(next_help_heading = "Payload, one of")]
pub(crate) struct PayloadArgs {
    /// The payload itself
    #[arg(short, long, value_name = "PAYLOAD", allow_hyphen_values = true)]
    message: Option<String>,
    /// A file whose content is the payload
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Standard input, up to its end, is the payload
    #[arg(short, long)]
    stdin_file: bool,
    /// An empty payload; with -r it has the server forget the retained message
    #[arg(short, long)]
    null_message: bool,
}

impl PayloadArgs {
    pub(crate) fn read(&self) -> Result<Bytes, Failure> {
        if let Some(message) = &self.message {
            return Ok(Bytes::copy_from_slice(message.as_bytes()));
        }
        if let Some(file) = &self.file {
            let content = fs::read(file).map_err(local(&file.display().to_string()))?;
            return Ok(content.into());
        }
        let mut payload = Vec::new();
        if self.stdin_file {
            let read = io::stdin().lock().read_to_end(&mut payload);
            read.map_err(local("standard input"))?;
        }
        Ok(payload.into())
    }
}

/// What is said with a payload.
#[derive(Debug, Args)]
#[command(next_help_heading = "Message")]
pub(crate) struct MessageArgs {
    /// Have the server retain the message for later subscribers
    #[arg(short, long)]
    retain: bool,
    /// Seconds after which the message is of no use
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    message_expiry: Option<Duration>,
    /// What the payload is, such as text/plain
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Mark the payload as UTF-8 text
    #[arg(long)]
    text: bool,
    /// Where an answer is awaited
    #[arg(long, value_name = "TOPIC", value_parser = topic_name)]
    pub(crate) response_topic: Option<String>,
    /// What an answer has to carry
    #[arg(long, value_name = "DATA")]
    pub(crate) correlation_data: Option<String>,
    /// A user property; may be given again
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, action = ArgAction::Append)]
    user_property: Vec<(String, String)>,
}

/// The QoS of what is published.
#[derive(Debug, Args)]
#[command(next_help_heading = "Message")]
pub(crate) struct QoSArg {
    /// 0: at most once, 1: at least once, 2: exactly once
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos)]
    pub(crate) qos: QoS,
}

impl MessageArgs {
    /// The message, ready to be sent.
    pub(crate) fn publication<'a>(
        &'a self,
        client: &'a Client,
        topic: &'a str,
        payload: Bytes,
        qos: QoS,
    ) -> Publication<'a> {
        let mut message = client.publish(topic, payload).qos(qos).retain(self.retain);
        if let Some(span) = self.message_expiry {
            message = message.expiry(span);
        }
        if self.text {
            message = message.payload_format(PayloadFormat::Utf8);
        }
        if let Some(content_type) = &self.content_type {
            message = message.content_type(content_type);
        }
        if let Some(topic) = &self.response_topic {
            message = message.response_topic(topic);
        }
        if let Some(data) = &self.correlation_data {
            message = message.correlation_data(data.as_bytes());
        }
        for (name, value) in &self.user_property {
            message = message.user_property(name, value);
        }
        message
    }
}
