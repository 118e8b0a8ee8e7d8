//! The ways in which a connection to the pool ends.

use std::io;
use std::time::Duration;

use rustls::CertificateError;
use thiserror::Error;

use super::refusals::Refused;
use crate::certificate;
use crate::config::UpstreamUrl;
use crate::wire::upstream::UpstreamWireError;

/// Why a connection could not be made, or ended.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("no TLS with {host}: {error}{}", hint(.error))]
    Tls { host: String, error: io::Error },
    #[error("{0:?} is not a host name that a certificate could be for")]
    ServerName(String),
    #[error("no certificate authorities were found on this system, so stratum+ssl cannot be used")]
    NoAuthorities,
    #[error("[upstream] ca_file: {0}")]
    Authorities(#[from] certificate::CertificateError),
    #[error("no job within {after:?} of connecting{}", of_no_use(.dropped))]
    FirstJobTimeout {
        after: Duration,
        /// What was wrong with the last job that came, if one did.
        dropped: Option<UpstreamWireError>,
    },
    #[error(
        "the upstream refuses the username {username:?}: {reason}; it is the pool's own, made of \
         [upstream] address and worker in the config: check the address"
    )]
    Unauthorized { username: String, reason: String },
    #[error(
        "the upstream's extranonces, of {extranonce1} and {extranonce2} bytes, leave no room to \
         tell miners apart: use another upstream"
    )]
    BadExtranonce {
        extranonce1: usize,
        extranonce2: usize,
    },
    #[error("the upstream refuses the subscription: {0}")]
    SubscribeRefused(String),
    #[error("the upstream closed the connection{}", if *.answered { "" } else { " without a word" })]
    Closed { answered: bool },
    #[error("the connection broke: {0}")]
    Io(#[source] io::Error),
    #[error("a line of the upstream is longer than {0} bytes")]
    LineTooLong(usize),
    #[error("no job for {after:?}{}", of_no_use(.dropped))]
    Stalled {
        after: Duration,
        /// What was wrong with the last job that came, if one did since the last good one.
        dropped: Option<UpstreamWireError>,
    },
    #[error("the upstream refuses all shares: {0}")]
    RefusesShares(Refused),
    #[error("the upstream does not read from the connection")]
    WriteStuck,
    #[error("the upstream asked to reconnect in {wait:?}")]
    Reconnect { to: UpstreamUrl, wait: Duration },
    #[error("another URL is in use now")]
    UrlChanged,
    #[error("the proxy is stopping")]
    Stopping,
}

impl Failure {
    /// Every value of [`Self::label`].
    pub(super) const LABELS: [&'static str; 15] = [
        "connect",
        "tls",
        "first_job_timeout",
        "unauthorized",
        "bad_extranonce",
        "subscribe_refused",
        "closed",
        "io",
        "line_too_long",
        "stalled",
        "refuses_shares",
        "write_stuck",
        "asked",
        "url_changed",
        "stopping",
    ];

    /// The metric's label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Failure::Connect(_) => "connect",
            Failure::Tls { .. }
            | Failure::ServerName(_)
            | Failure::NoAuthorities
            | Failure::Authorities(_) => "tls",
            Failure::FirstJobTimeout { .. } => "first_job_timeout",
            Failure::Unauthorized { .. } => "unauthorized",
            Failure::BadExtranonce { .. } => "bad_extranonce",
            Failure::SubscribeRefused(_) => "subscribe_refused",
            Failure::Closed { .. } => "closed",
            Failure::Io(_) => "io",
            Failure::LineTooLong(_) => "line_too_long",
            Failure::Stalled { .. } => "stalled",
            Failure::RefusesShares(_) => "refuses_shares",
            Failure::WriteStuck => "write_stuck",
            Failure::Reconnect { .. } => "asked",
            Failure::UrlChanged => "url_changed",
            Failure::Stopping => "stopping",
        }
    }

    /// True when it can never work as it is configured.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(
            self,
            Failure::Unauthorized { .. }
                | Failure::BadExtranonce { .. }
                | Failure::ServerName(_)
                | Failure::NoAuthorities
                | Failure::Authorities(_)
        )
    }
}

/// The job that came and was of no use.
fn of_no_use(error: &Option<UpstreamWireError>) -> String {
    let text = |error| format!("; the last one that came cannot be used: {error}");
    error.as_ref().map(text).unwrap_or_default()
}

/// What an operator can do about a handshake that failed, behind the library's words.
fn hint(error: &io::Error) -> &'static str {
    let error = error.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(rustls::Error::InvalidCertificate(why)) = error else {
        return match error {
            // Plain Stratum begins with a brace, which no TLS record does.
            Some(rustls::Error::InvalidMessage(_)) => {
                ": is it a plain port? then write stratum+tcp://"
            }
            _ => "",
        };
    };
    match why {
        // The latter where an authority has the name of one that is known, and not its key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            ": no authority known here has signed its certificate; where that is a private \
             one, name its certificate as [upstream] ca_file"
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            ": its certificate is an authority's own; a server needs one that the authority signed"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ": use the name that the certificate is for in [upstream] urls"
        }
        _ => "",
    }
}
