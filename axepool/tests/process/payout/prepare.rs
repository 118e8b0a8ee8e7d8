//! A pool with its node, OCEAN beside it, and owners.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use accounting::{CloseCause, EpochState};
use serde_json::Value;
use simnet::keys::SimKey;
use simnet::pool::SimPoolHandle;

use crate::common::{Begun, PoolProcess, PoolSetup, axepool, stderr, stdout};
use crate::ocean::{Ocean, offer};
use crate::world::{self, bitaxe, earns, get};

/// Beyond the hundredth of the channel that the pool's side has to keep, and below the
/// tenth that may come at once.
pub const PAYOUT_MSAT: u64 = 500_000_000;

/// Quotes at the first share, and no others.
const AT_ONCE: &str = "[expert.mint]\nquote_min_work = 0\n";

/// A pool with a usable channel from OCEAN, and its offer.
pub async fn pool_and_ocean(
    change: impl FnOnce(&mut PoolSetup),
) -> (PoolProcess, Ocean, SimPoolHandle, String) {
    let ocean = Ocean::start().await;
    let stratum = world::ocean(|_| {}).await;
    let sections = format!("{}{AT_ONCE}", ocean.config());
    let pool = world::pool(&stratum, |setup| {
        setup.stratum.push_str(&sections);
        change(setup);
    })
    .await;
    ocean.open_channel(&pool).await;
    let offer = offer(&pool).await;
    (pool, ocean, stratum, offer)
}

/// Two devices, and what they are credited with when they have stopped.
pub async fn mine_some(pool: &PoolProcess, keys: &[SimKey]) {
    let stratum = pool.stratum().await;
    let mut devices = Vec::new();
    for key in keys {
        devices.push(bitaxe(stratum, key, |_| {}));
    }
    for device in &devices {
        earns(device, 3).await;
    }
    for device in devices {
        device.stop().await;
    }
}

/// These mine, OCEAN finds a block and pays for it; the satoshis that came to their quotes.
pub async fn earned(pool: &PoolProcess, ocean: &Ocean, offer: &str, keys: &[SimKey]) -> u64 {
    mine_some(pool, keys).await;
    let (_, height) = ocean.find_block();
    ocean.mine(2);
    closed_by(pool, height).await;
    ocean.pay(offer, PAYOUT_MSAT, height).await;
    paid_sat(pool).await
}

/// Waits until the newest closed epoch was closed by the block at `height`.
pub async fn closed_by(pool: &PoolProcess, height: u32) {
    pool.poll("the epoch closed by OCEAN's block", async |pool| {
        pool.epochs().await.into_iter().find(|epoch| {
            matches!(epoch.state, EpochState::Closed {
                cause: CloseCause::OceanBlock { height: at, .. }, ..
            } if at == height)
        })
    })
    .await;
}

pub async fn json(pool: &PoolProcess, path: &str) -> Value {
    let (code, body) = get(pool.status().await.http[0], path).await;
    assert_eq!(code, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

/// Waits until quotes are paid; the satoshis that nobody has issued yet.
pub async fn paid_sat(pool: &PoolProcess) -> u64 {
    pool.poll("paid quotes", async |pool| {
        let solvency = json(pool, "/api/solvency").await;
        let paid = solvency["liabilities"]["paid_unissued_sat"].as_u64();
        paid.filter(|sat| *sat > 0)
    })
    .await
}

/// Waits until all ecash that is out there is `sat`, and all rows of the outbox are done.
pub async fn outstanding_is(pool: &PoolProcess, sat: u64) -> Value {
    pool.poll("the books after the sweeps", async |pool| {
        let solvency = json(pool, "/api/solvency").await;
        let owed = &solvency["liabilities"];
        let so = owed["outstanding_sat"] == sat && owed["unapplied_sat"] == 0;
        so.then_some(solvency)
    })
    .await
}

/// An owner's wallet, used by commands.
pub struct Purse {
    dir: PathBuf,
    wallet: String,
}

impl Purse {
    /// A new one in `dir` that has swept all that is paid to `key`.
    pub async fn swept(pool: &PoolProcess, key: &SimKey, dir: &Path) -> Purse {
        let wallet = dir.join(&key.hex[..8]).display().to_string();
        let mint = format!("http://{}", pool.status().await.http[0]);
        let file = key_file(dir, key);
        let args = [
            "sweep", "--mint", &mint, "--key", &file, "--wallet", &wallet,
        ];
        let done = axepool(&args, dir);
        assert!(done.status.success(), "{}{}", stdout(&done), stderr(&done));
        let dir = dir.to_owned();
        Purse { dir, wallet }
    }

    /// `axepool wallet` with it.
    pub fn run(&self, args: &[&str]) -> Output {
        axepool(&self.args(args), &self.dir)
    }

    /// The same without waiting for its end.
    pub fn begin(&self, args: &[&str]) -> Begun {
        Begun::new(&self.args(args), &self.dir)
    }

    fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [&["wallet", "--wallet", &self.wallet], args].concat()
    }

    /// Satoshis to spend, and satoshis under way.
    pub fn balance(&self) -> (u64, u64) {
        let told = self.run(&["balance", "--json"]);
        assert!(told.status.success(), "{}", stderr(&told));
        let text = stdout(&told);
        let mints: BTreeMap<String, Value> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let sum = |name: &str| {
            let each = mints.values().map(|one| one[name].as_u64());
            each.map(|sat| sat.expect("a number")).sum()
        };
        (sum("spendable_sat"), sum("pending_sat"))
    }

    /// Satoshis to spend.
    pub fn spendable(&self) -> u64 {
        self.balance().0
    }

    /// Pays, at once.
    pub fn pays(&self, to: &[&str]) {
        let paid = self.run(&[&["pay"], to].concat());
        assert!(paid.status.success(), "{}{}", stdout(&paid), stderr(&paid));
    }
}

/// A key file for the owner's commands.
pub fn key_file(dir: &Path, key: &SimKey) -> String {
    let path = dir.join(format!("{}.key", &key.hex[..8]));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .expect("a new file");
    let secret: String = key
        .secret
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    writeln!(file, "{secret}").expect("written");
    path.display().to_string()
}
