//! OCEAN's API, version 1 (beta, without a key): <https://api.ocean.xyz/v1>.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use accounting::Sat;
use accounting::settle::{Block, Earnings};
use basics::mask;
use bitcoin::{BlockHash, Txid};
use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::lenient;
use crate::chain::ChainError;
use crate::chain::http;

/// How many of its newest blocks are asked for: some two weeks of them.
const BLOCKS_ASKED: usize = 30;

/// No block has such a height before the year 2200: a row with one is no block.
const NO_SUCH_HEIGHT: u32 = 10_000_000;

/// The most entries of a list that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// A client of OCEAN's API. It asks once per call; when to ask is the caller's business
/// (every 30 to 60 s at most).
#[derive(Clone)]
pub struct OceanApi {
    http: Client,
    url: String,
}

/// Without the secrets in its URL.
impl fmt::Debug for OceanApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OceanApi({})", mask::url(&self.url))
    }
}

/// Why there is no answer. Nothing is concluded from any of them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OceanError {
    /// It was not reached, or did not answer as HTTP should.
    #[error("OCEAN's API: {0}")]
    Http(#[from] ChainError),
    /// It answered with an error of its own.
    #[error("OCEAN's API says: {0}")]
    Said(String),
    /// It answered what we do not understand.
    #[error("OCEAN's API sent an invalid answer: {0}")]
    Nonsense(String),
}

/// A block that OCEAN says it found.
pub type ListedBlock = Block;

/// OCEAN's newest blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlocksListed {
    /// Lowest first.
    pub blocks: Vec<ListedBlock>,
    /// Subsidy and fees of those of which it tells them: what our part cannot be above.
    pub rewards: HashMap<BlockHash, Sat>,
}

/// What OCEAN says about our earnings and payouts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OceanEarnings {
    /// Our part of each block, where it says both which block and how much.
    pub earnings: Vec<(BlockHash, Earnings)>,
    /// What it paid on-chain. (Lightning payments are not listed, or without a txid.)
    pub payouts: Vec<OnChainPayout>,
}

/// A payout on-chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnChainPayout {
    /// Its transaction.
    pub txid: Txid,
    /// What it paid.
    pub net: Option<Sat>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Envelope<T> {
    Error { error: String },
    Result { result: T },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum BlockList {
    Named { blocks: Vec<serde_json::Value> },
    Bare(Vec<serde_json::Value>),
}

#[derive(Deserialize)]
struct BlockEntry {
    #[serde(deserialize_with = "lenient::whole")]
    height: u64,
    block_hash: BlockHash,
    #[serde(default, deserialize_with = "lenient::whole_or_none")]
    total_reward_sats: Option<u64>,
}

#[derive(Deserialize)]
struct EarnPay {
    #[serde(default)]
    earnings: Option<Vec<serde_json::Value>>,
    #[serde(default)]
    payouts: Option<Vec<serde_json::Value>>,
}

#[derive(Deserialize)]
struct EarningEntry {
    block_hash: BlockHash,
    #[serde(deserialize_with = "lenient::whole")]
    satoshis_net_earned: u64,
    #[serde(default, deserialize_with = "lenient::whole_or_none")]
    shares_in_window: Option<u64>,
}

#[derive(Deserialize)]
struct PayoutEntry {
    on_chain_txid: Txid,
    #[serde(default, deserialize_with = "lenient::whole_or_none")]
    total_satoshis_net_paid: Option<u64>,
}

impl OceanApi {
    /// A client of the API at `url`, such as `https://api.ocean.xyz/v1`.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(url: &str) -> Result<OceanApi, OceanError> {
        Ok(OceanApi {
            http: http::client()?,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    /// Its newest blocks, lowest first.
    ///
    /// # Errors
    /// If it does not answer sensibly.
    pub async fn blocks(&self) -> Result<BlocksListed, OceanError> {
        let body = self.get(&format!("/blocks/0/{BLOCKS_ASKED}/0")).await?;
        blocks(&body)
    }

    /// Earnings and payouts of `address` since `since_secs` (seconds since 1970).
    ///
    /// # Errors
    /// If it does not answer sensibly.
    pub async fn earnings(
        &self,
        address: &str,
        since_secs: u64,
    ) -> Result<OceanEarnings, OceanError> {
        let body = self
            .get(&format!("/earnpay/{address}/{since_secs}"))
            .await?;
        earnings(&body)
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, OceanError> {
        let request = self.http.get(format!("{}{path}", self.url));
        let (status, body) = http::send(request, http::MAX_ANSWER_BYTES).await?;
        if !status.is_success() {
            let said = http::shown(&String::from_utf8_lossy(&body));
            let status = status.as_u16();
            return Err(ChainError::Refused { status, said }.into());
        }
        Ok(body)
    }
}

fn answer<T: DeserializeOwned>(body: &[u8]) -> Result<T, OceanError> {
    match serde_json::from_slice(body) {
        Ok(Envelope::Result { result }) => Ok(result),
        Ok(Envelope::Error { error }) => Err(OceanError::Said(http::shown(&error))),
        Err(error) => Err(OceanError::Nonsense(format!(
            "{error}: {}",
            http::shown(&String::from_utf8_lossy(body))
        ))),
    }
}

/// Reads a list of blocks. Entries that are not understood are left out: one bad row may
/// not hide the good ones.
fn blocks(body: &[u8]) -> Result<BlocksListed, OceanError> {
    let mut rows = match answer(body)? {
        BlockList::Named { blocks } | BlockList::Bare(blocks) => blocks,
    };
    // More than were asked for are not taken.
    rows.truncate(BLOCKS_ASKED);
    let mut rewards = HashMap::new();
    let mut all: BTreeSet<(u32, BlockHash)> = BTreeSet::new();
    for entry in entries::<BlockEntry>(rows, "block") {
        let Ok(height) = u32::try_from(entry.height) else {
            continue;
        };
        if height >= NO_SUCH_HEIGHT {
            continue;
        }
        all.insert((height, entry.block_hash));
        let reward = entry.total_reward_sats.map(Sat::new);
        rewards.extend(reward.map(|reward| (entry.block_hash, reward)));
    }
    let blocks = all.into_iter();
    Ok(BlocksListed {
        blocks: blocks
            .map(|(height, hash)| Block { hash, height })
            .collect(),
        rewards,
    })
}

fn earnings(body: &[u8]) -> Result<OceanEarnings, OceanError> {
    let told: EarnPay = answer(body)?;
    let earned = entries::<EarningEntry>(told.earnings.unwrap_or_default(), "earning");
    let paid = entries::<PayoutEntry>(told.payouts.unwrap_or_default(), "payout");
    Ok(OceanEarnings {
        earnings: earned
            .map(|entry| {
                let earnings = Earnings {
                    net: Sat::new(entry.satoshis_net_earned),
                    shares_in_window: entry.shares_in_window,
                };
                (entry.block_hash, earnings)
            })
            .collect(),
        payouts: paid
            .map(|entry| OnChainPayout {
                txid: entry.on_chain_txid,
                net: entry.total_satoshis_net_paid.map(Sat::new),
            })
            .collect(),
    })
}

fn entries<T: DeserializeOwned>(
    rows: Vec<serde_json::Value>,
    what: &'static str,
) -> impl Iterator<Item = T> {
    rows.into_iter().take(MAX_ENTRIES).filter_map(move |row| {
        serde_json::from_value(row)
            .inspect_err(
                |error| tracing::debug!(%error, "an entry of OCEAN's {what} list is left out"),
            )
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "00000000000000000001ca1b4a6a1a9d1a8d4a5d1f0b2ad1c8a6f6d3a2b1c0d9";
    const B: &str = "00000000000000000000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[track_caller]
    fn heights(body: &str, expected: &[u32]) {
        let listed = blocks(body.as_bytes()).unwrap().blocks;
        let heights: Vec<u32> = listed.iter().map(|block| block.height).collect();
        assert_eq!(heights, expected, "{body}");
    }

    #[test]
    fn blocks_come_lowest_first_whatever_their_form() {
        let row = |hash: &str, height: &str| {
            format!(
                "{{\"height\":{height},\"ts\":\"2026-04-18T10:54:28.021400\",\"block_hash\":\"{hash}\"}}"
            )
        };
        let (newer, older) = (row(A, "945606"), row(B, "\"945475\""));
        heights(
            &format!("{{\"result\":{{\"blocks\":[{newer},{older}]}}}}"),
            &[945_475, 945_606],
        );
        heights(&format!("{{\"result\":[{newer},{newer}]}}"), &[945_606]);
        heights("{\"result\":{\"blocks\":[]}}", &[]);
        // Rows that make no sense do not hide those that do.
        heights(
            &format!(
                "{{\"result\":[null,{{\"height\":1}},{},{newer}]}}",
                row(B, "-1")
            ),
            &[945_606],
        );
        heights(&format!("{{\"result\":[{}]}}", row(B, "99999999999")), &[]);
    }

    #[test]
    fn a_reward_is_told_or_it_is_not() {
        let body = format!(
            "{{\"result\":[{{\"height\":1,\"block_hash\":\"{A}\",\"total_reward_sats\":\"313000000\"}},\
             {{\"height\":2,\"block_hash\":\"{B}\",\"total_reward_sats\":null}}]}}"
        );
        let listed = blocks(body.as_bytes()).unwrap();
        assert_eq!(listed.blocks.len(), 2);
        let rewards: Vec<_> = listed.rewards.into_iter().collect();
        assert_eq!(rewards, [(A.parse().unwrap(), Sat::new(313_000_000))]);
    }

    #[track_caller]
    fn earned(row: &str, expected: Option<(u64, Option<u64>)>) {
        let body = format!("{{\"result\":{{\"earnings\":[{row}],\"payouts\":[]}}}}");
        let told = earnings(body.as_bytes()).unwrap().earnings;
        let seen = told
            .first()
            .map(|(_, earnings)| (earnings.net.get(), earnings.shares_in_window));
        assert_eq!(seen, expected, "{row}");
    }

    #[test]
    fn numbers_are_numbers_in_any_dress() {
        let row = |net: &str, shares: &str| {
            format!("{{\"block_hash\":\"{A}\",\"ts\":\"x\",\"satoshis_net_earned\":{net}{shares}}}")
        };
        earned(
            &row("995", ",\"shares_in_window\":\"123456\""),
            Some((995, Some(123_456))),
        );
        earned(
            &row("\"995\"", ",\"shares_in_window\":null"),
            Some((995, None)),
        );
        earned(&row("995.0", ""), Some((995, None)));
        earned(
            &row("\"995.00\"", ",\"shares_in_window\":\"\""),
            Some((995, None)),
        );
        earned(&row("995.5", ""), None);
        earned(&row("-995", ""), None);
        earned(&row("\"nine\"", ""), None);
        earned(&row("1e30", ""), None);
        earned(&row("null", ""), None);
    }

    #[test]
    fn a_payout_without_a_transaction_is_lightnings() {
        let txid = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b";
        let body = format!(
            "{{\"result\":{{\"payouts\":[{{\"on_chain_txid\":null,\"total_satoshis_net_paid\":7}},\
             {{\"on_chain_txid\":\"{txid}\",\"total_satoshis_net_paid\":\"1048576\",\"is_generation_txn\":false}}]}}}}"
        );
        let told = earnings(body.as_bytes()).unwrap();
        assert_eq!(told.payouts.len(), 1);
        assert_eq!(told.payouts[0].net, Some(Sat::new(1_048_576)));
        assert_eq!(told.earnings, []);
    }

    #[test]
    fn its_own_errors_and_nonsense_are_told_apart() {
        assert_eq!(
            blocks(b"{\"error\":\"no such user\"}"),
            Err(OceanError::Said("no such user".into()))
        );
        assert!(matches!(blocks(b"<html>"), Err(OceanError::Nonsense(_))));
        assert!(matches!(earnings(b"[]"), Err(OceanError::Nonsense(_))));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (blocks(&body), earnings(&body));
        }
    }
}
