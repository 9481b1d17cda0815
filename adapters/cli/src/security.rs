//! TLS: whom to trust, and who one is.

use crate::exit::{Failure, Kind};
use clap::Args;
use mqtt_std::{Scheme, Tls};
use std::path::PathBuf;

/// With any of these, `-h` and the default are spoken to over TLS.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct SecurityArgs {
    /// Trust the certificate authorities in this PEM file, not those of this machine
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Trust those in the PEM files of this folder
    #[arg(long, value_name = "FOLDER")]
    capath: Option<PathBuf>,
    /// Show this certificate: a PEM file, with those that vouch for it
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key: a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Do not look at the server's certificate: whoever sits between can read and change
    /// everything
    #[arg(long, conflicts_with_all = ["cafile", "capath"])]
    insecure: bool,
    /// The protocol to offer (ALPN) [default: mqtt, or http/1.1 for wss://]
    #[arg(long, value_name = "PROTOCOL")]
    tls_alpn: Option<String>,
}

/// What the environment says where the command line does not. That nothing is verified has to be
/// said each time.
#[derive(Debug, Default)]
pub(crate) struct SecurityEnvironment {
    pub(crate) cafile: Option<String>,
    pub(crate) capath: Option<String>,
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) tls_alpn: Option<String>,
}

impl SecurityArgs {
    fn is_given(&self) -> bool {
        let files = [&self.cafile, &self.capath, &self.cert];
        self.insecure || self.tls_alpn.is_some() || files.iter().any(|file| file.is_some())
    }

    /// How a server is spoken to where no URL says so.
    pub(crate) fn scheme(&self, environment: &SecurityEnvironment) -> Scheme {
        let files = [&environment.cafile, &environment.capath, &environment.cert];
        let alpn = &environment.tls_alpn;
        if self.is_given() || alpn.is_some() || files.iter().any(|file| file.is_some()) {
            Scheme::Mqtts
        } else {
            Scheme::Mqtt
        }
    }

    /// The settings for a server that is spoken to in this way.
    pub(crate) fn settings(
        &self,
        scheme: Scheme,
        environment: &SecurityEnvironment,
    ) -> Result<Tls, Failure> {
        let mut tls = Tls::new();
        if !scheme.is_secure() {
            if self.is_given() {
                let told = format_args!("{scheme}:// is not encrypted: mqtts:// or wss:// is");
                return Err(Failure::new(Kind::Usage, told));
            }
            return Ok(tls);
        }
        let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
        // One way to say whom to trust, or who one is, is not mixed with another.
        let (cafile, capath) = if self.cafile.is_some() || self.capath.is_some() {
            (self.cafile.clone(), self.capath.clone())
        } else {
            (path(&environment.cafile), path(&environment.capath))
        };
        if let Some(cafile) = cafile {
            tls = tls.roots_file(cafile);
        }
        if let Some(capath) = capath {
            tls = tls.roots_folder(capath);
        }
        if self.insecure {
            tls = tls.dangerously_trust_everybody();
        }
        let identity = if self.cert.is_some() {
            (self.cert.clone(), self.key.clone())
        } else {
            (path(&environment.cert), path(&environment.key))
        };
        match identity {
            (Some(cert), Some(key)) => tls = tls.identity_files(cert, key),
            (None, None) => {}
            _ => {
                let told = "of MQTT_CERT and MQTT_KEY, neither is of use alone";
                return Err(Failure::new(Kind::Usage, told));
            }
        }
        if let Some(protocol) = self.tls_alpn.as_ref().or(environment.tls_alpn.as_ref()) {
            tls = tls.alpn([protocol.as_str()]);
        }
        Ok(tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_certificates_wants_tls() {
        let nothing = SecurityEnvironment::default();
        assert_eq!(SecurityArgs::default().scheme(&nothing), Scheme::Mqtt);
        let args = SecurityArgs {
            cafile: Some("ca.pem".into()),
            ..Default::default()
        };
        assert_eq!(args.scheme(&nothing), Scheme::Mqtts);
        let environment = SecurityEnvironment {
            cert: Some("cert.pem".into()),
            ..Default::default()
        };
        assert_eq!(SecurityArgs::default().scheme(&environment), Scheme::Mqtts);
        let refused = args.settings(Scheme::Ws, &nothing).unwrap_err();
        assert_eq!(refused.kind, Kind::Usage);
        // The environment may be meant for another server.
        let unused = SecurityArgs::default().settings(Scheme::Mqtt, &environment);
        assert!(unused.is_ok());
        let half = SecurityArgs::default().settings(Scheme::Mqtts, &environment);
        assert_eq!(half.unwrap_err().kind, Kind::Usage);
    }
}
