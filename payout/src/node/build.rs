//! From settings to a started node. Everything here blocks.

use std::path::Path;
use std::sync::Arc;

use ldk_node::config::{AnchorChannelsConfig, Config};
use ldk_node::logger::{LogLevel as LdkLevel, LogRecord, LogWriter};
use ldk_node::{BuildError, Builder, Node};
use thiserror::Error;
use tokio::runtime::Handle;

use crate::chain::ChainClient;
use crate::files;
use crate::keys::{KeyError, payout_address};
use crate::seed::{Seed, SeedError};
use crate::settings::{ChainSource, Gossip, LogLevel, Settings};

/// Why the node is not up.
#[derive(Debug, Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error("building it: {0}")]
    Build(#[from] BuildError),
    /// Its fee rates come first, so a chain source that is down shows here.
    #[error("starting it on {source_name}: {error}")]
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
    #[error("no runtime for it: {0}")]
    Runtime(std::io::Error),
    #[error("its start broke off: {0}")]
    BrokeOff(String),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("its payout address cannot be set aside: {0}")]
    PayoutAddress(String),
}

/// Asks the chain source, before anything is made of what it says, whether it is the
/// right one and ready.
pub(super) async fn probe(settings: &Settings, chain: &ChainSource) -> Result<(), StartError> {
    let failed = |why: String| StartError::Chain {
        source_name: chain.clone(),
        why,
    };
    let client = ChainClient::new(chain).map_err(|error| failed(error.to_string()))?;
    // An Electrum server is asked by the node itself.
    let Some(client) = client else { return Ok(()) };
    let info = client.info().await;
    let info = info.map_err(|error| failed(error.to_string()))?;
    if let Some(network) = info.network.filter(|network| *network != settings.network) {
        return Err(failed(format!(
            "it is on {network}, and the node's network is {}",
            settings.network
        )));
    }
    if info.is_syncing {
        return Err(failed(format!(
            "it is still loading the chain, at block {}",
            info.height
        )));
    }
    Ok(())
}

/// Builds the node and starts it.
pub(super) fn start(
    settings: &Settings,
    chain: &ChainSource,
    runtime: Handle,
) -> Result<Arc<Node>, StartError> {
    let seed = Seed::open(&settings.mnemonic_file, &settings.storage_dir)?;
    let node = builder(settings, chain, &seed, runtime)?.build()?;
    set_payout_address_aside(settings, &seed, &node)?;
    node.start().map_err(|error| StartError::Start {
        source_name: chain.clone(),
        error,
    })?;
    Ok(Arc::new(node))
}

/// The wallet's first address is where OCEAN pays on-chain, so nothing else may ever be
/// paid there: no deposit of the operator's, no closing channel. The wallet counts up;
/// once it has given an address it never gives that or an earlier one again.
fn set_payout_address_aside(
    settings: &Settings,
    seed: &Seed,
    node: &Node,
) -> Result<(), StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError::PayoutAddress(error.to_string());
    let mark = settings.storage_dir.join("payout-address");
    let ours = payout_address(seed, settings.network)?.to_string();
    let is_done = files::read_if_there(&mark).map_err(|error| failed(&error))?;
    if is_done.is_some_and(|text| text.trim() == ours) {
        return Ok(());
    }
    let given = node.onchain_payment().new_address();
    let given = given.map_err(|error| failed(&error))?;
    tracing::debug!(payout_address = ours, %given, "the payout address is set aside");
    files::write_whole(&mark, &format!("{ours}\n")).map_err(|error| failed(&error))
}

fn builder(
    settings: &Settings,
    chain: &ChainSource,
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
    set_chain(&mut builder, chain);
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

fn set_chain(builder: &mut Builder, chain: &ChainSource) {
    match chain {
        ChainSource::Bitcoind {
            host,
            port,
            user,
            password,
        } => {
            let (host, user, password) = (host.clone(), user.clone(), password.clone());
            builder.set_chain_source_bitcoind_rpc(host, *port, user, password)
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
        let (said, from) = (record.args, record.module_path);
        match record.level {
            LdkLevel::Error => tracing::error!(target: "ldk", from, "{said}"),
            LdkLevel::Warn => tracing::warn!(target: "ldk", from, "{said}"),
            LdkLevel::Info => tracing::info!(target: "ldk", from, "{said}"),
            LdkLevel::Debug => tracing::debug!(target: "ldk", from, "{said}"),
            LdkLevel::Trace | LdkLevel::Gossip => tracing::trace!(target: "ldk", from, "{said}"),
        }
    }
}
