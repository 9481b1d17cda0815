//! No client: the bytes of the same messages, as fast as the system moves them.

use super::{Failed, hand};
use crate::load::{Load, TOPIC, Way};
use crate::meter::Meter;
use crate::report::Report;
use mqtt_proto::QoS;
use std::io::{Read, Write};
use std::thread;

/// Bytes written or read at a time, about.
const BLOCK: usize = 64 << 10;

pub(super) fn run(load: Load, port: u16, mut meter: Meter) -> Result<Report, Failed> {
    let mut stream = hand::connect(port)?;
    if load.way == Way::Receive {
        hand::subscribe(&mut stream, load)?;
        let message = hand::message(&load.flood(), load)?;
        let mut block = vec![0; 4 * BLOCK];
        let mut bytes = 0;
        loop {
            bytes += stream.read(&mut block)?;
            if let Some(report) = meter.done((bytes / message.len()) as u64) {
                return Ok(report);
            }
            bytes %= message.len();
        }
    }
    let message = hand::message(TOPIC, load)?;
    if load.qos != QoS::AtMostOnce {
        let mut answers = stream.try_clone()?;
        let mut block = vec![0; BLOCK];
        thread::spawn(move || while matches!(answers.read(&mut block), Ok(1..)) {});
    }
    let count = BLOCK.div_ceil(message.len());
    let block = message.repeat(count);
    loop {
        stream.write_all(&block)?;
        if let Some(report) = meter.done(count as u64) {
            return Ok(report);
        }
    }
}
