//! Where the server is: `mqtt://user:password@host:port`, and the other schemes.

use std::fmt;

/// What is asked for over WebSocket where the URL has no path.
const DEFAULT_PATH: &str = "/mqtt";

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// TCP.
    Mqtt,
    /// TLS over TCP.
    Mqtts,
    /// WebSocket over TCP.
    Ws,
    /// WebSocket over TLS over TCP.
    Wss,
    /// A socket in the file system.
    Unix,
}

impl Scheme {
    const ALL: [Self; 5] = [Self::Mqtt, Self::Mqtts, Self::Ws, Self::Wss, Self::Unix];

    /// As it stands before `://`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Unix => "unix",
        }
    }

    /// The port that IANA assigned: 1883 and 8883, 80 and 443 over WebSocket; 0 for
    /// [`Scheme::Unix`], which has none.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
            Self::Ws => 80,
            Self::Wss => 443,
            Self::Unix => 0,
        }
    }

    /// Whether it is encrypted.
    #[must_use]
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    /// Whether MQTT rides in WebSocket frames.
    #[must_use]
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// The feature without which it is not built in, if it is not.
    fn missing(self) -> Option<&'static str> {
        if self.is_secure() && !cfg!(feature = "tls") {
            return Some("tls");
        }
        (self.is_websocket() && !cfg!(feature = "websocket")).then_some("websocket")
    }

    fn parse(text: &str) -> Result<Self, AddressError> {
        let known = |scheme: &Self| text.eq_ignore_ascii_case(scheme.as_str());
        let scheme = Self::ALL.into_iter().find(known);
        let scheme = scheme.filter(|scheme| *scheme != Self::Unix || cfg!(unix));
        let scheme = scheme.ok_or_else(|| AddressError::UnsupportedScheme(text.to_owned()))?;
        match scheme.missing() {
            Some(feature) => Err(AddressError::FeatureOff { scheme, feature }),
            None => Ok(scheme),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Host name or IP address; an IPv6 address without its brackets. Empty for
    /// [`Scheme::Unix`].
    pub host: String,
    /// Port; the [scheme's](Scheme::default_port) where the URL names none.
    pub port: u16,
    /// The user name, percent-decoded.
    pub user_name: Option<String>,
    /// The password, percent-decoded.
    pub password: Option<Vec<u8>>,
    /// Over WebSocket, the path and query to be asked for, as they stand in the URL; `/mqtt` where
    /// it has no path. For [`Scheme::Unix`] the path of the socket, percent-decoded. Empty for
    /// others.
    pub path: String,
}

/// Why a text is not the address of a server that can be reached from here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// It does not begin with a scheme such as `mqtt://`.
    NoScheme,
    /// A scheme that is not known.
    UnsupportedScheme(String),
    /// A scheme that this program was built without.
    FeatureOff {
        /// The scheme.
        scheme: Scheme,
        /// The feature of the crate that brings it.
        feature: &'static str,
    },
    /// There is no host.
    NoHost,
    /// A blank, a control character, or another that no host has.
    Host(String),
    /// An IPv6 address that is not closed by `]`, or has something but a port behind it.
    Brackets,
    /// What stands behind the last colon is not a port from 1 to 65,535.
    Port(String),
    /// `%` without two hexadecimal digits behind it, or a user name or path that is not UTF-8.
    Escape,
    /// A path, a query or a fragment that means nothing here, or that has a blank or another
    /// character that no URL has.
    Path(String),
    /// `unix://` without the absolute path of a socket.
    NoPath,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => f.write_str("the address must begin with mqtt:// or another scheme"),
            Self::UnsupportedScheme(scheme) => {
                let unix = if cfg!(unix) { ", unix" } else { "" };
                write!(
                    f,
                    "{scheme}:// is not known, only mqtt, mqtts, ws, wss{unix}; bring such a \
                     stream with Client::connect_over"
                )
            }
            Self::FeatureOff { scheme, feature } => write!(
                f,
                "{scheme}:// is not built in: the crate's feature {feature:?} is off; switch it \
                 on, or bring such a stream with Client::connect_over"
            ),
            Self::NoHost => f.write_str("the address names no host"),
            Self::Host(host) => write!(f, "{host:?} is not the name or address of a host"),
            Self::Brackets => f.write_str("an IPv6 address must stand in brackets: mqtt://[::1]"),
            Self::Port(port) => write!(f, "{port:?} is not a port from 1 to 65535"),
            Self::Escape => f.write_str(
                "the address has a % that is not the start of a percent-encoded byte, or text \
                 that is not UTF-8",
            ),
            Self::Path(path) => write!(f, "{path:?} behind the address means nothing in MQTT"),
            Self::NoPath => {
                f.write_str("a socket is named by an absolute path: unix:///run/mqtt.sock")
            }
        }
    }
}

impl std::error::Error for AddressError {}

impl Address {
    /// Host and port as they stand in a URL.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The host as HTTP wants it told: without a port that goes without saying.
    #[cfg(feature = "websocket")]
    pub(crate) fn http_host(&self) -> String {
        let authority = self.authority();
        let default = format!(":{}", self.scheme.default_port());
        let bare = authority.strip_suffix(&default);
        bare.map_or_else(|| authority.clone(), str::to_owned)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the credentials, of which some have theirs in the query: this is written to logs.
        let path = self.path.split('?').next().unwrap_or_default();
        match self.scheme {
            Scheme::Unix => write!(f, "unix://{}", self.path),
            scheme => write!(f, "{scheme}://{}{path}", self.authority()),
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
        let scheme = Scheme::parse(scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = read_path(scheme, path)?;
        let (login, server) = match authority.rsplit_once('@') {
            Some((login, server)) => (Some(login), server),
            None => (None, authority),
        };
        let (host, port) = if scheme == Scheme::Unix {
            if !server.is_empty() {
                return Err(AddressError::NoPath);
            }
            ("", 0)
        } else {
            host_and_port(scheme, server)?
        };
        let (user_name, password) =
            match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
                None => (None, None),
                Some((user, password)) => {
                    let user = unescape_text(user)?;
                    let password = unescape(password)?;
                    (Some(user), (!password.is_empty()).then_some(password))
                }
            };
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
            user_name,
            password,
            path,
        })
    }
}

/// What stands behind the authority.
fn read_path(scheme: Scheme, path: &str) -> Result<String, AddressError> {
    let refused = || AddressError::Path(path.to_owned());
    match scheme {
        Scheme::Mqtt | Scheme::Mqtts => match path {
            "" | "/" => Ok(String::new()),
            _ => Err(refused()),
        },
        Scheme::Ws | Scheme::Wss => {
            // It becomes part of a line of text, in which a blank or a line break would say
            // something else.
            if path.contains('#') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(refused());
            }
            let default = if path.starts_with('/') {
                ""
            } else {
                DEFAULT_PATH
            };
            Ok(format!("{default}{path}"))
        }
        Scheme::Unix => {
            if path.contains(['?', '#']) {
                return Err(refused());
            }
            let path = unescape_text(path)?;
            if path.len() < 2 || path.contains('\0') {
                return Err(AddressError::NoPath);
            }
            Ok(path)
        }
    }
}

fn host_and_port(scheme: Scheme, server: &str) -> Result<(&str, u16), AddressError> {
    let (host, port) = split_port(server)?;
    if host.is_empty() {
        return Err(AddressError::NoHost);
    }
    if host.contains(['[', ']']) {
        return Err(AddressError::Brackets);
    }
    if host.contains(|char: char| char.is_whitespace() || char.is_control()) {
        return Err(AddressError::Host(host.to_owned()));
    }
    let port = match port {
        None | Some("") => scheme.default_port(),
        Some(port) => match port.parse() {
            Ok(number @ 1..) => number,
            _ => return Err(AddressError::Port(port.to_owned())),
        },
    };
    Ok((host, port))
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

fn unescape_text(text: &str) -> Result<String, AddressError> {
    String::from_utf8(unescape(text)?).map_err(|_| AddressError::Escape)
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
            error("coap://h"),
            AddressError::UnsupportedScheme("coap".into())
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

    #[cfg(all(feature = "tls", feature = "websocket"))]
    #[test]
    fn each_scheme_has_its_port_and_websockets_have_a_path() {
        let parts = |url: &str| {
            let address = address(url);
            (address.scheme, address.port, address.path)
        };
        assert_eq!(parts("mqtts://h"), (Scheme::Mqtts, 8883, String::new()));
        assert_eq!(parts("ws://h"), (Scheme::Ws, 80, "/mqtt".into()));
        assert_eq!(parts("WSS://h:1/"), (Scheme::Wss, 1, "/".into()));
        assert_eq!(
            parts("wss://h/a%20/b?c=/?"),
            (Scheme::Wss, 443, "/a%20/b?c=/?".into())
        );
        assert_eq!(parts("ws://h?c"), (Scheme::Ws, 80, "/mqtt?c".into()));
        let shown = address("wss://u:p@[::1]/x?token=secret").to_string();
        assert_eq!(shown, "wss://[::1]:443/x");
        for path in ["/a#b", "#b", "/a b", "/a\r\nX-Injected: 1", "/\u{e4}"] {
            let url = format!("ws://h{path}");
            assert_eq!(
                url.parse::<Address>(),
                Err(AddressError::Path(path.to_owned()))
            );
        }
        let injected = "ws://h\r\nX-Injected: 1/";
        assert!(injected.parse::<Address>().is_err());
        let host = "ws://h\r\n/".parse::<Address>();
        assert_eq!(host, Err(AddressError::Host("h\r\n".into())));
    }

    #[cfg(not(all(feature = "tls", feature = "websocket")))]
    #[test]
    fn a_scheme_that_is_not_built_in_names_its_feature() {
        let error = "wss://h".parse::<Address>().unwrap_err();
        let AddressError::FeatureOff { scheme, feature } = error else {
            panic!("{error:?}");
        };
        let expected = if cfg!(feature = "tls") {
            "websocket"
        } else {
            "tls"
        };
        assert_eq!((scheme, feature), (Scheme::Wss, expected));
        assert!(error.to_string().contains(&format!("{expected:?}")));
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_is_named_by_its_path() {
        let socket = address("unix://ann:pw@/run/my%20mqtt.sock");
        assert_eq!(socket.path, "/run/my mqtt.sock");
        assert_eq!((socket.host.as_str(), socket.port), ("", 0));
        assert_eq!(socket.user_name.as_deref(), Some("ann"));
        assert_eq!(socket.to_string(), "unix:///run/my mqtt.sock");
        for url in ["unix://", "unix:///", "unix://run/mqtt", "unix:///a%00b"] {
            assert_eq!(url.parse::<Address>(), Err(AddressError::NoPath), "{url}");
        }
        let query = "unix:///a?b".parse::<Address>();
        assert_eq!(query, Err(AddressError::Path("/a?b".into())));
    }

    /// Every text up to a length over what means something in a URL: none panics, and what is
    /// taken is shown as something that is taken for the same.
    #[test]
    fn whatever_is_taken_is_shown_as_what_it_is() {
        const PIECES: [&str; 14] = [
            "mqtt://", "ws://", "unix://", "h", "[", "::1", "]", ":", "1", "/", "@", "%41", "?",
            "\u{e4}",
        ];
        let mut taken = 0;
        for mut number in 0..PIECES.len().pow(5) {
            let mut url = String::new();
            while number > 0 {
                url += PIECES[number % PIECES.len()];
                number /= PIECES.len();
            }
            let Ok(first) = url.parse::<Address>() else {
                continue;
            };
            taken += 1;
            let shown = first.to_string();
            let again = shown.parse::<Address>();
            let again = again.unwrap_or_else(|error| panic!("{url} -> {shown}: {error}"));
            let without_query = first.path.split('?').next();
            assert_eq!(
                (again.scheme, &again.host, again.port, Some(&*again.path)),
                (first.scheme, &first.host, first.port, without_query),
                "{url} -> {shown}"
            );
        }
        assert!(taken > 1_000, "{taken}");
    }
}
