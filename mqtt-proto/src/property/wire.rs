use super::legality::{REPEATED_SUBSCRIPTION_ID, bit};
use super::{Properties, PropertyId, PropertyRules};
use crate::reader::{Context, Fault, Reader};
use crate::{DecodeErrorKind, Field};

/// Reads the property length and the properties of a packet, and validates them once and for all.
/// Also tells which are present.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn read_properties<'a>(reader: &mut Reader<'a, '_>) -> Option<(Properties<'a>, u64)> {
    let Context {
        packet_type,
        sender,
    } = reader.context();
    read(reader, || PropertyRules::of(packet_type, sender))
}

/// As [`read_properties`], for the properties of a will.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn read_will_properties<'a>(reader: &mut Reader<'a, '_>) -> Option<Properties<'a>> {
    read(reader, || PropertyRules::WILL).map(|(properties, _)| properties)
}

#[cfg_attr(feature = "fast", inline(always))]
fn read<'a>(
    reader: &mut Reader<'a, '_>,
    rules: impl FnOnce() -> &'static PropertyRules,
) -> Option<(Properties<'a>, u64)> {
    if let [0, ..] = reader.rest() {
        reader.byte()?;
        return Some((Properties::NONE_ON_WIRE, 0));
    }
    if reader.is_empty() {
        return reader.fail(DecodeErrorKind::MissingPropertyLength);
    }
    let place = reader.place();
    let len = reader.varint()?;
    if len as usize > reader.rest().len() {
        return reader.fail_at(place, DecodeErrorKind::PropertiesTooLong { len });
    }
    let block = reader.take(len as usize)?;
    let after = reader.rest().len();
    let context = reader.context();
    let present = validate(block, after, context, rules(), reader.fault())?;
    Some((Properties::wire(block, present), present))
}

/// Checks every property of the block, after which the body goes on for `after` bytes; the set of
/// those that are present.
#[cfg_attr(feature = "fast", inline(never))]
fn validate(
    block: &[u8],
    after: usize,
    context: Context,
    rules: &PropertyRules,
    fault: &mut Fault,
) -> Option<u64> {
    let mut block = Reader::new(block, after, context, fault);
    let mut present = 0;
    while let Some(&number) = block.rest().first() {
        let id = match PropertyId::from_u32(u32::from(number)) {
            Some(id) if rules.allowed & bit(id) != 0 => id,
            _ => return not_allowed(&mut block, rules),
        };
        if present & bit(id) != 0 {
            if rules.repeatable & bit(id) == 0 {
                return block.fail(DecodeErrorKind::DuplicateProperty(id));
            }
            if id == PropertyId::SubscriptionIdentifier {
                present |= REPEATED_SUBSCRIPTION_ID;
            }
        }
        present |= bit(id);
        block.byte()?;
        check_value(&mut block, id)?;
    }
    Some(present)
}

#[cfg_attr(feature = "fast", inline(always))]
fn check_value(block: &mut Reader<'_, '_>, id: PropertyId) -> Option<()> {
    use PropertyId as Id;
    let field = Field::Property(id);
    let place = block.place();
    let value = match id {
        Id::UserProperty => {
            block.check_text(field)?;
            return block.check_text(field);
        }
        Id::ContentType
        | Id::AssignedClientIdentifier
        | Id::AuthenticationMethod
        | Id::ResponseInformation
        | Id::ServerReference
        | Id::ReasonString => return block.check_text(field),
        Id::ResponseTopic => return block.nonempty_topic_name(field).map(|_| ()),
        Id::CorrelationData | Id::AuthenticationData => return block.binary().map(|_| ()),
        Id::MessageExpiryInterval | Id::SessionExpiryInterval | Id::WillDelayInterval => {
            return block.four().map(|_| ());
        }
        Id::ServerKeepAlive | Id::TopicAliasMaximum => return block.two().map(|_| ()),
        Id::PayloadFormatIndicator
        | Id::RequestProblemInformation
        | Id::RequestResponseInformation
        | Id::MaximumQoS
        | Id::RetainAvailable
        | Id::WildcardSubscriptionAvailable
        | Id::SubscriptionIdentifierAvailable
        | Id::SharedSubscriptionAvailable => {
            let value = block.byte()?;
            if value <= 1 {
                return Some(());
            }
            u32::from(value)
        }
        Id::ReceiveMaximum | Id::TopicAlias => match block.two()? {
            0 => 0,
            _ => return Some(()),
        },
        Id::MaximumPacketSize => match block.four()? {
            0 => 0,
            _ => return Some(()),
        },
        Id::SubscriptionIdentifier => match block.varint()? {
            0 => 0,
            _ => return Some(()),
        },
    };
    block.fail_at(
        place,
        DecodeErrorKind::PropertyValue {
            property: id,
            value,
        },
    )
}

/// Why the next property is not one of those that may come here.
#[cfg_attr(feature = "fast", inline(always))]
fn not_allowed(block: &mut Reader<'_, '_>, rules: &PropertyRules) -> Option<u64> {
    let place = block.place();
    let number = block.varint()?;
    let kind = match PropertyId::from_u32(number) {
        None => DecodeErrorKind::UnknownProperty(number),
        Some(id) if rules.peer_only & bit(id) != 0 => DecodeErrorKind::PropertyFromWrongSender(id),
        Some(id) => DecodeErrorKind::PropertyNotAllowed(id),
    };
    block.fail_at(place, kind)
}
