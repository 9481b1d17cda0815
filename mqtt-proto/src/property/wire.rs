use super::legality::{REPEATED_SUBSCRIPTION_ID, bit};
use super::{Properties, PropertyId, PropertyRules};
use crate::reader::Reader;
use crate::{DecodeError, DecodeErrorKind, Field};

/// Reads the property length and the properties, and validates them once and for all. Also tells
/// which are present.
#[inline]
pub(crate) fn read_properties<'a>(
    reader: &mut Reader<'a>,
    rules: PropertyRules,
) -> Result<(Properties<'a>, u64), DecodeError> {
    if reader.is_empty() {
        return Err(reader.error(DecodeErrorKind::MissingPropertyLength));
    }
    let start = reader.offset();
    let len = reader.varint()?;
    if len == 0 {
        return Ok((Properties::wire(&[], 0), 0));
    }
    let Some(part) = reader.take_part(len as usize) else {
        return Err(reader.error_at(start, DecodeErrorKind::PropertiesTooLong { len }));
    };
    let present = validate(part, rules)?;
    Ok((Properties::wire(part.rest(), present), present))
}

/// Checks every property of the block; the set of those that are present.
fn validate(mut block: Reader<'_>, rules: PropertyRules) -> Result<u64, DecodeError> {
    let mut present = 0;
    while let Some(&number) = block.rest().first() {
        let id = match PropertyId::from_u32(u32::from(number)) {
            Some(id) if rules.allowed & bit(id) != 0 => id,
            _ => return Err(not_allowed(block, rules)),
        };
        if present & bit(id) != 0 {
            if rules.repeatable & bit(id) == 0 {
                return Err(block.error(DecodeErrorKind::DuplicateProperty(id)));
            }
            if id == PropertyId::SubscriptionIdentifier {
                present |= REPEATED_SUBSCRIPTION_ID;
            }
        }
        present |= bit(id);
        block.byte()?;
        check_value(&mut block, id)?;
    }
    Ok(present)
}

#[inline]
fn check_value(block: &mut Reader<'_>, id: PropertyId) -> Result<(), DecodeError> {
    use PropertyId as Id;
    let field = Field::Property(id);
    let offset = block.offset();
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
        Id::ResponseTopic => return block.check_topic_name(field),
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
                return Ok(());
            }
            u32::from(value)
        }
        Id::ReceiveMaximum | Id::TopicAlias => match block.two()? {
            0 => 0,
            _ => return Ok(()),
        },
        Id::MaximumPacketSize => match block.four()? {
            0 => 0,
            _ => return Ok(()),
        },
        Id::SubscriptionIdentifier => match block.varint()? {
            0 => 0,
            _ => return Ok(()),
        },
    };
    Err(block.error_at(
        offset,
        DecodeErrorKind::PropertyValue {
            property: id,
            value,
        },
    ))
}

/// Why the next property is not one of those that may come here.
#[cold]
#[inline(never)]
fn not_allowed(mut block: Reader<'_>, rules: PropertyRules) -> DecodeError {
    let offset = block.offset();
    let number = match block.varint() {
        Ok(number) => number,
        Err(error) => return error,
    };
    let kind = match PropertyId::from_u32(number) {
        None => DecodeErrorKind::UnknownProperty(number),
        Some(id) if rules.peer_only & bit(id) != 0 => DecodeErrorKind::PropertyFromWrongSender(id),
        Some(id) => DecodeErrorKind::PropertyNotAllowed(id),
    };
    block.error_at(offset, kind)
}
