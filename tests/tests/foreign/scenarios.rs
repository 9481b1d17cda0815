//! What every foreign client has to see, with clients of `mqtt-std` on the other side.

use super::{House, LIMIT, Note, PASSWORD, Tool, USER, Who, note};
use mqtt_std::{Client, Message, Options, QoS, Subscription};

const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

#[track_caller]
fn own(house: &House, client_id: &str) -> Client {
    let url = format!("mqtt://{}", house.broker.local_addr());
    Client::connect(&url, Options::new(client_id).login(USER, PASSWORD)).unwrap()
}

#[track_caller]
fn next(messages: &Subscription) -> Message {
    messages.recv_timeout(LIMIT).expect("a message")
}

/// Each QoS, both ways, at the lower of the two ends.
pub fn every_qos(tool: &dyn Tool) {
    let house = House::open();
    let client = own(&house, "own");
    let up = client.subscribe("up/+", QoS::ExactlyOnce).unwrap();
    let mut listeners: Vec<_> = (0..3)
        .map(|qos| {
            let id = format!("at-{qos}");
            tool.subscriber(&house, Who::new(&id), &[("down/#", qos), ("up/#", qos)])
        })
        .collect();
    let notes: Vec<Note> = (0..3)
        .map(|qos| note(&format!("up/{qos}"), "from them", qos))
        .collect();
    tool.publish(&house, &notes);
    for expected in &notes {
        let got = next(&up);
        assert_eq!(*got.topic, *expected.topic);
        assert_eq!((got.qos as u8, &*got.text()), (expected.qos, "from them"));
    }
    for qos in ALL {
        let topic = format!("down/{}", qos as u8);
        let token = client
            .publish(&topic, "from us, ü")
            .qos(qos)
            .send()
            .unwrap();
        token.acknowledged_timeout(LIMIT).unwrap();
    }
    for (granted, listener) in (0..3).zip(&mut listeners) {
        let mut got: Vec<Note> = (0..6).map(|_| listener.receive()).collect();
        got.sort_by(|a, b| a.topic.cmp(&b.topic));
        let mut expected: Vec<Note> = (0..3)
            .map(|qos| note(&format!("down/{qos}"), "from us, ü", qos.min(granted)))
            .collect();
        expected.extend(notes.iter().map(|sent| Note {
            qos: sent.qos.min(granted),
            ..sent.clone()
        }));
        assert_eq!(got, expected, "subscribed at QoS {granted}");
        listener.leave();
        let end = house.end_of(&format!("at-{granted}"));
        assert!(end.starts_with("the client disconnected:"), "{end}");
    }
}

/// Kept, told apart from live ones, replaced and cleared.
pub fn retained(tool: &dyn Tool) {
    let house = House::open();
    let client = own(&house, "own");
    let kept = |name: &str, payload: &str| Note {
        retain: true,
        ..note(&format!("kept/{name}"), payload, 1)
    };
    tool.publish(&house, &[kept("a", "old"), kept("a", "1"), kept("b", "2")]);
    let mut listener = tool.subscriber(&house, Who::new("first"), &[("kept/+", 1)]);
    let mut got = [listener.receive(), listener.receive()];
    got.sort_by(|a, b| a.topic.cmp(&b.topic));
    assert_eq!(got, [kept("a", "1"), kept("b", "2")]);
    tool.publish(&house, &[kept("a", "live")]);
    assert_eq!(listener.receive(), note("kept/a", "live", 1));

    // An empty one clears, and goes to those who are there.
    tool.publish(&house, &[kept("a", "")]);
    assert_eq!(listener.receive(), note("kept/a", "", 1));
    let ours = client.subscribe("kept/#", QoS::AtMostOnce).unwrap();
    let got = next(&ours);
    assert!(got.retain && *got.topic == *"kept/b" && got.text() == "2");
    let mut later = tool.subscriber(&house, Who::new("later"), &[("kept/a", 1)]);
    tool.publish(&house, &[note("kept/a", "first", 1)]);
    assert_eq!(later.receive(), note("kept/a", "first", 1));
    assert_eq!(house.broker.load().retained, 1);
}

/// Published when the client dies or wants it, and not when it says goodbye otherwise.
pub fn will(tool: &dyn Tool) {
    let house = House::open();
    let client = own(&house, "own");
    let states = client.subscribe("state/+", QoS::ExactlyOnce).unwrap();
    tool.publish(&house, &[note("x", "y", 1)]);
    let end = house.end_of("publisher");
    assert_eq!(end, "the client disconnected: success (0x00)");

    let who = |client_id, topic| Who {
        will: Some((topic, "gone")),
        ..Who::new(client_id)
    };
    let mut polite = tool.subscriber(&house, who("polite", "state/polite"), &[("x", 0)]);
    let mut dying = tool.subscriber(&house, who("dying", "state/dying"), &[("x", 0)]);
    polite.leave();
    let end = house.end_of("polite");
    let mut wills = vec!["state/dying"];
    if end.ends_with("(0x04)") {
        wills.insert(0, "state/polite");
    }
    dying.kill();
    for topic in wills {
        let got = next(&states);
        assert_eq!((&*got.topic, &*got.text()), (topic, "gone"), "{end}");
        assert_eq!(got.qos, QoS::AtLeastOnce);
    }
}

/// One message goes to one of those who share, in turn, and to everyone else as ever.
pub fn shared_subscriptions(tool: &dyn Tool) {
    let house = House::open();
    let filter = [("$share/crew/work", 1)];
    let mut crew: Vec<_> = ["one", "two", "three"]
        .map(|id| tool.subscriber(&house, Who::new(id), &filter))
        .into();
    let mut all = tool.subscriber(&house, Who::new("all"), &[("work", 1)]);
    let notes: Vec<Note> = (0..9).map(|n| note("work", &n.to_string(), 1)).collect();
    tool.publish(&house, &notes);
    let mut shares: Vec<String> = Vec::new();
    for member in &mut crew {
        shares.extend((0..3).map(|_| member.receive().payload));
    }
    shares.sort();
    let expected: Vec<&str> = notes.iter().map(|note| note.payload.as_str()).collect();
    assert_eq!(shares, expected);
    for note in &notes {
        assert_eq!(all.receive(), *note);
    }
}

/// A killed client comes back to what it had subscribed and to what came meanwhile.
pub fn session_resumption(tool: &dyn Tool) {
    let house = House::open();
    let who = Who::keeping("kept");
    let mut first = tool.subscriber(&house, who, &[("inbox/#", 2)]);
    tool.publish(&house, &[note("inbox/0", "live", 2)]);
    assert_eq!(first.receive(), note("inbox/0", "live", 2));
    first.kill();
    let end = house.end_of("kept");
    assert_eq!(end, "the transport was closed");

    let meanwhile: Vec<Note> = (1..=2)
        .flat_map(|qos| (0..3).map(move |n| note("inbox/1", &format!("{qos}.{n}"), qos)))
        .collect();
    tool.publish(&house, &meanwhile);
    // Subscribing once more is what mosquitto_sub cannot leave; it is to another topic here.
    let mut second = tool.subscriber(&house, who, &[("other", 2)]);
    for expected in &meanwhile {
        assert_eq!(second.receive(), *expected);
    }
    tool.publish(&house, &[note("inbox/2", "again", 1)]);
    assert_eq!(second.receive(), note("inbox/2", "again", 1));
    second.leave();

    // A clean start begins anew.
    let fresh = Who { clean: true, ..who };
    let mut third = tool.subscriber(&house, fresh, &[("other", 2)]);
    tool.publish(
        &house,
        &[note("inbox/3", "nobody", 2), note("other", "first", 2)],
    );
    assert_eq!(third.receive(), note("other", "first", 2));
}

/// Everything that a publisher can say of a message arrives unchanged.
pub fn properties(tool: &dyn Tool) {
    let house = House::open();
    let client = own(&house, "own");
    let ours = client.subscribe("t", QoS::AtLeastOnce).unwrap();
    let mut listener = tool.subscriber(&house, Who::new("theirs"), &[("t", 1)]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let sent = Note {
        content_type: "text/plain".to_owned(),
        response_topic: "answers/7".to_owned(),
        correlation: "no. 9".to_owned(),
        expiry: Some(1_000),
        user: vec![pair("a", "1"), pair("a", "2"), pair("b", "ü")],
        ..note("t", "all", 1)
    };
    tool.publish(&house, std::slice::from_ref(&sent));
    let mut got = listener.receive();
    let left = got.expiry.replace(1_000).unwrap();
    assert!((900..=1_000).contains(&left), "{left}");
    assert_eq!(got, sent);

    let message = next(&ours);
    let properties = &message.properties;
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    assert_eq!(properties.response_topic.as_deref(), Some("answers/7"));
    assert_eq!(properties.correlation_data.as_deref(), Some(&b"no. 9"[..]));
    assert_eq!(properties.user_properties, sent.user);
    assert!(properties.message_expiry_interval.is_some());
}

/// A wrong password is told by the reason code Bad User Name or Password.
pub fn refusal(tool: &dyn Tool) {
    let house = House::open();
    assert_eq!(tool.refused(&house), "134");
    assert_eq!(house.broker.load().sessions, 0);
}
