//! `mqtt-tokio` and `mqtt-smol`, which are used alike.

use super::{Failed, KEPT};
use crate::load::{Load, TOPIC, Way};
use crate::meter::Meter;
use crate::report::Report;
use bytes::Bytes;
use mqtt_driver::Options;
use mqtt_driver::tasks::{Client, Runtime, Token};
use std::collections::VecDeque;
use std::time::Instant;

pub(super) fn on_tokio(load: Load, port: u16, meter: Meter) -> Result<Report, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run::<mqtt_tokio::Tokio>(load, port, meter))
}

pub(super) fn on_smol(load: Load, port: u16, meter: Meter) -> Result<Report, Failed> {
    smol::block_on(run::<mqtt_smol::Smol>(load, port, meter))
}

async fn run<R: Runtime>(load: Load, port: u16, meter: Meter) -> Result<Report, Failed> {
    let url = format!("mqtt://127.0.0.1:{port}");
    let client = Client::<R>::connect(&url, Options::new("throughput")).await?;
    match load.way {
        Way::Publish => publish(&client, load, meter).await,
        Way::Receive => receive(&client, load, meter).await,
        Way::RoundTrip => round_trips(&client, load, meter).await,
    }
}

async fn publish<R: Runtime>(
    client: &Client<R>,
    load: Load,
    mut meter: Meter,
) -> Result<Report, Failed> {
    let payload = Bytes::from(vec![b'x'; load.len]);
    let mut tokens = VecDeque::<Token>::with_capacity(KEPT);
    loop {
        while tokens.len() < KEPT {
            let message = client.publish(TOPIC, payload.clone()).qos(load.qos);
            tokens.push_back(message.await?);
        }
        for token in tokens.drain(..KEPT / 2) {
            token.acknowledged().await?;
        }
        if let Some(report) = meter.done(KEPT as u64 / 2) {
            return Ok(report);
        }
    }
}

async fn receive<R: Runtime>(
    client: &Client<R>,
    load: Load,
    mut meter: Meter,
) -> Result<Report, Failed> {
    let mut messages = client.subscribe(&load.flood(), load.qos).await?;
    loop {
        for _ in 0..256 {
            let message = messages.next().await.ok_or("the stream has ended")?;
            if message.payload.len() != load.len {
                return Err("another message".into());
            }
        }
        if let Some(mut report) = meter.done(256) {
            report.dropped = messages.dropped();
            return Ok(report);
        }
    }
}

async fn round_trips<R: Runtime>(
    client: &Client<R>,
    load: Load,
    mut meter: Meter,
) -> Result<Report, Failed> {
    let payload = Bytes::from(vec![b'x'; load.len]);
    loop {
        let sent = Instant::now();
        let message = client.publish(TOPIC, payload.clone()).qos(load.qos);
        message.await?.acknowledged().await?;
        if let Some(report) = meter.returned(sent) {
            return Ok(report);
        }
    }
}
