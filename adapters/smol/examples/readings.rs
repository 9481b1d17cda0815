//! Publishes and reads, against a broker in the same program:
//! `cargo run -p mqtt-smol --example readings`.

use mqtt_smol::{Client, Options, QoS};
use std::error::Error;
use std::time::{Duration, Instant};

const READINGS: usize = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let broker = mqtt_std::Broker::bind("127.0.0.1:0")?;
    let url = format!("mqtt://{}", broker.local_addr());
    let client = Client::connect(&url, Options::new("sensor-7")).await?;
    let mut readings = client
        .subscribe("sensors/+/temperature", QoS::AtLeastOnce)
        .await?;
    let began = Instant::now();
    let publisher = client.clone();
    let publishing = smol::spawn(async move {
        for number in 0..READINGS {
            let reading = format!("{:.2}", number as f64 / 100.0);
            publisher
                .publish("sensors/7/temperature", reading)
                .qos(QoS::AtLeastOnce)
                .await?;
        }
        Ok::<_, mqtt_smol::PublishError>(())
    });
    let mut last = None;
    for _ in 0..READINGS {
        last = readings.next().await;
    }
    publishing.await?;
    let took = began.elapsed();
    let last = last.ok_or("the subscription has ended")?;
    println!(
        "{}: {}, the last of {READINGS} in {took:?}",
        last.topic,
        last.text()
    );
    client.close(Duration::from_secs(5)).await?;
    Ok(())
}
