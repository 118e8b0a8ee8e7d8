//! How the node stands, and why it does not do what it is asked to.

use std::fmt;

use bitcoin::Txid;
use bitcoin::secp256k1::PublicKey;
use thiserror::Error;

/// What the node is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It is being built and started.
    Starting,
    /// It could not start and is tried again: mining goes on meanwhile.
    Waiting {
        /// What went wrong.
        why: String,
        /// How often it was tried.
        tries: u32,
        /// When it is tried next, milliseconds from the failure.
        again_in_ms: u64,
    },
    /// It is up.
    Running {
        /// Who it is.
        node_id: PublicKey,
    },
    /// It is being stopped.
    Stopping,
    /// It is down for good.
    Stopped,
}

impl NodeState {
    /// True while it is up.
    pub fn is_running(&self) -> bool {
        matches!(self, NodeState::Running { .. })
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeState::Starting => f.write_str("starting"),
            NodeState::Waiting {
                why,
                tries,
                again_in_ms,
            } => write!(
                f,
                "could not start ({tries} tries, the next within {} s): {why}",
                again_in_ms.div_ceil(1000)
            ),
            NodeState::Running { node_id } => write!(f, "running as {node_id}"),
            NodeState::Stopping => f.write_str("stopping"),
            NodeState::Stopped => f.write_str("stopped"),
        }
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
    /// The witnesses of the chain do not agree: no channel is opened, and nothing is sent
    /// on-chain.
    #[error(
        "refused while the chain is in doubt: {0}. See axepool status, and \"Alert: axepool chain in doubt\" in docs/operator.md"
    )]
    ChainInDoubt(String),
    /// It ended in the middle: whether it was done is not known.
    #[error("a call of the lightning node was interrupted: {0}")]
    BrokeOff(String),
    /// A transaction of it was handed over, and its chain source does not show it: whether
    /// the network has it is not known.
    #[error(
        "transaction {0} was given to the chain source, which has not shown it since: its outcome is unknown"
    )]
    Unseen(Txid),
}

impl From<ldk_node::NodeError> for NodeError {
    fn from(error: ldk_node::NodeError) -> Self {
        let said = error.to_string();
        NodeError::Failed(said.trim_end_matches('.').to_owned())
    }
}
