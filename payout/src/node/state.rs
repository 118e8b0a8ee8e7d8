//! The state of the node.

use std::fmt;

use bitcoin::secp256k1::PublicKey;

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
