//! Where the server is: `mqtt://user:password@host:port`.

use std::fmt;

/// The port that IANA assigned to MQTT over TCP.
const DEFAULT_PORT: u16 = 1883;

/// A server's address as it stands in a URL.
///
/// ```
/// use mqtt_driver::Address;
///
/// let address: Address = "mqtt://ann:s%20crt@[::1]".parse()?;
/// assert_eq!((address.host.as_str(), address.port), ("::1", 1883));
/// assert_eq!(address.user_name.as_deref(), Some("ann"));
/// assert_eq!(address.to_string(), "mqtt://[::1]:1883");
/// # Ok::<(), mqtt_driver::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Address {
    /// Host name or IP address; an IPv6 address without its brackets.
    pub host: String,
    /// Port; 1883 where the URL names none.
    pub port: u16,
    /// The user name, percent-decoded.
    pub user_name: Option<String>,
    /// The password, percent-decoded.
    pub password: Option<Vec<u8>>,
}

/// Why a text is not the address of a server that can be reached from here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// It does not begin with a scheme such as `mqtt://`.
    NoScheme,
    /// A scheme that is not built in.
    UnsupportedScheme(String),
    /// There is no host.
    NoHost,
    /// An IPv6 address that is not closed by `]`, or has something but a port behind it.
    Brackets,
    /// What stands behind the last colon is not a port from 1 to 65,535.
    Port(String),
    /// `%` without two hexadecimal digits behind it, or a user name that is not UTF-8.
    Escape,
    /// A path, a query or a fragment, which mean nothing here.
    Path(String),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => f.write_str("the address must begin with mqtt://"),
            Self::UnsupportedScheme(scheme) => write!(
                f,
                "{scheme}:// is not built in, only mqtt:// is; bring such a stream with \
                 Client::connect_over"
            ),
            Self::NoHost => f.write_str("the address names no host"),
            Self::Brackets => f.write_str("an IPv6 address must stand in brackets: mqtt://[::1]"),
            Self::Port(port) => write!(f, "{port:?} is not a port from 1 to 65535"),
            Self::Escape => f.write_str(
                "user name or password has a % that is not the start of a percent-encoded byte",
            ),
            Self::Path(path) => write!(f, "{path:?} behind the address means nothing in MQTT"),
        }
    }
}

impl std::error::Error for AddressError {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the credentials: this is written to logs.
        if self.host.contains(':') {
            write!(f, "mqtt://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "mqtt://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = url.split_once("://").ok_or(AddressError::NoScheme)?;
        if !scheme.eq_ignore_ascii_case("mqtt") {
            return Err(AddressError::UnsupportedScheme(scheme.to_owned()));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !matches!(path, "" | "/") {
            return Err(AddressError::Path(path.to_owned()));
        }
        let (login, server) = match authority.rsplit_once('@') {
            Some((login, server)) => (Some(login), server),
            None => (None, authority),
        };
        let (host, port) = split_port(server)?;
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        let port = match port {
            None | Some("") => DEFAULT_PORT,
            Some(port) => match port.parse() {
                Ok(number @ 1..) => number,
                _ => return Err(AddressError::Port(port.to_owned())),
            },
        };
        let (user_name, password) = match login
            .map(|login| login.split_once(':').unwrap_or((login, "")))
        {
            None => (None, None),
            Some((user, password)) => {
                let user = String::from_utf8(unescape(user)?).map_err(|_| AddressError::Escape)?;
                let password = unescape(password)?;
                (Some(user), (!password.is_empty()).then_some(password))
            }
        };
        Ok(Self {
            host: host.to_owned(),
            port,
            user_name,
            password,
        })
    }
}

fn split_port(server: &str) -> Result<(&str, Option<&str>), AddressError> {
    if let Some(bracketed) = server.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(AddressError::Brackets)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(AddressError::Brackets),
        };
    }
    match server.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Err(AddressError::Brackets),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((server, None)),
    }
}

fn unescape(text: &str) -> Result<Vec<u8>, AddressError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit(), digit());
        let byte = high
            .zip(low)
            .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(byte.ok_or(AddressError::Escape)?);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn address(url: &str) -> Address {
        url.parse().unwrap()
    }

    #[test]
    fn host_and_port_come_with_and_without_brackets() {
        let whole = address("MQTT://broker.example:2883/");
        assert_eq!((whole.host.as_str(), whole.port), ("broker.example", 2883));
        assert_eq!(address("mqtt://h").port, 1883);
        assert_eq!(address("mqtt://h:").port, 1883);
        let six = address("mqtt://[fe80::1%25eth0]:1");
        assert_eq!((six.host.as_str(), six.port), ("fe80::1%25eth0", 1));
        assert_eq!(address("mqtt://[::1]").to_string(), "mqtt://[::1]:1883");
    }

    #[test]
    fn credentials_are_percent_decoded_and_never_shown() {
        let both = address("mqtt://a%40b:%00%FFx:y@h");
        assert_eq!(both.user_name.as_deref(), Some("a@b"));
        assert_eq!(both.password.as_deref(), Some(&b"\x00\xffx:y"[..]));
        assert_eq!(format!("{both} {both:?}"), "mqtt://h:1883 mqtt://h:1883");
        let user = address("mqtt://ann@h");
        assert_eq!(
            (user.user_name.as_deref(), user.password),
            (Some("ann"), None)
        );
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        let error = |url: &str| url.parse::<Address>().unwrap_err();
        assert_eq!(error("localhost:1883"), AddressError::NoScheme);
        assert_eq!(
            error("mqtts://h"),
            AddressError::UnsupportedScheme("mqtts".into())
        );
        assert_eq!(error("mqtt://"), AddressError::NoHost);
        assert_eq!(error("mqtt://u:p@:1883"), AddressError::NoHost);
        assert_eq!(error("mqtt://::1"), AddressError::Brackets);
        assert_eq!(error("mqtt://[::1"), AddressError::Brackets);
        assert_eq!(error("mqtt://[::1]x"), AddressError::Brackets);
        assert_eq!(error("mqtt://h:0"), AddressError::Port("0".into()));
        assert_eq!(error("mqtt://h:65536"), AddressError::Port("65536".into()));
        assert_eq!(error("mqtt://h:x"), AddressError::Port("x".into()));
        assert_eq!(error("mqtt://%4@h"), AddressError::Escape);
        assert_eq!(error("mqtt://%FF@h"), AddressError::Escape);
        assert_eq!(error("mqtt://h/topic"), AddressError::Path("/topic".into()));
        assert_eq!(error("mqtt://h?x=1"), AddressError::Path("?x=1".into()));
    }
}
