//! Properties that own their values, and the texts they are made of.

use mqtt_proto::{PayloadFormat, Property, PropertyId, QoS};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::name;

/// A property that owns its value.
#[derive(Clone, Debug)]
pub(super) enum Owned {
    Number(PropertyId, u32),
    Text(PropertyId, String),
    Binary(PropertyId, Vec<u8>),
    Pair(String, String),
}

pub(super) const CONNECT: &[PropertyId] = &[
    PropertyId::SessionExpiryInterval,
    PropertyId::AuthenticationMethod,
    PropertyId::RequestProblemInformation,
    PropertyId::RequestResponseInformation,
    PropertyId::ReceiveMaximum,
    PropertyId::TopicAliasMaximum,
    PropertyId::MaximumPacketSize,
];
pub(super) const CONNECT_WITH_DATA: &[PropertyId] =
    &[PropertyId::AuthenticationData, PropertyId::ReceiveMaximum];
pub(super) const WILL: &[PropertyId] = &[
    PropertyId::PayloadFormatIndicator,
    PropertyId::MessageExpiryInterval,
    PropertyId::ContentType,
    PropertyId::ResponseTopic,
    PropertyId::CorrelationData,
    PropertyId::WillDelayInterval,
];
pub(super) const CONNACK: &[PropertyId] = &[
    PropertyId::SessionExpiryInterval,
    PropertyId::AssignedClientIdentifier,
    PropertyId::ServerKeepAlive,
    PropertyId::AuthenticationMethod,
    PropertyId::AuthenticationData,
    PropertyId::ResponseInformation,
    PropertyId::ServerReference,
    PropertyId::ReasonString,
    PropertyId::ReceiveMaximum,
    PropertyId::TopicAliasMaximum,
    PropertyId::MaximumQoS,
    PropertyId::RetainAvailable,
    PropertyId::MaximumPacketSize,
    PropertyId::WildcardSubscriptionAvailable,
    PropertyId::SubscriptionIdentifierAvailable,
    PropertyId::SharedSubscriptionAvailable,
];
pub(super) const PUBLISH: &[PropertyId] = &[
    PropertyId::PayloadFormatIndicator,
    PropertyId::MessageExpiryInterval,
    PropertyId::ContentType,
    PropertyId::ResponseTopic,
    PropertyId::CorrelationData,
];
pub(super) const REASON: &[PropertyId] = &[PropertyId::ReasonString];

/// Some of the optional properties, all of the required ones and some user properties, in any
/// order.
pub(super) fn properties(
    optional: &'static [PropertyId],
    required: &'static [PropertyId],
) -> BoxedStrategy<Vec<Owned>> {
    properties_of(optional.to_vec(), required.to_vec())
}

pub(super) fn properties_of(
    optional: Vec<PropertyId>,
    required: Vec<PropertyId>,
) -> BoxedStrategy<Vec<Owned>> {
    let count = optional.len();
    let users = vec(
        (text(), text()).prop_map(|(name, value)| Owned::Pair(name, value)),
        0..3,
    );
    let singles = subsequence(optional, 0..=count).prop_flat_map(move |mut ids| {
        ids.extend(&required);
        ids.into_iter().map(value).collect::<Vec<_>>()
    });
    (singles, users)
        .prop_map(|(mut all, users)| {
            all.extend(users);
            all
        })
        .prop_shuffle()
        .boxed()
}

/// A value of a property that occurs at most once.
fn value(id: PropertyId) -> BoxedStrategy<Owned> {
    let number = |numbers: BoxedStrategy<u32>| {
        numbers
            .prop_map(move |number| Owned::Number(id, number))
            .boxed()
    };
    match id {
        PropertyId::PayloadFormatIndicator
        | PropertyId::RequestProblemInformation
        | PropertyId::RequestResponseInformation
        | PropertyId::MaximumQoS
        | PropertyId::RetainAvailable
        | PropertyId::WildcardSubscriptionAvailable
        | PropertyId::SubscriptionIdentifierAvailable
        | PropertyId::SharedSubscriptionAvailable => number((0..=1_u32).boxed()),
        PropertyId::ServerKeepAlive | PropertyId::TopicAliasMaximum => {
            number((0..=65_535_u32).boxed())
        }
        PropertyId::ReceiveMaximum | PropertyId::TopicAlias => number((1..=65_535_u32).boxed()),
        PropertyId::MessageExpiryInterval
        | PropertyId::SessionExpiryInterval
        | PropertyId::WillDelayInterval => number(any::<u32>().boxed()),
        PropertyId::MaximumPacketSize => number((1..=u32::MAX).boxed()),
        PropertyId::SubscriptionIdentifier => number((1..=268_435_455_u32).boxed()),
        PropertyId::ContentType
        | PropertyId::AssignedClientIdentifier
        | PropertyId::AuthenticationMethod
        | PropertyId::ResponseInformation
        | PropertyId::ServerReference
        | PropertyId::ReasonString => text().prop_map(move |text| Owned::Text(id, text)).boxed(),
        PropertyId::ResponseTopic => topic_text()
            .prop_map(move |text| Owned::Text(id, text))
            .boxed(),
        PropertyId::CorrelationData | PropertyId::AuthenticationData => binary()
            .prop_map(move |bytes| Owned::Binary(id, bytes))
            .boxed(),
        PropertyId::UserProperty => (text(), text())
            .prop_map(|(name, value)| Owned::Pair(name, value))
            .boxed(),
    }
}

pub(super) fn lend(owned: &[Owned]) -> Vec<Property<'_>> {
    owned.iter().map(lend_one).collect()
}

fn lend_one(owned: &Owned) -> Property<'_> {
    match owned {
        Owned::Pair(name, value) => Property::UserProperty(name, value),
        Owned::Text(id, text) => match id {
            PropertyId::ContentType => Property::ContentType(text),
            PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(text),
            PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text),
            PropertyId::ResponseInformation => Property::ResponseInformation(text),
            PropertyId::ServerReference => Property::ServerReference(text),
            PropertyId::ReasonString => Property::ReasonString(text),
            _ => Property::ResponseTopic(name(text)),
        },
        Owned::Binary(PropertyId::CorrelationData, bytes) => Property::CorrelationData(bytes),
        Owned::Binary(_, bytes) => Property::AuthenticationData(bytes),
        Owned::Number(id, number) => lend_number(*id, *number),
    }
}

fn lend_number(id: PropertyId, number: u32) -> Property<'static> {
    let flag = number != 0;
    let short = number as u16;
    match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(if flag {
            PayloadFormat::Utf8
        } else {
            PayloadFormat::Unspecified
        }),
        PropertyId::MaximumQoS => Property::MaximumQoS(if flag {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        }),
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(flag),
        PropertyId::RequestResponseInformation => Property::RequestResponseInformation(flag),
        PropertyId::RetainAvailable => Property::RetainAvailable(flag),
        PropertyId::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(flag),
        PropertyId::SubscriptionIdentifierAvailable => {
            Property::SubscriptionIdentifierAvailable(flag)
        }
        PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(flag),
        PropertyId::ServerKeepAlive => Property::ServerKeepAlive(short),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(short),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(short),
        PropertyId::TopicAlias => Property::TopicAlias(short),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(number),
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(number),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(number),
        PropertyId::MaximumPacketSize => Property::MaximumPacketSize(number),
        PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(number),
        _ => unreachable!("{id} is no number"),
    }
}

/// Text without U+0000; now and then of a length at which the encoding changes.
pub fn text() -> BoxedStrategy<String> {
    let plain = vec(proptest::char::range(' ', '~'), 0..40);
    let any = vec(
        proptest::char::any().prop_filter("no NUL", |c| *c != '\0'),
        0..20,
    );
    let long = vec(proptest::char::range('a', 'z'), 100..400);
    prop_oneof![8 => plain, 4 => any, 1 => long]
        .prop_map(String::from_iter)
        .boxed()
}

/// A topic name.
pub fn topic_text() -> BoxedStrategy<String> {
    text()
        .prop_map(|text| {
            let name: String = text.chars().filter(|c| !matches!(c, '+' | '#')).collect();
            if name.is_empty() { "/".into() } else { name }
        })
        .boxed()
}

/// A topic filter, now and then with wildcards or shared.
pub fn filter_text() -> BoxedStrategy<String> {
    let level = prop_oneof![
        2 => Just("+".to_string()),
        6 => topic_text().prop_map(|name| name.replace('/', "")),
    ];
    (
        vec(level, 1..4),
        any::<bool>(),
        proptest::option::weighted(0.2, topic_text()),
    )
        .prop_map(|(levels, all_below, group)| {
            let mut filter = levels.join("/");
            if all_below {
                filter.push_str("/#");
            }
            if filter.is_empty() || filter.starts_with("$share/") {
                filter = "/".into();
            }
            match group.map(|group| group.replace('/', "")) {
                Some(group) if !group.is_empty() => format!("$share/{group}/{filter}"),
                _ => filter,
            }
        })
        .boxed()
}

pub(super) fn binary() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![8 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 100..400)].boxed()
}
