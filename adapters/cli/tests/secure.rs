//! The program over TLS, WebSocket and a socket in the file system.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod run;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use run::{Program, command, mqtt, run};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const OK: i32 = 0;
const LOCAL: i32 = 1;
const USAGE: i32 = 2;
const REFUSED: i32 = 3;
const UNREACHABLE: i32 = 4;

/// A folder with certificates, gone with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mqtt-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("authorities")).unwrap();
        let folder = Self(path);
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        folder.write("ca.pem", &issuer.pem());
        folder.write("authorities/one", &issuer.pem());
        for name in ["server", "client"] {
            let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            folder.write(&format!("{name}.pem"), &certificate.pem());
            folder.write(&format!("{name}.key"), &key.serialize_pem());
        }
        folder
    }

    fn write(&self, name: &str, contents: &str) {
        fs::write(self.0.join(name), contents).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A broker with a certificate, and where it listens; the certificate is for `localhost`.
fn broker(folder: &Folder, args: &[&str], places: usize) -> (Program, Vec<String>) {
    let mut broker = command(&["broker"]);
    broker.args(["--cert", &folder.path("server.pem")]);
    broker.args(["--key", &folder.path("server.key")]);
    let mut broker = mqtt(broker.args(args));
    let urls = (0..places)
        .map(|_| {
            let line = broker.line();
            let url = line.strip_prefix("listening at ").expect(&line);
            url.replace("127.0.0.1", "localhost")
        })
        .collect();
    (broker, urls)
}

fn publish(url: &str) -> Command {
    command(&["pub", "-L", url, "-t", "a", "-r", "-q", "1", "-m", url])
}

#[test]
fn it_speaks_over_every_layer() {
    let folder = Folder::new("layers");
    let socket = folder.path("mqtt.sock");
    let mut args = vec!["--tls-port", "0", "--ws-port", "0", "--wss-port", "0"];
    if cfg!(unix) {
        args.extend(["--socket", &socket]);
    }
    let (_broker, urls) = broker(&folder, &args, if cfg!(unix) { 4 } else { 3 });
    let schemes: Vec<_> = urls
        .iter()
        .map(|url| url.split("://").next().unwrap())
        .collect();
    assert_eq!(schemes, ["mqtts", "wss", "ws", "unix"][..schemes.len()]);
    for url in &urls {
        let secure = url.starts_with("mqtts") || url.starts_with("wss");
        let trusted = || secure.then(|| ["--cafile".to_owned(), folder.path("ca.pem")]);
        let published = run(publish(url).args(trusted().into_iter().flatten()));
        assert_eq!(published.code, OK, "{published:?}");
        let mut subscribe = command(&["sub", "-L", url, "-t", "a", "-C", "1"]);
        let heard = run(subscribe.env("MQTT_CAFILE", folder.path("ca.pem")));
        assert_eq!((heard.code, heard.text()), (OK, &*format!("{url}\n")));
    }
}

#[test]
fn whom_to_trust_is_said_by_options() {
    let folder = Folder::new("trust");
    let (_broker, urls) = broker(&folder, &["--tls-port", "0"], 1);
    let url = &urls[0];
    let unknown = run(publish(url).args(["--cafile", &folder.path("client.pem")]));
    assert_eq!(unknown.code, UNREACHABLE, "{unknown:?}");
    assert!(unknown.stderr.contains("not trusted"), "{unknown:?}");
    assert!(unknown.stderr.contains("--cafile"), "{unknown:?}");
    let folder_of_them = run(publish(url).args(["--capath", &folder.path("authorities")]));
    assert_eq!(folder_of_them.code, OK, "{folder_of_them:?}");
    // The certificate is for another name.
    let number = url.replace("localhost", "127.0.0.1");
    let wrong = run(publish(&number).args(["--cafile", &folder.path("ca.pem")]));
    assert_eq!(wrong.code, UNREACHABLE, "{wrong:?}");
    assert!(wrong.stderr.contains("127.0.0.1"), "{wrong:?}");
    assert_eq!(run(publish(&number).arg("--insecure")).code, OK);
    let port = url.rsplit(':').next().unwrap();
    let mut by_host = command(&["pub", "-h", "localhost", "-p", port, "-t", "a", "-m", "1"]);
    by_host.args(["--cafile", &folder.path("ca.pem"), "--tls-alpn", "mqtt"]);
    assert_eq!(run(&mut by_host).code, OK);
    let absent = run(publish(url).args(["--cafile", &folder.path("nonesuch")]));
    assert_eq!(absent.code, LOCAL, "{absent:?}");
    assert!(absent.stderr.contains("nonesuch"), "{absent:?}");
    for args in [
        &["--cert", "a.pem"][..],
        &["--insecure", "--cafile", "a.pem"],
    ] {
        assert_eq!(run(publish(url).args(args)).code, USAGE);
    }
    let clear = run(publish("mqtt://localhost").arg("--insecure"));
    assert_eq!(clear.code, USAGE, "{clear:?}");
}

#[test]
fn a_certificate_is_shown_where_the_broker_demands_one() {
    let folder = Folder::new("demand");
    let authority = folder.path("ca.pem");
    let args = ["--tls-port", "0", "--cafile", &authority];
    let (_broker, urls) = broker(&folder, &args, 1);
    let trusted = ["--cafile", &authority];
    let missing = run(publish(&urls[0]).args(trusted));
    assert_eq!(missing.code, REFUSED, "{missing:?}");
    assert!(missing.stderr.contains("--cert"), "{missing:?}");
    let mut shown = publish(&urls[0]);
    shown
        .args(trusted)
        .args(["--cert", &folder.path("client.pem")]);
    shown.args(["--key", &folder.path("client.key")]);
    assert_eq!(run(&mut shown).code, OK);
    let mut from_environment = publish(&urls[0]);
    from_environment.args(trusted).envs([
        ("MQTT_CERT", folder.path("client.pem")),
        ("MQTT_KEY", folder.path("client.key")),
    ]);
    assert_eq!(run(&mut from_environment).code, OK);
}

#[test]
fn ports_for_tls_need_a_certificate() {
    for args in [["--tls-port", "0"], ["--wss-port", "0"]] {
        let ended = run(command(&["broker"]).args(args));
        assert_eq!(ended.code, USAGE, "{ended:?}");
    }
    let mut absent = command(&["broker", "--tls-port", "0", "--cert", "/nonesuch.pem"]);
    let ended = run(absent.args(["--key", "/nonesuch.key"]));
    assert_eq!(ended.code, LOCAL, "{ended:?}");
    assert!(ended.stderr.contains("/nonesuch.pem"), "{ended:?}");
}
