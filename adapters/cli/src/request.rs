//! `mqtt request`: a message that asks, and the answer to it.

use crate::args::{qos, seconds, topic_name};
use crate::connection::{Connection, ConnectionArgs};
use crate::exit::{Failure, Kind};
use crate::message::{MessageArgs, PayloadArgs};
use crate::output::{Output, OutputArgs};
use crate::publish::{PATIENCE, queue_for, the_topic};
use crate::subscribe::ANSWER;
use clap::Args;
use mqtt_std::{Bytes, Message, QoS, ReasonCode, SubscribeOptions, Subscription};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// The topic of the request
    #[arg(short, long, value_parser = topic_name)]
    topic: Option<String>,
    /// The QoS of request and answer: 0, 1 or 2
    #[arg(short, long, value_name = "QOS", default_value = "1", value_parser = qos)]
    qos: QoS,
    /// Seconds that the answer may take
    #[arg(short = 'W', long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,
    #[command(flatten)]
    payload: PayloadArgs,
    #[command(flatten)]
    message: MessageArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

pub(crate) fn run(mut args: RequestArgs) -> Result<(), Failure> {
    // What nobody else has: without a random source, the keys of two hashers.
    let unique = || RandomState::new().build_hasher().finish();
    let made_up = format!("{:016x}{:016x}", unique(), unique());
    let message = &mut args.message;
    let response_topic = message
        .response_topic
        .get_or_insert_with(|| format!("response/{made_up}"))
        .clone();
    let correlation = message.correlation_data.get_or_insert(made_up).clone();
    let args = args;

    let topic = the_topic(args.topic.as_deref(), &args.connection)?;
    let payload = args.payload.read()?;
    let queue = queue_for(&Some(payload.clone()));
    let connection = args
        .connection
        .connect(Some(PATIENCE), |options| options.queue(queue))?;
    let options = SubscribeOptions::new(args.qos).timeout(ANSWER);
    let answers = connection
        .client
        .subscribe(&response_topic, options)
        .map_err(|error| connection.explain(Failure::subscribing(&response_topic, &error)))?;
    let answer = ask(
        &connection,
        &args,
        topic,
        payload,
        &answers,
        correlation.as_bytes(),
    )
    .map_err(|failure| connection.explain(failure))?;
    let mut output = Output::new(&args.output);
    output.print(&answer)?;
    output.flush()?;
    connection.close()
}

/// Publishes the request and waits for the message that carries its correlation data.
fn ask(
    connection: &Connection,
    args: &RequestArgs,
    topic: &str,
    payload: Bytes,
    answers: &Subscription,
    correlation: &[u8],
) -> Result<Message, Failure> {
    let deadline = Instant::now().checked_add(args.timeout);
    let left = || {
        deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        })
    };
    let request = args
        .message
        .publication(&connection.client, topic, payload, args.qos);
    let token = request
        .send()
        .map_err(|error| Failure::publishing(&error))?;
    let acknowledged = token
        .acknowledged_timeout(left())
        .map_err(|error| Failure::delivering(&error))?;
    while let Some(message) = answers.recv_timeout(left()) {
        if message.properties.correlation_data.as_deref() == Some(correlation) {
            return Ok(message);
        }
    }
    if let Some(error) = answers.ended() {
        return Err(Failure::subscribing(answers.topic_filter(), &error));
    }
    let who = match acknowledged {
        ReasonCode::NO_MATCHING_SUBSCRIBERS => "; nobody subscribes to the topic of the request",
        _ => "",
    };
    let told = format_args!("no answer came within {:?}{who}", args.timeout);
    Err(Failure::new(Kind::TimedOut, told))
}
