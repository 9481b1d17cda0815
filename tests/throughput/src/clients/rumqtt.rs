//! rumqttc, MQTT 5: its event loop and what publishes share one thread.

use super::Failed;
use crate::load::{Load, TOPIC, Way};
use crate::meter::Meter;
use crate::report::Report;
use bytes::Bytes;
use mqtt_proto::QoS as Wanted;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

/// Requests that wait for the event loop.
const QUEUED: usize = 1_000;

pub(super) fn run(load: Load, port: u16, meter: Meter) -> Result<Report, Failed> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut options = MqttOptions::new("throughput", "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(60));
        let mut network = options.network_options();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, events) = AsyncClient::new(options, QUEUED);
        match load.way {
            Way::Publish => publish(client, events, load, meter).await,
            Way::Receive => receive(client, events, load, meter).await,
            Way::RoundTrip => round_trips(client, events, load, meter).await,
        }
    })
}

fn qos(load: Load) -> QoS {
    match load.qos {
        Wanted::AtMostOnce => QoS::AtMostOnce,
        Wanted::AtLeastOnce => QoS::AtLeastOnce,
        Wanted::ExactlyOnce => QoS::ExactlyOnce,
    }
}

async fn publish(
    client: AsyncClient,
    mut events: EventLoop,
    load: Load,
    mut meter: Meter,
) -> Result<Report, Failed> {
    let payload = Bytes::from(vec![b'x'; load.len]);
    tokio::spawn(async move {
        loop {
            let sent = client.publish(TOPIC, qos(load), false, payload.clone());
            if sent.await.is_err() {
                break;
            }
        }
    });
    let mut count = 0;
    loop {
        let settled = match events.poll().await? {
            Event::Outgoing(Outgoing::Publish(_)) => load.qos == Wanted::AtMostOnce,
            Event::Incoming(Packet::PubAck(_)) => load.qos == Wanted::AtLeastOnce,
            _ => false,
        };
        count += u64::from(settled);
        if count == 256
            && let Some(report) = meter.done(std::mem::take(&mut count))
        {
            return Ok(report);
        }
    }
}

async fn receive(
    client: AsyncClient,
    mut events: EventLoop,
    load: Load,
    mut meter: Meter,
) -> Result<Report, Failed> {
    client.subscribe(load.flood(), qos(load)).await?;
    let mut count = 0;
    loop {
        if let Event::Incoming(Packet::Publish(message)) = events.poll().await? {
            if message.payload.len() != load.len {
                return Err("another message".into());
            }
            count += 1;
        }
        if count == 256
            && let Some(report) = meter.done(std::mem::take(&mut count))
        {
            return Ok(report);
        }
    }
}

async fn round_trips(
    client: AsyncClient,
    mut events: EventLoop,
    load: Load,
    mut meter: Meter,
) -> Result<Report, Failed> {
    let payload = Bytes::from(vec![b'x'; load.len]);
    loop {
        let sent = Instant::now();
        client
            .publish(TOPIC, qos(load), false, payload.clone())
            .await?;
        while !matches!(events.poll().await?, Event::Incoming(Packet::PubAck(_))) {}
        if let Some(report) = meter.returned(sent) {
            return Ok(report);
        }
    }
}
