//! The runtime is shut down in the middle: no panic, and whoever waits elsewhere is told.

use super::Own;
use super::client::{
    Cause, ConnectError, DeliveryError, Options, PublishError, QoS, Queue, State, SubscribeError,
};
use super::hand::ByHand;
use super::peer::{LIMIT, Peer, Server};
use crate::facade::{Brief, World};
use mqtt_driver::tasks::{self, Runtime};
use std::net::TcpListener;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

type Short = <Own as World>::Brief;
type Client = tasks::Client<<Short as Brief>::Runtime>;

fn options() -> Options {
    let queue = Queue {
        messages: 2,
        ..Queue::default()
    };
    Options::new("shutdown")
        .queue(queue)
        .reconnect_between(LIMIT, LIMIT)
}

/// A client of a runtime that may go on only while it is waited for.
fn connect(runtime: &Short, server: &Server) -> (Client, Peer) {
    thread::scope(|scope| {
        let accepting = scope.spawn(|| {
            let mut peer = server.accept();
            peer.expect_connect();
            peer.accept_session(false, &[]);
            peer
        });
        let client = runtime.wait(Client::connect(&server.url(), options()));
        (client.unwrap(), accepting.join().unwrap())
    })
}

fn is_gone(state: &State) -> bool {
    matches!(
        state,
        State::Ended {
            cause: Cause::RuntimeGone
        }
    )
}

/// Says when it is dropped.
struct Gone(Sender<()>);

impl Drop for Gone {
    fn drop(&mut self) {
        // Who listened has heard enough.
        let _ = self.0.send(());
    }
}

#[test]
fn everybody_who_waits_outside_of_it_is_told() {
    let server = Server::start();
    let runtime = Short::start();
    let (client, mut peer) = connect(&runtime, &server);
    let subscription = thread::scope(|scope| {
        scope.spawn(|| peer.grant("a", QoS::AtLeastOnce));
        runtime.wait(client.subscribe("a", QoS::AtLeastOnce))
    });
    let subscription = subscription.unwrap();
    let publish = || client.publish("t", "m").qos(QoS::AtLeastOnce).send();
    let tokens = [(); 2].map(|()| runtime.wait(publish()).unwrap());
    let (gone, ends) = channel();
    let (inside, gone) = (client.unmatched(), Gone(gone));
    runtime.wait(async {
        <Short as Brief>::Runtime::spawn(async move {
            inside.recv().await;
            drop(gone);
        })
        .unwrap();
    });

    let (states, unmatched) = (client.watch(), client.unmatched());
    let mut acknowledged = ByHand::new(tokens[0].acknowledged());
    let mut reading = ByHand::new(subscription.recv());
    let mut others = ByHand::new(unmatched.recv());
    let mut changing = ByHand::new(states.recv());
    let mut ending = ByHand::new(client.wait_for_state(LIMIT, State::is_ended));
    let mut publishing = ByHand::new(publish());
    let mut subscribing = ByHand::new(client.subscribe("b", QoS::AtLeastOnce));
    assert!(acknowledged.poll().is_none() && publishing.poll().is_none());
    assert!(reading.poll().is_none() && others.poll().is_none());
    assert!(changing.poll().is_none() && ending.poll().is_none());
    assert!(subscribing.poll().is_none());
    runtime.shut_down();

    let ended = acknowledged.finish();
    assert!(
        matches!(ended, Err(DeliveryError::Ended(Cause::RuntimeGone))),
        "{ended:?}"
    );
    let refused = publishing.finish();
    assert!(
        matches!(refused, Err(PublishError::Ended(Cause::RuntimeGone))),
        "{refused:?}"
    );
    let refused = subscribing.finish();
    assert!(
        matches!(refused, Err(SubscribeError::Ended(Cause::RuntimeGone))),
        "{refused:?}"
    );
    assert!(reading.finish().is_none() && others.finish().is_none());
    let ended = subscription.ended();
    assert!(
        matches!(ended, Some(SubscribeError::Ended(Cause::RuntimeGone))),
        "{ended:?}"
    );
    assert!(changing.finish().is_some_and(|state| is_gone(&state)));
    assert!(ending.finish().is_some_and(|state| is_gone(&state)));
    assert!(tokens[1].outcome().unwrap().is_err());

    // What is asked for afterwards is refused at once.
    assert!(ByHand::new(publish()).poll().unwrap().is_err());
    let left = ByHand::new(client.close(LIMIT)).poll().unwrap();
    assert_eq!(left.unwrap_err().messages(), 2);
    assert_eq!(ends.recv_timeout(LIMIT), Ok(()));
    // Its socket has gone with the task.
    while peer.next(|_| ()).is_some() {}
    assert!(server.is_quiet());
}

#[test]
fn a_client_that_is_connecting_or_waits_to_connect_ends_with_it() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let nowhere = format!("mqtt://{}", nowhere.unwrap());
    let runtime = Short::start();
    let waiting = runtime.wait(async {
        let client = Client::start(&nowhere, options()).unwrap();
        let waits = |state: &State| matches!(state, State::Waiting { .. });
        assert!(client.wait_for_state(LIMIT, waits).await.is_some());
        client
    });
    let server = Server::start();
    let url = server.url();
    let mut connecting = Box::pin(Client::connect(&url, options()));
    // CONNECT has arrived, and is not answered.
    let mut peer = thread::scope(|scope| {
        let (sender, arrived) = channel();
        scope.spawn(move || {
            let mut peer = server.accept();
            peer.expect_connect();
            sender.send(peer).unwrap();
        });
        loop {
            let soon = Duration::from_millis(10);
            let until = waiting.wait_for_state(soon, State::is_ended);
            let (answer, _) = runtime.wait(both(connecting.as_mut(), until));
            assert!(answer.is_none());
            if let Ok(peer) = arrived.try_recv() {
                break peer;
            }
        }
    });
    let connecting = ByHand::new(connecting);
    runtime.shut_down();
    let failed = connecting.finish().map(drop);
    assert!(
        matches!(failed, Err(ConnectError::NotConnected(Cause::RuntimeGone))),
        "{failed:?}"
    );
    let ended = ByHand::new(waiting.wait_for_state(LIMIT, State::is_ended)).finish();
    assert!(ended.is_some_and(|state| is_gone(&state)));
    assert_eq!(peer.next(|packet| format!("{packet:?}")), None);
}

/// Polls one as well, until the other is ready.
async fn both<A, B>(
    mut one: impl Future<Output = A> + Unpin,
    other: impl Future<Output = B>,
) -> (Option<A>, B) {
    let mut other = std::pin::pin!(other);
    let mut answer = None;
    std::future::poll_fn(|cx| {
        if answer.is_none()
            && let std::task::Poll::Ready(value) = std::pin::Pin::new(&mut one).poll(cx)
        {
            answer = Some(value);
        }
        other.as_mut().poll(cx).map(|value| (answer.take(), value))
    })
    .await
}

#[test]
fn without_a_runtime_a_client_is_refused() {
    let refused = Client::start("mqtt://127.0.0.1:1", options()).map(drop);
    assert!(
        matches!(refused, Err(ConnectError::NoRuntime)),
        "{refused:?}"
    );
}
