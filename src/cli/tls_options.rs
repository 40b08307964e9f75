//! The options for TLS. They mean the same as the parameters of the URL that begin with `ssl_`, and go before these.

use clap::Args;

use super::output::eprint;

#[derive(Args)]
pub(crate) struct TlsOptions {
    /// TLS: the authorities that may sign the certificate of Redis, in place of the system's (PEM)
    #[arg(long, global = true, env = "RQ_RS_TLS_CA", hide_env_values = true, value_name = "FILE")]
    tls_ca: Option<String>,
    /// TLS: the certificate by which Redis knows this client (PEM)
    #[arg(long, global = true, env = "RQ_RS_TLS_CERT", hide_env_values = true, value_name = "FILE")]
    tls_cert: Option<String>,
    /// TLS: the key of that certificate [default: in the same file]
    #[arg(long, global = true, env = "RQ_RS_TLS_KEY", hide_env_values = true, value_name = "FILE")]
    tls_key: Option<String>,
    /// TLS: accept any certificate of Redis: anybody may be the server
    #[arg(long, global = true)]
    tls_insecure: bool,
}

impl TlsOptions {
    /// Prints a warning if the options accept any certificate.
    pub(crate) fn warn(&self) {
        if self.tls_insecure {
            eprint(format_args!(
                "warning: --tls-insecure: the certificate of Redis is not checked, so that anybody on the way to it \
                 can read and change everything"
            ));
        }
    }

    /// The options as parameters of a URL.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let files = [
            ("ssl_ca_certs", &self.tls_ca),
            ("ssl_certfile", &self.tls_cert),
            ("ssl_keyfile", &self.tls_key),
        ];
        let files = files.map(|(name, file)| Some((name, file.clone().filter(|file| !file.is_empty())?)));
        let insecure = self.tls_insecure.then(|| ("ssl_cert_reqs", "none".to_owned()));
        files.into_iter().flatten().chain(insecure)
    }
}
