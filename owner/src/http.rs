//! HTTP with bounds: time and size.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Client, RequestBuilder, StatusCode};

/// Who takes longer is not there.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every answer that is asked for is shorter.
const MAX_ANSWER_BYTES: usize = 2_000_000;

/// The most of a foreign text that is shown.
const SHOWN_CHARS: usize = 200;

/// A client that waits for nobody for ever.
pub(crate) fn client() -> Result<Client> {
    let client = Client::builder()
        .timeout(PATIENCE)
        .user_agent(concat!("axepool/", env!("CARGO_PKG_VERSION")));
    Ok(client.build()?)
}

/// Sends a request to `whom`; the answer's status and body.
///
/// # Errors
/// There is no answer, or it is longer than it may be.
pub(crate) async fn send(request: RequestBuilder, whom: &str) -> Result<(StatusCode, Vec<u8>)> {
    let unreachable = || format!("{whom} cannot be reached");
    let mut response = request.send().await.with_context(unreachable)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.with_context(unreachable)? {
        if body.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES {
            bail!("the answer of {whom} is longer than {MAX_ANSWER_BYTES} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}

/// The beginning of a foreign text, fit for a terminal.
pub(crate) fn shown(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(SHOWN_CHARS).collect()
}
