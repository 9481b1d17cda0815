//! A future that is dropped at any await loses nothing: no byte, no message, no token, and nobody
//! else waits for it.

use super::Own;
use super::client::{
    Cause, Client, Options, QoS, Queue, State, SubscribeOptions, Subscription, WhenFull,
};
use super::hand::{ByHand, at_every_await};
use super::peer::{LIMIT, Peer, Server};
use crate::facade::World;
use mqtt_driver::tasks::{self, Dial, Runtime};
use mqtt_proto::{Packet, PacketId, PacketType, ReasonCode};
use mqtt_std::Broker;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::task::Poll;
use std::thread;
use std::time::Duration;

type Tasks = tasks::Client<<Own as World>::Runtime>;

fn options() -> Options {
    Options::new("dropping").reconnect_between(Duration::from_millis(1), Duration::from_millis(5))
}

/// The next packet is this message; its identifier.
#[track_caller]
fn arrives(peer: &mut Peer, expected: &str) -> u16 {
    peer.packet(|packet| match packet {
        Packet::Publish(publish) => {
            assert_eq!(String::from_utf8_lossy(publish.payload), expected);
            publish.packet_id.map_or(0, PacketId::value)
        }
        other => panic!("not {expected} but {other:?}"),
    })
}

/// Nothing has been sent that the peer has not seen, and the client goes on.
#[track_caller]
fn goes_on(client: &Client, peer: &mut Peer) {
    let token = client
        .publish("t", "mark")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let id = arrives(peer, "mark");
    peer.ack(PacketType::PubAck, id);
    token.acknowledged_timeout(LIMIT).unwrap();
}

fn subscribe(client: &Client, peer: &mut Peer, filter: &str) -> Subscription {
    let options = SubscribeOptions::new(QoS::AtLeastOnce).timeout(LIMIT);
    thread::scope(|scope| {
        let subscription = scope.spawn(|| client.subscribe(filter, options));
        peer.grant(filter, QoS::AtLeastOnce);
        subscription.join().unwrap().unwrap()
    })
}

#[track_caller]
fn next(subscription: &Subscription) -> String {
    let message = subscription.recv_timeout(LIMIT).expect("a message");
    message.text().into_owned()
}

#[test]
fn a_publish_that_waits_for_room_was_accepted_or_was_not() {
    let server = Server::start();
    let one = Queue {
        messages: 1,
        when_full: WhenFull::Block,
        ..Queue::default()
    };
    let (client, mut peer) = server.connect(options().queue(one));
    let mut number = 0;
    at_every_await(|point| {
        let first = client.publish("t", "first").qos(QoS::ExactlyOnce);
        let first = first.send().unwrap();
        let id = arrives(&mut peer, "first");
        number += 1;
        let payload = format!("second {number}");
        let second = client.inner.publish("t", payload.clone());
        let second = second.qos(QoS::ExactlyOnce).send();
        let accepted = point.leave(second, |_| complete(&mut peer, id));
        first.acknowledged_timeout(LIMIT).unwrap();
        let accepted = accepted.map(Result::unwrap);
        if let Some(token) = &accepted {
            let id = arrives(&mut peer, &payload);
            complete(&mut peer, id);
            Own::wait_for(LIMIT, token.acknowledged()).unwrap().unwrap();
        }
        goes_on(&client, &mut peer);
        accepted.is_some()
    });
}

/// The rest of the exchange of a message at QoS 2.
fn complete(peer: &mut Peer, id: u16) {
    peer.ack(PacketType::PubRec, id);
    assert_eq!(peer.expect_ack(PacketType::PubRel), id);
    peer.ack(PacketType::PubComp, id);
}

#[test]
fn of_many_publishes_dropped_or_not_exactly_the_accepted_ones_arrive_once_and_in_order() {
    let broker = Broker::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", broker.local_addr());
    let queue = Queue {
        messages: 2,
        ..Queue::default()
    };
    let client = Client::connect(&url, options().queue(queue)).unwrap();
    let reader = Client::connect(&url, Options::new("reader")).unwrap();
    let messages = reader.subscribe("t", QoS::ExactlyOnce).unwrap();
    let mut accepted = Vec::new();
    let mut tokens = Vec::new();
    for number in 0..200_usize {
        let publication = client.inner.publish("t", number.to_string());
        let mut publishing = ByHand::new(publication.qos(QoS::ExactlyOnce).send());
        let mut token = None;
        for _ in 0..number % 4 {
            token = publishing.poll();
            if token.is_some() {
                break;
            }
            // Some are dropped with the room that they were woken for.
            publishing.woken();
        }
        if let Some(token) = token {
            accepted.push(number.to_string());
            tokens.push(token.unwrap());
        }
    }
    for token in tokens {
        Own::wait_for(LIMIT, token.acknowledged()).unwrap().unwrap();
    }
    client
        .publish("t", "end")
        .qos(QoS::ExactlyOnce)
        .send()
        .unwrap();
    let arrived: Vec<_> = std::iter::from_fn(|| Some(next(&messages)))
        .take_while(|text| text != "end")
        .collect();
    assert_eq!(arrived, accepted);
    assert!(accepted.len() >= 50, "{}", accepted.len());
}

#[test]
fn a_token_that_is_kept_resolves_whoever_stops_waiting_for_it() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        at_every_await(|point| {
            let token = client.publish("t", "m").qos(qos).send().unwrap();
            let mut other = ByHand::new(token.inner.acknowledged());
            let settled = other.poll().is_some();
            let outcome = point.leave(token.inner.acknowledged(), |_| {
                let id = arrives(&mut peer, "m");
                match qos {
                    QoS::AtMostOnce => {}
                    QoS::AtLeastOnce => peer.ack(PacketType::PubAck, id),
                    QoS::ExactlyOnce => complete(&mut peer, id),
                }
            });
            if !settled {
                assert_eq!(other.finish().unwrap(), ReasonCode::SUCCESS);
            }
            assert!(token.acknowledged_timeout(LIMIT).is_ok());
            outcome.is_some()
        });
    }
    assert_eq!(client.unsettled().messages(), 0);
}

#[test]
fn what_a_dropped_subscribe_asked_for_is_taken_back() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let all = subscribe(&client, &mut peer, "#");
    at_every_await(|point| {
        let subscribing = client.inner.subscribe("a", QoS::AtLeastOnce);
        let subscription = point.leave(subscribing, |polled| {
            if polled {
                peer.grant("a", QoS::AtLeastOnce);
            }
        });
        let ended = subscription.is_some();
        drop(subscription.map(Result::unwrap));
        if ended || point.polled() {
            let id = peer.expect_unsubscribe("a");
            peer.unsuback(id);
        }
        peer.publish("a", b"for all", QoS::AtMostOnce, 0);
        assert_eq!(next(&all), "for all");
        goes_on(&client, &mut peer);
        ended
    });
    let several = ["a/+", "b"];
    at_every_await(|point| {
        let subscribing = client.inner.subscribe_all(several, QoS::AtLeastOnce);
        let subscription = point.leave(subscribing, |polled| {
            for filter in several.iter().filter(|_| polled) {
                peer.grant(filter, QoS::AtLeastOnce);
            }
        });
        let ended = subscription.is_some();
        drop(subscription.map(Result::unwrap));
        for filter in several.iter().filter(|_| ended || point.polled()) {
            let id = peer.expect_unsubscribe(filter);
            peer.unsuback(id);
        }
        goes_on(&client, &mut peer);
        ended
    });
}

#[test]
fn who_reads_the_same_filter_reads_on_when_a_subscribe_is_dropped() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let kept = subscribe(&client, &mut peer, "a");
    at_every_await(|point| {
        let subscribing = client.inner.subscribe("a", QoS::AtLeastOnce);
        let subscription = point.leave(subscribing, |polled| {
            if polled {
                peer.grant("a", QoS::AtLeastOnce);
            }
        });
        peer.publish("a", b"still", QoS::AtMostOnce, 0);
        assert_eq!(next(&kept), "still");
        // No UNSUBSCRIBE before it.
        goes_on(&client, &mut peer);
        subscription.map(Result::unwrap).is_some()
    });
}

#[test]
fn a_message_that_a_dropped_reader_was_woken_for_is_read_by_the_next() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let mut subscription = subscribe(&client, &mut peer, "a");
    let mut number = 0_u16;
    for way in 0..3 {
        at_every_await(|point| {
            number += 1;
            let payload = number.to_string();
            let comes = |_| {
                peer.publish("a", payload.as_bytes(), QoS::AtLeastOnce, number);
                assert_eq!(peer.expect_ack(PacketType::PubAck), number);
            };
            let reading = &mut subscription.inner;
            let read = match way {
                0 => point.leave(reading.recv(), comes),
                1 => point.leave(reading.next(), comes),
                _ => point.leave(poll_fn(|cx| poll_next(reading, cx)), comes),
            };
            let ended = read.is_some();
            let read = read.map_or_else(
                || next(&subscription),
                |message| message.unwrap().text().into_owned(),
            );
            assert_eq!(read, payload);
            ended
        });
    }
    assert!(subscription.try_recv().is_none());
    assert_eq!(subscription.dropped(), 0);
}

fn poll_next<S: futures_core::Stream + Unpin>(
    stream: &mut S,
    cx: &mut std::task::Context<'_>,
) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(cx)
}

#[test]
fn the_turn_of_a_dropped_reader_is_the_next_ones() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let unmatched = client.inner.unmatched();
    for as_stream in [false, true] {
        let mut stream = unmatched.clone();
        let mut first = if as_stream {
            ByHand::new(poll_fn(move |cx| poll_next(&mut stream, cx)))
        } else {
            ByHand::new(async move { stream.recv().await })
        };
        let mut second = ByHand::new(unmatched.recv());
        assert!(first.poll().is_none() && second.poll().is_none());
        peer.publish("a", b"one", QoS::AtMostOnce, 0);
        first.woken();
        drop(first);
        second.woken();
        assert_eq!(second.poll().flatten().unwrap().text(), "one");
    }
}

#[test]
fn the_server_is_told_of_an_unsubscribe_that_is_dropped() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    at_every_await(|point| {
        let leaving = client.inner.unsubscribe("a", LIMIT);
        let left = point.leave(leaving, |polled| {
            if polled {
                let id = peer.expect_unsubscribe("a");
                peer.unsuback(id);
            }
        });
        goes_on(&client, &mut peer);
        left.map(Result::unwrap).is_some()
    });
    at_every_await(|point| {
        let subscription = subscribe(&client, &mut peer, "a");
        let left = point.leave(subscription.inner.unsubscribe(LIMIT), |_| {
            let id = peer.expect_unsubscribe("a");
            peer.unsuback(id);
        });
        goes_on(&client, &mut peer);
        left.map(Result::unwrap).is_some()
    });
}

#[test]
fn others_are_told_of_a_state_that_somebody_no_longer_waits_for() {
    let server = Server::start();
    let waiting = |state: &State| matches!(state, State::Waiting { .. });
    at_every_await(|point| {
        let (client, peer) = server.connect(options().reconnect_between(LIMIT, LIMIT));
        let mut states = client.watch();
        let mut other = ByHand::new(client.inner.wait_for_state(LIMIT, waiting));
        assert!(other.poll().is_none());
        let state = point.leave(client.inner.wait_for_state(LIMIT, waiting), |_| drop(peer));
        assert!(other.finish().is_some());
        let change = change_after_a_drop(&mut states);
        assert!(waiting(&change), "{change:?}");
        state.flatten().is_some()
    });
}

/// The next change, which a future that was dropped has not taken.
fn change_after_a_drop(states: &mut crate::facade::States<Own>) -> State {
    let mut gone = ByHand::new(poll_fn(|cx| poll_next(&mut states.inner, cx)));
    if let Some(state) = gone.poll() {
        return state.unwrap();
    }
    gone.woken();
    drop(gone);
    states.recv_timeout(LIMIT).unwrap()
}

#[test]
fn a_client_goes_on_closing_when_nobody_waits_for_it() {
    let server = Server::start();
    at_every_await(|point| {
        let (client, mut peer) = server.connect(options());
        let token = client.publish("t", "last").qos(QoS::AtLeastOnce);
        let token = token.send().unwrap();
        let id = arrives(&mut peer, "last");
        let closed = point.leave(client.inner.close(LIMIT), |polled| {
            peer.ack(PacketType::PubAck, id);
            if polled {
                peer.expect_goodbye(ReasonCode::NORMAL_DISCONNECTION);
            }
        });
        assert!(token.acknowledged_timeout(LIMIT).is_ok());
        if !point.polled() {
            // Nothing was said before it was polled.
            goes_on(&client, &mut peer);
        } else {
            let ended = client.wait_for_state(LIMIT, State::is_ended);
            assert!(ended.is_some());
        }
        closed.map(Result::unwrap).is_some()
    });
}

#[test]
fn a_connect_that_is_dropped_leaves_no_client_behind() {
    let server = Server::start();
    let url = server.url();
    // Whoever connects is accepted, and has said whole packets when the stream ends.
    let serving = thread::spawn(move || {
        let mut is_last = false;
        while !is_last {
            let mut peer = server.accept();
            let mut said = Vec::new();
            let look = |packet: Packet<'_>| match packet {
                Packet::Connect(connect) => (PacketType::Connect, connect.client_id == "last"),
                other => (other.packet_type(), false),
            };
            while let Some((kind, last)) = peer.next(look) {
                is_last |= last;
                if said.is_empty() {
                    peer.accept_session(false, &[]);
                }
                said.push(kind);
            }
            let whole = [PacketType::Connect, PacketType::Disconnect];
            assert!(whole.starts_with(&said), "{said:?}");
        }
    });
    at_every_await(|point| {
        let client = point.leave(Tasks::connect(&url, options()), |_| {});
        let client = client.map(Result::unwrap);
        let Some(client) = client else { return false };
        assert!(client.state().is_connected());
        Own::wait(client.close(LIMIT)).unwrap();
        true
    });
    // It serves one after the other, so this one is served when all before it are gone.
    let last = Client::connect(&url, Options::new("last")).unwrap();
    last.close(LIMIT).unwrap();
    serving.join().unwrap();
}

/// Says when it is dropped.
struct Gone(Sender<usize>, usize);

impl Drop for Gone {
    fn drop(&mut self) {
        // Nobody listens any more when the test is over.
        let _ = self.0.send(self.1);
    }
}

#[test]
fn an_attempt_to_open_a_stream_goes_with_its_client_at_any_await() {
    const STEPS: usize = 3;
    let server = Server::start();
    let address: SocketAddr = server.url().replace("mqtt://", "").parse().unwrap();
    for last in 0..=STEPS {
        let ((reached, steps), (gone, ends)) = (channel(), channel());
        let dial = Dial::new(move |_| {
            let (reached, gone) = (reached.clone(), Gone(gone.clone(), last));
            async move {
                for step in 0..last {
                    reached.send(step).unwrap();
                    once_pending().await;
                }
                reached.send(last).unwrap();
                if last < STEPS {
                    std::future::pending::<()>().await;
                }
                let stream = <Own as World>::Runtime::connect(address).await?;
                drop(gone);
                Ok::<_, Cause>(stream)
            }
        });
        let mut connecting = ByHand::new(Tasks::connect_over(dial, options()));
        assert!(connecting.poll().is_none());
        for step in 0..=last {
            assert_eq!(steps.recv_timeout(LIMIT), Ok(step));
        }
        if last == STEPS {
            let mut peer = server.accept();
            assert_eq!(ends.recv_timeout(LIMIT), Ok(last));
            peer.expect_connect();
            drop(connecting);
            // CONNECT has left: the server is told of the end, or sees the stream end.
            while peer.next(|_| ()).is_some() {}
        } else {
            assert!(ends.try_recv().is_err());
            drop(connecting);
            assert_eq!(ends.recv_timeout(LIMIT), Ok(last));
        }
        assert!(server.is_quiet());
    }
}

/// Is pending once.
async fn once_pending() {
    let mut pending = true;
    poll_fn(|cx| {
        if std::mem::take(&mut pending) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_request_that_is_dropped_leaves_the_others_their_answers() {
    let broker = Broker::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", broker.local_addr());
    let server = Client::connect(&url, Options::new("server")).unwrap();
    let questions = server.subscribe("ask", QoS::AtLeastOnce).unwrap();
    let client = Client::connect(&url, options()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            while let Some(question) = questions.recv_timeout(LIMIT) {
                let text = question.text();
                if text == "end" {
                    break;
                }
                let answer = server.respond(&question, format!("{text}!"));
                answer.unwrap().send().unwrap();
            }
        });
        at_every_await(|point| {
            let asking = client.inner.request("ask", "one").expiry(LIMIT).send();
            let answer = point.leave(asking, |_| {});
            let other = client.request("ask", "other").expiry(LIMIT).send().unwrap();
            assert_eq!(other.text(), "other!");
            let Some(answer) = answer else { return false };
            assert_eq!(answer.unwrap().text(), "one!");
            true
        });
        let end = client.publish("ask", "end").qos(QoS::AtLeastOnce);
        end.send().unwrap();
    });
    // An answer that nobody waits for is no message of anybody's.
    assert!(client.unmatched().try_recv().is_none());
}

#[test]
fn looking_for_what_is_retained_leaves_no_subscription_behind() {
    let broker = Broker::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", broker.local_addr());
    let client = Client::connect(&url, options()).unwrap();
    let kept = client.publish("lamp", "on").retain(true);
    let kept = kept.qos(QoS::AtLeastOnce).send().unwrap();
    kept.acknowledged_timeout(LIMIT).unwrap();
    let quiet = Duration::from_millis(100);
    at_every_await(|point| {
        let found = point.leave(client.inner.retained("lamp", quiet), |_| {});
        let passed = client.publish("lamp", "passes").qos(QoS::AtLeastOnce);
        let outcome = passed.send().unwrap().acknowledged_timeout(LIMIT).unwrap();
        assert_eq!(outcome, ReasonCode::NO_MATCHING_SUBSCRIBERS);
        found.is_some_and(|found| found.unwrap().len() == 1)
    });
}
