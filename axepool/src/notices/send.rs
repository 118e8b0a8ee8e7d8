//! Sends a delivery: one short request, to where it was allowed to go, and nowhere else.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::redirect::Policy as Redirects;
use reqwest::{Client, ClientBuilder};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

use super::feed::About;
use super::record::{Delivery, entry_id};
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
    #[error("it answers with the status {0}")]
    Status(u16),
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
        status => Err(SendError::Status(status.as_u16())),
    }
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
