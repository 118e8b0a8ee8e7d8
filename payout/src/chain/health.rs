//! How a chain source does, asked every few seconds: whoever waits for the node or for the
//! watch to notice that it is gone waits for half an hour.

use std::time::Duration;

use basics::clock::now_secs;
use bitcoin::Network;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::client::{ChainClient, ChainInfo};
use super::http::ChainError;
use crate::settings::ChainSource;

/// How often a source is asked how it does.
const ASKED_EVERY: Duration = Duration::from_secs(15);

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// How a chain source does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// Which it is, such as `bitcoind at 127.0.0.1:8332`.
    pub name: String,
    /// It has been asked at least once.
    pub is_known: bool,
    /// Why nobody can follow the chain with it now: its answer, and what to do.
    pub trouble: Option<String>,
    /// When that began, seconds since 1970.
    pub since_secs: Option<u64>,
    /// It does not estimate fees, and on mainnet a node does not start without that.
    pub has_no_fees: bool,
    /// It has deleted every block below this height.
    pub pruned_below: Option<u32>,
}

impl SourceState {
    /// The fault of the source, in words, for somebody who has read up to block `seen` and
    /// needs the next; `None`: nothing.
    pub fn trouble_after(&self, seen: Option<u32>) -> Option<String> {
        if let Some(trouble) = &self.trouble {
            return Some(format!("{}: {trouble}", self.name));
        }
        let next = seen?.checked_add(1)?;
        let first = self.pruned_below.filter(|first| *first > next)?;
        Some(format!(
            "{} has pruned block {next}, which is needed next, and begins at block {first}: give \
             chain.url another source until the newest block is reached. See \"Your own bitcoind\" \
             in docs/operator.md",
            self.name
        ))
    }

    /// That it does not estimate fees, in words, with what to do.
    pub fn lacks_fees(&self) -> Option<String> {
        self.has_no_fees
            .then(|| format!("{}: {NO_FEES}", self.name))
    }
}

/// The text about a source without an estimate of fees.
pub const NO_FEES: &str = "it has no estimate of fees, and without one the lightning node \
     does not start on mainnet. Remove blocksonly=1 from bitcoin.conf; a bitcoind that was just \
     installed needs some hours with transactions";

/// Asks one source.
#[derive(Debug)]
pub struct SourceCheck {
    client: ChainClient,
    network: Network,
    state: watch::Sender<SourceState>,
}

impl SourceCheck {
    /// A check of `source`, and what it finds.
    ///
    /// # Errors
    /// If no client can be made.
    pub fn new(
        source: &ChainSource,
        network: Network,
    ) -> Result<(SourceCheck, watch::Receiver<SourceState>), ChainError> {
        let client = ChainClient::new(source)?;
        let (state, seen) = watch::channel(SourceState {
            name: source.to_string(),
            ..SourceState::default()
        });
        let check = SourceCheck {
            client,
            network,
            state,
        };
        Ok((check, seen))
    }

    /// Asks again and again until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(ASKED_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let asking = async {
            loop {
                tick.tick().await;
                self.ask().await;
            }
        };
        stop.run_until_cancelled(asking).await;
    }

    async fn ask(&self) {
        let asked = timeout(PATIENCE, self.client.ready(self.network)).await;
        let told = asked.unwrap_or_else(|_| {
            let secs = PATIENCE.as_secs();
            Err(ChainError::Silent(format!("not within {secs} s")))
        });
        let has_no_fees = match &told {
            // A node elsewhere falls back on a fixed rate.
            Ok(_) if self.network == Network::Bitcoin => {
                let asked = timeout(PATIENCE, self.client.has_fees()).await;
                matches!(asked, Ok(Ok(false)))
            }
            _ => false,
        };
        let pruned_below = told.as_ref().ok().and_then(|info| info.pruned_below);
        let trouble = told.err().map(|error| error.with_advice());
        self.state.send_if_modified(|state| {
            let before = state.clone();
            state.since_secs = match (&trouble, state.since_secs) {
                (Some(_), None) => Some(now_secs()),
                (Some(_), since) => since,
                (None, _) => None,
            };
            state.is_known = true;
            state.trouble = trouble;
            state.has_no_fees = has_no_fees;
            state.pruned_below = pruned_below;
            tell(&before, state);
            before != *state
        });
    }
}

/// A line when a trouble begins, becomes another one or ends.
fn tell(before: &SourceState, now: &SourceState) {
    let source = &now.name;
    match (&before.trouble, &now.trouble) {
        (was, Some(why)) if was.as_ref() != Some(why) => {
            tracing::warn!(source, why, "the chain source cannot be followed");
        }
        (Some(_), None) => tracing::info!(source, "the chain source can be followed again"),
        _ => {}
    }
}

impl ChainClient {
    /// What the source says of itself, if the chain of `network` can be followed with it.
    ///
    /// # Errors
    /// If it does not answer, is still loading the chain, or is on another one.
    pub async fn ready(&self, network: Network) -> Result<ChainInfo, ChainError> {
        let info = self.info().await?;
        if let Some(other) = info.network.filter(|other| *other != network) {
            return Err(ChainError::OtherNetwork {
                its: other,
                ours: network,
            });
        }
        info.is_loaded()?;
        Ok(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_pruned_is_told_before_it_is_asked_for() {
        let mut state = SourceState {
            name: "bitcoind at x:1".to_owned(),
            ..SourceState::default()
        };
        assert_eq!(state.trouble_after(Some(5)), None);
        state.pruned_below = Some(6);
        for seen in [None, Some(5), Some(6), Some(u32::MAX)] {
            assert_eq!(state.trouble_after(seen), None, "{seen:?}");
        }
        let said = state.trouble_after(Some(4)).expect("block 5 is gone");
        for part in ["bitcoind at x:1", "block 5", "block 6", "chain.url"] {
            assert!(said.contains(part), "{said}");
        }
        state.trouble = Some("no answer".to_owned());
        let said = state.trouble_after(None);
        assert_eq!(said.as_deref(), Some("bitcoind at x:1: no answer"));
    }
}
