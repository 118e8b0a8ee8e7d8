//! The watch's shell: asks the sources, tells the books, keeps what it knows.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accounting::Sat;
use accounting::settle::{Block, Earnings, Event};
use basics::backoff::Backoff;
use basics::clock::now_secs;
use bitcoin::{Address, BlockHash};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::api::OceanApi;
use super::compare::{AskUpstream, Comparison};
use super::deposits::{Deposits, Gone};
use super::follow::{Proof, Sought, follow};
use super::watch::{ChainWord, Verdict, Watch};
use crate::booking::{BookError, Booked, Booking};
use crate::chain::ChainClient;
use crate::files;
use crate::witness::Doubt;

/// How often the sources are asked by default. OCEAN wants no more than one question in
/// 30 to 60 s.
pub const ASK_EVERY: Duration = Duration::from_secs(45);

/// After failures in a row the API is asked less often, down to this.
const API_AGAIN_AT_MOST: Duration = Duration::from_secs(900);

/// A chain source that has been silent for so long is not waited for.
const CHAIN_SILENT_AFTER: Duration = Duration::from_secs(30 * 60);

/// How far back earnings are asked for: two weeks, as the blocks' list.
const EARNINGS_BACK_SECS: u64 = 14 * 86_400;

/// What OCEAN's coinbases carry.
pub const OCEAN_TAG: &[u8] = b"OCEAN.XYZ";

/// What the watch is made of. At least one of the two sources should be there: without
/// any, no block is ever seen.
pub struct OceanWatch {
    /// OCEAN's API, if it is asked.
    pub api: Option<OceanApi>,
    /// The chain, if it is looked at.
    pub chain: Option<ChainClient>,
    /// The chain source that is compared with the other witnesses, whether or not it is
    /// looked at for blocks.
    pub compared: Option<ChainClient>,
    /// The upstream as a witness of the chain.
    pub upstream: Option<AskUpstream>,
    /// Each chain of the network is somebody's own (regtest): the upstream is a witness once
    /// it mines on ours.
    pub are_own_chains: bool,
    /// The payout address, as OCEAN knows it, of the chain's network.
    pub address: Address,
    /// What an OCEAN block's coinbase carries: [`OCEAN_TAG`], but for tests of a network
    /// of one's own.
    pub tag: Vec<u8>,
    /// How often the sources are asked: [`ASK_EVERY`], or what the settings say.
    pub ask_every: Duration,
    /// Where it keeps what it knows.
    pub file: PathBuf,
    /// Whom it tells.
    pub booking: Arc<dyn Booking>,
}

impl fmt::Debug for OceanWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OceanWatch")
            .field("api", &self.api)
            .field("chain", &self.chain)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// How the sources do, for pages and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceHealth {
    /// When OCEAN's API answered last, seconds since 1970.
    pub api_heard_secs: Option<u64>,
    /// Why it does not now.
    pub api_error: Option<String>,
    /// When the chain source answered last with what is not in doubt, seconds since 1970.
    pub chain_heard_secs: Option<u64>,
    /// Why it does not now.
    pub chain_error: Option<String>,
    /// Why the books do not take what they are told.
    pub books_error: Option<String>,
    /// Payments in the books that a reorganisation took out of the chain.
    pub gone: Vec<Gone>,
    /// The chain's tip as it was read.
    pub tip_height: Option<u32>,
    /// Why the witnesses of the chain do not agree, while they do not, or could not be compared
    /// again since.
    pub doubt: Option<Doubt>,
    /// The witnesses were compared in the last round: our own source, where there is one,
    /// answered. Without it, no doubt is no agreement.
    pub is_compared: bool,
    /// Why the chain source's software is not to be used.
    pub wrong_software: Option<String>,
    /// The block that the upstream mines on, where it is a witness and tells it.
    pub upstream_height: Option<u32>,
    /// The tip of our own chain source; `None` while it does not answer.
    pub own_height: Option<u32>,
    /// OCEAN's newest listed block.
    pub listed_height: Option<u32>,
    /// How often the API did not answer since the start.
    pub api_failures: u64,
    /// How often the chain source did not.
    pub chain_failures: u64,
    /// How often the books did not take what they were told.
    pub books_failures: u64,
}

impl SourceHealth {
    /// True when the witnesses were compared in the last round, and agree.
    pub fn agrees(&self) -> bool {
        self.is_compared && self.doubt.is_none()
    }

    pub(super) fn chain_failed(&mut self, why: String) {
        self.chain_error = Some(why);
        self.chain_failures = self.chain_failures.saturating_add(1);
    }
}

/// The version of the file.
const VERSION: u64 = 1;

/// What is kept over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) watch: Option<Watch>,
    deposits: Deposits,
    /// What the witnesses contradicted each other in, and could not be compared in since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) doubts: Vec<Doubt>,
}

/// What a round read of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// There is no source, or it did not answer.
    Nothing,
    /// There is more to read at once.
    HasMore,
    /// All up to the tip.
    Whole,
}

/// A round's working memory.
pub(super) struct Rounds {
    pub(super) parts: OceanWatch,
    pub(super) kept: Kept,
    saved: Kept,
    sought: Sought,
    pub(super) health: watch::Sender<SourceHealth>,
    pub(super) comparison: Comparison,
    chain_heard: Instant,
    api_backoff: Backoff,
    api_next: Instant,
    /// What the books were told of earnings in this process.
    earnings_told: HashMap<BlockHash, Earnings>,
}

impl OceanWatch {
    /// Watches until `stop`; how the sources do is told through `health`.
    ///
    /// # Errors
    /// If what was kept cannot be read: begun anew it would skip blocks.
    pub async fn run(
        self,
        health: watch::Sender<SourceHealth>,
        stop: CancellationToken,
    ) -> std::io::Result<()> {
        let kept = match files::read_if_there(&self.file)? {
            Some(text) => {
                files::check_version(&text, VERSION).map_err(std::io::Error::other)?;
                serde_json::from_str::<Kept>(&text)?
            }
            None => Kept::default(),
        };
        let now = Instant::now();
        let comparison = Comparison::new(&self, kept.doubts.clone());
        // A doubt from before a restart is one until the witnesses are compared again.
        health.send_modify(|health| health.doubt = comparison.doubt().cloned());
        let mut rounds = Rounds {
            saved: kept.clone(),
            kept,
            sought: Sought {
                tag: self.tag.clone(),
                payouts_to: self.address.script_pubkey(),
                proof: Proof::of(&self.address, self.are_own_chains),
            },
            health,
            comparison,
            chain_heard: now,
            api_backoff: Backoff::new(self.ask_every, API_AGAIN_AT_MOST),
            api_next: now,
            earnings_told: HashMap::new(),
            parts: self,
        };
        loop {
            let round = stop.run_until_cancelled(rounds.round()).await;
            let Some(has_more) = round else { return Ok(()) };
            rounds.save();
            let wait = if has_more {
                Duration::ZERO
            } else {
                rounds.parts.ask_every
            };
            if stop
                .run_until_cancelled(tokio::time::sleep(wait))
                .await
                .is_none()
            {
                return Ok(());
            }
        }
    }
}

impl Rounds {
    /// Asks and tells once. True when the chain has more to read at once.
    async fn round(&mut self) -> bool {
        let read = self.read_chain().await;
        let has_more = read == Reading::HasMore;
        if !has_more {
            self.ask_api().await;
        }
        self.compare(read == Reading::Whole).await;
        self.tell_how_it_is(read);
        if !has_more {
            self.tell(read).await;
            self.tell_deposits(read).await;
        }
        has_more
    }

    /// A reading counts once it was compared: for how fresh our source is, and for the
    /// payments that it has no more.
    fn tell_how_it_is(&mut self, read: Reading) {
        let is_trusted =
            matches!(read, Reading::Whole | Reading::HasMore) && self.comparison.trusts_own();
        if is_trusted {
            self.chain_heard = Instant::now();
        }
        // What a source that may be on another chain does not have is not gone.
        let gone = if self.comparison.agrees() && read == Reading::Whole {
            let watch = self.kept.watch.as_ref();
            watch.map(|watch| self.kept.deposits.gone(watch))
        } else {
            None
        };
        let agrees = self.comparison.agrees();
        self.health.send_modify(|health| {
            if is_trusted {
                health.chain_heard_secs = Some(now_secs());
            }
            match gone {
                Some(gone) => health.gone = gone,
                None if !agrees && health.doubt.is_some() => health.gone.clear(),
                None => {}
            }
        });
    }

    async fn read_chain(&mut self) -> Reading {
        let Some(chain) = self.parts.chain.clone() else {
            return Reading::Nothing;
        };
        let asks_api = self.parts.api.is_some();
        if self.kept.watch.is_none() {
            let told = chain.info().await;
            match told.and_then(|info| info.is_loaded().map(|()| info)) {
                Ok(info) => {
                    tracing::info!(
                        height = info.height,
                        "watching for OCEAN's blocks from here"
                    );
                    self.kept.watch = Some(Watch::new(info.height, asks_api));
                }
                Err(error) => {
                    self.health
                        .send_modify(|health| health.chain_failed(error.to_string()));
                    return Reading::Nothing;
                }
            }
        }
        let Some(watch) = &mut self.kept.watch else {
            return Reading::Nothing;
        };
        watch.set_asks_api(asks_api);
        let read = follow(watch, &mut self.kept.deposits, &chain, &self.sought).await;
        let tip_height = watch.tip().map(|tip| tip.height);
        self.health.send_modify(|health| {
            health.tip_height = tip_height;
            match &read {
                Ok(_) => health.chain_error = None,
                Err(error) => health.chain_failed(error.to_string()),
            }
        });
        match read {
            Ok(true) => Reading::HasMore,
            Ok(false) => Reading::Whole,
            Err(error) => {
                tracing::warn!(%error, "the chain source does not answer");
                Reading::Nothing
            }
        }
    }

    async fn ask_api(&mut self) {
        let Some(api) = self.parts.api.clone() else {
            return;
        };
        if Instant::now() < self.api_next {
            return;
        }
        let since = now_secs().saturating_sub(EARNINGS_BACK_SECS);
        let answers = async {
            let blocks = api.blocks().await?;
            let earned = api.earnings(&self.parts.address.to_string(), since).await?;
            Ok::<_, super::OceanError>((blocks, earned))
        };
        match answers.await {
            Ok((listed, earned)) => {
                self.api_backoff.succeeded();
                self.api_next = Instant::now();
                self.health.send_modify(|health| {
                    health.api_heard_secs = Some(now_secs());
                    health.api_error = None;
                });
                self.listed(&listed.blocks);
                let payouts = earned.payouts.iter().map(|payout| payout.txid);
                self.kept.deposits.api_lists(payouts);
                for (block, earnings) in earned.earnings {
                    let reward = listed.rewards.get(&block).copied();
                    self.tell_earnings(block, earnings, reward).await;
                }
            }
            Err(error) => {
                let wait = self.api_backoff.failed();
                tracing::warn!(%error, ?wait, "OCEAN's API does not answer");
                self.api_next = Instant::now() + wait;
                self.health.send_modify(|health| {
                    health.api_error = Some(error.to_string());
                    health.api_failures = health.api_failures.saturating_add(1);
                });
            }
        }
    }

    fn listed(&mut self, blocks: &[Block]) {
        self.comparison.list(blocks);
        if let Some(newest) = blocks.iter().map(|block| block.height).max() {
            self.health
                .send_modify(|health| health.listed_height = Some(newest));
        }
        // Without a chain source the watch begins at the newest block of the first list of
        // which the upstream knows.
        if self.kept.watch.is_none() && self.parts.chain.is_none() {
            let reach = self.comparison.upstream_reach();
            let confirmed = blocks.iter().map(|block| block.height);
            let confirmed = confirmed.filter(|height| reach.is_none_or(|reach| *height <= reach));
            let newest = confirmed.max();
            self.kept.watch = newest.map(|newest| Watch::new(newest, true));
        }
        if let Some(watch) = &mut self.kept.watch {
            watch.api_lists(blocks, self.comparison.upstream_reach());
        }
    }

    async fn tell_earnings(&mut self, block: BlockHash, earnings: Earnings, reward: Option<Sat>) {
        // The books leave out what is none of theirs, but each telling costs a write.
        let of_ours = self
            .kept
            .watch
            .as_ref()
            .is_some_and(|watch| watch.was_found(&block));
        if !of_ours || self.earnings_told.get(&block) == Some(&earnings) {
            return;
        }
        let event = Event::EarningsKnown {
            block,
            earnings,
            reward,
        };
        let booked = self.parts.booking.book(event).await;
        if self.is_booked(booked, "earnings", &block) {
            self.earnings_told.insert(block, earnings);
        }
    }

    async fn tell(&mut self, read: Reading) {
        let silent = self.parts.chain.is_none() || self.chain_heard.elapsed() > CHAIN_SILENT_AFTER;
        let Some(chain) = self.comparison.chain_word(silent) else {
            return;
        };
        // An earlier reading is no word of a source that is not heard now.
        let is_own_word = matches!(chain, ChainWord::Heard | ChainWord::Contradicted);
        if is_own_word && read != Reading::Whole {
            return;
        }
        while let Some(verdict) = self.kept.watch.as_ref().and_then(|watch| watch.next(chain)) {
            let (booked, hash) = match verdict {
                Verdict::Found(block) => (self.parts.booking.close_epoch(block).await, block.hash),
                Verdict::Orphaned(block) => {
                    let event = Event::BlockOrphaned { block: block.hash };
                    (self.parts.booking.book(event).await, block.hash)
                }
            };
            // In order: what the books do not take now is told first in the next round.
            if !self.is_booked(booked, "a block", &hash) {
                return;
            }
            match verdict {
                Verdict::Found(block) => {
                    tracing::info!(height = block.height, %hash, "OCEAN found a block")
                }
                Verdict::Orphaned(block) => {
                    tracing::warn!(height = block.height, %hash, "an OCEAN block is orphaned")
                }
            }
            if let Some(watch) = &mut self.kept.watch {
                watch.was_told(verdict);
            }
        }
    }

    async fn tell_deposits(&mut self, read: Reading) {
        // What a source on another chain shows was not paid, nor what it showed before it
        // could be compared.
        if read != Reading::Whole || !self.comparison.agrees() {
            return;
        }
        let now_ms = now_secs().saturating_mul(1000);
        let next = |kept: &Kept| {
            let watch = kept.watch.as_ref()?;
            kept.deposits.next(watch, now_ms)
        };
        while let Some(payment) = next(&self.kept) {
            let key = payment.key();
            let booked = self.parts.booking.book(Event::Paid(payment.clone())).await;
            if !self.is_booked(booked, "a payment on-chain", &key) {
                return;
            }
            tracing::info!(payout = %key, amount_msat = %payment.amount, "a payment on-chain is booked");
            self.kept.deposits.was_told(&payment);
        }
    }

    fn is_booked(
        &self,
        booked: Result<Booked, BookError>,
        what: &'static str,
        which: &dyn fmt::Display,
    ) -> bool {
        let error = booked.err().map(|error| error.to_string());
        if let Some(error) = &error {
            tracing::error!(%which, error, "the books refuse {what}");
        }
        let is_booked = error.is_none();
        self.health.send_modify(|health| {
            health.books_error = error;
            let failures = u64::from(!is_booked);
            health.books_failures = health.books_failures.saturating_add(failures);
        });
        is_booked
    }

    /// Keeps what is known. Failing is no loss: what was told is told again after a
    /// restart, and the books know it.
    fn save(&mut self) {
        if self.kept == self.saved {
            return;
        }
        let saved = serde_json::to_string(&self.kept)
            .map_err(std::io::Error::from)
            .and_then(|text| files::write_whole(&self.parts.file, &text));
        match saved {
            Ok(()) => self.saved = self.kept.clone(),
            Err(error) => {
                tracing::error!(%error, file = %self.parts.file.display(), "the state of the watch over OCEAN's blocks cannot be stored");
            }
        }
    }
}
