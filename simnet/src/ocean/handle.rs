//! The strings by which the simulated OCEAN is pulled.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{Amount, BlockHash, Txid};
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use super::books::{OceanBlock, OceanBooks, Policy, Registered};
use super::office::{BlockOdds, Desk, Office, now_ms, secs};
use super::registration::{self, RegistrationError};
use super::{Account, ApiFault};
use crate::chain::{ChainError, SharedChain};
use crate::lightning::OceanNode;
use crate::pool::SimPoolHandle;
use crate::stratum::Target;
use crate::watched::WaitTimeout;

/// How long a channel may take until it can be used.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a channel.
const POLL: Duration = Duration::from_millis(50);
/// A channel can be used when its funding is so deep.
const CHANNEL_DEPTH: u32 = 6;

/// A running OCEAN. It stops when it is dropped; [`Ocean::stop`] waits for it.
pub struct Ocean {
    parts: Parts,
}

/// What it is made of.
pub(super) struct Parts {
    pub(super) office: Arc<Office>,
    pub(super) pool: SimPoolHandle,
    pub(super) node: Option<Arc<OceanNode>>,
    pub(super) node_address: Option<SocketAddr>,
    pub(super) chain_rpc: SocketAddr,
    pub(super) api: SocketAddr,
    pub(super) stop: DropGuard,
    pub(super) tasks: TaskTracker,
}

impl fmt::Debug for Ocean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ocean")
            .field("stratum", &self.stratum())
            .field("api", &self.parts.api)
            .field("chain_rpc", &self.parts.chain_rpc)
            .field("node", &self.parts.node)
            .finish_non_exhaustive()
    }
}

impl Ocean {
    pub(super) fn new(parts: Parts) -> Ocean {
        Ocean { parts }
    }

    /// Where miners connect.
    pub fn stratum(&self) -> SocketAddr {
        self.parts.pool.address()
    }

    /// The stratum server itself, with its faults.
    pub fn pool(&self) -> &SimPoolHandle {
        &self.parts.pool
    }

    /// The API, up to and with its version: `http://127.0.0.1:port/v1`.
    pub fn api_url(&self) -> String {
        format!("http://{}/v1", self.parts.api)
    }

    /// The chain's RPC; any user and password will do.
    pub fn chain_rpc(&self) -> SocketAddr {
        self.parts.chain_rpc
    }

    /// The chain. Whatever is done to it, the miners get new work within a moment.
    pub fn chain(&self) -> &SharedChain {
        &self.parts.office.chain
    }

    /// The lightning node, if there is one.
    pub fn node(&self) -> Option<&OceanNode> {
        self.parts.node.as_deref()
    }

    /// Its public key.
    pub fn node_id(&self) -> Option<PublicKey> {
        self.node().map(OceanNode::id)
    }

    /// Where it listens.
    pub fn node_address(&self) -> Option<SocketAddr> {
        self.parts.node_address
    }

    /// A copy of the books.
    pub fn books(&self) -> OceanBooks {
        self.read_books(OceanBooks::clone)
    }

    /// Looks at the books without copying them.
    pub fn read_books<R>(&self, look: impl FnOnce(&OceanBooks) -> R) -> R {
        self.parts.office.desk.read(|desk| look(&desk.books))
    }

    /// A user's account; an empty one if there is none.
    pub fn account(&self, address: &str) -> Account {
        self.read_books(|books| books.account(address))
    }

    /// Waits until the books satisfy `condition`.
    ///
    /// # Errors
    /// [`WaitTimeout`] if they do not within `timeout`.
    pub async fn wait_for(
        &self,
        condition: impl Fn(&OceanBooks) -> bool,
        timeout: Duration,
    ) -> Result<(), WaitTimeout> {
        let look = |desk: &Desk| condition(&desk.books).then_some(());
        self.parts
            .office
            .desk
            .wait_for(timeout, look, summary)
            .await
    }

    /// The network finds `count` blocks, none of them OCEAN's, with all that waits in the
    /// mempool. The miners get new work.
    pub fn mine_blocks(&self, count: u32) {
        self.chain().lock().mine_to_faucet(count, secs(now_ms()));
        self.parts.pool.new_job(true);
    }

    /// The last `count` blocks are orphaned, and one more others come in their place.
    /// Returns the orphans.
    pub fn reorganise(&self, count: u32) -> Vec<BlockHash> {
        let now_secs = secs(now_ms());
        let orphans = {
            let mut chain = self.chain().lock();
            let orphans = chain.orphan(count, now_secs);
            chain.mine_to_faucet(count + 1, now_secs);
            orphans
        };
        self.parts.pool.new_job(true);
        orphans
    }

    /// How likely a share is a block, from the next job on, which comes at once.
    ///
    /// # Panics
    /// If it is one in a number of shares that is not finite and at least 1.
    pub fn set_block_odds(&self, odds: BlockOdds) {
        if let BlockOdds::OneIn(shares) = odds {
            let difficulty = self.parts.office.terms.share_difficulty * shares;
            let is_possible = shares >= 1.0 && Target::of_difficulty(difficulty).is_some();
            assert!(is_possible, "no odds: one in {shares} shares");
        }
        self.parts.office.desk.update(|desk| desk.odds = odds);
        self.parts.pool.new_job(false);
    }

    /// Lets the next share be a block, and waits until one of the miners has found it.
    ///
    /// # Errors
    /// [`WaitTimeout`] if none has within `timeout`; no block is asked for any more then.
    pub async fn find_block(&self, timeout: Duration) -> Result<OceanBlock, WaitTimeout> {
        let before = self.read_books(|books| books.blocks.len());
        self.set_block_odds(BlockOdds::NextShare);
        let look = |desk: &Desk| desk.books.blocks.get(before).cloned();
        let found = self
            .parts
            .office
            .desk
            .wait_for(timeout, look, summary)
            .await;
        if found.is_err() {
            self.set_block_odds(BlockOdds::Network);
        }
        found
    }

    /// Registers an offer as OCEAN's web form does: for an address, with the
    /// configuration message `{"height":<number>,"lightning_bolt12":"<offer>"}` and its
    /// signature by the address (BIP-322 or legacy).
    ///
    /// # Errors
    /// [`RegistrationError`] if the message, its signature or the offer will not do.
    pub fn register_offer(
        &self,
        address: &str,
        message: &str,
        signature: &str,
    ) -> Result<(), RegistrationError> {
        let (height, offer) = registration::read(message)?;
        registration::verify(address, message, signature)?;
        registration::check_offer(address, &offer)?;
        self.enter_offer(address, Registered { offer, height })
    }

    /// Sets an offer as if its message had been signed.
    ///
    /// # Errors
    /// [`RegistrationError`] if the offer will not do.
    pub fn set_offer(&self, address: &str, offer: &str) -> Result<(), RegistrationError> {
        registration::check_offer(address, offer)?;
        let before = self.account(address).offer;
        let registered = Registered {
            offer: offer.to_owned(),
            height: before.map_or(0, |before| before.height),
        };
        self.enter_offer(address, registered)
    }

    fn enter_offer(&self, address: &str, offer: Registered) -> Result<(), RegistrationError> {
        self.parts.office.desk.update(|desk| {
            let account = desk.books.account_mut(&Arc::from(address));
            let before = account.offer.as_ref().map_or(0, |before| before.height);
            let given = offer.height;
            if given < before {
                return Err(RegistrationError::Outdated { given, before });
            }
            account.offer = Some(offer);
            account.failures = 0;
            Ok(())
        })
    }

    /// Changes when it pays which way, from the next payout on.
    pub fn set_policy(&self, change: impl FnOnce(&mut Policy)) {
        self.parts.office.desk.update(|desk| {
            change(&mut desk.policy);
            // Nobody is there to pay over lightning.
            desk.policy.lightning_paused |= self.parts.node.is_none();
        });
    }

    /// Runs another payout now, for the block that was paid for last: who could not be
    /// paid then is tried again.
    pub fn pay_now(&self) {
        self.parts.office.desk.update(|desk| desk.run_asked = true);
    }

    /// Pays everyone over the chain now, in one transaction, whatever is due and makes an
    /// output. `None` if that is nobody.
    ///
    /// # Errors
    /// If the faucet is empty.
    pub fn pay_on_chain_now(&self) -> Result<Option<Txid>, ChainError> {
        self.parts.office.pay_on_chain(true)
    }

    /// What is wrong with the API from now on.
    pub fn set_api_fault(&self, fault: ApiFault) {
        self.parts.office.desk.update(|desk| desk.api_fault = fault);
    }

    /// Opens a channel of `size_sat` to a node, mines until it is deep, and waits until
    /// OCEAN's side of it can be used. Public if OCEAN's node has a name.
    ///
    /// # Errors
    /// If there is no node, the other is not reached, or it takes longer than a minute.
    pub async fn open_channel_to(
        &self,
        node: PublicKey,
        at: SocketAddr,
        size_sat: u64,
    ) -> Result<()> {
        let ours = self.node().context("this OCEAN has no lightning node")?;
        let usable_before = ours.usable_channels(node).await?;
        let mut seen = self.chain().lock().mempool();
        let size = Amount::from_sat(size_sat);
        ours.open_channel(node, at, size, ours.is_announced())
            .await?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while ours.usable_channels(node).await? <= usable_before {
            let waiting = self.chain().lock().mempool();
            // The funding, or something else: it shows by the channel.
            if waiting.iter().any(|id| !seen.contains(id)) {
                seen = waiting;
                self.mine_blocks(CHANNEL_DEPTH);
                ours.sync().await?;
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "the channel to {node} is not usable after {PATIENCE:?}"
            );
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Stops it all and waits for it. A payment under way may still arrive; its outcome
    /// is not in the books then.
    ///
    /// # Errors
    /// If a connection is not gone in time, or the node does not stop.
    pub async fn stop(self) -> Result<()> {
        let Parts {
            pool,
            node,
            stop,
            tasks,
            ..
        } = self.parts;
        drop(stop);
        tasks.wait().await;
        pool.stop().await?;
        if let Some(node) = node {
            let node = Arc::try_unwrap(node).map_err(|_| anyhow!("somebody holds the node"))?;
            node.stop().await?;
        }
        Ok(())
    }
}

fn summary(desk: &Desk) -> String {
    let users: Vec<String> = desk
        .books
        .users
        .iter()
        .map(|(user, account)| {
            format!(
                "{user}: {} shares, pending {} due {} flying {} paid {} msat, {} failures",
                account.shares,
                account.pending_msat(),
                account.due_msat,
                account.in_flight_msat,
                account.paid_msat(),
                account.failures,
            )
        })
        .collect();
    format!("{} blocks; {}", desk.books.blocks.len(), users.join("; "))
}
