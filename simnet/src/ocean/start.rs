//! Starting it all.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clerk::Clerk;
use super::handle::{Ocean, Parts};
use super::office::{OceanSource, Office, Terms, now_ms, secs};
use super::{OceanLightning, OceanOptions, api};
use crate::chain::{Chain, SharedChain, serve_on};
use crate::lightning::{OceanNode, OceanNodeOptions};
use crate::pool::{SimPool, SimPoolHandle};

/// Between two looks at how fast the miners are.
const STEER_EVERY: Duration = Duration::from_secs(1);

/// How long the node may take to see its money.
const PATIENCE: Duration = Duration::from_secs(60);

impl Ocean {
    /// Starts it: the chain's RPC, the lightning node, the stratum server, the API, the
    /// clerk.
    ///
    /// # Errors
    /// If the options make no sense, an address is taken or the node does not start.
    pub async fn start(options: OceanOptions) -> Result<Ocean> {
        let window = options
            .window_work()
            .with_context(|| format!("no difficulty: {}", options.network_difficulty))?;
        ensure!(window > 0, "a window of no work");
        ensure!(options.fee_bps <= 10_000, "a fee of more than everything");
        let chain = options.chain.unwrap_or_else(|| {
            SharedChain::new(Chain::grown(options.start_height, secs(now_ms())))
        });
        let stop = CancellationToken::new();
        // Stops all that runs so far, if something later does not start.
        let unfinished = stop.clone().drop_guard();
        let rpc = TcpListener::bind(options.rpc_listen)
            .await
            .with_context(|| format!("cannot listen on {}", options.rpc_listen))?;
        let chain_rpc = rpc.local_addr()?;
        serve_on(rpc, chain.clone(), stop.clone());

        let mut policy = options.policy;
        let node = match &options.lightning {
            Some(lightning) => Some(Arc::new(start_node(lightning, &chain, chain_rpc).await?)),
            None => {
                policy.lightning_paused = true;
                None
            }
        };
        let terms = Terms {
            share_difficulty: options.pool.difficulty,
            steer: options.steer,
            network_difficulty: options.network_difficulty,
            with_others: options.with_others,
            fee_bps: options.fee_bps,
        };
        let office = Arc::new(Office::new(terms, chain, window, policy));
        let source = OceanSource::new(Arc::clone(&office));
        let pool = SimPool::start_on(options.pool, source).await?;
        let api = api::serve(options.api_listen, Arc::clone(&office), stop.clone())
            .await
            .with_context(|| format!("cannot listen on {}", options.api_listen))?;
        let clerk = Clerk::new(
            Arc::clone(&office),
            pool.clone(),
            node.clone(),
            options.payout_depth,
            options.note,
        );
        let tasks = TaskTracker::new();
        tasks.spawn(clerk.run(stop.clone()));
        if terms.steer.is_some() {
            tasks.spawn(steer(Arc::clone(&office), pool.clone(), stop.clone()));
        }
        tasks.close();
        Ok(Ocean::new(Parts {
            office,
            pool,
            node,
            node_address: options.lightning.map(|lightning| lightning.listen),
            chain_rpc,
            api,
            stop: unfinished,
            tasks,
        }))
    }
}

/// Keeps what a share weighs right until it is stopped.
async fn steer(office: Arc<Office>, pool: SimPoolHandle, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(STEER_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Some(difficulty) = office.steer() {
            tracing::info!(
                difficulty,
                "OCEAN's shares weigh something else from now on"
            );
            pool.set_difficulty(difficulty, Some(false));
        }
    }
}

async fn start_node(
    options: &OceanLightning,
    chain: &SharedChain,
    chain_rpc: std::net::SocketAddr,
) -> Result<OceanNode> {
    let node = OceanNode::start(OceanNodeOptions {
        dir: options.dir.clone(),
        chain: chain_rpc,
        alias: options.alias.clone(),
        listen: options.listen,
    })
    .await
    .context("OCEAN's node does not start")?;
    let address = node.address().await?;
    {
        let mut chain = chain.lock();
        let now_secs = secs(now_ms());
        chain.faucet(&address, options.funds, now_secs)?;
        chain.mine_to_faucet(1, now_secs);
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        node.sync().await?;
        let spendable = node.spendable().await?;
        if spendable >= options.funds {
            return Ok(node);
        }
        ensure!(
            tokio::time::Instant::now() < deadline,
            "OCEAN's node sees {spendable} of {}",
            options.funds
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
