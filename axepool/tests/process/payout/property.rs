//! As `owner/property.rs`, over real lightning nodes: whatever of a pool's stores is lost, or
//! replaced by an older copy, and whenever, what the wallets hold and what was paid out by
//! lightning is never more together than what was paid in.
//!
//! Case N again, alone: `AXEPOOL_MELTS_CASE=N`.

#![expect(
    clippy::print_stdout,
    reason = "a failure has to name its case; the runner shows it then alone"
)]

use std::time::{Duration, Instant};

use pool::admin::RestoreStatus;
use serde_json::Value;
use simnet::pool::SimPoolHandle;
use tempfile::TempDir;

use crate::common::{Begun, PATIENCE, PoolProcess, axepool, stderr, stdout};
use crate::ocean::{Ocean, free_address};
use crate::owner::property::{Dice, copy_all, put_back, remove};
use crate::payout::prepare::{earned, key_file, pool_and_ocean};
use crate::world::key;

/// What is replaced by an older copy, or lost.
const PARTS: [&[&str]; 6] = [
    &["node"],
    &["node/outgoing.jsonl"],
    &["node", "mint"],
    &["mint"],
    &["ledger.redb"],
    &["."],
];

const WALLETS: [&str; 2] = ["one", "two"];

/// A payment that its receiver holds, or held.
struct Held {
    invoice: String,
    sat: u64,
    preimage: [u8; 32],
    is_open: bool,
    is_taken: bool,
}

struct World {
    pool: PoolProcess,
    ocean: Ocean,
    _stratum: SimPoolHandle,
    /// OCEAN's own, for any amount: whoever pays it twice has paid twice.
    offer: String,
    mint: String,
    dir: TempDir,
    file: String,
    /// All that ever came in.
    paid_sat: u64,
    held: Vec<Held>,
    tokens: Vec<String>,
    copies: Vec<TempDir>,
    /// Nothing in the pool's directory may know what was paid out.
    is_forgotten: bool,
    dice: Dice,
}

impl World {
    async fn new(case: u64) -> World {
        let http = free_address();
        let (pool, ocean, stratum, offer) = pool_and_ocean(|setup| setup.http = http).await;
        let owner = key(1);
        let paid_sat = earned(&pool, &ocean, &offer, std::slice::from_ref(&owner)).await;
        let dir = tempfile::tempdir().expect("a directory");
        let world = World {
            offer: ocean.node.offer().await.expect("an offer"),
            mint: format!("http://{http}"),
            file: key_file(dir.path(), &owner),
            pool,
            ocean,
            _stratum: stratum,
            dir,
            paid_sat,
            held: Vec::new(),
            tokens: Vec::new(),
            copies: Vec::new(),
            is_forgotten: false,
            dice: Dice::new(case),
        };
        world.sweep("one");
        assert_eq!(world.balance("one"), paid_sat, "all of it is at stake");
        world
    }

    fn path(&self, wallet: &str) -> String {
        self.dir.path().join(wallet).display().to_string()
    }

    fn run(&self, wallet: &str, args: &[&str]) -> std::process::Output {
        let path = self.path(wallet);
        let place = ["wallet", "--mint", &self.mint, "--wallet", &path];
        axepool(&[&place, args].concat(), self.dir.path())
    }

    /// It may be that nothing is issued at the moment.
    fn sweep(&self, wallet: &str) {
        let path = self.path(wallet);
        let (mint, key) = (&self.mint, &self.file);
        let args = ["sweep", "--mint", mint, "--key", key, "--wallet", &path];
        axepool(&args, self.dir.path());
    }

    /// Satoshis to spend, as far as the wallet knows.
    fn balance(&self, wallet: &str) -> u64 {
        let told = stdout(&self.run(wallet, &["balance", "--json"]));
        let Ok(Value::Object(mints)) = serde_json::from_str(&told) else {
            return 0;
        };
        mints
            .values()
            .filter_map(|one| one["spendable_sat"].as_u64())
            .sum()
    }

    fn wallet(&mut self) -> &'static str {
        let at = self.dice.below(WALLETS.len() as u64);
        WALLETS[usize::try_from(at).expect("small")]
    }

    /// One thing that people do.
    async fn step(&mut self) {
        match self.dice.below(8) {
            0 => {
                let wallet = self.wallet();
                self.sweep(wallet);
            }
            1 | 2 => self.send(),
            3 | 4 => self.pay_offer(),
            5 | 6 => self.pay_held().await,
            _ => self.copy().await,
        }
    }

    fn send(&mut self) {
        let (from, to) = (self.wallet(), self.wallet());
        let has = self.balance(from);
        if has < 100 {
            return;
        }
        let sat = (1 + self.dice.below(has / 2)).to_string();
        let sent = self.run(from, &["send", &sat]);
        if sent.status.success() {
            let token = stdout(&sent).trim().to_owned();
            if self.dice.below(4) > 0 {
                self.run(to, &["receive", &token]);
            }
            self.tokens.push(token);
        }
    }

    fn pay_offer(&mut self) {
        let from = self.wallet();
        let has = self.balance(from);
        if has > 4_000 {
            let sat = (1_000 + self.dice.below(has / 4)).to_string();
            self.run(from, &["pay", &self.offer, &sat, "--wait", "3"]);
        }
    }

    /// The receiver takes it at once, or holds it until something has gone wrong.
    async fn pay_held(&mut self) {
        let from = self.wallet();
        let has = self.balance(from);
        if has <= 4_000 {
            return;
        }
        let sat = 1_000 + self.dice.below(has / 4);
        let number = u8::try_from(self.held.len() + 1).expect("few");
        let preimage = [number; 32];
        let invoice = self.ocean.node.hold_invoice(sat * 1000, preimage).await;
        let invoice = invoice.expect("an invoice");
        let path = self.path(from);
        let args = ["wallet", "--wallet", &path, "pay", &invoice, "--wait", "2"];
        let mut paying = Begun::new(&args, self.dir.path());
        let since = Instant::now();
        while !self.ocean.node.has_come(preimage) && !paying.has_ended() {
            assert!(since.elapsed() < PATIENCE, "neither comes nor ends");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.held.push(Held {
            invoice,
            sat,
            preimage,
            is_open: true,
            is_taken: false,
        });
        if self.dice.below(2) == 0 {
            self.decide(self.held.len() - 1).await;
        }
        paying.end();
    }

    async fn decide(&mut self, at: usize) {
        let is_taken = self.dice.below(3) > 0;
        let held = &mut self.held[at];
        // One that has not come cannot be decided.
        if is_taken {
            let taken = self.ocean.node.release(held.sat * 1000, held.preimage);
            held.is_taken = taken.await.is_ok();
        } else {
            let _ = self.ocean.node.send_back(held.preimage).await;
        }
        held.is_open = false;
    }

    async fn copy(&mut self) {
        self.down().await;
        let copy = tempfile::tempdir().expect("a directory");
        copy_all(&self.pool.data_dir(), copy.path()).expect("copies");
        self.copies.push(copy);
        self.up().await;
    }

    async fn down(&mut self) {
        if self.dice.below(2) == 0 {
            assert!(self.pool.stop().await.success(), "{}", self.pool.log());
        } else {
            self.pool.kill();
        }
    }

    async fn up(&mut self) {
        self.pool.spawn().await;
        self.pool.wait_ready().await;
        let at_rest = async |pool: &PoolProcess| {
            let status = pool.status().await;
            let is_open = status.mint.outstanding_sat.is_some();
            let is_done = is_open && status.mint.outbox_waiting == 0;
            (is_done || status.mint.failing.is_some()).then_some(())
        };
        self.pool.poll("the mint at rest", at_rest).await;
        // The node is up or says why not, so that what is tried next finds it decided.
        self.pool
            .poll("the node", async |pool| {
                let told = stdout(&pool.command(&["node", "status"]));
                (told.contains("running as") || told.contains("could not start")).then_some(())
            })
            .await;
    }

    /// Something goes wrong while the pool is down.
    async fn disaster(&mut self) {
        let names = *self.dice.one(&PARTS);
        let is_all = names == ["."];
        let is_lost = self.copies.is_empty() || (!is_all && self.dice.below(3) == 0);
        if is_lost && is_all {
            // Another pool, whose operator has none of the money: nothing to be shown.
            return;
        }
        self.down().await;
        let data = self.pool.data_dir();
        let words = std::fs::read(data.join("mint/mint.mnemonic")).expect("words");
        let is_one = |part: &str| names.contains(&part) || is_all;
        self.is_forgotten |= is_one("node") && is_one("mint");
        for name in names {
            if is_all {
                for entry in std::fs::read_dir(&data).expect("a directory") {
                    remove(&entry.expect("an entry").path()).expect("removes");
                }
            } else {
                remove(&data.join(name)).expect("removes");
            }
        }
        if !is_lost {
            let at = self.dice.below(self.copies.len() as u64);
            let copy = &self.copies[usize::try_from(at).expect("small")];
            for name in names {
                put_back(&copy.path().join(name), &data.join(name)).expect("puts back");
            }
        }
        let path = data.join("mint/mint.mnemonic");
        if !path.exists() {
            std::fs::create_dir_all(data.join("mint")).expect("mkdir");
            std::fs::write(&path, words).expect("they were on paper");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, mode).expect("chmod");
        }
        println!("{names:?} {}", if is_lost { "lost" } else { "older" });
        self.up().await;
    }

    /// Everybody tries to have everything once more, and to have it paid once more.
    fn greed(&mut self) {
        self.sweep("thief");
        for token in &self.tokens {
            self.run("thief", &["receive", token]);
        }
        for wallet in WALLETS.iter().chain(&["thief"]) {
            self.run(wallet, &["recover"]);
            let has = self.balance(wallet);
            for held in self.held.iter().filter(|held| held.sat < has) {
                self.run(wallet, &["pay", &held.invoice, "--wait", "1"]);
            }
            if has > 4_000 {
                let sat = (has / 3).to_string();
                self.run(wallet, &["pay", &self.offer, &sat, "--wait", "3"]);
            }
        }
    }

    fn restored(&self) -> Option<RestoreStatus> {
        let told = self.pool.command(&["restore", "status", "--json"]);
        let is_one = told.status.success();
        is_one.then(|| serde_json::from_str(&stdout(&told)).expect("JSON"))
    }

    /// The operator accepts what there is to accept, of the node and of the other stores.
    async fn accept(&mut self) {
        let said = stdout(&self.pool.command(&["node", "status"]));
        if said.contains("axepool node accept") {
            let accepted = self.pool.command(&["node", "accept", "--set-aside"]);
            assert!(accepted.status.success(), "{}", stderr(&accepted));
            crate::ocean::look(&self.pool).await;
        }
        let waits = self
            .restored()
            .is_some_and(|status| status.record.accepted.is_none() && status.claims.is_some());
        if waits {
            let complete = async |_: &PoolProcess| {
                let claims = self.restored()?.claims?;
                claims.is_complete.then_some(claims)
            };
            let claims = self.pool.poll("a bound that grows no more", complete).await;
            let mut melted = 0;
            if self.is_forgotten {
                // As docs/operator.md has it: the operator knows what the node has not.
                let left = self.paid_sat.saturating_sub(self.paid_out().await);
                let open = claims
                    .bound_sat
                    .get()
                    .saturating_sub(claims.claimed_sat.get());
                melted = open.saturating_sub(left);
            }
            let (bound, melted) = (claims.bound_sat.to_string(), melted.to_string());
            let accept = [
                "restore",
                "accept",
                "--bound",
                &bound,
                "--melted-since",
                &melted,
            ];
            // A watch that is just behind its chain is asked again.
            let accepts = async |pool: &PoolProcess| {
                let accepted = pool.command(&accept);
                let (is_done, said) = (accepted.status.success(), stderr(&accepted));
                assert!(is_done || said.contains("again"), "{said}");
                is_done.then_some(())
            };
            self.pool.poll("the operator's word", accepts).await;
        }
    }

    /// What all wallets have together that the mint honours.
    fn in_wallets(&self) -> u64 {
        for wallet in WALLETS.iter().chain(&["thief"]) {
            let mut left = self.balance(wallet);
            while left > 0 {
                let part = left.min(100_000);
                let sent = self.run(wallet, &["send", &part.to_string()]);
                if sent.status.success() {
                    self.run("heir", &["receive", stdout(&sent).trim()]);
                }
                left -= part;
            }
        }
        self.balance("heir")
    }

    /// What OCEAN's node was paid by lightning.
    async fn paid_out(&self) -> u64 {
        let received = self.ocean.node.received().await.expect("its payments");
        let mut sat: u64 = received.iter().map(|one| one.msat / 1000).sum();
        for held in &self.held {
            let taken = self.ocean.node.has_taken(held.preimage).await;
            if held.is_taken || taken.expect("an answer") {
                sat += held.sat;
            }
        }
        sat
    }
}

async fn case(case: u64) {
    println!("AXEPOOL_MELTS_CASE={case}");
    let mut world = World::new(case).await;
    let steps = 2 + world.dice.below(3);
    for _ in 0..steps {
        world.step().await;
    }
    world.copy().await;
    for _ in 0..2 {
        world.step().await;
    }
    world.disaster().await;
    world.greed();
    for at in 0..world.held.len() {
        if world.held[at].is_open {
            world.decide(at).await;
        }
    }
    world.accept().await;
    world.greed();
    let (held, out) = (world.in_wallets(), world.paid_out().await);
    let paid = world.paid_sat;
    println!("case {case}: {held} sat are held and {out} were paid out, of {paid} that came in");
    assert!(held + out > 0, "case {case}: nothing is at stake");
    assert!(held + out <= paid, "case {case}: {held} + {out} of {paid}");
    world.pool.kill();
    world.ocean.end().await;
}

async fn cases(day: u64, nightly: std::ops::Range<u64>) {
    if let Some(one) = std::env::var_os("AXEPOOL_MELTS_CASE") {
        let one = one.to_str().and_then(|text| text.parse().ok());
        return case(one.expect("a number")).await;
    }
    match std::env::var_os("AXEPOOL_NIGHTLY") {
        None => case(day).await,
        Some(_) => {
            for number in nightly {
                case(number).await;
            }
        }
    }
}

macro_rules! histories {
    ($($name:ident: $day:literal in $nightly:expr),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            cases($day, $nightly).await;
        }
    )*};
}

histories! {
    no_melt_is_paid_and_kept: 0 in 0..50,
    no_melt_is_paid_and_given_back: 50 in 50..125,
    no_melt_is_paid_twice: 150 in 125..200,
}
