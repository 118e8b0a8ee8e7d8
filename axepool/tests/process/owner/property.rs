//! Whatever of a pool's stores is lost, or replaced by an older copy, and whenever: the
//! wallets together never hold more than was paid in, and the pool says what happened.
//!
//! Each case is a number: it decides what everybody does, when copies are taken, what is
//! lost, and what those who would have it twice try. Case N again, alone:
//! `AXEPOOL_STORES_CASE=N`.

#![expect(
    clippy::print_stdout,
    reason = "a failure has to name its case; the runner shows it then alone"
)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::common::{PoolProcess, stderr, stdout};
use pool::admin::RestoreStatus;
use simnet::keys::SimKey;
use tempfile::TempDir;

use super::{Desk, Door};
use crate::earned::{Earned, earned, pay_one};
use crate::world::key;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Ledger,
    MintStore,
    /// With its mnemonic and the record of its URL.
    MintDirectory,
    /// The mint's directory and the file of marks: nothing apart from it knows of it but
    /// the ledger.
    MintAndMarks,
    Marks,
    Offers,
    NodeDirectory,
    LedgerAndMint,
    Everything,
}

const PARTS: [Part; 9] = [
    Part::Ledger,
    Part::MintStore,
    Part::MintDirectory,
    Part::MintAndMarks,
    Part::Marks,
    Part::Offers,
    Part::NodeDirectory,
    Part::LedgerAndMint,
    Part::Everything,
];

impl Part {
    /// What of the data directory it is.
    fn names(self) -> &'static [&'static str] {
        match self {
            Part::Ledger => &["ledger.redb"],
            Part::MintStore => &[
                "mint/mint.sqlite",
                "mint/mint.sqlite-wal",
                "mint/mint.sqlite-shm",
            ],
            Part::MintDirectory => &["mint"],
            Part::MintAndMarks => &["mint", "stores.marks"],
            Part::Marks => &["stores.marks"],
            Part::Offers => &["offers.json"],
            Part::NodeDirectory => &["node"],
            Part::LedgerAndMint => &["ledger.redb", "mint"],
            Part::Everything => &["."],
        }
    }

    /// Whether the pool has to say something of it. What is new in all its parts is another
    /// pool, and what says nothing of money needs no word.
    fn is_told(self, is_lost: bool) -> bool {
        match self {
            Part::Offers | Part::NodeDirectory => false,
            Part::Everything => !is_lost,
            _ => true,
        }
    }
}

/// The same numbers for the same case (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(case: u64) -> Dice {
        Dice(case)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = self.below(of.len() as u64);
        &of[usize::try_from(at).expect("small")]
    }
}

/// A pool and all who have to do with it.
struct World {
    pool: PoolProcess,
    _ocean: simnet::pool::SimPoolHandle,
    door: Door,
    desk: Desk,
    keys: Vec<SimKey>,
    files: Vec<String>,
    wallets: Vec<String>,
    /// Every token that was ever made, taken or not.
    tokens: Vec<String>,
    /// Whole data directories, as they were when the pool was down.
    copies: Vec<TempDir>,
    /// Everything that ever came in, whatever the pool remembers of it.
    paid_sat: u64,
    epochs: u8,
    /// The mint's words, on paper.
    words: Vec<u8>,
    /// It lost all that it had, and was paid nothing since.
    is_new: bool,
    dice: Dice,
}

impl World {
    async fn new(case: u64) -> World {
        let keys: Vec<SimKey> = (1..=2).map(key).collect();
        let Earned {
            pool,
            ocean,
            paid_sat,
        } = earned(&keys, &[], 1, |_| {}).await;
        let door = Door::open(&pool).await;
        let desk = Desk::new(&door.url);
        let files = keys.iter().map(|key| desk.keep(key)).collect();
        let words = fs::read(pool.data_dir().join("mint/mint.mnemonic")).expect("words");
        World {
            pool,
            _ocean: ocean,
            door,
            desk,
            keys,
            files,
            wallets: vec!["one".to_owned(), "two".to_owned()],
            tokens: Vec::new(),
            copies: Vec::new(),
            paid_sat,
            epochs: 1,
            words,
            is_new: false,
            dice: Dice::new(case),
        }
    }

    /// One thing that people do.
    async fn step(&mut self) {
        match self.dice.below(8) {
            0..=2 => self.sweep(),
            3..=5 => self.send(),
            6 => self.paid().await,
            _ => self.copy().await,
        }
    }

    fn sweep(&mut self) {
        let file = self.dice.one(&self.files).clone();
        let wallet = self.dice.one(&self.wallets).clone();
        // It may be that nothing is issued at the moment.
        self.desk.run(&wallet, &["sweep", "--key", &file]);
    }

    /// Some of a wallet into another one, or only out of it.
    fn send(&mut self) {
        let from = self.dice.one(&self.wallets).clone();
        let to = self.dice.one(&self.wallets).clone();
        let has = self.desk.balance(&from).0;
        if has == 0 {
            return;
        }
        let sat = 1 + self.dice.below(has.min(400));
        let sent = self.desk.run(&from, &["send", &sat.to_string()]);
        if !sent.status.success() {
            return;
        }
        let token = stdout(&sent).trim().to_owned();
        if self.dice.below(4) > 0 {
            self.desk.run(&to, &["receive", &token]);
        }
        self.tokens.push(token);
    }

    /// An epoch is mined and paid, while the pool is down.
    async fn paid(&mut self) {
        self.down().await;
        self.epochs += 1;
        self.paid_sat += pay_one(&self.pool.data_dir(), &self.keys, self.epochs).await;
        self.is_new = false;
        self.up().await;
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
        self.door.leads_to(&self.pool).await;
        self.caught_up().await;
    }

    /// Waits until the mint has done all that it can, or waits for something itself.
    async fn caught_up(&self) {
        self.pool
            .poll("the mint at rest", async |pool| {
                let status = pool.status().await;
                let is_open = status.mint.outstanding_sat.is_some();
                let is_done = is_open && status.mint.outbox_waiting == 0;
                let is_stuck = status.mint.failing.is_some();
                (is_done || is_stuck).then_some(())
            })
            .await;
    }

    /// Something goes wrong while the pool is down.
    async fn disaster(&mut self) {
        let part = *self.dice.one(&PARTS);
        let is_lost = self.copies.is_empty() || self.dice.below(2) == 0;
        self.down().await;
        let data = self.pool.data_dir();
        for name in part.names() {
            remove(&within(&data, name)).expect("removes");
        }
        let older = match is_lost {
            true => "lost".to_owned(),
            false => {
                let at = self.dice.below(self.copies.len() as u64);
                let at = usize::try_from(at).expect("small");
                let copy = &self.copies[at];
                for name in part.names() {
                    let (from, to) = (within(copy.path(), name), within(&data, name));
                    put_back(&from, &to).expect("puts back");
                }
                format!("as of copy {at}")
            }
        };
        self.keep_words(&data.join("mint"));
        self.is_new |= is_lost && part == Part::Everything;
        println!("{part:?} is {older}");
        self.up().await;
        if part.is_told(is_lost) && !self.is_new {
            self.says_so(part);
        }
    }

    /// Those of the mint are on paper: half of the time somebody types them in again.
    fn keep_words(&mut self, mint: &Path) {
        let path = mint.join("mint.mnemonic");
        if path.exists() || self.dice.below(2) == 0 {
            return;
        }
        fs::create_dir_all(mint).expect("mkdir");
        fs::write(&path, &self.words).expect("writes");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).expect("chmod");
    }

    fn says_so(&self, part: Part) {
        let said = stdout(&self.pool.command(&["status"]));
        assert!(said.contains("axepool restore status"), "{part:?}: {said}");
        let status = self.restored().expect("something was found");
        assert!(status.record.accepted.is_none(), "{part:?}: {status:?}");
    }

    fn restored(&self) -> Option<RestoreStatus> {
        let told = self.pool.command(&["restore", "status", "--json"]);
        let is_one = told.status.success();
        is_one.then(|| serde_json::from_str(&stdout(&told)).expect("JSON"))
    }

    /// Everybody tries to have everything once more.
    fn greed(&mut self) {
        for file in &self.files {
            self.desk.run("thief", &["sweep", "--key", file]);
        }
        for token in &self.tokens {
            self.desk.run("thief", &["receive", token]);
        }
    }

    /// The operator accepts what the pool says there is to accept.
    async fn accept(&self) {
        let waits = self.restored().is_some_and(|status| {
            let is_open = status.record.accepted.is_some();
            !is_open && status.claims.is_some()
        });
        if !waits {
            return;
        }
        let claims = self
            .pool
            .poll("a bound that grows no more", async |_| {
                let claims = self.restored()?.claims?;
                claims.is_complete.then_some(claims)
            })
            .await;
        let bound = claims.bound_sat.to_string();
        let accepted = self.pool.command(&["restore", "accept", "--bound", &bound]);
        assert!(accepted.status.success(), "{}", stderr(&accepted));
    }

    /// What all wallets have together that the mint honours: it goes into one, which is as
    /// new as it can be.
    fn held(&self) -> u64 {
        let wallets = self.wallets.iter().map(String::as_str);
        for wallet in wallets.chain(["thief"]) {
            let mut left = self.desk.balance(wallet).0;
            while left > 0 {
                // A token of everything is longer than a command line may be.
                let part = left.min(500);
                let sent = self.desk.run(wallet, &["send", &part.to_string()]);
                if sent.status.success() {
                    let token = stdout(&sent);
                    self.desk.run("heir", &["receive", token.trim()]);
                }
                left -= part;
            }
        }
        self.desk.balance("heir").0
    }
}

/// Copies a directory with all that is in it.
pub fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        put_back(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Copies a file or a directory, if it is there; a socket is none.
pub fn put_back(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(from) {
        Ok(about) if about.is_dir() => copy_all(from, to)?,
        Ok(about) if about.is_file() => {
            fs::copy(from, to)?;
        }
        _ => {}
    }
    let mode = fs::metadata(from).map(|about| about.permissions());
    if let (Ok(mode), true) = (mode, to.exists()) {
        fs::set_permissions(to, mode)?;
    }
    Ok(())
}

/// Removes a file or a directory, if it is there.
/// `name` in `dir`; `.` is the directory itself, under the name that `rmdir` takes.
fn within(dir: &Path, name: &str) -> PathBuf {
    dir.join(name).components().collect()
}

pub fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(about) if about.is_dir() => {
            for entry in fs::read_dir(path)? {
                remove(&entry?.path())?;
            }
            fs::remove_dir(path)
        }
        _ => fs::remove_file(path),
    }
}

async fn case(case: u64) {
    println!("AXEPOOL_STORES_CASE={case}");
    let mut world = World::new(case).await;
    world.sweep();
    let steps = 3 + world.dice.below(5);
    for _ in 0..steps {
        world.step().await;
    }
    let disasters = 1 + world.dice.below(2);
    for _ in 0..disasters {
        world.disaster().await;
        world.greed();
        if world.dice.below(4) > 0 {
            world.accept().await;
            world.greed();
            world.step().await;
        }
    }
    world.accept().await;
    let (held, paid_sat) = (world.held(), world.paid_sat);
    println!("case {case}: {held} sat are held of {paid_sat} that came in");
    assert!(held <= paid_sat, "case {case}: {held} of {paid_sat}");
}

/// The cases of the day are those in which something is at stake.
async fn cases(day: std::ops::Range<u64>, nightly: std::ops::Range<u64>) {
    if let Some(one) = std::env::var_os("AXEPOOL_STORES_CASE") {
        let one = one.to_str().and_then(|text| text.parse().ok());
        return case(one.expect("a number")).await;
    }
    let range = match std::env::var_os("AXEPOOL_NIGHTLY") {
        None => day,
        Some(_) => nightly,
    };
    for number in range {
        case(number).await;
    }
}

macro_rules! tenths {
    ($($name:ident: $tenth:expr),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let first = $tenth * 100;
            cases(first..first + 1, first..first + 50).await;
        }
    )*};
}

tenths! {
    no_loss_makes_money_of_nothing: 0,
    no_older_copy_makes_money_of_nothing: 1,
    nothing_that_is_put_back_makes_money: 2,
    nothing_that_is_gone_makes_money: 3,
}
