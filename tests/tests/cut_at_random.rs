//! Random conversations, cut at random places: what the listed ones may have forgotten.

use mqtt_proto::{Property, QoS};
use mqtt_tests::cut::{ASK, Acks, Cut, How, Kind, Pace, Scenario, Step};
use mqtt_tests::server::Terms;
use proptest::prelude::*;

const ALONE: &[Property<'static>] = &[Property::SessionExpiryInterval(3600)];
const WITH_ALIASES: &[Property<'static>] = &[
    Property::SessionExpiryInterval(3600),
    Property::TopicAliasMaximum(2),
];

/// What a step is before it has a payload of its own.
#[derive(Clone, Copy, Debug)]
enum Draft {
    Publish(QoS, &'static str, usize),
    PublishHeld(QoS, &'static str, usize),
    PublishDrawn(QoS, &'static str, usize),
    Serve(QoS, &'static str, usize),
    Subscribe,
    Settle,
}

fn qos() -> impl Strategy<Value = QoS> {
    prop::sample::select(vec![
        QoS::AtMostOnce,
        QoS::AtLeastOnce,
        QoS::ExactlyOnce,
        QoS::ExactlyOnce,
    ])
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 2..12usize, 1 => 30..150usize]
}

fn draft() -> impl Strategy<Value = Draft> {
    let out = prop::sample::select(vec!["a", "b", "a/longer/topic"]);
    let held = prop::sample::select(vec!["held/1", "held/2"]);
    let drawn = prop::sample::select(vec!["a", "drawn"]);
    let inward = prop::sample::select(vec!["in", "in/another/topic", ASK]);
    prop_oneof![
        5 => (qos(), out, len()).prop_map(|(qos, topic, len)| Draft::Publish(qos, topic, len)),
        1 => (qos(), held, len()).prop_map(|(qos, topic, len)| Draft::PublishHeld(qos, topic, len)),
        1 => (qos(), drawn, len()).prop_map(|(qos, topic, len)| Draft::PublishDrawn(qos, topic, len)),
        5 => (qos(), inward, len()).prop_map(|(qos, topic, len)| Draft::Serve(qos, topic, len)),
        1 => Just(Draft::Subscribe),
        2 => Just(Draft::Settle),
    ]
}

/// Steps with payloads that are all different, and never more at a time than the client holds.
fn steps(drafts: Vec<Draft>) -> Vec<Step> {
    let mut steps = vec![Step::Settle];
    let (mut open, mut bytes) = (0, 0);
    for (number, draft) in drafts.into_iter().enumerate() {
        let payload = |len: usize| {
            let mut payload = vec![number as u8; len];
            payload[1] = 0xaa;
            payload
        };
        let (count, len, step) = match draft {
            Draft::Publish(qos, topic, len) => (1, len, Step::Publish(qos, topic, payload(len))),
            Draft::PublishHeld(qos, topic, len) => {
                (1, len, Step::PublishHeld(qos, topic, payload(len)))
            }
            Draft::PublishDrawn(qos, topic, len) => {
                (1, len, Step::PublishDrawn(qos, topic, payload(len)))
            }
            // A request that comes twice is answered twice.
            Draft::Serve(qos, ASK, len) => (3, 3 * len, Step::Serve(qos, ASK, payload(len))),
            Draft::Serve(qos, topic, len) => (0, 0, Step::Serve(qos, topic, payload(len))),
            Draft::Subscribe => (1, 0, Step::Subscribe("s")),
            Draft::Settle => (0, 0, Step::Settle),
        };
        open += count;
        bytes += len + 40 * count;
        if open > 5 || bytes > 700 {
            steps.push(Step::Settle);
            (open, bytes) = (count, len + 40 * count);
        }
        steps.push(step);
    }
    steps
}

/// Cuts of which only the last takes the server's session with it. A client cannot tell a server
/// that lost its session, and whose next CONNACK was lost on the way, from one that kept it.
fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    (
        prop::collection::vec(cut(), 0..4),
        prop::bool::weighted(0.4),
    )
        .prop_map(|(mut cuts, loses_session)| {
            if let Some(last) = cuts.last_mut() {
                last.loses_session = loses_session;
            }
            cuts
        })
}

prop_compose! {
    fn cut()(
        after in 0..400usize,
        how in prop::sample::select(vec![
            How::Taken,
            How::LostOnTheWay,
            How::Unread,
            How::Unanswered,
            How::Answered,
        ]),
    ) -> Cut {
        Cut { after, how, loses_session: false }
    }
}

prop_compose! {
    fn terms()(
        receive_maximum in prop::option::of(1..5u16),
        receive_maximum_later in prop::option::of(1..5u16),
        topic_alias_maximum in 0..3u16,
        uses_aliases in any::<bool>(),
    ) -> Terms {
        Terms { receive_maximum, receive_maximum_later, topic_alias_maximum, uses_aliases }
    }
}

prop_compose! {
    fn scenario()(
        drafts in prop::collection::vec(draft(), 1..14),
        terms in terms(),
        store in prop::sample::select(vec![Kind::Fixed, Kind::Heap]),
        aliases in 0..3u16,
        input in prop::sample::select(vec![64, 80, 256]),
        connect in prop::sample::select(vec![ALONE, WITH_ALIASES]),
        acks in prop::sample::select(vec![Acks::Automatic, Acks::AtOnce, Acks::InReverse]),
        publishes_offline in any::<bool>(),
    ) -> Scenario {
        Scenario {
            name: "random",
            store,
            aliases,
            input,
            connect,
            terms,
            acks,
            publishes_offline,
            steps: steps(drafts),
        }
    }
}

fn pace() -> impl Strategy<Value = Pace> {
    let sizes = || prop::sample::select(vec![1, 2, 5, 13, 40, usize::MAX]);
    (sizes(), sizes()).prop_map(|(read, write)| Pace { read, write })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_random_conversation_strays(
        scenario in scenario(),
        cuts in cuts(),
        pace in pace(),
    ) {
        if scenario.run(&cuts, pace, false).is_err() {
            let failure = scenario.run(&cuts, pace, true).expect_err("it fails again");
            prop_assert!(false, "\n{}", failure);
        }
    }
}
