//! `mqtt-std`.

use super::{Failed, KEPT};
use crate::load::{Load, TOPIC, Way};
use crate::meter::Meter;
use crate::report::Report;
use bytes::Bytes;
use mqtt_std::{Client, Options, Token};
use std::collections::VecDeque;
use std::time::Instant;

pub(super) fn run(load: Load, port: u16, meter: Meter) -> Result<Report, Failed> {
    let url = format!("mqtt://127.0.0.1:{port}");
    let client = Client::connect(&url, Options::new("throughput"))?;
    match load.way {
        Way::Publish => publish(&client, load, meter),
        Way::Receive => receive(&client, load, meter),
        Way::RoundTrip => round_trips(&client, load, meter),
    }
}

fn publish(client: &Client, load: Load, mut meter: Meter) -> Result<Report, Failed> {
    let payload = Bytes::from(vec![b'x'; load.len]);
    let mut tokens = VecDeque::<Token>::with_capacity(KEPT);
    loop {
        while tokens.len() < KEPT {
            let message = client.publish(TOPIC, payload.clone()).qos(load.qos);
            tokens.push_back(message.send()?);
        }
        for token in tokens.drain(..KEPT / 2) {
            token.acknowledged()?;
        }
        if let Some(report) = meter.done(KEPT as u64 / 2) {
            return Ok(report);
        }
    }
}

fn receive(client: &Client, load: Load, mut meter: Meter) -> Result<Report, Failed> {
    let messages = client.subscribe(&load.flood(), load.qos)?;
    loop {
        for _ in 0..256 {
            let message = messages.recv().ok_or("the stream has ended")?;
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

fn round_trips(client: &Client, load: Load, mut meter: Meter) -> Result<Report, Failed> {
    let payload = Bytes::from(vec![b'x'; load.len]);
    loop {
        let sent = Instant::now();
        let message = client.publish(TOPIC, payload.clone()).qos(load.qos);
        message.send()?.acknowledged()?;
        if let Some(report) = meter.returned(sent) {
            return Ok(report);
        }
    }
}
