//! The strings by which the simulated OCEAN is pulled.

mod mining;
mod paying;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use bitcoin::secp256k1::PublicKey;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use super::books::OceanBooks;
use super::office::{Desk, Office};
use super::{Account, ApiFault};
use crate::chain::SharedChain;
use crate::lightning::OceanNode;
use crate::pool::SimPoolHandle;
use crate::watched::WaitTimeout;

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

    /// What is wrong with the API from now on.
    pub fn set_api_fault(&self, fault: ApiFault) {
        self.parts.office.desk.update(|desk| desk.api_fault = fault);
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
