//! Where the server is, who connects, and what becomes of the connection.

use crate::args::{pair, qos, seconds, topic_name, version};
use crate::exit::{Failure, Kind};
use crate::security::{SecurityArgs, SecurityEnvironment};
use clap::Args;
use mqtt_std::{
    Address, AddressError, Cause, Client, Credentials, Options, QoS, Scheme, State, States, Will,
    transport,
};
use std::env::{self, VarError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The server's host name or IP address [default: localhost]
    #[arg(short = 'h', long)]
    host: Option<String>,
    /// The server's port [default: 1883, with TLS 8883]
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    #[arg(short = 'L', long, value_name = "URL", conflicts_with_all = ["host", "port"],
          help = "Server and topic in one: mqtt[s]://[user[:password]@]host[:port][/topic]; \
                  for ws[s]://host/path and unix:///path the path is not a topic")]
    url: Option<String>,
    /// The client identifier; without one the server assigns it
    #[arg(short, long, value_name = "CLIENT ID")]
    id: Option<String>,
    /// The user name
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// The password; others on this machine may see it, unlike MQTT_PASSWORD
    #[arg(short = 'P', long, visible_alias = "pw", value_name = "PASSWORD")]
    password: Option<String>,
    /// The protocol: 5, the only one there is
    #[arg(short = 'V', long, value_name = "VERSION", value_parser = version)]
    protocol_version: Option<()>,
    /// Seconds of silence before the connection is tested; 0 turns that off
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60)]
    keepalive: u16,
    /// Go on with the session that the server kept for this client identifier, and leave it there
    #[arg(short = 'c', long, visible_alias = "no-clean-start")]
    disable_clean_session: bool,
    /// Seconds that the server keeps the session without a connection
    #[arg(short = 'x', long, value_name = "SECONDS", default_value_t = 3600)]
    session_expiry: u32,
    /// Seconds that connecting may take
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    connect_timeout: Duration,
    /// Seconds for which a lost connection is tried to be made again; 0 for not at all
    /// [default: no limit for sub, 60 for others]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    reconnect_for: Option<Duration>,
    /// A user property of the connection; may be given again
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    connect_user_property: Vec<(String, String)>,
    #[command(flatten)]
    security: SecurityArgs,
    #[command(flatten)]
    will: WillArgs,
}

/// What the server publishes when this program is gone without having said goodbye.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Will")]
struct WillArgs {
    /// The topic of the message that the server publishes when the connection is lost
    #[arg(long, value_name = "TOPIC", value_parser = topic_name)]
    will_topic: Option<String>,
    /// Its payload; empty by default
    #[arg(long, value_name = "PAYLOAD", requires = "will_topic")]
    will_payload: Option<String>,
    /// Its QoS
    #[arg(long, value_name = "QOS", value_parser = qos, requires = "will_topic")]
    will_qos: Option<QoS>,
    /// Have the server retain it
    #[arg(long, requires = "will_topic")]
    will_retain: bool,
    /// Seconds that the server waits for the connection to come back first
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "will_topic")]
    will_delay: Option<Duration>,
}

/// What the environment says where the command line does not.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    url: Option<String>,
    host: Option<String>,
    port: Option<String>,
    username: Option<String>,
    password: Option<String>,
    client_id: Option<String>,
    security: SecurityEnvironment,
}

impl Environment {
    fn read() -> Result<Self, Failure> {
        let variable = |name: &str| match env::var(name) {
            Ok(value) if value.is_empty() => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(error) => Err(Failure::new(Kind::Usage, format_args!("{name}: {error}"))),
        };
        Ok(Self {
            url: variable("MQTT_URL")?,
            host: variable("MQTT_HOST")?,
            port: variable("MQTT_PORT")?,
            username: variable("MQTT_USERNAME")?,
            password: variable("MQTT_PASSWORD")?,
            client_id: variable("MQTT_CLIENT_ID")?,
            security: SecurityEnvironment {
                cafile: variable("MQTT_CAFILE")?,
                capath: variable("MQTT_CAPATH")?,
                cert: variable("MQTT_CERT")?,
                key: variable("MQTT_KEY")?,
                tls_alpn: variable("MQTT_TLS_ALPN")?,
            },
        })
    }
}

/// What command line and environment come to.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    address: Address,
    credentials: Credentials,
    client_id: String,
}

impl ConnectionArgs {
    /// The topic of `-L`.
    pub(crate) fn topic(&self) -> Option<&str> {
        split_topic(self.url.as_deref()?).1
    }

    /// The command line goes before the environment. A URL in the environment is not mixed with
    /// another host: the password in it is for its own.
    fn target(&self, environment: &Environment) -> Result<Target, Failure> {
        let mut address = match (&self.url, &self.host, &environment.url) {
            (Some(url), _, _) => parse("-L", split_topic(url).0)?,
            (None, None, Some(url)) => parse("MQTT_URL", url)?,
            (None, host, _) => {
                let scheme = self.security.scheme(&environment.security);
                let mut address = parse("the default", &format!("{scheme}://localhost"))?;
                if let Some(host) = host.as_ref().or(environment.host.as_ref()) {
                    let bare = host
                        .strip_prefix('[')
                        .and_then(|host| host.strip_suffix(']'));
                    bare.unwrap_or(host).clone_into(&mut address.host);
                }
                if let Some(port) = &environment.port {
                    address.port = match port.parse() {
                        Ok(port @ 1..) => port,
                        _ => {
                            let told = format_args!("MQTT_PORT: {port:?} is not a port");
                            return Err(Failure::new(Kind::Usage, told));
                        }
                    };
                }
                address
            }
        };
        if address.host.is_empty() && address.scheme != Scheme::Unix {
            return Err(Failure::new(Kind::Usage, "the host is empty"));
        }
        address.port = self.port.unwrap_or(address.port);
        let first = |one: &Option<String>, other: Option<String>, last: &Option<String>| {
            one.clone().or(other).or_else(|| last.clone())
        };
        let in_url = address
            .password
            .take()
            .filter(|password| !password.is_empty());
        let on_line = self.password.clone().map(String::into_bytes);
        let from_environment = || environment.password.clone().map(String::into_bytes);
        let client_id = first(&self.id, None, &environment.client_id).unwrap_or_default();
        if self.disable_clean_session && client_id.is_empty() {
            let told = "-c goes on with the session of a client identifier: give one with -i";
            return Err(Failure::new(Kind::Usage, told));
        }
        Ok(Target {
            credentials: Credentials {
                user_name: first(
                    &self.username,
                    address.user_name.take(),
                    &environment.username,
                ),
                password: on_line.or(in_url).or_else(from_environment),
            },
            client_id,
            address,
        })
    }

    fn options(&self, target: &Target) -> Options {
        let credentials = target.credentials.clone();
        let mut options = Options::new(&target.client_id)
            .credentials(move || Ok(credentials.clone()))
            .keep_alive(Duration::from_secs(self.keepalive.into()))
            .clean_start(!self.disable_clean_session)
            .session_expiry(Duration::from_secs(self.session_expiry.into()))
            .connect_timeout(self.connect_timeout)
            .reconnect_between(Duration::from_millis(250), Duration::from_secs(10));
        for (name, value) in &self.connect_user_property {
            options = options.user_property(name, value);
        }
        let will = &self.will;
        if let Some(topic) = &will.will_topic {
            let payload = will.will_payload.clone().unwrap_or_default();
            options = options.will(
                Will::new(topic, payload)
                    .qos(will.will_qos.unwrap_or(QoS::AtMostOnce))
                    .retain(will.will_retain)
                    .delay(will.will_delay.unwrap_or_default()),
            );
        }
        options
    }

    /// Connects, with what a command adds to the options. `patience` is how long a lost connection
    /// is tried to be made again unless the command line says otherwise.
    pub(crate) fn connect(
        &self,
        patience: Option<Duration>,
        adjust: impl FnOnce(Options) -> Options,
    ) -> Result<Connection, Failure> {
        self.connect_as("", patience, adjust)
    }

    /// As [`ConnectionArgs::connect`], as one client of several: `suffix` goes behind the client
    /// identifier, if there is one.
    pub(crate) fn connect_as(
        &self,
        suffix: &str,
        patience: Option<Duration>,
        adjust: impl FnOnce(Options) -> Options,
    ) -> Result<Connection, Failure> {
        let environment = Environment::read()?;
        let mut target = self.target(&environment)?;
        if !target.client_id.is_empty() {
            target.client_id.push_str(suffix);
        }
        let scheme = target.address.scheme;
        let tls = self.security.settings(scheme, &environment.security)?;
        let patience = self.reconnect_for.or(patience);
        let options = self
            .options(&target)
            .tls(tls)
            .reconnect(patience != Some(Duration::ZERO));
        let options = adjust(options);
        let client = transport::opener(&target.address, &options)
            .and_then(|open| Client::connect_over(open, options))
            .map_err(|error| Failure::connecting(&error))?;
        Ok(Connection::watched(client, patience))
    }
}

fn parse(source: &str, url: &str) -> Result<Address, Failure> {
    url.parse().map_err(|error| match error {
        AddressError::UnsupportedScheme(scheme) => Failure::new(
            Kind::Usage,
            format_args!("{source}: {scheme}:// is not known, only mqtt, mqtts, ws, wss and unix"),
        ),
        error => Failure::new(Kind::Usage, format_args!("{source}: {error}")),
    })
}

/// A URL without its path, and what the path is here: a topic. With other schemes it belongs to
/// the address.
fn split_topic(url: &str) -> (&str, Option<&str>) {
    let scheme = url.find("://").unwrap_or(0);
    let known = |name: &&str| url[..scheme].eq_ignore_ascii_case(name);
    if !["mqtt", "mqtts"].iter().any(known) {
        return (url, None);
    }
    let server = scheme + 3;
    match url[server..].find('/') {
        Some(slash) => {
            let (url, topic) = url.split_at(server + slash);
            (url, Some(&topic[1..]).filter(|topic| !topic.is_empty()))
        }
        None => (url, None),
    }
}

/// A client, and why it has ended if it has not been closed in order.
pub(crate) struct Connection {
    pub(crate) client: Client,
    lost: Arc<Mutex<Option<Failure>>>,
}

impl Connection {
    /// Watches a client: what becomes of its connection is told on standard error, and when that
    /// does not come back in time, the client is closed.
    fn watched(client: Client, patience: Option<Duration>) -> Self {
        let lost = Arc::new(Mutex::new(None));
        let mut states = client.watch();
        // What was before the first change is not among the changes.
        let now = client.state();
        let watcher = (client.clone(), Arc::clone(&lost));
        thread::spawn(move || {
            let (client, lost) = watcher;
            if let Some(failure) = watch(now, &mut states, patience) {
                lost.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(failure);
                // What is left is told by those who wait for it.
                let _ = client.close(Duration::ZERO);
            }
        });
        Self { client, lost }
    }

    /// The reason behind a failure: where the client was closed because its connection did not
    /// come back, that.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match &*lost {
            Some(lost) if failure.kind == Kind::Lost => lost.clone(),
            _ => failure,
        }
    }

    /// Says goodbye.
    pub(crate) fn close(&self) -> Result<(), Failure> {
        self.client.close(GOODBYE).map_err(Failure::from)
    }
}

/// Follows the states; why the client is to be closed, or None when it has been.
fn watch(first: State, states: &mut States, patience: Option<Duration>) -> Option<Failure> {
    let mut state = Some(first);
    let mut outage: Option<(Instant, Cause)> = None;
    loop {
        match state.take() {
            Some(State::Waiting { cause, .. }) => match &mut outage {
                Some((_, last)) => *last = cause,
                None => {
                    eprintln!("mqtt: the connection was lost: {cause}; trying again");
                    outage = Some((Instant::now(), cause));
                }
            },
            Some(State::Connected { .. }) if outage.take().is_some() => {
                eprintln!("mqtt: connected again");
            }
            Some(State::Ended { cause }) => {
                return (!matches!(cause, Cause::Closed)).then(|| Failure::lost(&cause));
            }
            _ => {}
        }
        state = match (&outage, patience) {
            (Some((since, cause)), Some(patience)) => {
                let left = patience.saturating_sub(since.elapsed());
                let next = states.recv_timeout(left);
                if next.is_none() && since.elapsed() >= patience {
                    let told = format_args!(
                        "the connection was lost and did not come back within {patience:?}: {cause}"
                    );
                    return Some(Failure::new(Kind::Lost, told));
                }
                next
            }
            _ => states.recv(),
        };
        state.as_ref()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn environment() -> Environment {
        Environment {
            url: text("mqtt://ann:secret@server:1884"),
            host: text("other"),
            port: text("1999"),
            username: text("bob"),
            password: text("hidden"),
            client_id: text("me"),
            security: SecurityEnvironment::default(),
        }
    }

    /// Host, port, user name, password and client identifier.
    #[track_caller]
    fn target(args: &ConnectionArgs, environment: &Environment) -> String {
        let target = args.target(environment).unwrap();
        let login = target.credentials;
        let password = login
            .password
            .map(|bytes| String::from_utf8(bytes).unwrap());
        format!(
            "{} {} {:?} {:?} {:?}",
            target.address.host,
            target.address.port,
            login.user_name.unwrap_or_default(),
            password.unwrap_or_default(),
            target.client_id
        )
    }

    #[test]
    fn nothing_said_is_this_machine() {
        let nothing = Environment::default();
        let args = ConnectionArgs::default();
        assert_eq!(target(&args, &nothing), r#"localhost 1883 "" "" """#);
    }

    #[test]
    fn the_environment_stands_in_for_options() {
        let args = ConnectionArgs::default();
        assert_eq!(
            target(&args, &environment()),
            r#"server 1884 "ann" "secret" "me""#
        );
        let without_url = Environment {
            url: None,
            ..environment()
        };
        assert_eq!(
            target(&args, &without_url),
            r#"other 1999 "bob" "hidden" "me""#
        );
    }

    #[test]
    fn options_go_first_and_a_password_stays_with_its_host() {
        let args = ConnectionArgs {
            host: text("[::1]"),
            id: text("you"),
            ..Default::default()
        };
        assert_eq!(
            target(&args, &environment()),
            r#"::1 1999 "bob" "hidden" "you""#
        );
        let args = ConnectionArgs {
            port: Some(1),
            username: text("eve"),
            ..Default::default()
        };
        assert_eq!(
            target(&args, &environment()),
            r#"server 1 "eve" "secret" "me""#
        );
        let args = ConnectionArgs {
            url: text("mqtt://far/a/b"),
            ..Default::default()
        };
        assert_eq!(
            target(&args, &environment()),
            r#"far 1883 "bob" "hidden" "me""#
        );
        assert_eq!(args.topic(), Some("a/b"));
    }

    #[test]
    fn certificates_change_how_a_host_is_spoken_to_but_no_url() {
        let environment = Environment {
            url: None,
            port: None,
            security: SecurityEnvironment {
                cafile: text("ca.pem"),
                ..Default::default()
            },
            ..environment()
        };
        let args = ConnectionArgs::default();
        assert_eq!(
            target(&args, &environment),
            r#"other 8883 "bob" "hidden" "me""#
        );
        for (url, expected) in [
            ("mqtt://h/a", "mqtt://h:1883"),
            ("mqtts://h/a", "mqtts://h:8883"),
            ("wss://h/a", "wss://h:443/a"),
            ("unix:///a/b", "unix:///a/b"),
        ] {
            let args = ConnectionArgs {
                url: text(url),
                ..Default::default()
            };
            let address = args.target(&environment).unwrap().address;
            assert_eq!(address.to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_named_by_its_source() {
        let refused = |args: &ConnectionArgs, environment: &Environment| {
            let failure = args.target(environment).unwrap_err();
            assert_eq!(failure.kind, Kind::Usage);
            failure.to_string()
        };
        let args = ConnectionArgs {
            url: text("coap://h"),
            ..Default::default()
        };
        assert!(refused(&args, &environment()).starts_with("-L: coap:// is not known"));
        let args = ConnectionArgs::default();
        let path = Environment {
            url: text("mqtt://h/a"),
            ..environment()
        };
        assert!(refused(&args, &path).starts_with("MQTT_URL: "));
        let port = Environment {
            url: None,
            port: text("0"),
            ..environment()
        };
        assert!(refused(&args, &port).starts_with("MQTT_PORT: "));
    }

    #[test]
    fn a_session_to_go_on_with_has_a_name() {
        let args = ConnectionArgs {
            disable_clean_session: true,
            ..Default::default()
        };
        let failure = args.target(&Environment::default()).unwrap_err();
        assert_eq!(failure.kind, Kind::Usage);
        assert!(args.target(&environment()).is_ok());
    }

    #[test]
    fn the_path_of_a_url_is_a_topic() {
        assert_eq!(split_topic("mqtt://h:1/a/#"), ("mqtt://h:1", Some("a/#")));
        assert_eq!(split_topic("mqtt://h//a"), ("mqtt://h", Some("/a")));
        assert_eq!(split_topic("mqtt://h/"), ("mqtt://h", None));
        assert_eq!(split_topic("mqtt://h"), ("mqtt://h", None));
        assert_eq!(split_topic("MQTTS://h/a"), ("MQTTS://h", Some("a")));
        for whole in ["wss://h/a", "unix:///run/a", "h/a", ""] {
            assert_eq!(split_topic(whole), (whole, None));
        }
    }
}
