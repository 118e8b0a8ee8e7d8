//! Whatever the mint's store is replaced by, and whenever: what wallets hold and what was
//! melted are never more than what was paid in. Payouts, sweeps, ecash from hand to hand and
//! melts in any order; copies taken of the store in use; then it is lost or set back, and
//! everybody tries to have everything once more.
//!
//! A case is a number: `AXEPOOL_STORES_CASE=N` runs one alone.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use accounting::{Incarnation, Lineage, Msat, OutboxId, Sat};
use async_trait::async_trait;
use cdk::wallet::{ReceiveOptions, SendOptions, Wallet};
use cdk_common::{Amount, PaymentMethod};
use prometheus::Registry;
use serde_json::json;
use tempfile::TempDir;

use super::lost::{Memory, lose_store, put_back};
use super::melts::INVOICE;
use super::restored::{Door, mint};
use super::support::{FakeLedger, Owner, config, work};
use crate::{Lightning, LightningError, Mint, PayId, PayQuote, PayRequest, PayState, Since};
use crate::{copy_store, stored_marks};

/// What each payout brings: enough for a melt.
const PAYOUT: u64 = 300_000;

const MELTED: u64 = 250_000;

/// A node that outlives the mint's store, with its journal.
#[derive(Default)]
struct Node(Mutex<BTreeMap<String, u64>>);

impl Node {
    fn journal(&self) -> Vec<(String, Sat)> {
        let paid = self.0.lock().expect("no panics");
        let paid = paid.iter();
        paid.map(|(id, sat)| (id.clone(), Sat::new(*sat))).collect()
    }

    fn melted(&self) -> u64 {
        self.0.lock().expect("no panics").values().sum()
    }
}

#[async_trait]
impl Lightning for Node {
    async fn quote(&self, _: &PayRequest) -> Result<PayQuote, LightningError> {
        Ok(PayQuote {
            amount: Msat::new(MELTED * 1000),
            fee_limit: Msat::ZERO,
        })
    }

    async fn pay(&self, id: &PayId, _: &PayRequest, _: Msat) -> Result<PayState, LightningError> {
        let name = id.as_str().to_owned();
        self.0.lock().expect("no panics").insert(name, MELTED);
        self.look_up(id).await
    }

    async fn look_up(&self, id: &PayId) -> Result<PayState, LightningError> {
        let paid = self.0.lock().expect("no panics");
        Ok(match paid.get(id.as_str()) {
            Some(sat) => PayState::Paid {
                spent: Msat::new(sat * 1000),
                preimage: None,
            },
            None => PayState::NotPaid,
        })
    }
}

/// The same numbers for the same case (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let end = u64::try_from(end).expect("small");
        usize::try_from((mixed ^ (mixed >> 31)) % end).expect("below end")
    }
}

struct World {
    dir: TempDir,
    door: Door,
    mint: Mint,
    ledger: Arc<FakeLedger>,
    node: Arc<Node>,
    witness: Arc<Memory>,
    /// What names the quotes of which epochs.
    lines: Vec<(u64, u8)>,
    /// The newest name.
    line: u8,
    epoch: u64,
    owner: Owner,
    wallets: Vec<Wallet>,
    tokens: Vec<String>,
    copies: Vec<PathBuf>,
    dice: Dice,
}

impl World {
    async fn new(case: u64) -> World {
        let dir = tempfile::tempdir().expect("a directory");
        let door = Door::open(([127, 0, 0, 1], 1).into()).await;
        let node = Arc::<Node>::default();
        let witness = Arc::<Memory>::default();
        let lines = vec![(0, 5)];
        let mint = open(&dir, &door, &node, &witness, &lines, OutboxId::START).await;
        let wallets = vec![door.wallet().await, door.wallet().await];
        World {
            dir,
            door,
            mint,
            ledger: Arc::default(),
            node,
            witness,
            lines,
            line: 5,
            epoch: 0,
            owner: Owner::new(),
            wallets,
            tokens: Vec::new(),
            copies: Vec::new(),
            dice: Dice(case),
        }
    }

    async fn step(&mut self) {
        match self.dice.below(7) {
            0 => self.pay().await,
            1 | 2 => self.sweep().await,
            3 | 4 => self.send().await,
            5 => self.melt().await,
            _ => {
                let copy = self.dir.path().join(format!("copy {}", self.copies.len()));
                assert!(copy_store(self.dir.path(), &copy).expect("copies"));
                self.copies.push(copy);
            }
        }
    }

    async fn pay(&mut self) {
        self.epoch += 1;
        let quote = self.owner.quote(self.epoch);
        let payout = format!("payout-{}", self.epoch);
        self.ledger.pay(quote, &payout, PAYOUT);
        work(&self.mint, Arc::clone(&self.ledger) as _).await;
    }

    /// Fetches what a quote has, whichever name it goes by.
    async fn sweep(&mut self) {
        let wallet = self.dice.below(self.wallets.len());
        let wallet = &self.wallets[wallet];
        let quotes = self.mint.quotes(&self.owner.miner).await.expect("reads");
        for quote in quotes {
            // It may be issued already, or none may be.
            let _ = mint(wallet, &self.owner, &quote.quote.quote.to_string()).await;
        }
    }

    /// A part of a wallet into another one, or only out of it.
    async fn send(&mut self) {
        let (from, to) = (self.dice.below(2), self.dice.below(2));
        let has = u64::from(self.wallets[from].total_balance().await.expect("sums"));
        let part = has / (1 + self.dice.below(4) as u64);
        let Some(token) = sent(&self.wallets[from], part).await else {
            return;
        };
        if self.dice.below(4) > 0 {
            let options = ReceiveOptions::default();
            let _ = self.wallets[to].receive(&token, options).await;
        }
        self.tokens.push(token);
    }

    async fn melt(&mut self) {
        let from = self.dice.below(2);
        melt(&self.wallets[from]).await;
    }

    /// The store is lost or set back. What the pool does at its next start, it does here:
    /// it compares the store with its witness, and begins anew if they do not fit.
    async fn disaster(&mut self) {
        self.mint.close().await.expect("closes");
        let at = self.dice.below(self.copies.len() + 1);
        match self.copies.get(at) {
            Some(copy) => put_back(copy, self.dir.path()),
            None => lose_store(self.dir.path()),
        }
        let marks = stored_marks(self.dir.path()).expect("reads");
        let mark = marks.and_then(|marks| marks.mark);
        if mark != Some(self.witness.last()) {
            // No two of one name, as the ledger draws them.
            self.line += 1;
            self.lines.retain(|(from, _)| *from <= self.epoch);
            self.lines.push((self.epoch + 1, self.line));
        }
        let end = self.ledger.end();
        let (dir, door, lines) = (&self.dir, &self.door, &self.lines);
        self.mint = open(dir, door, &self.node, &self.witness, lines, end).await;
        work(&self.mint, Arc::clone(&self.ledger) as _).await;
    }

    /// Somebody with wallets that remember nothing tries everything again.
    async fn greed(&mut self) {
        let thief = self.door.wallet().await;
        for quote in self.mint.quotes(&self.owner.miner).await.expect("reads") {
            let _ = mint(&thief, &self.owner, &quote.quote.quote.to_string()).await;
        }
        for token in &self.tokens {
            let _ = thief.receive(token, ReceiveOptions::default()).await;
        }
        if self.dice.below(2) == 0 {
            melt(&thief).await;
        }
        self.wallets.push(thief);
    }

    async fn accept(&mut self) {
        self.mint
            .open_old_claims(Since::default())
            .await
            .expect("opens");
    }

    /// What the mint honours of all that the wallets have.
    async fn held(&self) -> u64 {
        let heir = self.door.wallet().await;
        for wallet in &self.wallets {
            // By halves: one coin that is not honoured takes no other with it for ever.
            let mut left = u64::from(wallet.total_balance().await.expect("sums"));
            while left > 0 {
                let part = left.div_ceil(2);
                if let Some(token) = sent(wallet, part).await {
                    let _ = heir.receive(&token, ReceiveOptions::default()).await;
                }
                left -= part;
            }
        }
        u64::from(heir.total_balance().await.expect("sums"))
    }
}

async fn open(
    dir: &TempDir,
    door: &Door,
    node: &Arc<Node>,
    witness: &Arc<Memory>,
    lines: &[(u64, u8)],
    end: OutboxId,
) -> Mint {
    let mut config = config(dir.path(), door.url.clone());
    let lines = lines.iter().map(|(from, byte)| {
        let incarnation = Incarnation::from_bytes([*byte; 16]);
        json!({ "from": from, "incarnation": incarnation })
    });
    let lineage = serde_json::from_value::<Lineage>(lines.collect());
    config.lineage = lineage.expect("a lineage");
    config.witness = Some(Arc::clone(witness) as _);
    config.outbox_end = end;
    config.paid_melts = node.journal();
    let opened = Mint::open(config, Some(Arc::clone(node) as _), &Registry::new()).await;
    let mint = opened.expect("opens");
    door.leads_to(&mint).await;
    mint
}

async fn sent(wallet: &Wallet, sat: u64) -> Option<String> {
    if sat == 0 {
        return None;
    }
    let options = SendOptions::default();
    let sending = wallet.prepare_send(Amount::from(sat), options).await.ok()?;
    Some(sending.confirm(None).await.ok()?.to_string())
}

/// Pays an invoice, if the wallet has enough and the mint lets it.
async fn melt(wallet: &Wallet) {
    let bolt11 = PaymentMethod::from("bolt11");
    let Ok(quote) = wallet.melt_quote(bolt11, INVOICE, None, None).await else {
        return;
    };
    if let Ok(melt) = wallet.prepare_melt(&quote.id, HashMap::new()).await {
        let _ = melt.confirm().await;
    }
}

async fn case(case: u64) -> bool {
    let mut world = World::new(case).await;
    world.pay().await;
    world.sweep().await;
    let steps = 4 + world.dice.below(10);
    for _ in 0..steps {
        world.step().await;
    }
    let disasters = 1 + world.dice.below(3);
    for _ in 0..disasters {
        world.disaster().await;
        world.greed().await;
        if world.dice.below(4) > 0 {
            world.accept().await;
            world.greed().await;
            world.step().await;
        }
    }
    world.accept().await;
    world.greed().await;
    let (held, melted) = (world.held().await, world.node.melted());
    let paid = PAYOUT * world.epoch;
    assert!(
        held + melted <= paid,
        "AXEPOOL_STORES_CASE={case}: {held} sat held and {melted} sat melted of {paid} sat"
    );
    melted > 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_store_makes_money_of_nothing() {
    if let Some(one) = std::env::var_os("AXEPOOL_STORES_CASE") {
        let one = one.to_str().and_then(|text| text.parse().ok());
        case(one.expect("a number")).await;
        return;
    }
    let cases = match std::env::var_os("AXEPOOL_NIGHTLY") {
        None => 8,
        Some(_) => 200,
    };
    let mut melts = 0;
    for number in 0..cases {
        melts += u32::from(case(number).await);
    }
    assert!(melts > 0, "nothing was ever melted");
}
