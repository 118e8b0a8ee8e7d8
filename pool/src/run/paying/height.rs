//! The chain's height at the moment of the operator's word after a restore: on-chain payments
//! up to it wait in suspense for ever, since they may have reached their miners before.
//!
//! Too low a height books such a payment a second time, and no height holds all for ever. So
//! nothing that was seen some time ago is taken for it: the source is asked now, and its
//! answer, the watch and this machine's clock have to fit each other.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use basics::clock;
use bitcoin::Network;
use payout::chain::{ChainClient, Tip};

use super::{Paying, Watching};

/// How long the source may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A block's time is at most so far ahead of the network's (Core's `MAX_FUTURE_BLOCK_TIME`).
const AHEAD_AT_MOST_SECS: u64 = 2 * 3600;

/// No block for so long has a chance of one in sixty million.
const OLD_AT_MOST_SECS: u64 = 3 * 3600;

/// So many blocks may be known by their headers alone: they just came.
const HEADERS_AHEAD: u32 = 2;

/// So many blocks may not have been read by the watch: one that just came.
const WATCH_BEHIND: u32 = 1;

/// Where the chain can be asked.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The config names none.
    None,
    /// It cannot be asked.
    Broken(String),
    /// Here.
    Client(ChainClient),
}

impl Paying {
    /// The chain's height now; `None` for a pool without any chain source.
    ///
    /// # Errors
    /// The source does not answer or is not at its end, the watch or the node is behind, or
    /// the clock of this machine is off: in words for the operator, who tries again.
    pub(in crate::run) async fn height_now(&self) -> Result<Option<u32>> {
        let seen = self.tip_height();
        match &self.source {
            Source::None => Ok(None),
            Source::Broken(why) => bail!("the chain source cannot be asked: {why}"),
            Source::Client(client) => {
                let asked = tokio::time::timeout(PATIENCE, client.tip()).await;
                let tip = asked
                    .context("the chain source does not answer in time")?
                    .context("the chain source does not answer")?;
                is_at_its_end(&tip, self.network, clock::now_ms() / 1000)?;
                is_read(&tip, self.watched()?)?;
                Ok(Some(tip.height.max(seen.unwrap_or(0))))
            }
        }
    }

    /// What the watch has read of a chain; `None` when it reads none.
    fn watched(&self) -> Result<Option<Watched>> {
        let Watching::Runs(health) = &self.watch else {
            return Ok(None);
        };
        let health = health.borrow();
        if !self.watches_chain {
            return Ok(None);
        }
        if let Some(why) = &health.chain_error {
            bail!("the watch over the chain does not go on: {why}");
        }
        Ok(Some(Watched(health.tip_height)))
    }
}

/// The height that the watch has read; `None`: nothing yet.
#[derive(Clone, Copy, Debug)]
struct Watched(Option<u32>);

/// Whether the source is at the end of its chain, and this machine's clock fits it.
fn is_at_its_end(tip: &Tip, network: Network, now_secs: u64) -> Result<()> {
    if let Some(other) = tip.network.filter(|other| *other != network) {
        bail!("the chain source follows {other}, and the pool is on {network}");
    }
    if tip.is_syncing {
        bail!(
            "the chain source is still loading the chain, and is at block {}: wait until it is \
             through",
            tip.height
        );
    }
    if tip.headers > tip.height.saturating_add(HEADERS_AHEAD) {
        bail!(
            "the chain source knows of {} blocks and has {} of them: wait until it has all",
            tip.headers,
            tip.height
        );
    }
    let newest = tip.time_secs.saturating_sub(AHEAD_AT_MOST_SECS);
    if now_secs < newest || tip.median_secs.is_some_and(|median| now_secs < median) {
        bail!("the clock of this machine is behind the newest block's time: set it right first");
    }
    // On regtest blocks come when somebody wants them.
    let age = now_secs.saturating_sub(tip.time_secs);
    if age > OLD_AT_MOST_SECS && network != Network::Regtest {
        bail!(
            "the newest block {} is {} minutes old by the clock of this machine: either the clock \
             is wrong, or the chain source stands still",
            tip.height,
            age / 60
        );
    }
    Ok(())
}

fn is_read(tip: &Tip, watched: Option<Watched>) -> Result<()> {
    let Some(Watched(read)) = watched else {
        return Ok(());
    };
    let is_behind = read.is_none_or(|read| read.saturating_add(WATCH_BEHIND) < tip.height);
    if is_behind {
        let read = read.map_or("nothing".to_owned(), |read| format!("up to block {read}"));
        bail!(
            "the chain is at block {}, and the pool has read {read} of it: try again in a minute",
            tip.height
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn tip() -> Tip {
        Tip {
            network: Some(Network::Bitcoin),
            height: 900_000,
            headers: 900_000,
            is_syncing: false,
            time_secs: NOW - 600,
            median_secs: Some(NOW - 3600),
        }
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Tip), said: &str) {
        let mut tip = tip();
        change(&mut tip);
        let error = is_at_its_end(&tip, Network::Bitcoin, NOW).expect_err(said);
        assert!(error.to_string().contains(said), "{error}");
    }

    #[test]
    fn a_source_that_is_not_at_its_end_tells_no_height() {
        is_at_its_end(&tip(), Network::Bitcoin, NOW).expect("well");
        refused(|tip| tip.is_syncing = true, "still loading");
        refused(|tip| tip.headers = 900_003, "knows of 900003 blocks");
        refused(|tip| tip.network = Some(Network::Signet), "follows signet");
    }

    #[test]
    fn a_clock_that_is_far_off_is_noticed() {
        // A machine without a clock begins in 1970, or when it was stopped last.
        refused(
            |tip| tip.time_secs = NOW + 7201,
            "the clock of this machine",
        );
        refused(
            |tip| tip.median_secs = Some(NOW + 1),
            "the clock of this machine",
        );
        refused(|tip| tip.time_secs = NOW - 10_801, "180 minutes old");
        let mut old = tip();
        (old.network, old.time_secs, old.median_secs) = (None, 5, Some(5));
        is_at_its_end(&old, Network::Regtest, NOW).expect("on demand");
    }

    #[test]
    fn what_the_watch_has_not_read_is_waited_for() {
        let read = |height| is_read(&tip(), Some(Watched(height)));
        is_read(&tip(), None).expect("nobody watches");
        read(Some(900_000)).expect("all of it");
        read(Some(899_999)).expect("one just came");
        read(Some(900_007)).expect("the source lost some");
        for behind in [None, Some(13), Some(899_998)] {
            let error = read(behind).expect_err("behind");
            assert!(error.to_string().contains("try again"), "{error}");
        }
    }
}
