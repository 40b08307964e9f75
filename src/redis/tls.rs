//! TLS: the settings of a `rediss://` URL, and the certificates that they name.

use std::path::{Path, PathBuf};
use std::sync::Once;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates};

use crate::error::{Error, Result};

/// How the certificate of the server is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Verification {
    /// Its authority, its dates and its host name (`ssl_cert_reqs=required`).
    #[default]
    Full,
    /// Its authority and its dates (`ssl_check_hostname=false`).
    WithoutHostname,
    /// Not at all (`ssl_cert_reqs=none`): the connection is encrypted, but anybody may be the server.
    Nothing,
}

/// The TLS settings of a URL.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsSettings {
    pub(super) verification: Verification,
    /// File with the authorities that may sign the server's certificate, in place of the system's.
    pub(super) ca_file: Option<PathBuf>,
    /// File with the certificate by which the server knows this client, and its key.
    pub(super) cert_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
}

/// Creates a client for a TLS address. Files are read now.
pub(super) fn open_client(info: &ConnectionInfo, settings: &TlsSettings) -> Result<Client> {
    install_crypto_provider();
    let certificates = TlsCertificates {
        client_tls: read_client_certificate(settings)?,
        root_cert: match &settings.ca_file {
            Some(file) => Some(read_pem(file, "ssl_ca_certs", "CERTIFICATE")?),
            None => system_roots(),
        },
    };
    let failed = |error: redis::RedisError| {
        let files = [&settings.ca_file, &settings.cert_file, &settings.key_file];
        let files: Vec<String> = files.into_iter().flatten().map(|file| file.display().to_string()).collect();
        Error::invalid(
            format!("TLS cannot be set up with {}: {error}", files.join(", ")),
            "the files need PEM certificates and their key, as Redis' own tls-cert-file and tls-key-file",
        )
    };
    let client = Client::build_with_tls(info.clone(), certificates).map_err(failed)?;
    if settings.verification == Verification::Full {
        return Ok(client);
    }
    let info = client.get_connection_info().clone();
    let mut address = info.addr().clone();
    match (&mut address, settings.verification) {
        (ConnectionAddr::TcpTls { insecure, .. }, Verification::Nothing) => *insecure = true,
        (address, _) => address.set_danger_accept_invalid_hostnames(true),
    }
    Client::open(info.set_addr(address)).map_err(failed)
}

/// Lets rustls use ring, unless the program has chosen another provider.
fn install_crypto_provider() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

fn read_client_certificate(settings: &TlsSettings) -> Result<Option<ClientTlsConfig>> {
    let (cert_file, key_file) = match (&settings.cert_file, &settings.key_file) {
        (None, None) => return Ok(None),
        // One file may have both, as in Python's ssl module.
        (Some(cert), key) => (cert, key.as_ref().unwrap_or(cert)),
        (None, Some(_)) => {
            return Err(Error::invalid("there is a ssl_keyfile and no ssl_certfile", "give both"));
        }
    };
    Ok(Some(ClientTlsConfig {
        client_cert: read_pem(cert_file, "ssl_certfile", "CERTIFICATE")?,
        client_key: read_pem(key_file, "ssl_keyfile", "PRIVATE KEY")?,
    }))
}

/// Reads a file and checks that it has a section of this kind.
fn read_pem(file: &Path, parameter: &str, kind: &str) -> Result<Vec<u8>> {
    let name = file.display();
    let bytes = std::fs::read(file).map_err(|error| {
        Error::invalid(
            format!("{parameter}: {name} cannot be read: {error}"),
            "check its path and its rights",
        )
    })?;
    if String::from_utf8_lossy(&bytes).contains(&format!("{kind}-----")) {
        return Ok(bytes);
    }
    Err(Error::invalid(
        format!("{parameter}: {name} has no PEM section {kind}"),
        format!("it should contain a line like -----BEGIN {kind}-----"),
    ))
}

/// The authorities that the system trusts, as PEM; `None` if it has none. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
fn system_roots() -> Option<Vec<u8>> {
    let certificates = rustls_native_certs::load_native_certs().certs;
    let pem = certificates.iter().flat_map(|certificate| {
        let text = STANDARD.encode(certificate);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n").into_bytes()
    });
    (!certificates.is_empty()).then(|| pem.collect())
}
