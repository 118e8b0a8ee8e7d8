//! From mined shares to sats in a wallet, with the program on both sides: `axepool run`
//! as the pool, `axepool sweep` and `axepool wallet` as its owners. Whoever is killed,
//! and whenever: what was paid is there, to the satoshi.

mod lost;
pub mod property;
mod reissue;
mod restore;
mod watch;
mod words;

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, PoolProcess, axepool, stderr, stdout};
use crate::earned::{Earned, earned, key_file};
use crate::world::{get, key};
use serde_json::Value;
use simnet::keys::SimKey;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The mint under one address, wherever the pool listens at the moment.
struct Door {
    url: String,
    pool: Arc<Mutex<SocketAddr>>,
}

impl Door {
    async fn open(pool: &PoolProcess) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let pool = Arc::new(Mutex::new(pool.status().await.http[0]));
        let to = Arc::clone(&pool);
        tokio::spawn(async move {
            while let Ok((mut outside, _)) = listener.accept().await {
                let to = *to.lock().expect("no panics");
                tokio::spawn(async move {
                    if let Ok(mut inside) = TcpStream::connect(to).await {
                        let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                    }
                });
            }
        });
        Door { url, pool }
    }

    async fn leads_to(&self, pool: &PoolProcess) {
        let address = pool.status().await.http[0];
        *self.pool.lock().expect("no panics") = address;
    }
}

/// The machine of somebody who mines: keys and wallets in one directory.
struct Desk {
    dir: TempDir,
    mint: String,
}

impl Desk {
    fn new(mint: &str) -> Desk {
        Desk {
            dir: tempfile::tempdir().expect("a directory"),
            mint: mint.to_owned(),
        }
    }

    /// Puts a key into a file, as `axepool key new --from` does.
    fn keep(&self, key: &SimKey) -> String {
        key_file(self.dir.path(), key)
    }

    /// A command about `wallet` at the mint.
    fn arguments<'a>(&'a self, wallet: &'a str, what: &[&'a str]) -> Vec<&'a str> {
        let place = ["--mint", &self.mint, "--wallet", wallet];
        match what {
            ["sweep", rest @ ..] => [&["sweep"], &place[..], rest].concat(),
            rest => [&["wallet"], &place[..], rest].concat(),
        }
    }

    fn run(&self, wallet: &str, what: &[&str]) -> Output {
        axepool(&self.arguments(wallet, what), self.dir.path())
    }

    /// The JSON that a command answers.
    #[track_caller]
    fn json(&self, wallet: &str, what: &[&str]) -> Value {
        let output = self.run(wallet, &[what, &["--json"]].concat());
        let (said, why) = (stdout(&output), stderr(&output));
        assert!(output.status.success(), "{what:?}: {said}{why}");
        serde_json::from_str(&said).expect("JSON")
    }

    /// Kills a command with SIGKILL after so long; true when it was still at it.
    fn killed(&self, wallet: &str, what: &[&str], after: Duration) -> bool {
        let mut child = Command::new(env!("CARGO_BIN_EXE_axepool"))
            .args(self.arguments(wallet, what))
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("axepool starts");
        std::thread::sleep(after);
        let at_it = child.try_wait().expect("waits").is_none();
        child.kill().expect("kills");
        child.wait().expect("waits");
        at_it
    }

    /// Spendable, under way, and in tokens that were sent: all mints of the wallet.
    #[track_caller]
    fn balance(&self, wallet: &str) -> (u64, u64, u64) {
        let balances = self.json(wallet, &["balance"]);
        let sum = |name: &str| {
            let mints = balances.as_object().expect("an object").values();
            mints.map(|mint| mint[name].as_u64().expect("sat")).sum()
        };
        (sum("spendable_sat"), sum("pending_sat"), sum("sent_sat"))
    }

    /// Takes in what is left to take, until a sweep has nothing to complain about.
    #[track_caller]
    fn swept(&self, wallet: &str, key: &str) -> Value {
        self.json(wallet, &["sweep", "--key", key])
    }

    /// The tokens that were sent and not taken: their ids and texts.
    fn sent(&self, wallet: &str) -> Vec<(String, String)> {
        let output = self.run(wallet, &["sent"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stdout(&output);
        let lines: Vec<&str> = text.lines().collect();
        let pairs = lines.chunks_exact(2).map(|pair| {
            let id = pair[0].split_whitespace().next().expect("an id");
            (id.to_owned(), pair[1].trim().to_owned())
        });
        pairs.collect()
    }

    /// Gives satoshis of one wallet to another.
    #[track_caller]
    fn give(&self, from: &str, sat: u64, to: &str) {
        let sent = self.run(from, &["send", &sat.to_string()]);
        assert!(sent.status.success(), "{}", stderr(&sent));
        let token = stdout(&sent);
        let received = self.run(to, &["receive", token.trim()]);
        assert!(received.status.success(), "{}", stderr(&received));
        let said = stdout(&received).replace(',', "");
        assert_eq!(said, format!("{sat} sat received\n"));
    }
}

/// Waits until the mint has issued everything, and nothing twice.
async fn all_is_issued(pool: &PoolProcess, paid_sat: u64) {
    pool.poll("everything issued", async |pool| {
        let mint = pool.status().await.mint;
        let (out, waiting) = (mint.outstanding_sat?.get(), mint.paid_unissued_sat?.get());
        assert_eq!(out + waiting, paid_sat, "the mint owes what was paid");
        (waiting == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_become_sats_in_a_wallet() {
    let keys: Vec<SimKey> = (1..=3).map(key).collect();
    let paid = earned(&keys, &[], 4, |_| {}).await;
    let (pool, paid_sat) = (&paid.pool, paid.paid_sat);
    let door = Door::open(pool).await;
    let desk = Desk::new(&door.url);
    let files: Vec<String> = keys.iter().map(|key| desk.keep(key)).collect();

    // Two keys are swept into one wallet.
    let mut swept_sat = 0;
    for file in &files[..2] {
        let swept = desk.swept("ours", file);
        assert!(swept["quotes"].as_u64() > Some(3), "{swept}");
        assert_eq!(swept["left"].as_array().map(Vec::len), Some(0), "{swept}");
        swept_sat += swept["received_sat"].as_u64().expect("sat");
    }
    assert_eq!(desk.balance("ours"), (swept_sat, 0, 0));
    let again = desk.swept("ours", &files[0]);
    assert_eq!(again["received_sat"], 0, "{again}");

    // The third shows a token on its page, and another wallet scans it.
    let token = claim(pool, &keys[2]).await;
    let of_pool = Desk::new(&format!("http://{}", pool.status().await.http[0]));
    let file = of_pool.keep(&keys[2]);
    let without = of_pool.run("theirs", &["receive", &token]);
    assert!(stderr(&without).contains("--key"), "{}", stderr(&without));
    let received = of_pool.run("theirs", &["receive", &token, "--key", &file]);
    assert!(received.status.success(), "{}", stderr(&received));
    let (claimed_sat, ..) = of_pool.balance("theirs");
    assert_eq!(swept_sat + claimed_sat, paid_sat);
    all_is_issued(pool, paid_sat).await;
    let twice = of_pool.run("again", &["receive", &token, "--key", &file]);
    assert!(
        stderr(&twice).contains("taken already"),
        "{}",
        stderr(&twice)
    );

    // Ecash moves between wallets.
    desk.give("ours", 100, "friend");
    assert_eq!(desk.balance("friend"), (100, 0, 0));
    assert_eq!(desk.balance("ours").0, swept_sat - 100);

    // The disk dies; the words were copied.
    let words = desk.dir.path().join("words");
    fs::rename(desk.dir.path().join("ours/mnemonic"), &words).expect("there");
    fs::remove_dir_all(desk.dir.path().join("ours")).expect("there");
    let nothing = desk.run("ours", &["restore"]);
    assert!(stderr(&nothing).contains("--words"), "{}", stderr(&nothing));
    let restored = desk.json("ours", &["restore", "--words", "words"]);
    assert_eq!(restored["restored_sat"], swept_sat - 100, "{restored}");
    desk.give("ours", swept_sat - 100, "friend");
    assert_eq!(desk.balance("friend"), (swept_sat, 0, 0));
    all_is_issued(pool, paid_sat).await;
}

/// A token as the miner's page asks for it.
async fn claim(pool: &PoolProcess, key: &SimKey) -> String {
    let http = pool.status().await.http[0];
    let path = format!("/api/miners/{}/token", key.hex);
    let answer = post(http, &path).await;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["status"], "token", "{answer}");
    let (code, list) = get(http, &format!("/api/miners/{}/tokens", key.hex)).await;
    assert!(code == 200 && list.contains("unspent"), "{list}");
    answer["token"].as_str().expect("a token").to_owned()
}

/// The body of the answer to an empty POST.
async fn post(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    /// Some part of `whole`, and sometimes a little more than it.
    fn part(&mut self, whole: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        whole * u32::try_from(self.0 % 1100).expect("small") / 1000
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_nothing_is_lost() {
    const KEYS: u64 = 6;
    let keys: Vec<SimKey> = (11..11 + KEYS).map(key).collect();
    let Earned {
        mut pool,
        ocean: _ocean,
        paid_sat,
    } = earned(&keys, &[], 30, |_| {}).await;
    let door = Door::open(&pool).await;
    let desk = Desk::new(&door.url);
    let files: Vec<String> = keys.iter().map(|key| desk.keep(key)).collect();

    // How long an undisturbed one takes.
    let since = Instant::now();
    let first = desk.swept("ours", &files[0]);
    let whole = since.elapsed();
    assert!(first["received_sat"].as_u64() > Some(0), "{first}");

    let mut dice = Dice(0x5eed);
    let mut at_it = 0;
    for round in 0..30 {
        let file = &files[1 + round % (files.len() - 1)];
        at_it += u32::from(desk.killed("ours", &["sweep", "--key", file], dice.part(whole)));
        if round % 8 == 7 {
            // The mint dies as well, and not when it is idle.
            let (desk, file) = (&desk, file.as_str());
            let moment = dice.part(whole);
            std::thread::scope(|scope| {
                let sweep = scope.spawn(|| desk.run("ours", &["sweep", "--key", file]));
                std::thread::sleep(moment);
                pool.kill();
                sweep.join().expect("no panics")
            });
            pool.spawn().await;
            pool.wait_ready().await;
            door.leads_to(&pool).await;
            crate::earned::caught_up(&pool, paid_sat).await;
        }
    }
    assert!(
        at_it > 5,
        "only {at_it} of 30 were at work when they were killed"
    );
    for file in &files {
        let swept = desk.swept("ours", file);
        assert_eq!(swept["left"].as_array().map(Vec::len), Some(0), "{swept}");
    }
    assert_eq!(desk.balance("ours"), (paid_sat, 0, 0));
    all_is_issued(&pool, paid_sat).await;

    // Sending and receiving, killed likewise.
    for _ in 0..6 {
        desk.killed("ours", &["send", "41"], dice.part(whole));
    }
    for (_, token) in desk.sent("ours") {
        let receive = ["receive", token.as_str()];
        desk.killed("theirs", &receive, dice.part(whole));
        let done = desk.run("theirs", &receive);
        let why = stderr(&done);
        assert!(
            done.status.success() || why.contains("taken already"),
            "{why}"
        );
    }
    // What was taken cannot be taken back, all else can.
    for (id, _) in desk.sent("ours") {
        desk.run("ours", &["take-back", &id]);
    }
    // The mint may still be at work for a process that was killed.
    let deadline = Instant::now() + PATIENCE;
    let ((ours, pending, sent), theirs) = loop {
        for wallet in ["ours", "theirs"] {
            desk.run(wallet, &["recover"]);
        }
        let (ours, theirs) = (desk.balance("ours"), desk.balance("theirs"));
        if (ours.1, theirs.1) == (0, 0) || Instant::now() > deadline {
            break (ours, theirs);
        }
    };
    assert_eq!((pending, sent, theirs.1, theirs.2), (0, 0, 0, 0));
    assert_eq!(ours + theirs.0, paid_sat);
    // The mint agrees: all of it can be spent, by one who had none of it.
    for (wallet, mut left) in [("ours", ours), ("theirs", theirs.0)] {
        while left > 0 {
            // A token of everything is longer than a command line may be.
            let part = left.min(2_000);
            desk.give(wallet, part, "heir");
            left -= part;
        }
    }
    assert_eq!(desk.balance("heir"), (paid_sat, 0, 0));
    all_is_issued(&pool, paid_sat).await;
}

#[test]
fn a_pool_that_nobody_can_reach_makes_no_tokens_and_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let warns = |lines: &str| {
        let address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        let text = format!("[upstream]\naddress = \"{address}\"\n{lines}");
        fs::write(dir.path().join("axepool.toml"), text).expect("writes");
        let output = axepool(&["check-config"], dir.path());
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output).contains("http.public_url: not set")
    };
    assert!(warns(""));
    assert!(!warns("[http]\npublic_url = \"https://pool.example\"\n"));
    assert!(!warns("[mint]\nenabled = false\n"));
}
