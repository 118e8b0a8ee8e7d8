//! A peer: who, and where.

use std::fmt;
use std::str::FromStr;

use bitcoin::secp256k1::PublicKey;
use lightning::ln::msgs::SocketAddress;
use thiserror::Error;

/// A lightning node that can be connected to, as `node_id@host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its public key.
    pub node_id: PublicKey,
    /// Where it listens.
    pub address: SocketAddress,
}

/// A text that is no peer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PeerError {
    /// There is no `@`.
    #[error("not of the form node_id@host:port")]
    Form,
    /// The part before the `@`.
    #[error("its node id is no public key of 66 hex digits")]
    NodeId,
    /// The part after the `@`.
    #[error("its address is not host:port")]
    Address,
}

impl FromStr for Peer {
    type Err = PeerError;

    fn from_str(text: &str) -> Result<Self, PeerError> {
        let (node_id, address) = text.split_once('@').ok_or(PeerError::Form)?;
        Ok(Peer {
            node_id: node_id.parse().map_err(|_| PeerError::NodeId)?,
            address: address.parse().map_err(|_| PeerError::Address)?,
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.node_id, self.address)
    }
}
