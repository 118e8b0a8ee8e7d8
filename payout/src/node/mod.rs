//! The lightning node: built, started, retried, watched and stopped by us.
//!
//! It lives on a runtime of its own, so that nothing it does (its calls block) takes a
//! thread from mining. Everything else talks to it through a [`Lightning`], which is
//! there whether the node is or not.

mod build;
mod decided;
mod events;
pub mod payments;
mod run;
mod state;
mod view;

use std::sync::Arc;

use bitcoin::Txid;
use ldk_node::Node;
use ledger::Msat;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};

use crate::outgoing::Desk;

pub use events::ChannelNews;
pub use run::{NodeTask, Parts, Spawned};
pub use state::NodeState;
pub use view::{Balances, ChannelView, NodeView, PeerView};

/// A handle on the node, whether it is up or not.
#[derive(Clone, Debug)]
pub struct Lightning {
    state: watch::Receiver<NodeState>,
    live: watch::Receiver<Option<Live>>,
    outgoing: watch::Receiver<u64>,
    /// One on-chain send at a time: until the wallet has seen one, the next would spend
    /// the same coins, and be taken for it.
    pub(crate) sends: Arc<Mutex<()>>,
}

/// The node while it runs.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) node: Arc<Node>,
    pub(crate) runtime: Handle,
    desk: Arc<Desk>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Live({})", self.node.node_id())
    }
}

/// Why the node did not do it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NodeError {
    /// It is not up.
    #[error("the lightning node is not up: {0}")]
    Down(NodeState),
    /// It refused or failed; its own words.
    #[error("the lightning node: {0}")]
    Failed(String),
    /// It ended in the middle: whether it was done is not known.
    #[error("a call of the lightning node broke off: {0}")]
    BrokeOff(String),
    /// A transaction of it was handed over, and its chain source does not show it: whether
    /// the network has it is not known.
    #[error(
        "transaction {0} was handed to the chain source, which has not shown it since: whether it was sent is not known"
    )]
    Unseen(Txid),
}

impl From<ldk_node::NodeError> for NodeError {
    fn from(error: ldk_node::NodeError) -> Self {
        let said = error.to_string();
        NodeError::Failed(said.trim_end_matches('.').to_owned())
    }
}

impl Lightning {
    /// What the node is doing; changes wake the receiver.
    pub fn state(&self) -> watch::Receiver<NodeState> {
        self.state.clone()
    }

    /// What the node looks like now.
    ///
    /// # Errors
    /// If it is not up.
    pub async fn view(&self) -> Result<NodeView, NodeError> {
        self.with(view::look).await
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

/// What the usable channels can send in all.
pub(crate) fn spendable(node: &Node) -> Msat {
    view::spendable(node)
}

impl Live {
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
