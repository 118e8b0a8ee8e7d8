//! The wallet's words without its store, and in two directories, at the pool's own mint.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use simnet::keys::SimKey;

use super::{Desk, Door};
use crate::common::{axepool, stderr, stdout};
use crate::earned::{Earned, earned};
use crate::world::key;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_go_on_without_their_store_and_in_two_directories() {
    let keys: Vec<SimKey> = (31..=34).map(key).collect();
    let Earned {
        pool,
        ocean: _ocean,
        paid_sat,
    } = earned(&keys, &[], 3, |_| {}).await;
    let door = Door::open(&pool).await;
    let desk = Desk::new(&door.url);
    let files: Vec<String> = keys.iter().map(|key| desk.keep(key)).collect();
    let swept = |wallet: &str, file: &str, before: u64| {
        let swept = desk.swept(wallet, file);
        assert_eq!(swept["left"].as_array().map(Vec::len), Some(0), "{swept}");
        let sat = swept["quotes_sat"].as_u64().expect("sat");
        assert!(sat > 0, "{swept}");
        assert_eq!(
            desk.balance(wallet),
            (before + sat, 0, 0),
            "{wallet}: {swept}"
        );
        sat
    };
    let mut both = swept("ours", &files[0], 0);

    // The store is gone, the words are there.
    fs::remove_file(desk.dir.path().join("ours/wallet.redb")).expect("there");
    both += swept("ours", &files[1], both);

    // The same words elsewhere, and then here again: what one of them fetches afterwards,
    // the other one finds when it looks.
    let second = desk.dir.path().join("second");
    fs::create_dir(&second).expect("creates");
    fs::set_permissions(&second, fs::Permissions::from_mode(0o700)).expect("chmod");
    let words = desk.dir.path().join("ours/mnemonic");
    fs::copy(words, second.join("mnemonic")).expect("copies");
    let seconds = swept("second", &files[2], both);
    let ours = swept("ours", &files[3], both);
    assert_eq!(both + seconds + ours, paid_sat);
    super::all_is_issued(&pool, paid_sat).await;

    // Both have all of it, and somebody else gets it once.
    for (wallet, more) in [("ours", seconds), ("second", ours)] {
        let restored = desk.json(wallet, &["restore"]);
        assert_eq!(restored["restored_sat"], more, "{restored}");
        assert_eq!(desk.balance(wallet), (paid_sat, 0, 0));
    }
    let mut left = paid_sat;
    for wallet in ["ours", "second"].iter().cycle() {
        // The change of the other one's last token.
        desk.json(wallet, &["restore"]);
        let part = left.min(1_000);
        desk.give(wallet, part, "heir");
        left -= part;
        if left == 0 {
            break;
        }
    }
    assert_eq!(desk.balance("heir"), (paid_sat, 0, 0));
    for wallet in ["ours", "second"] {
        desk.json(wallet, &["restore"]);
        assert_eq!(desk.balance(wallet), (0, 0, 0), "{wallet}");
        let nothing = desk.run(wallet, &["send", "1"]);
        assert!(
            stderr(&nothing).contains("has 0 sat"),
            "{}",
            stderr(&nothing)
        );
    }

    // Any spelling of the mint is the one purse, and a page is understood or told.
    let port = door.url.rsplit_once(':').expect("a port").1;
    let page = format!("http://localhost:{port}/miners/{}", keys[0].hex);
    let same = ["wallet", "--mint", &page, "--wallet", "heir", "send", "1"];
    let sent = crate::common::axepool(&same, desk.dir.path());
    assert!(sent.status.success(), "{}", stderr(&sent));
    let taken = desk.run("ours", &["receive", stdout(&sent).trim()]);
    assert!(taken.status.success(), "{}", stderr(&taken));
    let heirs = desk.json("heir", &["balance"]);
    assert_eq!(
        heirs.as_object().map(serde_json::Map::len),
        Some(1),
        "{heirs}"
    );
    assert_eq!(desk.balance("heir").0, paid_sat - 1);
    let epochs = format!("http://127.1:{port}/epochs");
    let sweep = [
        "sweep", "--mint", &epochs, "--wallet", "heir", "--key", &files[0],
    ];
    let wrong = crate::common::axepool(&sweep, desk.dir.path());
    let said = stderr(&wrong);
    assert!(said.contains("this is a web page, not a mint"), "{said}");
}

/// `axepool key` with a wallet and a file, and what it printed.
#[track_caller]
fn key_command(desk: &Desk, wallet: &str, file: &str, what: &[&str]) -> String {
    let named = ["--wallet", wallet, "--key", file, "--no-qr", "--secret"];
    let output = axepool(&[&["key"], what, &named[..]].concat(), desk.dir.path());
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// The key that a command printed.
#[track_caller]
fn printed(text: &str) -> SimKey {
    let word = |name: &str| {
        let mut lines = text.lines().map(str::trim);
        let word = lines.find_map(|line| line.strip_prefix(name));
        word.expect("printed").trim().to_owned()
    };
    let hex = word("secret ");
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex");
    SimKey {
        secret: std::array::from_fn(byte),
        hex: word("public key"),
        npub: word("npub"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_alone_bring_back_keys_and_what_they_earned() {
    let mut desk = Desk::new("");
    let keys = ["first.key", "second.key"]
        .map(|file| printed(&key_command(&desk, "ours", file, &["new"])));
    let Earned {
        pool,
        ocean: _ocean,
        paid_sat,
    } = earned(&keys, &[], 2, |_| {}).await;
    let door = Door::open(&pool).await;
    desk.mint.clone_from(&door.url);
    let swept = desk.swept("ours", "first.key");
    let had = swept["quotes_sat"].as_u64().expect("sat");
    assert!(0 < had && had < paid_sat, "{swept}");

    // The disk dies; the words are on paper.
    let path = |name: &str| desk.dir.path().join(name);
    fs::rename(path("ours/mnemonic"), path("paper")).expect("moves");
    fs::remove_dir_all(path("ours")).expect("removes");
    for file in ["first.key", "second.key"] {
        fs::remove_file(path(file)).expect("removes");
    }
    let restored = desk.json("new", &["restore", "--words", "paper"]);
    assert_eq!(restored["restored_sat"], had, "{restored}");
    let found: Vec<_> = restored["keys"].as_array().expect("keys").iter().collect();
    assert_eq!(found.len(), 2, "{restored}");
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(found[number]["number"], number, "{restored}");
        assert_eq!(found[number]["npub"], key.npub, "{restored}");
        let (file, number) = (format!("{number}.key"), number.to_string());
        let again = key_command(&desk, "new", &file, &["new", "--number", &number]);
        assert_eq!(printed(&again).secret, key.secret);
        let shown = key_command(&desk, "new", &file, &["show"]);
        assert!(shown.starts_with("from words: number"), "{shown}");
        desk.swept("new", &file);
    }
    assert_eq!(desk.balance("new"), (paid_sat, 0, 0));
    super::all_is_issued(&pool, paid_sat).await;
}
