//! The commands that mine: the demonstration, the simulated sides and the load, each as
//! the process that a person starts.

use std::path::Path;
use std::time::{Duration, Instant};

use accounting::EpochId;
use ledger::Reader;
use pool::config;
use pool::run::Pool;

use crate::background::Background;
use crate::{PATIENCE, demo, stderr, stdout};

#[test]
fn the_demonstration_repeats_with_a_seed_and_leaves_a_pools_data() {
    let dir = tempfile::tempdir().expect("a directory");
    let shown = |data: &[&str]| {
        let args = [&["--miners", "3", "--blocks", "2", "--seed", "7"], data];
        let output = demo(&args.concat(), dir.path());
        let said = stdout(&output);
        assert!(output.status.success(), "{said}{}", stderr(&output));
        assert!(said.contains("all books agree"), "{said}");
        said
    };
    let sats = |said: &str| {
        let rows = said.lines().filter(|line| line.contains("npub1"));
        let sats = rows.map(|row| row.split_whitespace().nth(6).expect("sats").to_owned());
        sats.collect::<Vec<_>>()
    };
    let first = shown(&["--data-dir", "data"]);
    assert_eq!(sats(&first).len(), 3, "{first}");
    assert_eq!(
        sats(&first),
        sats(&shown(&[])),
        "the same seed, the same sats"
    );

    // What it leaves behind is an ordinary pool's data, in which no other begins.
    let books = Reader::open(&dir.path().join("data/ledger.redb")).expect("the books");
    let epochs = books.epochs(usize::MAX).expect("reads");
    assert_eq!(epochs.len(), 4, "{epochs:?}");
    let first = books
        .epoch(EpochId::FIRST)
        .expect("reads")
        .expect("is there");
    assert_eq!(first.totals.miners, 3, "{first:?}");
    // 8, 16 and 24 shares, and the block.
    assert_eq!(first.totals.shares, 49, "{first:?}");
    let miners = books.tallies(EpochId::FIRST).expect("reads");
    assert_eq!(miners.len(), 3, "{miners:?}");
    drop(books);
    let again = demo(&["--data-dir", "data"], dir.path());
    assert!(
        stderr(&again).contains("is not empty"),
        "{}",
        stderr(&again)
    );
}

/// Each payout takes from OCEAN's channel, which was full after seventeen.
#[test]
fn a_demonstration_that_goes_on_outlasts_its_first_channel() {
    let dir = tempfile::tempdir().expect("a directory");
    let args = "--miners 2 --blocks 1 --seconds 1 --keep-running --block-every 1";
    let args: Vec<&str> = args.split(' ').collect();
    let mut demo = Background::start(&args, dir.path());
    let (mut paid, mut has_room) = (0, false);
    while paid < 18 {
        let line = demo.line();
        has_room |= line.contains("OCEAN opened a further one");
        paid += u32::from(line.contains("OCEAN found block") && line.contains("and paid"));
    }
    let (rest, code) = demo.interrupt();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("all books agree"), "{rest}");
    assert!(has_room, "OCEAN opened no further channel");
}

#[test]
fn ctrl_c_ends_the_demonstration_with_the_comparison() {
    let dir = tempfile::tempdir().expect("a directory");
    let args = [
        "--miners",
        "2",
        "--blocks",
        "1",
        "--seconds",
        "2",
        "--keep-running",
    ];
    let mut demo = Background::start(&args, dir.path());
    let mut data = None;
    loop {
        let line = demo.line();
        assert!(!line.is_empty(), "it ended early");
        let path = line.split_whitespace().find(|word| word.starts_with("/"));
        data = data.or(path.map(str::to_owned));
        if line.contains("until Ctrl-C") {
            break;
        }
    }
    let (rest, code) = demo.interrupt();
    assert!(rest.contains("all books agree"), "{rest}");
    assert_eq!(code, Some(0));
    let data = data.expect("the directory");
    assert!(!Path::new(&data).exists(), "{data} is left behind");
}

/// A simulated OCEAN in a process of its own, and where it listens.
fn ocean(difficulty: &str, dir: &Path) -> (Background, String) {
    let args = [
        "sim",
        "pool",
        "--listen",
        "127.0.0.1:0",
        "--difficulty",
        difficulty,
    ];
    let mut ocean = Background::start(&args, dir);
    let line = ocean.line();
    let address = line.trim().strip_prefix("listening on ");
    let address = address.expect("an address").to_owned();
    (ocean, address)
}

/// The pool itself, in this process, ready for miners.
fn pool(upstream: &str, stratum: &str, dir: &Path) -> Pool {
    let text = format!(
        "[pool]\nnetwork = \"regtest\"\ndata_dir = \"{}\"\n\
         [metrics]\nlisten = \"127.0.0.1:0\"\n[operator]\nlisten = []\n\
         [http]\nlisten = \"127.0.0.1:0\"\n\
         [upstream]\nurls = [\"stratum+tcp://{upstream}\"]\n\
         address = \"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\"\n\
         [stratum]\nlisten = \"127.0.0.1:0\"\n{stratum}",
        dir.join("data").display()
    );
    let loaded = config::parse(&text, Path::new("")).expect("a config");
    let pool = web::start(loaded.config).expect("the pool starts");
    let begun = Instant::now();
    while !pool.view().is_ready() {
        assert!(begun.elapsed() < PATIENCE, "no work from the upstream");
        std::thread::sleep(Duration::from_millis(20));
    }
    pool
}

#[test]
fn simulated_sides_meet_at_a_real_pool() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ocean, upstream) = ocean("0.0001", dir.path());
    let slow = "min_difficulty = 0.0000001\nstart_difficulty = 0.00001\n\
                target_shares_per_minute = 300\n";
    let pool = pool(&upstream, slow, dir.path());
    let target = pool.view().stratum()[0].to_string();
    let devices = [
        "sim",
        "miners",
        "--target",
        &target,
        "--count",
        "2",
        "--seconds",
        "3",
    ];
    let output = demo(&devices, dir.path());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("bitaxe-2"), "{}", stdout(&output));
    let books = pool.view().ledger();
    let miners = books.tallies(books.open_epoch().id).expect("reads");
    assert_eq!(miners.len(), 2, "{miners:?}");

    // The same for one key, as its owner types it.
    let key = "0379be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let output = demo(&[&devices[..], &["--key", key]].concat(), dir.path());
    assert!(output.status.success(), "{}", stderr(&output));
    let owner = key.parse().expect("a key");
    let workers = books.workers(&owner).expect("reads");
    assert_eq!(workers.len(), 2, "{workers:?}");
    let secret = "4".repeat(64);
    let output = demo(&[&devices[..], &["--key", &secret]].concat(), dir.path());
    assert!(!output.status.success());
    let said = stderr(&output);
    assert!(said.contains("secret") && !said.contains(&secret), "{said}");
    pool.stop().expect("it stops");
    let (books, code) = ocean.interrupt();
    assert_eq!(code, Some(0));
    assert!(books.contains("\"users\":[\"bcrt1q"), "{books}");
}

#[test]
fn load_measures_a_real_pool() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_ocean, upstream) = ocean("0.00001", dir.path());
    let easy = "min_difficulty = 0.00000001\nstart_difficulty = 0.00000001\n\
                target_shares_per_minute = 1000000\nmessages_per_second = 100000\n";
    let pool = pool(&upstream, easy, dir.path());
    let target = pool.view().stratum()[0].to_string();
    let pid = std::process::id().to_string();
    let args = [
        "load",
        "--target",
        &target,
        "--connections",
        "50",
        "--seconds",
        "2",
        "--pid",
        &pid,
        "--json",
    ];
    let output = demo(&args, dir.path());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", stdout(&output), stderr(&output)));
    assert!(output.status.success(), "{report:#}");
    assert_eq!(report["connections"], 50, "{report:#}");
    let accepted = report["accepted"].as_u64().expect("a number");
    assert!(accepted > 50, "{report:#}");
    assert!(
        report["server"]["cpu_secs"].as_f64().is_some(),
        "{report:#}"
    );
    // Each share that was answered with `true` is in the ledger; what was in flight at
    // the end may be there too.
    let in_ledger = pool.view().ledger().open_epoch().totals.shares;
    let unanswered = report["unanswered"].as_u64().expect("a number");
    assert!(
        (accepted..=accepted + unanswered).contains(&in_ledger),
        "{in_ledger}: {report:#}"
    );
    pool.stop().expect("it stops");
    let remote = demo(&["load", "--target", "192.0.2.1:3333"], dir.path());
    assert_eq!(remote.status.code(), Some(1), "{}", stderr(&remote));
}
