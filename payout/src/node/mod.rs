//! The lightning node: built, started, retried, watched and stopped by us.
//!
//! It lives on a runtime of its own, so that nothing it does (its calls block) takes a
//! thread from mining. Everything else talks to it through a [`Lightning`], which is
//! there whether the node is or not.

mod arrivals;
mod balances;
mod build;
mod closed;
mod decided;
mod directory;
mod events;
mod fetched;
mod hands;
mod lock;
pub mod payments;
mod run;
mod store;
mod view;
mod wallet;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use ldk_node::Node;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};

use crate::marks::{Doubt, GoOn};
use crate::outgoing::Desk;
use directory::Directory;
use payments::OnChainFee;

use store::Store;

pub use crate::node_state::{NodeError, NodeState};
pub use balances::Balances;
pub use closed::{ClosedBy, ClosedChannel, ClosedView, Money};
pub use events::ChannelNews;
pub use run::{NodeTask, Parts, Spawned};
pub use view::{ChannelView, NodeView, PeerView};

/// A handle on the node, whether it is up or not.
#[derive(Clone, Debug)]
pub struct Lightning {
    state: watch::Receiver<NodeState>,
    live: watch::Receiver<Option<Live>>,
    outgoing: watch::Receiver<u64>,
    /// One on-chain send at a time: until the wallet has seen one, the next would spend
    /// the same coins, and be taken for it.
    pub(crate) sends: Arc<Mutex<()>>,
    /// Why nobody knows which chain is the network's, while that is so.
    chain_doubt: Arc<RwLock<Option<String>>>,
    directory: Arc<Directory>,
}

/// The node while it runs.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) node: Arc<Node>,
    pub(crate) runtime: Handle,
    desk: Arc<Desk>,
    store: Arc<Store>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Live({})", self.node.node_id())
    }
}

/// What of the chain the node's wallet sees, and which addresses are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletRange {
    /// It has seen each block after this one, and nothing of what was there by then; 0 for
    /// one that has asked for each of its addresses.
    pub first_block: u32,
    /// The last address that it gave out, counted from 0.
    pub external: u32,
    /// The last change address, likewise.
    pub internal: u32,
}

impl Lightning {
    /// What the node is doing; changes wake the receiver.
    pub fn state(&self) -> watch::Receiver<NodeState> {
        self.state.clone()
    }

    /// What of the chain the node's wallet sees.
    ///
    /// # Errors
    /// If it is not up.
    pub async fn wallet_range(&self) -> Result<WalletRange, NodeError> {
        let live = self.live()?;
        let store = live.store();
        let looked = live.with(move |_| {
            let given = store.given().known();
            WalletRange {
                first_block: given.first_block.unwrap_or(0),
                external: given.external,
                internal: given.internal,
            }
        });
        looked.await
    }

    /// Keeps that older coins of the wallet were looked for.
    ///
    /// # Errors
    /// If the node is not up, or it cannot be kept.
    pub async fn was_sought(&self) -> Result<(), NodeError> {
        let live = self.live()?;
        let store = live.store();
        let kept = live
            .with(move |_| store.given().set_unsought(false))
            .await?;
        kept.map_err(|error| NodeError::Failed(error.to_string()))
    }

    /// Keeps what a transaction costs that brings money of this node to its wallet, before
    /// it is handed to the network: see [`Self::on_chain_fees`].
    ///
    /// # Errors
    /// If the chain is in doubt, on which nothing is to be sent; the node is not up, or it
    /// cannot be kept.
    pub async fn will_fetch(&self, cost: OnChainFee) -> Result<(), NodeError> {
        self.trusts_the_chain()?;
        let live = self.live()?;
        let kept = live.with(move |node| fetched::add(&storage_dir(node), cost));
        let kept = kept.await?;
        kept.map_err(|error| NodeError::Failed(format!("the cost cannot be kept: {error}")))
    }

    /// Whether a channel may be opened and money sent on-chain now. Whoever books a payment
    /// before it is made asks here before that.
    ///
    /// # Errors
    /// [`NodeError::ChainInDoubt`] while the witnesses of the chain do not agree.
    pub fn trusts_the_chain(&self) -> Result<(), NodeError> {
        let doubt = self.chain_doubt.read();
        match &*doubt.unwrap_or_else(PoisonError::into_inner) {
            Some(why) => Err(NodeError::ChainInDoubt(why.clone())),
            None => Ok(()),
        }
    }

    /// The witnesses of the chain do not agree, and why; `None`: they do.
    pub fn doubt_chain(&self, why: Option<String>) {
        let doubt = self.chain_doubt.write();
        *doubt.unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Lets the node start although its store is not the last one, or may not be, and says
    /// `how`; what was the matter with it. For the operator alone.
    ///
    /// # Errors
    /// If nothing is the matter with it.
    pub fn accept_directory(&self, how: GoOn) -> Result<Doubt, NodeError> {
        let nothing = "its directory is the last one: there is nothing to accept";
        let accepted = self.directory.accept(how);
        accepted.ok_or_else(|| NodeError::Failed(nothing.to_owned()))
    }

    /// Why the node does not start until its operator says how, by the last comparison of its
    /// directory; `None`: nothing is the matter with it.
    pub fn doubts_directory(&self) -> Option<Doubt> {
        self.directory.doubt()
    }

    /// The channels that were closed, the newest first, as the record in the node's directory
    /// has them: for a node that is not up. It reads a file.
    pub fn recorded_closings(&self) -> Vec<ClosedView> {
        closed::recorded(self.directory.place())
    }

    /// Before when the node may have made payments that its journal does not know, seconds
    /// since 1970; `None` when there are none.
    pub fn forgot_until(&self) -> Option<u64> {
        self.directory.forgot_until()
    }

    /// What the node looks like now.
    ///
    /// # Errors
    /// If it is not up.
    pub async fn view(&self) -> Result<NodeView, NodeError> {
        let live = self.live()?;
        let store = live.store();
        let doubt = self.chain_doubt.read();
        let doubt = doubt.unwrap_or_else(PoisonError::into_inner).clone();
        live.with(move |node| view::look(node, &store, doubt)).await
    }

    /// Runs `work` with the node, on a thread where it may block.
    ///
    /// # Errors
    /// If the node is not up, or goes down meanwhile.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node) -> T + Send + 'static,
    ) -> Result<T, NodeError> {
        self.live()?.with(work).await
    }

    /// The node, if it is up.
    pub(crate) fn live(&self) -> Result<Live, NodeError> {
        let live = self.live.borrow().clone();
        live.ok_or_else(|| NodeError::Down(self.state.borrow().clone()))
    }

    /// Tells that an outgoing payment is decided.
    pub(crate) fn outgoing(&self) -> watch::Receiver<u64> {
        self.outgoing.clone()
    }
}

/// Where the node keeps its data.
fn storage_dir(node: &Node) -> PathBuf {
    node.config().storage_dir_path.into()
}

impl Live {
    /// Its store.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    /// Who decides what is handed to the node.
    pub(crate) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    /// Runs `work` on the node's own runtime: ldk-node blocks, and puts the sockets that
    /// it opens on the runtime that it is called from.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node) -> T + Send + 'static,
    ) -> Result<T, NodeError> {
        let node = Arc::clone(&self.node);
        call(&self.runtime, move || work(&node)).await
    }
}

/// Runs `work` on a thread of `runtime`. One that has begun may have done what it was to
/// do, or not: where its end is not learnt, that is what is told.
async fn call<T: Send + 'static>(
    runtime: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NodeError> {
    let done = runtime.spawn_blocking(work).await;
    done.map_err(|error| NodeError::BrokeOff(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_ends_in_the_middle_is_told_as_such() {
        let runtime = Handle::current();
        assert_eq!(call(&runtime, || 7).await, Ok(7));
        let broken = call(&runtime, || panic!("in the middle of a payment")).await;
        let Err(NodeError::BrokeOff(why)) = broken.map(|(): ()| ()) else {
            panic!("it is told as something else");
        };
        assert!(why.contains("in the middle of a payment"), "{why}");
    }

    /// The node's runtime goes away with the node: what is asked then never began, and is
    /// told as not known all the same.
    #[tokio::test]
    async fn a_call_after_the_runtimes_end_is_told_as_such() {
        let gone = tokio::runtime::Runtime::new().expect("a runtime");
        let handle = gone.handle().clone();
        gone.shutdown_background();
        let done = call(&handle, || 7).await;
        assert!(matches!(done, Err(NodeError::BrokeOff(_))), "{done:?}");
    }
}
