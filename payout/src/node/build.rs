//! From settings to a started node. Everything here blocks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bitcoin::Network;
use ldk_node::config::{AnchorChannelsConfig, Config};
use ldk_node::logger::{LogLevel as LdkLevel, LogRecord, LogWriter};
use ldk_node::{BuildError, Builder, DynStore, Node};
use thiserror::Error;
use tokio::runtime::Handle;

use super::lock::LockError;
use super::store::Store;
use super::wallet::{WalletError, WalletStart};
use crate::chain::{ChainClient, NO_FEES};
use crate::marks::{Doubt, MarkKeeper};
use crate::outgoing::JournalError;
use crate::seed::{Seed, SeedError};
use crate::settings::{ChainSource, CookieError, Gossip, LogLevel, Login, Settings};

/// Why the node is not up.
#[derive(Debug, Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// Its operator has to say that it may go on with that.
    #[error(
        "the store in {dir} is {doubt}: with an older state a channel can lose all its money, so \
         the node does not start. Put the last directory there, or say how the node goes on: \
         axepool node accept. See \"The node's directory is not the last one\" in docs/operator.md"
    )]
    Doubted { dir: PathBuf, doubt: Doubt },
    #[error("the node's directory cannot be compared with the last one: {0}")]
    Compare(String),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the node cannot be built: {0}")]
    Build(#[from] BuildError),
    /// Its fee rates come first, so a chain source that is down shows here.
    #[error("the node cannot start on {source_name}: {error}")]
    Start {
        source_name: ChainSource,
        error: ldk_node::NodeError,
    },
    /// A wallet that is made while its chain cannot be seen would begin at the genesis
    /// block and read the whole chain: so nothing is made before.
    #[error("{source_name}: {why}")]
    Chain {
        source_name: ChainSource,
        why: String,
    },
    #[error("{source_name}: {error}")]
    Cookie {
        source_name: ChainSource,
        error: CookieError,
    },
    #[error("the node's runtime cannot be created: {0}")]
    Runtime(std::io::Error),
    #[error("the node's start was interrupted: {0}")]
    BrokeOff(String),
    #[error("the node's wallet: {0}")]
    Wallet(#[from] WalletError),
}

/// Asks the chain source, before anything is made of what it says, whether it is the
/// right one and ready; its last block.
pub(super) async fn probe(settings: &Settings, chain: &ChainSource) -> Result<u32, StartError> {
    let failed = |why: String| StartError::Chain {
        source_name: chain.clone(),
        why,
    };
    let client = ChainClient::new(chain).map_err(|error| failed(error.to_string()))?;
    let ready = client.ready(settings.network).await;
    let info = ready.map_err(|error| failed(error.with_advice()))?;
    // Elsewhere the node takes a fixed rate.
    if settings.network == Network::Bitcoin {
        let has_fees = client.has_fees().await;
        if !has_fees.map_err(|error| failed(error.with_advice()))? {
            return Err(failed(NO_FEES.to_owned()));
        }
    }
    Ok(info.height)
}

/// Builds the node and starts it. `login` is what its chain source wants to see: the node
/// keeps it for as long as it runs. `tip`: the chain's last block.
pub(super) fn start(
    settings: &Settings,
    (chain, login): (&ChainSource, &Login),
    tip: u32,
    runtime: Handle,
    keeper: &Arc<dyn MarkKeeper>,
) -> Result<(Arc<Node>, Arc<Store>), StartError> {
    let seed = Seed::open(&settings.mnemonic_file, &settings.storage_dir)?;
    let wallet = WalletStart::open(settings, chain, &seed, keeper)?;
    let store: Arc<DynStore> = Arc::clone(&wallet.store) as _;
    let node = builder(settings, (chain, login), &seed, runtime)?.build_with_store(store)?;
    let store = wallet.lead_on(&node, tip)?;
    node.start().map_err(|error| StartError::Start {
        source_name: chain.clone(),
        error,
    })?;
    Ok((Arc::new(node), store))
}

pub(super) fn builder(
    settings: &Settings,
    (chain, login): (&ChainSource, &Login),
    seed: &Seed,
    runtime: Handle,
) -> Result<Builder, BuildError> {
    let config = Config {
        network: settings.network,
        storage_dir_path: text(&settings.storage_dir),
        trusted_peers_0conf: settings.peers.zero_conf.clone(),
        anchor_channels_config: Some(AnchorChannelsConfig {
            trusted_peers_no_reserve: settings.anchors.trusted.clone(),
            per_channel_reserve_sats: settings.anchors.reserve_sat,
        }),
        ..Config::default()
    };
    let mut builder = Builder::from_config(config);
    builder.set_runtime(runtime);
    builder.set_entropy_bip39_mnemonic(seed.mnemonic(), None);
    set_chain(&mut builder, chain, login);
    let reach = &settings.reach;
    if !reach.listen.is_empty() {
        builder.set_listening_addresses(reach.listen.clone())?;
    }
    if !reach.announce.is_empty() {
        builder.set_announcement_addresses(reach.announce.clone())?;
    }
    if let Some(alias) = &reach.alias {
        builder.set_node_alias(alias.clone())?;
    }
    match &reach.gossip {
        Gossip::PeerToPeer => builder.set_gossip_source_p2p(),
        Gossip::Rapid(url) => builder.set_gossip_source_rgs(url.clone()),
    };
    if let Some(peer) = &settings.peers.full_in_flight {
        builder.set_liquidity_source_lsps2(peer.node_id, peer.address.clone(), None);
    }
    match &settings.log.file {
        Some(file) => {
            builder.set_filesystem_logger(Some(text(file)), Some(ldk_level(settings.log.level)))
        }
        None => builder.set_custom_logger(Arc::new(OwnLog(ldk_level(settings.log.level)))),
    };
    Ok(builder)
}

fn set_chain(builder: &mut Builder, chain: &ChainSource, login: &Login) {
    match chain {
        // An address of IPv6 stands in brackets in a URL, and nowhere else.
        ChainSource::Bitcoind { host, port, .. } => {
            let Login { user, password } = login.clone();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            builder.set_chain_source_bitcoind_rpc(host.to_owned(), *port, user, password)
        }
        ChainSource::Esplora(url) => builder.set_chain_source_esplora(url.clone(), None),
        ChainSource::Electrum(url) => builder.set_chain_source_electrum(url.clone(), None),
    };
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn ldk_level(level: LogLevel) -> LdkLevel {
    match level {
        LogLevel::Error => LdkLevel::Error,
        LogLevel::Warn => LdkLevel::Warn,
        LogLevel::Info => LdkLevel::Info,
        LogLevel::Debug => LdkLevel::Debug,
        LogLevel::Trace => LdkLevel::Trace,
    }
}

/// The node's log in the pool's own.
struct OwnLog(LdkLevel);

impl LogWriter for OwnLog {
    fn log(&self, record: LogRecord<'_>) {
        if record.level < self.0 {
            return;
        }
        let said = record.args.to_string();
        let level = level_of(record.level, &said);
        if level < self.0 {
            return;
        }
        let (from, line) = (record.module_path, record.line);
        match level {
            LdkLevel::Error => tracing::error!(target: "ldk", from, line, "{said}"),
            LdkLevel::Warn => tracing::warn!(target: "ldk", from, line, "{said}"),
            LdkLevel::Info => tracing::info!(target: "ldk", from, line, "{said}"),
            LdkLevel::Debug => tracing::debug!(target: "ldk", from, line, "{said}"),
            LdkLevel::Trace | LdkLevel::Gossip => {
                tracing::trace!(target: "ldk", from, line, "{said}")
            }
        }
    }
}

/// How much a line of the node matters. A Core Lightning peer hands out a backup of its own
/// kind whenever it connects, which LDK calls an error and which is none.
fn level_of(level: LdkLevel, said: &str) -> LdkLevel {
    let is_backup = said.contains("PeerStorageRetrieval");
    if is_backup && level > LdkLevel::Debug {
        return LdkLevel::Debug;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_backup_is_no_error() {
        let said = "Invalid PeerStorageRetrieval message received.";
        for (level, said, expected) in [
            (LdkLevel::Error, said, LdkLevel::Debug),
            (LdkLevel::Gossip, said, LdkLevel::Gossip),
            (LdkLevel::Error, "Failed to persist", LdkLevel::Error),
        ] {
            assert_eq!(level_of(level, said), expected, "{said}");
        }
    }
}
