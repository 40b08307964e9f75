//! Errors of TLS in plain words.

use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::hint::{CERTIFICATE_EXPIRED, CERTIFICATE_NAME, NO_TLS, UNKNOWN_AUTHORITY, WANTS_CERTIFICATE};

/// Says what was wrong, if the error of a connection is one of TLS.
pub(super) fn tls_message(error: &std::io::Error) -> Option<String> {
    Some(match error.get_ref()?.downcast_ref::<TlsError>()? {
        TlsError::InvalidCertificate(error) => certificate_message(error),
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => WANTS_CERTIFICATE.to_owned(),
        TlsError::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::HandshakeFailure
            | AlertDescription::UnknownCA),
        ) => format!("{WANTS_CERTIFICATE}, or refuses the one that it got ({alert:?})"),
        TlsError::InvalidMessage(_) => NO_TLS.to_owned(),
        other => format!("TLS: {other}"),
    })
}

fn certificate_message(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => UNKNOWN_AUTHORITY.to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CERTIFICATE_EXPIRED.to_owned(),
        CertificateError::NotValidForName => CERTIFICATE_NAME.to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("{CERTIFICATE_NAME} {}: it is for {}", expected.to_str(), presented.join(", "))
        }
        // A certificate that has signed itself is an authority, and rustls accepts none as a server's.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => UNKNOWN_AUTHORITY.to_owned(),
        other => format!("its certificate cannot be accepted: {other}"),
    }
}
