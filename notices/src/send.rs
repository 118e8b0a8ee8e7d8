//! Sends a delivery: one short request, to where it was allowed to go, and nowhere else.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy as Redirects;
use reqwest::{Client, ClientBuilder};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

use super::feed::About;
use super::record::{Delivery, entry_id};
use signed::Channel;

use super::target::{Place, Policy, TargetError};

/// Until a connection stands, and until a name is resolved.
const CONNECT: Duration = Duration::from_secs(5);

/// Until the answer's head is there. Its body is not read.
const ANSWER: Duration = Duration::from_secs(10);

/// An ntfy message holds 4,096 bytes.
const MAX_NTFY: usize = 3_500;

/// Why a delivery did not arrive. Never with the URL, which is its owner's secret.
#[derive(Debug, Error)]
pub(super) enum SendError {
    /// It must not be sent there (any more).
    #[error(transparent)]
    Target(#[from] TargetError),
    /// No name, no connection, no answer.
    #[error("{0}")]
    Silent(String),
    /// Another answer than success.
    #[error("it answers with the status {status}")]
    Status {
        /// The status.
        status: u16,
        /// How long the server wants to be left alone, in milliseconds.
        retry_after_ms: Option<u64>,
    },
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server took it.
    Arrived,
    /// The server takes nothing now, for a reason that is not the target's: it is tried
    /// again, as often as it takes.
    Held {
        /// How long the server wants to be left alone, in milliseconds.
        asked_ms: Option<u64>,
    },
    /// The target does not take it.
    Failed,
}

impl Outcome {
    /// What the metrics call them.
    pub(super) const LABELS: [&str; 3] = ["delivered", "held", "failed"];

    /// Its name in the metrics.
    pub(super) fn label(self) -> &'static str {
        let [delivered, held, failed] = Self::LABELS;
        match self {
            Outcome::Arrived => delivered,
            Outcome::Held { .. } => held,
            Outcome::Failed => failed,
        }
    }

    /// What a delivery to `channel` came to.
    ///
    /// A server that limits senders (429), or says when it will be back (503), means the
    /// pool and all its owners. An ntfy server is the operator's choice: one that is down
    /// or out of order says nothing about an owner's topic either. A webhook is its
    /// owner's: all else that is wrong with it counts.
    pub(super) fn of(channel: Channel, sent: &Result<(), SendError>) -> Outcome {
        match (sent, channel) {
            (Ok(()), _) => Outcome::Arrived,
            (Err(SendError::Target(_)), _) => Outcome::Failed,
            (Err(SendError::Silent(_)), Channel::Ntfy) => Outcome::Held { asked_ms: None },
            (Err(SendError::Silent(_)), Channel::Webhook) => Outcome::Failed,
            (
                Err(SendError::Status {
                    status,
                    retry_after_ms,
                }),
                _,
            ) => {
                let is_held = match (*status, channel) {
                    (429, _) | (500 | 502..=504, Channel::Ntfy) => true,
                    (503, Channel::Webhook) => retry_after_ms.is_some(),
                    _ => false,
                };
                let asked_ms = *retry_after_ms;
                if is_held {
                    Outcome::Held { asked_ms }
                } else {
                    Outcome::Failed
                }
            }
        }
    }
}

/// Sends.
pub(super) async fn send(
    delivery: &Delivery,
    policy: &Policy,
    about: &About,
) -> Result<(), SendError> {
    // The config may have changed since it was accepted.
    let (client, url, body) = match policy.place(&delivery.target)? {
        Place::Ntfy { server, topic } => (client(), server, ntfy(&topic, delivery, about)),
        Place::Webhook { url } => {
            let client = pinned(&url, policy).await?;
            (client, url.to_string(), webhook(delivery, about))
        }
    };
    let client = client.build().map_err(silent)?;
    let answer = client.post(url).json(&body).send().await.map_err(silent)?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(SendError::Status {
            status: status.as_u16(),
            retry_after_ms: answer.headers().get(RETRY_AFTER).and_then(retry_after_ms),
        }),
    }
}

/// Milliseconds of a `Retry-After` in seconds (RFC 9110, 10.2.3). A date is read as none:
/// it would have to be believed of a clock that is not ours.
fn retry_after_ms(value: &HeaderValue) -> Option<u64> {
    let seconds = value.to_str().ok()?.trim();
    let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than a number has are a long time.
    is_number.then(|| {
        seconds
            .parse::<u64>()
            .map_or(u64::MAX, |s| s.saturating_mul(1000))
    })
}

/// No proxy of the environment: it would resolve names again, to other addresses.
fn client() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("axepool/", env!("CARGO_PKG_VERSION")))
        .redirect(Redirects::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
}

/// A client for which the URL's name has the addresses that were looked at, so that a
/// second look cannot find others.
async fn pinned(url: &Url, policy: &Policy) -> Result<ClientBuilder, SendError> {
    let Some(Host::Domain(name)) = url.host() else {
        // An address was looked at with the URL.
        return Ok(client());
    };
    let port = url.port_or_known_default().unwrap_or(443);
    let found = timeout(CONNECT, lookup_host((name, port))).await;
    let no_address = || TargetError::NoAddress(name.to_owned());
    let found = found.map_err(|_| no_address())?.map_err(|_| no_address())?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err(no_address().into());
    }
    for address in &addresses {
        policy.allows(address.ip())?;
    }
    Ok(client().resolve_to_addrs(name, &addresses))
}

/// A message as ntfy takes it as JSON, at the server's root.
fn ntfy(topic: &str, delivery: &Delivery, about: &About) -> Value {
    let mut message = String::new();
    for entry in &delivery.entries {
        let text = entry.news.text(entry.time_ms);
        if !message.is_empty() && message.len() + text.len() > MAX_NTFY {
            break;
        }
        if !message.is_empty() {
            message.push_str("\n\n");
        }
        message.push_str(&text);
    }
    let title = match delivery.entries.as_slice() {
        [one] => one.news.headline(),
        many => format!("{} notices", many.len()),
    };
    json!({
        "topic": topic,
        "title": format!("{}: {title}", about.name),
        "message": message,
        "click": about.page(&delivery.miner),
    })
}

/// What a webhook gets: the same entries as the feed has, with the same ids.
fn webhook(delivery: &Delivery, about: &About) -> Value {
    let entries = delivery.entries.iter().map(|entry| {
        json!({
            "id": entry_id(about.ledger, &delivery.miner, entry.number),
            "time_ms": entry.time_ms,
            "title": entry.news.headline(),
            "text": entry.news.text(entry.time_ms),
            "news": entry.news,
        })
    });
    json!({
        "pool": about.name,
        "miner": delivery.miner,
        "page": about.page(&delivery.miner),
        "entries": entries.collect::<Vec<_>>(),
    })
}

/// The innermost reason is the one that tells ("connection refused").
fn silent(error: reqwest::Error) -> SendError {
    let error = error.without_url();
    let mut inner: &dyn std::error::Error = &error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    SendError::Silent(inner.to_string())
}

#[cfg(test)]
mod tests;
