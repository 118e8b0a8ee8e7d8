//! An Esplora server's HTTP API.

use std::str::FromStr;

use bitcoin::BlockHash;
use reqwest::{Client, StatusCode};

use super::client::ChainInfo;
use super::http::{self, ChainError, MAX_ANSWER_BYTES, MAX_BLOCK_BYTES};

#[derive(Clone, Debug)]
pub(super) struct Esplora {
    http: Client,
    url: String,
}

impl Esplora {
    pub(super) fn new(url: &str) -> Result<Self, ChainError> {
        Ok(Esplora {
            http: http::client()?,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    pub(super) async fn info(&self) -> Result<ChainInfo, ChainError> {
        let height: u32 = self.text("/blocks/tip/height").await?;
        // Height first, then the block at it: a block that comes between changes nothing.
        let tip = self.hash_at(height).await?;
        Ok(ChainInfo {
            network: None,
            height,
            tip: tip
                .ok_or_else(|| ChainError::Nonsense(format!("no block at its tip {height}")))?,
            is_syncing: false,
        })
    }

    pub(super) async fn hash_at(&self, height: u32) -> Result<Option<BlockHash>, ChainError> {
        let request = self.http.get(format!("{}/block-height/{height}", self.url));
        match http::send(request, MAX_ANSWER_BYTES).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) if status.is_success() => parsed(&body).map(Some),
            (status, body) => Err(ChainError::Refused {
                status: status.as_u16(),
                said: http::shown(&String::from_utf8_lossy(&body)),
            }),
        }
    }

    pub(super) async fn block(&self, hash: &BlockHash) -> Result<Vec<u8>, ChainError> {
        let request = self.http.get(format!("{}/block/{hash}/raw", self.url));
        http::fetch(request, MAX_BLOCK_BYTES).await
    }

    async fn text<T>(&self, path: &str) -> Result<T, ChainError>
    where
        T: FromStr,
        T::Err: ToString,
    {
        let request = self.http.get(format!("{}{path}", self.url));
        parsed(&http::fetch(request, MAX_ANSWER_BYTES).await?)
    }
}

fn parsed<T>(body: &[u8]) -> Result<T, ChainError>
where
    T: FromStr,
    T::Err: ToString,
{
    let text = std::str::from_utf8(body).map_err(ChainError::nonsense)?;
    text.trim().parse().map_err(ChainError::nonsense)
}
