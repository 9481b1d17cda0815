#[cfg(feature = "defmt")]
use crate::log::Size;
use crate::property::{PropertyRules, Validated, read_properties, read_will_properties};
use crate::reader::Reader;
#[cfg(feature = "fast")]
use crate::writer::EncodeFault;
use crate::writer::{Writer, encode, measured};
use crate::{
    DecodeErrorKind, EncodeError, Field, PacketType, Properties, PropertyId, QoS, Sender, TopicName,
};

/// CONNECT: the first packet on a connection (section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connect<'a> {
    /// Whether a session that exists is discarded (section 3.1.2.4).
    pub clean_start: bool,
    /// Keep alive interval in seconds; 0 turns it off (section 3.1.2.10).
    pub keep_alive: u16,
    /// The client identifier; empty asks the server to assign one (MQTT-3.1.3-6).
    pub client_id: &'a str,
    /// The properties.
    pub properties: Properties<'a>,
    /// What the server publishes when the connection is lost.
    pub will: Option<Will<'a>>,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password: bytes, at most 65,535. It needs no user name.
    pub password: Option<&'a [u8]>,
}

/// The message that the server publishes when the client is gone without a word (section 3.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Will<'a> {
    /// The quality of service.
    pub qos: QoS,
    /// Whether the server keeps the message.
    pub retain: bool,
    /// The topic name.
    pub topic: TopicName<'a>,
    /// The payload, at most 65,535 bytes.
    pub payload: &'a [u8],
    /// The properties of the will, among them Will Delay Interval.
    pub properties: Properties<'a>,
}

/// What is encoded of CONNECT, borrowed, so that whoever has it in other parts copies none of it.
#[doc(hidden)]
#[expect(
    missing_debug_implementations,
    reason = "there is a password in it, and it is out of reach but for the machine"
)]
pub struct ConnectParts<'h> {
    /// As [`Connect::clean_start`].
    pub clean_start: bool,
    /// As [`Connect::keep_alive`].
    pub keep_alive: u16,
    /// As [`Connect::client_id`].
    pub client_id: &'h str,
    /// As [`Connect::properties`].
    pub properties: &'h Properties<'h>,
    /// As [`Connect::will`].
    pub will: &'h Option<Will<'h>>,
    /// As [`Connect::user_name`].
    pub user_name: &'h Option<&'h str>,
    /// As [`Connect::password`].
    pub password: &'h Option<&'h [u8]>,
}

/// Length and text of the protocol name (section 3.1.2.1).
const PROTOCOL_NAME: [u8; 6] = [0, 4, b'M', b'Q', b'T', b'T'];
const VERSION: u8 = 5;

const RESERVED: u8 = 0b0000_0001;
const CLEAN_START: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_QOS: u8 = 0b0001_1000;
const WILL_QOS_SHIFT: u8 = 3;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USER_NAME: u8 = 0b1000_0000;

impl<'a> Connect<'a> {
    pub(crate) fn read(reader: &mut Reader<'a, '_>) -> Option<Self> {
        if reader.rest().starts_with(&PROTOCOL_NAME) {
            reader.take(PROTOCOL_NAME.len())?;
        } else {
            let place = reader.place();
            reader.text(Field::ProtocolName)?;
            return reader.fail_at(place, DecodeErrorKind::ProtocolName);
        }
        let place = reader.place();
        let version = reader.byte()?;
        if version != VERSION {
            return reader.fail_at(place, DecodeErrorKind::ProtocolVersion(version));
        }
        let place = reader.place();
        let flags = reader.byte()?;
        let will_qos = match check_flags(flags) {
            Ok(qos) => qos,
            Err(kind) => return reader.fail_at(place, kind),
        };
        let keep_alive = reader.two()?;
        let place = reader.place();
        let properties = read_properties(reader)?;
        if lacks_method(reader, &properties) {
            let kind = DecodeErrorKind::MissingProperty(PropertyId::AuthenticationMethod);
            return reader.fail_at(place, kind);
        }
        let client_id = reader.text(Field::ClientId)?;
        let will = match will_qos {
            Some(qos) => Some(Will::read(reader, qos, flags & WILL_RETAIN != 0)?),
            None => None,
        };
        let user_name = if flags & USER_NAME != 0 {
            Some(reader.text(Field::UserName)?)
        } else {
            None
        };
        let password = if flags & PASSWORD != 0 {
            Some(reader.binary()?)
        } else {
            None
        };
        reader.finish()?;
        Some(Self {
            clean_start: flags & CLEAN_START != 0,
            keep_alive,
            client_id,
            properties: properties.properties(),
            will,
            user_name,
            password,
        })
    }

    /// Bytes of the whole packet.
    ///
    /// # Errors
    /// The packet is too large.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let source = self.source();
        measured(
            || source.remaining_length(),
            |writer| source.write(Sender::Client, writer),
        )
    }

    /// Encodes the packet; the number of bytes written.
    ///
    /// # Errors
    /// What the standard forbids, a packet that is too large, or a buffer that is too small.
    pub fn encode(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        self.source().encode_all(sender, out)
    }

    #[cfg(feature = "fast")]
    #[inline(always)]
    const fn source(&self) -> &Self {
        self
    }

    #[cfg(not(feature = "fast"))]
    #[inline(always)]
    const fn source(&self) -> ConnectParts<'_> {
        ConnectParts {
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            client_id: self.client_id,
            properties: &self.properties,
            will: &self.will,
            user_name: &self.user_name,
            password: &self.password,
        }
    }
}

impl ConnectParts<'_> {
    /// As [`Connect::encode`].
    ///
    /// # Errors
    /// The same.
    #[inline(always)]
    pub fn encode(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        #[cfg(not(feature = "fast"))]
        return self.encode_all(sender, out);
        #[cfg(feature = "fast")]
        Connect {
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            client_id: self.client_id,
            properties: *self.properties,
            will: *self.will,
            user_name: *self.user_name,
            password: *self.password,
        }
        .encode(sender, out)
    }
}

/// What the bytes are made of: with `fast` the packet as it is, without its parts, wherever they lie.
#[cfg(feature = "fast")]
type Source<'h> = Connect<'h>;
#[cfg(not(feature = "fast"))]
type Source<'h> = ConnectParts<'h>;

impl Source<'_> {
    #[inline(always)]
    fn encode_all(&self, sender: Sender, out: &mut [u8]) -> Result<usize, EncodeError> {
        if !PacketType::Connect.may_come_from(sender) {
            return Err(EncodeError::WrongDirection(PacketType::Connect, sender));
        }
        // Most take less than 128 bytes, and to find out costs more than to move what takes more.
        let at_least = 0;
        encode(
            out,
            PacketType::Connect.first_byte(),
            at_least,
            || self.remaining_length(),
            |writer| self.write(sender, writer),
        )
    }

    #[cfg_attr(feature = "fast", inline(always))]
    fn write(&self, sender: Sender, writer: &mut Writer<'_>) -> Option<()> {
        #[cfg(feature = "fast")]
        {
            let [high, low] = self.keep_alive.to_be_bytes();
            writer.array([
                0,
                4,
                b'M',
                b'Q',
                b'T',
                b'T',
                VERSION,
                self.flags(),
                high,
                low,
            ])?;
        }
        #[cfg(not(feature = "fast"))]
        {
            writer.block(&[0, 4, b'M', b'Q', b'T', b'T', VERSION]);
            writer.byte(self.flags());
            writer.two(self.keep_alive);
        }
        self.properties
            .write(PropertyRules::of(PacketType::Connect, sender), writer)?;
        let payload = |writer: &mut Writer<'_>| {
            writer.text(self.client_id, Field::ClientId)?;
            if let Some(will) = &self.will {
                will.properties.write(PropertyRules::WILL, writer)?;
                writer.known(will.topic.as_bytes())?;
                writer.binary(will.payload, Field::WillPayload)?;
            }
            if let Some(user_name) = &self.user_name {
                writer.text(user_name, Field::UserName)?;
            }
            if let Some(password) = &self.password {
                writer.binary(password, Field::Password)?;
            }
            Some(())
        };
        let written = payload(writer);
        #[cfg(feature = "fast")]
        if written.is_none() {
            return self.explain(writer.fault());
        }
        written
    }

    /// Why the payload was not written, if neither the buffer nor a property is the reason.
    #[cfg(feature = "fast")]
    #[cold]
    #[inline(never)]
    fn explain(&self, fault: &mut EncodeFault) -> Option<()> {
        fault.look_at_text(self.client_id, Field::ClientId);
        if let Some(will) = &self.will {
            fault.look_at_binary(will.payload, Field::WillPayload);
        }
        if let Some(user_name) = &self.user_name {
            fault.look_at_text(user_name, Field::UserName);
        }
        if let Some(password) = &self.password {
            fault.look_at_binary(password, Field::Password);
        }
        None
    }

    fn remaining_length(&self) -> usize {
        let prefixed = |len: usize| len.saturating_add(2);
        let will = self.will.as_ref().map_or(0, |will| {
            prefixed(will.topic.as_bytes().len())
                .saturating_add(prefixed(will.payload.len()))
                .saturating_add(will.properties.prefixed_len())
        });
        prefixed(self.client_id.len())
            .saturating_add(10)
            .saturating_add(self.properties.prefixed_len())
            .saturating_add(will)
            .saturating_add(
                self.user_name
                    .as_ref()
                    .map_or(0, |name| prefixed(name.len())),
            )
            .saturating_add(
                self.password
                    .as_ref()
                    .map_or(0, |password| prefixed(password.len())),
            )
    }

    fn flags(&self) -> u8 {
        let will = self.will.as_ref().map_or(0, |will| {
            WILL | (will.qos as u8) << WILL_QOS_SHIFT | if will.retain { WILL_RETAIN } else { 0 }
        });
        will | if self.clean_start { CLEAN_START } else { 0 }
            | if self.user_name.is_some() {
                USER_NAME
            } else {
                0
            }
            | if self.password.is_some() { PASSWORD } else { 0 }
    }
}

impl<'a> Will<'a> {
    #[cfg_attr(feature = "fast", inline(always))]
    fn read(reader: &mut Reader<'a, '_>, qos: QoS, retain: bool) -> Option<Self> {
        let properties = read_will_properties(reader)?.properties();
        let topic = reader.nonempty_topic_name(Field::WillTopic)?;
        let payload = reader.binary()?;
        Some(Self {
            qos,
            retain,
            topic,
            payload,
            properties,
        })
    }
}

/// Authentication Data says nothing without a method (section 3.1.2.11.10).
fn lacks_method<'a>(reader: &Reader<'a, '_>, properties: &Validated<'a>) -> bool {
    reader.has(properties, PropertyId::AuthenticationData)
        && !reader.has(properties, PropertyId::AuthenticationMethod)
}

/// The QoS of the will, if there is one.
fn check_flags(flags: u8) -> Result<Option<QoS>, DecodeErrorKind> {
    if flags & RESERVED != 0 {
        return Err(DecodeErrorKind::ConnectFlags(flags));
    }
    if flags & WILL == 0 {
        if flags & (WILL_QOS | WILL_RETAIN) != 0 {
            return Err(DecodeErrorKind::WillFlagsWithoutWill(flags));
        }
        return Ok(None);
    }
    match QoS::from_u8((flags & WILL_QOS) >> WILL_QOS_SHIFT) {
        Some(qos) => Ok(Some(qos)),
        None => Err(DecodeErrorKind::InvalidWillQoS),
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Connect<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Connect {{ clean_start: {=bool}, keep_alive: {=u16}, client_id: {=str:?}, \
             properties: {}, will: {}, user_name: {:?}, password: {} }}",
            self.clean_start,
            self.keep_alive,
            self.client_id,
            self.properties,
            self.will,
            self.user_name,
            self.password.map(Size::of)
        );
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Will<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Will {{ qos: {}, retain: {=bool}, topic: {:?}, payload: {}, properties: {} }}",
            self.qos,
            self.retain,
            self.topic,
            Size::of(self.payload),
            self.properties
        );
    }
}
