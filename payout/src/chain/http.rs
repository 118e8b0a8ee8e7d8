//! HTTP with an end to everything: time, size, words.

use std::time::Duration;

use bitcoin::Network;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use thiserror::Error;

/// A block is up to 4 MB; in hex twice that.
pub(super) const MAX_BLOCK_BYTES: usize = 9_000_000;

/// Every other answer that is asked for is short.
pub(crate) const MAX_ANSWER_BYTES: usize = 2_000_000;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The most of a foreign text that is shown.
const SHOWN_CHARS: usize = 200;

/// Why a source did not answer. Nothing is concluded from any of them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainError {
    /// Nobody there, or not in time.
    #[error("no answer: {0}")]
    Silent(String),
    /// It refused.
    #[error("answered {status}: {said}")]
    Refused {
        /// HTTP's number.
        status: u16,
        /// The beginning of what it said.
        said: String,
    },
    /// It answered more than could be right.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// It answered what cannot be.
    #[error("sent an invalid answer: {0}")]
    Nonsense(String),
    /// bitcoind has just been started and loads what it has.
    #[error("is starting and says {0:?}: this takes seconds to minutes, and needs nobody")]
    WarmUp(String),
    /// It loads the chain.
    #[error("is still loading the chain, at block {height} of {headers}: wait until it has all")]
    Syncing {
        /// The blocks that it has.
        height: u32,
        /// The blocks that it knows of.
        headers: u32,
    },
    /// It is on another chain.
    #[error("is on {its}, and the pool on {ours}")]
    OtherNetwork {
        /// The one that it is on.
        its: Network,
        /// The pool's.
        ours: Network,
    },
    /// bitcoind does not know us by our user and password.
    #[error(
        "refuses user and password (HTTP 401): compare them with rpcauth, or rpcuser and \
         rpcpassword, in its bitcoin.conf"
    )]
    WrongPassword,
    /// bitcoind does not know us by the cookie.
    #[error(
        "refuses the cookie of {0} (HTTP 401): it is of another bitcoind, or of an earlier start \
         of it"
    )]
    WrongCookie(String),
    /// There is no cookie to be read.
    #[error("cannot be asked: {0}")]
    NoCookie(String),
    /// bitcoind does not let us do it.
    #[error(
        "forbids {0} (HTTP 403): allow the call in rpcwhitelist, and this machine in rpcallowip, \
         of its bitcoin.conf"
    )]
    Forbidden(String),
    /// Its certificate is of nobody whom the node trusts.
    #[error(
        "has a certificate that is not accepted ({0}): the lightning node wants one of a public \
         authority. Use tcp:// to a server in your own network, or a tunnel"
    )]
    Certificate(String),
    /// An Electrum server is asked for what only the others have.
    #[error(
        "is an Electrum server, which has no whole blocks: give chain.url bitcoind's RPC or an \
         Esplora server"
    )]
    NoBlocks,
    /// A pruned bitcoind has deleted the block.
    #[error(
        "has pruned a block that is needed ({0}): it needs the blocks of the time that the pool was \
         off. See \"Your own bitcoind\" in docs/operator.md"
    )]
    Pruned(String),
    /// bitcoind refuses a call, in its own words.
    #[error("answers {message:?} (error {code})")]
    Rpc {
        /// Its number.
        code: i64,
        /// Its words.
        message: String,
    },
}

impl ChainError {
    /// In words, with what to do where the words alone do not say it.
    pub fn with_advice(&self) -> String {
        let advice = match self {
            ChainError::Silent(_) => {
                "check that it runs, that host and port are right, and that bitcoind has server=1, \
                 or an Electrum server the right one of tcp:// and ssl://"
            }
            ChainError::Refused {
                status: 300..=399, ..
            } => {
                "it sends to another address, which is not followed: name that one, if it is yours"
            }
            ChainError::Refused { .. } | ChainError::TooLong(_) | ChainError::Nonsense(_) => {
                "check that a chain source of the kind that the URL names, and not something else, \
                 is there"
            }
            _ => return self.to_string(),
        };
        format!("{self} ({advice})")
    }

    pub(crate) fn nonsense(error: impl ToString) -> Self {
        ChainError::Nonsense(shown(&error.to_string()))
    }
}

/// The beginning of a foreign text, fit for a log.
pub(crate) fn shown(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(SHOWN_CHARS).collect()
}

/// A client that waits for nobody for ever, and asks nobody but whom it is told to ask: a
/// source that redirects would have the pool ask other machines of its network.
pub(crate) fn client() -> Result<Client, ChainError> {
    Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(Duration::from_secs(10))
        .redirect(Policy::none())
        .user_agent(concat!("axepool/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| ChainError::Silent(error.to_string()))
}

/// Sends a request; status and body, of `max_bytes` at most.
pub(crate) async fn send(
    request: RequestBuilder,
    max_bytes: usize,
) -> Result<(StatusCode, Vec<u8>), ChainError> {
    // Without the URL: it may hold a password.
    let silent = |error: reqwest::Error| ChainError::Silent(reason(&error.without_url()));
    let mut response = request.send().await.map_err(silent)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(silent)? {
        if body.len().saturating_add(chunk.len()) > max_bytes {
            return Err(ChainError::TooLong(max_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}

/// The same for an answer that must be a success.
pub(crate) async fn fetch(
    request: RequestBuilder,
    max_bytes: usize,
) -> Result<Vec<u8>, ChainError> {
    let (status, body) = send(request, max_bytes).await?;
    if status.is_success() {
        return Ok(body);
    }
    Err(ChainError::Refused {
        status: status.as_u16(),
        said: shown(&String::from_utf8_lossy(&body)),
    })
}

/// The innermost reason is the one that tells ("connection refused").
fn reason(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/", get(async || Redirect::temporary("/secret")))
            .route("/secret", get(async || "of another machine"));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
        let asked = client().unwrap().get(format!("http://{address}/"));
        let error = fetch(asked, MAX_ANSWER_BYTES).await.unwrap_err();
        assert!(matches!(error, ChainError::Refused { status: 307, .. }));
        let told = error.with_advice();
        assert!(
            told.contains("is not followed") && !told.contains("machine"),
            "{told}"
        );
        serving.abort();
    }
}
