//! On one thread a reader that reads loses nothing, however small its buffer and whatever comes at
//! once. Where the client and its reader run on several threads, the system decides who runs when:
//! there the buffer has to be large enough.
//! smol's clients run on a thread of its own: what shares it are tasks.

use super::Own;
use super::client::{Buffer, Options, Overflow, QoS, SubscribeOptions};
use super::peer::{LIMIT, Peer, Server, publish_bytes};
use crate::facade::{Brief, World, limited};
use mqtt_driver::tasks::{self, Runtime};
use mqtt_driver::{Slot, Wakes};
use mqtt_proto::ReasonCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

type Short = <Own as World>::Brief;
type Within = <Short as Brief>::Runtime;

const MESSAGES: usize = 10_000;

fn flood(peer: &mut Peer) {
    let all: Vec<u8> = (0..MESSAGES)
        .flat_map(|number| {
            publish_bytes("a", number.to_string().as_bytes(), QoS::AtMostOnce, 0, &[])
        })
        .collect();
    peer.send_bytes(&all).unwrap();
}

pub(in super::super) type Client = tasks::Client<Within>;
pub(in super::super) type Subscription = tasks::Subscription<Within>;

/// Plays with a reader that has room for 16 messages, and is sent all of them at once when it has
/// subscribed.
pub(in super::super) fn play<F: Future<Output = ()>>(read: impl FnOnce(Client, Subscription) -> F) {
    let server = Server::start();
    let url = server.url();
    let buffer = Buffer {
        messages: 16,
        overflow: Overflow::DropNewest,
        ..Buffer::default()
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut peer = server.accept();
            peer.expect_connect();
            peer.accept_session(false, &[]);
            peer.grant("a", QoS::AtMostOnce);
            flood(&mut peer);
            peer.expect_goodbye(ReasonCode::NORMAL_DISCONNECTION);
        });
        let runtime = Short::start();
        runtime.wait(async {
            let options = Options::new("fair").session_expiry(Duration::ZERO);
            let client = Client::connect(&url, options).await.unwrap();
            let options = SubscribeOptions::new(QoS::AtMostOnce).buffer(buffer);
            let messages = client.subscribe("a", options.timeout(LIMIT)).await;
            read(client.clone(), messages.unwrap()).await;
            client.close(LIMIT).await.unwrap();
        });
        runtime.shut_down();
    });
}

pub(in super::super) async fn read_all(mut messages: Subscription) {
    for number in 0..MESSAGES {
        let message = limited::<Within, _>(LIMIT, messages.next()).await;
        let message = message.flatten().expect("a message");
        assert_eq!(message.text(), number.to_string());
    }
    assert_eq!(messages.dropped(), 0);
    // Ended with the client, so that nothing is said of it before goodbye.
    std::mem::forget(messages);
}

#[test]
fn a_task_that_reads_loses_nothing_of_ten_thousand_messages_at_once() {
    play(|_client, messages| async {
        let read = Arc::<Slot<()>>::default();
        let done = Arc::clone(&read);
        Within::spawn(async move {
            read_all(messages).await;
            done.fill((), &mut Wakes::default());
        })
        .unwrap();
        let read = limited::<Within, _>(LIMIT, read.filled()).await;
        assert!(read.is_some(), "not all was read");
    });
}
