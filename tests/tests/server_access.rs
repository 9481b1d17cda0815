//! What a broker asks its program: who may come, publish and subscribe.

use mqtt_proto::{
    Connect, Packet, Properties, QoS, ReasonCode, SubscriptionOptions, TopicFilter, TopicName, Will,
};
use mqtt_session::broker::{Access, Broker, BrokerConfig, Identity, Login};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;

/// Everyone may do what their user name says: `publish`, `subscribe` or, without one, nothing.
struct Roles(Vec<String>);

impl Access for Roles {
    fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
        match (login.client_id, login.user_name, login.password) {
            (_, Some(_), Some(b"secret")) | ("guest", None, None) => Ok(()),
            _ => Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD),
        }
    }

    fn publish(
        &mut self,
        who: &Identity<'_>,
        topic: TopicName<'_>,
        qos: QoS,
        retain: bool,
    ) -> Result<(), ReasonCode> {
        let Identity { client_id, .. } = who;
        self.0.push(format!("{client_id} {topic} {qos:?} {retain}"));
        match who.user_name {
            Some("publish") => Ok(()),
            _ => Err(ReasonCode::NOT_AUTHORIZED),
        }
    }

    fn subscribe(
        &mut self,
        who: &Identity<'_>,
        filter: TopicFilter<'_>,
        options: SubscriptionOptions,
    ) -> Result<QoS, ReasonCode> {
        let Identity { client_id, .. } = who;
        self.0.push(format!("{client_id} {filter}"));
        match who.user_name {
            Some("subscribe") => Ok(options.qos),
            _ => Err(ReasonCode::NOT_AUTHORIZED),
        }
    }
}

fn user<'a>(client_id: &'a str, user_name: &'a str) -> Connect<'a> {
    Connect {
        user_name: Some(user_name),
        password: Some(b"secret"),
        ..hello(client_id)
    }
}

fn roles() -> Hall<Roles> {
    let roles = Roles(Vec::new());
    Hall::new(Broker::with_access(BrokerConfig::default(), roles))
}

#[test]
fn who_may_come_is_for_the_program_to_say() {
    let mut hall = roles();
    let bad = refused(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
    let wrong = Connect {
        password: Some(b"guess"),
        ..user("a", "publish")
    };
    hall.joins(1, &user("a", "publish"))
        .joins(2, &hello("guest"));
    // Who is refused takes nobody's session over.
    for (connection, connect) in [(3, wrong), (4, hello("a"))] {
        hall.opens(connection)
            .says(connection, Packet::Connect(connect))
            .hears(connection, bad)
            .is_closed(connection);
    }
    hall.silent();
    assert_eq!(hall.end_of(1), None);
    assert_eq!(hall.broker.load().sessions, 2);
}

#[test]
fn who_may_publish_is_asked_for_each_message() {
    let mut hall = roles();
    hall.joins(1, &user("pub", "publish"));
    hall.joins(2, &user("sub", "subscribe"));
    hall.joins(3, &hello("guest"));
    hall.subscribes(2, "#", Q1);
    let denied = ReasonCode::NOT_AUTHORIZED;
    hall.says(1, publishing(Q1, 1, "a", b"x"))
        .hears(1, puback(1));
    hall.hears(2, publishing(Q1, 1, "a", b"x"));
    for connection in [2, 3] {
        hall.says(connection, retaining(Q1, 1, "b", b"x"))
            .hears(connection, Packet::PubAck(ack(1, denied)));
        hall.says(connection, publishing(QoS::ExactlyOnce, 2, "b", b"x"))
            .hears(connection, Packet::PubRec(ack(2, denied)));
        hall.says(connection, retaining(Q0, 0, "b", b"x"));
    }
    hall.silent();
    assert_eq!(hall.broker.load().retained, 0);
    let asked = &hall.broker.access().0;
    assert_eq!(asked[1], "pub a AtLeastOnce false");
    assert_eq!(asked[2], "sub b AtLeastOnce true");
    assert_eq!(asked.len(), 8);
}

#[test]
fn who_may_subscribe_is_asked_for_each_filter() {
    let mut hall = roles();
    hall.joins(1, &user("pub", "publish"));
    hall.joins(2, &user("sub", "subscribe"));
    let denied = ReasonCode::NOT_AUTHORIZED;
    let asked = [filter("a", Q1), filter("$share/g/b", Q0)];
    hall.says(1, subscribe(1, &asked))
        .hears(1, suback(1, &[denied, denied]));
    hall.says(2, subscribe(1, &asked)).hears(
        2,
        suback(1, &[ReasonCode::GRANTED_QOS_1, ReasonCode::GRANTED_QOS_0]),
    );
    let asked = &hall.broker.access().0;
    assert_eq!(
        asked[..],
        ["pub a", "pub $share/g/b", "sub a", "sub $share/g/b"]
    );
    assert_eq!(hall.broker.load().subscriptions, 2);
}

#[test]
fn a_will_that_may_not_be_published_is_refused_with_its_connect() {
    let will = Will {
        qos: Q1,
        retain: true,
        topic: TopicName::new("will").expect("a topic"),
        payload: b"gone",
        properties: Properties::EMPTY,
    };
    let mut hall = roles();
    for (connection, name, may) in [(1, "publish", true), (2, "subscribe", false)] {
        let connect = Connect {
            will: Some(will),
            ..user(name, name)
        };
        if may {
            hall.joins(connection, &connect);
        } else {
            hall.opens(connection)
                .says(connection, Packet::Connect(connect))
                .hears(connection, refused(ReasonCode::NOT_AUTHORIZED))
                .is_closed(connection);
        }
    }
    let asked = &hall.broker.access().0;
    assert_eq!(
        asked[..],
        [
            "publish will AtLeastOnce true",
            "subscribe will AtLeastOnce true"
        ]
    );
    // It is not asked again when it is published.
    hall.cut(1);
    assert_eq!(hall.broker.access().0.len(), 2);
    assert_eq!(hall.broker.load().retained, 1);
}
