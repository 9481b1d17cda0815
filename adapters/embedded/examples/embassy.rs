//! A client in a task of Embassy, which waits for its clock at the same time; here on the host, over
//! TCP.
//!
//! `cargo run -p mqtt-embedded --features embassy-time --example embassy` brings a broker along, and
//! with an address it talks to another one. A reading is published at each tick; what comes back is
//! told; a question is answered while it is borrowed; and the connection is cut once.

use async_io::Async;
use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Ticker};
use embedded_io_adapters::futures_03::FromFutures;
use mqtt_embedded::{Client, EmbassyTime, Turn, connect};
use mqtt_session::{
    Config, Connect, Event, Fixed, Publish, QoS, Subscription, SubscriptionOptions, TopicFilter,
    TopicName,
};
use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::exit;

const HELLO: Connect<'_> = Connect {
    keep_alive: 30,
    ..connect("sensor-7")
};
const READINGS: usize = 4;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    if let Err(error) = spawner.spawn(sensor()) {
        fails(&error);
    }
}

fn fails(error: &dyn std::fmt::Debug) -> ! {
    eprintln!("embassy: {error:?}");
    exit(1)
}

#[embassy_executor::task]
async fn sensor() {
    let result = match std::env::args().nth(1) {
        Some(address) => match address.parse() {
            Ok(address) => run(address).await,
            Err(error) => fails(&error),
        },
        None => match mqtt_std::Broker::bind("127.0.0.1:0") {
            Ok(broker) => run(broker.local_addr()).await,
            Err(error) => fails(&error),
        },
    };
    match result {
        Ok(()) => exit(0),
        Err(error) => fails(&error),
    }
}

async fn run(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    // The second end of the same socket, to cut it.
    let scissors = RefCell::new(None);
    let dial = async || -> io::Result<_> {
        let stream = Async::<TcpStream>::connect(address).await?;
        *scissors.borrow_mut() = Some(stream.get_ref().try_clone()?);
        Ok(FromFutures::new(stream))
    };
    let mut client = Client::new(
        mqtt_session::Client::new(Config::new(), Fixed::<8, 8, 1024, 256>::new()),
        [0; 128],
        &HELLO,
        dial,
        EmbassyTime,
    );
    let reading = TopicName::new("sensors/7/temperature")?;
    let ask = TopicName::new("sensors/7/ask")?;
    let answer = TopicName::new("sensors/7/answer")?;
    let mut ticker = Ticker::every(Duration::from_millis(100));
    let (mut published, mut received, mut subscribed, mut answered) = (0, 0, false, false);
    client.start();
    loop {
        // Whichever is first: the other is dropped, and nothing is lost by that.
        match select(client.turn(), ticker.next()).await {
            Either::Second(()) if subscribed && published < READINGS => {
                let text = format!("21.{published}");
                let publish = Publish::new(reading, text.as_bytes());
                client.publish(&publish.qos(QoS::ExactlyOnce))?;
                published += 1;
                if published == READINGS / 2 {
                    println!("cut");
                    if let Some(stream) = scissors.take() {
                        stream.shutdown(Shutdown::Both)?;
                    }
                }
                if published == READINGS {
                    client.publish(&Publish::new(ask, b"battery?").qos(QoS::AtLeastOnce))?;
                }
            }
            Either::Second(()) => {}
            Either::First(Turn::Event(Event::Connected(connack))) => {
                let session = if connack.session_present {
                    "resumed"
                } else {
                    "new"
                };
                println!("connected to {address}, session {session}");
                if !subscribed {
                    client.subscribe(&[Subscription {
                        filter: TopicFilter::new("sensors/7/#")?,
                        options: SubscriptionOptions {
                            qos: QoS::ExactlyOnce,
                            ..SubscriptionOptions::default()
                        },
                    }])?;
                }
            }
            Either::First(Turn::Event(Event::Subscribed { .. })) => subscribed = true,
            Either::First(Turn::Event(event)) => println!("{event:?}"),
            Either::First(Turn::Message(mut delivery)) => {
                let message = delivery.message;
                let text = String::from_utf8_lossy(message.payload);
                println!("received {}: {text}", message.topic);
                if message.topic == ask {
                    delivery.publish(&Publish::new(answer, b"full").qos(QoS::AtLeastOnce))?;
                }
                received += usize::from(message.topic == reading);
                answered |= message.topic == answer;
            }
            Either::First(Turn::Failed(failed)) => println!("{failed}"),
            Either::First(Turn::Nothing) => {}
            Either::First(Turn::Done) => break,
        }
        if received == READINGS && answered {
            client.stop();
        }
    }
    println!("done, {received} readings received");
    Ok(())
}
