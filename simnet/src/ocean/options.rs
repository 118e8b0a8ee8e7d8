//! Options of a simulated OCEAN.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use bitcoin::Amount;

use super::books::Policy;
use super::steering::Steer;
use crate::chain::{COINBASE_MATURITY, SharedChain};
use crate::lightning::NoteNames;
use crate::pool::SimPoolOptions;
use crate::stratum::Target;

/// OCEAN's window in blocks' worth of work.
const WINDOW_BLOCKS: u128 = 8;

/// How a simulated OCEAN is set up.
///
/// The scale is set by two numbers. [`SimPoolOptions::difficulty`] is what the miners'
/// shares weigh; [`OceanOptions::network_difficulty`] is what a block weighs, and eight
/// times that the window that a block's reward is divided over. A user who fills a part of
/// the window gets that part of the reward (50 bitcoins on a young regtest chain), the
/// rest is that of OCEAN's other miners.
///
/// Where the sums must not depend on how many shares were lucky enough for OCEAN's
/// difficulty, let there be no others and blocks of little worth: with
/// [`OceanOptions::with_others`] off and a [`OceanOptions::start_height`] of 1,800 a user
/// who is alone gets all of 1,220,703 satoshis and the fees.
#[derive(Clone, Debug)]
pub struct OceanOptions {
    /// The stratum server.
    pub pool: SimPoolOptions,
    /// The chain to mine on; `None` makes a new one with a faucet.
    pub chain: Option<SharedChain>,
    /// How high a new chain is; the subsidy follows from it.
    pub start_height: u32,
    /// Where the chain's RPC is served.
    pub rpc_listen: SocketAddr,
    /// Where the API is served.
    pub api_listen: SocketAddr,
    /// What a block weighs while none is asked for. The miners' hashes are real: keep it
    /// far above their shares, or blocks come by themselves.
    pub network_difficulty: f64,
    /// Steers what a share weighs by how fast the miners are, never below
    /// [`SimPoolOptions::difficulty`]; `None`: it stays.
    pub steer: Option<Steer>,
    /// The window in expected hashes; `None`: 8 blocks' worth.
    pub window: Option<u128>,
    /// What is not filled of the window is the work of miners that are not simulated.
    /// Without it a block is divided over what work there is.
    pub with_others: bool,
    /// OCEAN's fee in hundredths of a percent.
    pub fee_bps: u16,
    /// How many blocks after a found one its payout begins; about 30 in reality.
    pub payout_depth: u32,
    /// Which block the note of a payout names.
    pub note: NoteNames,
    /// When it pays which way.
    pub policy: Policy,
    /// Its lightning node; without one it pays over the chain only.
    pub lightning: Option<OceanLightning>,
}

/// OCEAN's lightning node.
#[derive(Clone, Debug)]
pub struct OceanLightning {
    /// Where it keeps its data.
    pub dir: PathBuf,
    /// Where it listens, a port of its own.
    pub listen: SocketAddr,
    /// Its name; a node without one is private, and so are its channels.
    pub alias: Option<String>,
    /// What the faucet gives it.
    pub funds: Amount,
}

impl OceanLightning {
    /// An announced node with one bitcoin.
    pub fn new(dir: impl Into<PathBuf>, listen: SocketAddr) -> OceanLightning {
        OceanLightning {
            dir: dir.into(),
            listen,
            alias: Some("OCEAN".to_owned()),
            funds: Amount::ONE_BTC,
        }
    }
}

impl Default for OceanOptions {
    /// A new chain, no lightning; 250,000 shares a block, so that a share in the window
    /// brings about 2,500 satoshis; two percent, paid three blocks later.
    fn default() -> Self {
        let pool = SimPoolOptions::default();
        OceanOptions {
            network_difficulty: 250_000.0 * pool.difficulty,
            pool,
            chain: None,
            start_height: COINBASE_MATURITY + 1,
            rpc_listen: (Ipv4Addr::LOCALHOST, 0).into(),
            api_listen: (Ipv4Addr::LOCALHOST, 0).into(),
            steer: None,
            window: None,
            with_others: true,
            fee_bps: 200,
            payout_depth: 3,
            note: NoteNames::Found,
            policy: Policy::default(),
            lightning: None,
        }
    }
}

impl OceanOptions {
    /// Sets what a share weighs, and a block as so many times that.
    #[must_use]
    pub fn with_difficulty(mut self, share: f64, shares_per_block: f64) -> OceanOptions {
        self.pool.difficulty = share;
        self.network_difficulty = share * shares_per_block;
        self
    }

    /// The window in expected hashes. `None` if the network's difficulty is none.
    pub(super) fn window_work(&self) -> Option<u128> {
        let block = Target::of_difficulty(self.network_difficulty)?.work();
        Some(
            self.window
                .unwrap_or_else(|| block.saturating_mul(WINDOW_BLOCKS)),
        )
    }
}
