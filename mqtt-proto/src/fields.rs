#[cfg(not(feature = "fast"))]
use crate::property::Present;
use crate::property::Validated;
use crate::reader::Reader;
use crate::{
    DecodeErrorKind, Field, PacketId, PacketType, Properties, PropertyId, ReasonCode, ReasonCodes,
    Sender, TopicName,
};

/// What is in a packet that a server may send. They are made of the same few fields, in the same
/// order; so one function reads them all, and where packets differ is a question to their type.
#[doc(hidden)]
#[expect(
    missing_debug_implementations,
    reason = "out of reach but for the machine"
)]
pub struct Fields<'a> {
    /// CONNACK.
    pub session_present: bool,
    /// PUBLISH, if it has one.
    pub topic: Option<TopicName<'a>>,
    /// All that are acknowledged or acknowledge.
    pub packet_id: Option<PacketId>,
    /// All but PUBLISH, SUBACK and UNSUBACK.
    pub reason: ReasonCode,
    /// All but PINGREQ and PINGRESP.
    pub(crate) properties: Validated<'a>,
    /// What is in them.
    #[cfg(not(feature = "fast"))]
    present: Present,
    /// What follows: the payload of PUBLISH, the reason codes of SUBACK and UNSUBACK.
    pub rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// To be filled.
    #[inline(always)]
    #[must_use]
    pub const fn none() -> Self {
        Self {
            session_present: false,
            topic: None,
            packet_id: None,
            reason: ReasonCode::SUCCESS,
            properties: Validated::NONE,
            #[cfg(not(feature = "fast"))]
            present: Present::NONE,
            rest: &[],
        }
    }

    /// The properties.
    #[must_use]
    pub const fn properties(&self) -> Properties<'a> {
        self.properties.properties()
    }

    /// Whether there is a property of this kind, which such a packet may carry.
    #[must_use]
    #[inline]
    pub const fn has(&self, id: PropertyId) -> bool {
        #[cfg(feature = "fast")]
        return self.properties.has(id);
        #[cfg(not(feature = "fast"))]
        self.present.has(id)
    }

    /// Shows each property whose value is a number, a flag or the like. Built for size, others are
    /// shown with a number that says nothing.
    #[inline]
    pub fn each_number(&self, show: impl FnMut(u32, u32)) {
        #[cfg(feature = "fast")]
        self.properties().each_number(show);
        #[cfg(not(feature = "fast"))]
        self.properties.each_number(show);
    }

    /// What follows, as the reason codes that it is.
    #[must_use]
    pub const fn reasons(&self) -> ReasonCodes<'a> {
        ReasonCodes::wire(self.rest, self.rest.len())
    }

    /// `with_id` tells that there is a packet identifier, where the packet type leaves it open.
    #[cfg_attr(feature = "fast", inline(never))]
    pub(crate) fn fill(
        &mut self,
        reader: &mut Reader<'a, '_>,
        packet_type: PacketType,
        with_id: bool,
    ) -> Option<()> {
        let fields = self;
        let layout = Layout::of(packet_type).and(if with_id { ID } else { 0 });
        let start = reader.place();
        if layout.has(FLAGS) {
            let flags = reader.byte()?;
            if flags > 1 {
                return reader.fail_at(start, DecodeErrorKind::ConnAckFlags(flags));
            }
            fields.session_present = flags != 0;
        }
        if layout.has(TOPIC) {
            fields.topic = reader.topic_name(Field::TopicName)?;
        }
        if layout.has(ID) {
            fields.packet_id = Some(reader.packet_id()?);
        }
        let may_end = layout.has(MAY_END);
        if layout.has(REASON) && !(may_end && reader.is_empty()) {
            fields.reason = reader.reason_code()?;
            if fields.session_present && fields.reason != ReasonCode::SUCCESS {
                return reader.fail_at(start, DecodeErrorKind::SessionPresentWithFailure);
            }
        }
        let before_properties = reader.place();
        if layout.has(PROPERTIES) && !(may_end && reader.is_empty()) {
            fields.properties.read(reader)?;
        }
        #[cfg(not(feature = "fast"))]
        {
            fields.present = reader.present();
        }
        fields.rest = reader.rest();
        if layout.has(TOPIC) {
            if fields.topic.is_none() && !reader.has(&fields.properties, PropertyId::TopicAlias) {
                return reader.fail_at(start, DecodeErrorKind::EmptyTopic(Field::TopicName));
            }
            return Some(());
        }
        if layout.has(LIST) {
            if reader.is_empty() {
                return reader.fail(DecodeErrorKind::EmptyPayload);
            }
            reader.reason_codes()?;
        }
        reader.finish()?;
        if layout.has(METHOD) && !reader.has(&fields.properties, PropertyId::AuthenticationMethod) {
            let missing = DecodeErrorKind::MissingProperty(PropertyId::AuthenticationMethod);
            return reader.fail_at(before_properties, missing);
        }
        Some(())
    }
}

/// The acknowledge flags of CONNACK.
const FLAGS: u8 = 1;
/// A topic name, and at the end a payload.
const TOPIC: u8 = 1 << 1;
/// A packet identifier.
const ID: u8 = 1 << 2;
const REASON: u8 = 1 << 3;
/// The shortest forms leave out a reason of success and an empty list of properties.
const MAY_END: u8 = 1 << 4;
const PROPERTIES: u8 = 1 << 5;
/// Reason codes, as many as there are.
const LIST: u8 = 1 << 6;
/// Section 3.15.2.1 has AUTH among those that may end, section 3.15.2.2.2 wants a method in every
/// AUTH: only what has a method is accepted.
const METHOD: u8 = 1 << 7;

/// What is in a packet, by its type: looked up, and not decided on the way, which takes more code.
#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
static LAYOUTS: [u8; 16] = {
    let mut layouts = [0; 16];
    layouts[PacketType::ConnAck as usize] = FLAGS | REASON | PROPERTIES;
    layouts[PacketType::Publish as usize] = TOPIC | PROPERTIES;
    layouts[PacketType::PubAck as usize] = ACK;
    layouts[PacketType::PubRec as usize] = ACK;
    layouts[PacketType::PubRel as usize] = ACK;
    layouts[PacketType::PubComp as usize] = ACK;
    layouts[PacketType::SubAck as usize] = ID | PROPERTIES | LIST;
    layouts[PacketType::UnsubAck as usize] = ID | PROPERTIES | LIST;
    layouts[PacketType::Disconnect as usize] = REASON | MAY_END | PROPERTIES;
    layouts[PacketType::Auth as usize] = REASON | MAY_END | PROPERTIES | METHOD;
    layouts[PacketType::PingResp as usize] = MAY_END;
    layouts
};

const ACK: u8 = ID | REASON | MAY_END | PROPERTIES;

/// A layout, in a whole register.
#[derive(Clone, Copy)]
struct Layout(u32);

impl Layout {
    /// What is in such a packet. Built for size, the compiler is not to know: it would ask for each of
    /// these by the type.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    #[expect(clippy::indexing_slicing, reason = "four bits are below 16")]
    const fn of(kind: PacketType) -> Self {
        Self(LAYOUTS[kind as usize & 15] as u32)
    }

    /// With this in it, too.
    const fn and(self, part: u8) -> Self {
        Self(self.0 | part as u32)
    }

    /// Whether this is in it.
    const fn has(self, part: u8) -> bool {
        self.0 & part as u32 != 0
    }
}

/// As [`PacketType::may_come_from`]. Built for size, the layout is looked up anyway, and what no
/// server sends has none.
#[inline(always)]
pub(crate) const fn may_come_from(kind: PacketType, sender: Sender) -> bool {
    #[cfg(not(feature = "fast"))]
    if matches!(sender, Sender::Server) {
        return Layout::of(kind).0 != 0;
    }
    kind.may_come_from(sender)
}
