//! Every public type of the two core crates, each of which can be logged.
//!
//! `tests/tests/defmt.rs` holds this list against what the crates export.

/// Compiles for types that `defmt` can log only.
const fn logs<T: defmt::Format>() {}

/// Does nothing: that it compiles is what it says.
pub const fn all_can_be_logged() {
    logs::<mqtt_proto::Ack<'static>>();
    logs::<mqtt_proto::Auth<'static>>();
    logs::<mqtt_proto::ConnAck<'static>>();
    logs::<mqtt_proto::Connect<'static>>();
    logs::<mqtt_proto::DecodeError>();
    logs::<mqtt_proto::DecodeErrorKind>();
    logs::<mqtt_proto::Disconnect<'static>>();
    logs::<mqtt_proto::EncodeError>();
    logs::<mqtt_proto::Field>();
    logs::<mqtt_proto::FilterIter<'static>>();
    logs::<mqtt_proto::Filters<'static>>();
    logs::<mqtt_proto::FixedHeader>();
    logs::<mqtt_proto::Frame<'static>>();
    logs::<mqtt_proto::HeaderFrame<'static>>();
    logs::<mqtt_proto::Packet<'static>>();
    logs::<mqtt_proto::PacketId>();
    logs::<mqtt_proto::PacketType>();
    logs::<mqtt_proto::PayloadFormat>();
    logs::<mqtt_proto::Properties<'static>>();
    logs::<mqtt_proto::Property<'static>>();
    logs::<mqtt_proto::PropertyId>();
    logs::<mqtt_proto::PropertyIter<'static>>();
    logs::<mqtt_proto::Publish<'static>>();
    logs::<mqtt_proto::QoS>();
    logs::<mqtt_proto::RawPacket<'static>>();
    logs::<mqtt_proto::ReasonCode>();
    logs::<mqtt_proto::ReasonCodeIter<'static>>();
    logs::<mqtt_proto::ReasonCodes<'static>>();
    logs::<mqtt_proto::RetainHandling>();
    logs::<mqtt_proto::Sender>();
    logs::<mqtt_proto::SubAck<'static>>();
    logs::<mqtt_proto::Subscribe<'static>>();
    logs::<mqtt_proto::Subscription<'static>>();
    logs::<mqtt_proto::SubscriptionIter<'static>>();
    logs::<mqtt_proto::SubscriptionOptions>();
    logs::<mqtt_proto::Subscriptions<'static>>();
    logs::<mqtt_proto::TopicError>();
    logs::<mqtt_proto::TopicFilter<'static>>();
    logs::<mqtt_proto::TopicName<'static>>();
    logs::<mqtt_proto::UnsubAck<'static>>();
    logs::<mqtt_proto::Unsubscribe<'static>>();
    logs::<mqtt_proto::Will<'static>>();

    logs::<mqtt_session::AckToken>();
    logs::<mqtt_session::Acknowledge>();
    logs::<mqtt_session::AcknowledgeError>();
    logs::<mqtt_session::Action<'static>>();
    logs::<mqtt_session::Cause>();
    logs::<mqtt_session::Client<mqtt_session::Fixed<1, 1, 64, 64>>>();
    logs::<mqtt_session::Config>();
    logs::<mqtt_session::Connect<'static>>();
    logs::<mqtt_session::ConnectError>();
    logs::<mqtt_session::ControlError>();
    logs::<mqtt_session::Delivery<'static>>();
    logs::<mqtt_session::Draw<'static>>();
    logs::<mqtt_session::Event<'static>>();
    logs::<mqtt_session::Fixed<1, 1, 64, 64>>();
    logs::<mqtt_session::GiveUp>();
    logs::<mqtt_session::Heap>();
    logs::<mqtt_session::HeapLimits>();
    logs::<mqtt_session::Instant>();
    logs::<mqtt_session::Limits>();
    logs::<mqtt_session::Lost>();
    logs::<mqtt_session::Message<'static>>();
    logs::<mqtt_session::Offline>();
    logs::<mqtt_session::Publish<'static>>();
    logs::<mqtt_session::RequestError>();
    logs::<mqtt_session::RxBuffer<[u8; 64]>>();
    logs::<mqtt_session::Sender<'static>>();
    logs::<mqtt_session::Ticket>();
    logs::<mqtt_session::Violation>();

    logs::<mqtt_session::broker::AllowAll>();
    logs::<mqtt_session::broker::AuthStep>();
    logs::<mqtt_session::broker::Broker>();
    logs::<mqtt_session::broker::BrokerAction<'static>>();
    logs::<mqtt_session::broker::BrokerConfig>();
    logs::<mqtt_session::broker::BrokerEvent>();
    logs::<mqtt_session::broker::BrokerLoad>();
    logs::<mqtt_session::broker::ConnectionId>();
    logs::<mqtt_session::broker::EndCause>();
    logs::<mqtt_session::broker::Identity<'static>>();
    logs::<mqtt_session::broker::Login<'static>>();
    logs::<mqtt_session::broker::Overflow>();

    logs::<mqtt_session::flash::Flash<()>>();
    logs::<mqtt_session::flash::FlashError<()>>();
    logs::<mqtt_session::journal::Image>();
    logs::<mqtt_session::journal::Journal>();
    logs::<mqtt_session::journal::Unreadable>();
    logs::<mqtt_session::snapshot::Crc32>();
    logs::<mqtt_session::snapshot::ImportError>();
    logs::<mqtt_session::snapshot::SessionMark>();
    logs::<mqtt_session::snapshot::TooSmall>();
    logs::<mqtt_session::snapshot::Unsettled<'static>>();
}
