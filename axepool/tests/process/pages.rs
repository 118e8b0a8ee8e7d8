//! The pages in a real browser: what an owner sees on a phone and at a desk, and that the
//! code on the screen is money.
//!
//! Needs Chromium and `npm ci --prefix axepool/tests/browser`, which `make test` installs;
//! ignored, so that a plain `cargo test` needs neither.

#[path = "../browser/mod.rs"]
mod browser;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::{PoolProcess, PoolSetup, axepool, stderr, stdout};
use crate::earned::{Earned, earned, key_file};
use crate::first_run::Waiting;
use crate::pages::browser::script;
use crate::world::{STRATUM, bitaxe, earns, get, key, ocean, pool};
use serde_json::{Value, json};
use simnet::keys::SimKey;

/// Keys that earned something, one of them next to nothing, and their pool.
async fn owners() -> (Vec<SimKey>, SimKey, Earned, String) {
    let (keys, crumb) = ((1..=3).map(key).collect::<Vec<_>>(), key(9));
    let change = |setup: &mut PoolSetup| {
        setup.stratum = format!("{STRATUM}[expert.notices]\nlook_secs = 1\n");
    };
    let paid = earned(&keys, std::slice::from_ref(&crumb), 3, change).await;
    let url = format!("http://{}", paid.pool.status().await.http[0]);
    (keys, crumb, paid, url)
}

/// The operator's page with its token, as `axepool status` shows it.
fn operators(pool: &PoolProcess) -> String {
    let output = pool.command(&["status"]);
    let said = stdout(&output);
    let mut words = said.split_whitespace();
    let url = words.find(|word| word.contains("?token="));
    url.unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// Nothing was asked of others, and nothing was wrong in the console.
#[track_caller]
fn clean(report: &Value) {
    for complaints in ["errors", "outside"] {
        assert_eq!(report[complaints], json!([]), "{report:#}");
    }
}

/// Has the browser look at each page in seven ways (a small phone, a tablet, narrow and wide, light and dark,
/// without a script), and asserts that nothing is wrong with any. A few pages at a time, so that no
/// test takes long on a slow machine.
async fn are_whole_in_every_look(urls: Vec<String>) {
    let report = script("looks.mjs", &json!({ "urls": urls })).await;
    are_whole(report, urls.len());
}

/// The reports about so many pages have nothing to complain about.
fn are_whole(report: Value, pages: usize) {
    let looks = report.as_array().expect("a list");
    assert_eq!(looks.len(), pages * 7, "{report:#}");
    let titles = looks.iter().map(|look| look["title"].as_str());
    let titles: BTreeSet<&str> = titles.map(|title| title.expect("a title")).collect();
    assert_eq!(titles.len(), pages, "each page has a title: {titles:?}");
    for look in looks {
        assert_eq!(look["status"], 200, "{look:#}");
        assert!(look["text"].as_u64() > Some(100), "{look:#}");
        assert_eq!(look["overflow"], 0, "it scrolls sideways: {look:#}");
        for complaints in ["cut", "small", "faults", "errors", "outside", "failed"] {
            assert_eq!(look[complaints], json!([]), "{look:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and npm ci --prefix axepool/tests/browser; scripts/test.sh runs it"]
async fn the_set_up_page_and_the_operators_are_whole_in_every_look() {
    let (_, _, paid, url) = owners().await;
    let solvency = format!("{url}/solvency");
    are_whole_in_every_look(vec![operators(&paid.pool), format!("{url}/"), solvency]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and npm ci --prefix axepool/tests/browser; scripts/test.sh runs it"]
async fn the_first_run_page_is_whole_in_every_look() {
    let printed = Waiting::start(&[]).await;
    are_whole_in_every_look(vec![printed.url()]).await;
    let password = "a-password-as-home-servers-make-it";
    let variables = [("AXEPOOL_FIRST_RUN_PASSWORD", password.to_owned())];
    let waiting = Waiting::start(&variables).await;
    let asked = json!({ "urls": [waiting.page()], "password": password });
    are_whole(script("looks.mjs", &asked).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and npm ci --prefix axepool/tests/browser; scripts/test.sh runs it"]
async fn the_miners_pages_are_whole_in_every_look() {
    let (keys, _, _paid, url) = owners().await;
    let (known, unknown) = (&keys[0].hex, key(77).hex);
    let pages = [
        "miners",
        &format!("miners/{known}"),
        &format!("miners/{unknown}"),
    ];
    are_whole_in_every_look(pages.map(|page| format!("{url}/{page}")).into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and npm ci --prefix axepool/tests/browser; scripts/test.sh runs it"]
async fn the_epochs_pages_are_whole_in_every_look() {
    let (_, _, _paid, url) = owners().await;
    let pages = ["epochs", "epochs/1", "epochs/2"];
    are_whole_in_every_look(pages.map(|page| format!("{url}/{page}")).into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and npm ci --prefix axepool/tests/browser; scripts/test.sh runs it"]
async fn an_epochs_download_and_its_lines_pass_the_audit() {
    let (_, _, _paid, url) = owners().await;
    let dir = tempfile::tempdir().expect("a directory");
    let asked = json!({ "url": url, "epoch": 2, "into": dir.path() });
    let report = script("epoch.mjs", &asked).await;
    clean(&report);
    let path = report["path"].as_str().expect("a path");
    let audit = axepool(&["audit", path], dir.path());
    assert!(audit.status.success(), "{}", stderr(&audit));
    assert!(stdout(&audit).contains("equal"), "{}", stdout(&audit));

    // And so do the lines that the page has people paste.
    assert_eq!(report["shown"], report["copied"], "{report:#}");
    let lines = report["copied"].as_str().expect("lines");
    let output = pasted(lines, &dir.path().join("pasted"));
    assert!(output.status.success(), "{lines}\n{}", stderr(&output));
    assert!(stdout(&output).contains("equal"), "{}", stdout(&output));
}

/// Runs lines as in a terminal, in a new directory.
fn pasted(lines: &str, directory: &Path) -> Output {
    fs::create_dir(directory).expect("a directory");
    // The pool's program has the owner's commands, too, whatever it is called.
    let ours = tempfile::tempdir().expect("a directory");
    let called = ours.path().join("axepool-wallet");
    symlink(env!("CARGO_BIN_EXE_axepool"), called).expect("a link");
    let ours = ours.path().display();
    let path = std::env::var("PATH").expect("a path");
    Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", lines])
        .current_dir(directory)
        .env("PATH", format!("{ours}:{path}"))
        .output()
        .expect("bash")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and npm ci --prefix axepool/tests/browser; scripts/test.sh runs it"]
async fn a_feed_is_what_feed_readers_take() {
    let (keys, _, _paid, url) = owners().await;
    let asked = json!({ "url": url, "feed": format!("/miners/{}/feed.atom", keys[0].hex) });
    let report = script("feed.mjs", &asked).await;
    assert_eq!(report["wrong"], json!(null), "{report:#}");
    assert_eq!(
        report["namespace"], "http://www.w3.org/2005/Atom",
        "{report:#}"
    );
    assert_eq!(
        report["type"], "application/atom+xml; charset=utf-8",
        "{report:#}"
    );
    let one_of_each = |of: &Value| {
        let fields = of.as_object().expect("an object");
        for (name, texts) in fields {
            let texts = texts.as_array().expect("a list");
            assert!(texts.len() == 1 && texts[0] != "", "{name}: {report:#}");
        }
        assert!(!fields.is_empty(), "{report:#}");
    };
    one_of_each(&report["feed"]);
    one_of_each(&report["entries"][0]);
    let title = report["entries"][0]["title"][0].as_str().expect("a title");
    assert!(title.ends_with(" sat ready"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and npm ci --prefix axepool/tests/browser; scripts/test.sh runs it"]
async fn the_set_up_check_knows_keys_from_secrets() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let url = format!("http://{}/", pool.status().await.http[0]);
    let owner = key(1);
    let secret: String = owner
        .secret
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let nsec = wallet::OwnerKey::from_bytes(&owner.secret)
        .expect("a key")
        .nsec();
    let mistyped = owner.npub.replace(
        &owner.npub[20..21],
        if &owner.npub[20..21] == "q" { "p" } else { "q" },
    );
    let words = "abandon ".repeat(11) + "about";
    let (good, warn, alarm) = ("note good", "note warn", "note alarm");
    let cases: [(&str, &str); 10] = [
        (owner.hex.as_str(), good),
        (&owner.npub, good),
        (&mistyped, warn),
        (&owner.hex[..65], warn),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", warn),
        ("me@example.com", warn),
        ("satoshi", warn),
        (&nsec, alarm),
        (&secret, alarm),
        (&words, alarm),
    ];
    let typed: Vec<&str> = cases.iter().map(|(text, _)| *text).collect();
    let report = script("setup.mjs", &json!({ "url": url, "typed": typed })).await;
    for ((text, style), said) in cases.iter().zip(report.as_array().expect("a list")) {
        assert_eq!(said["typed"], *text, "{said:#}");
        assert_eq!(said["style"], *style, "{said:#}");
        assert_eq!(said["copied"], said["user"], "{said:#}");
        clean(said);
        // Nothing is sent while it is typed, and what is no key never.
        assert_eq!(said["typedOnly"], json!([]), "{said:#}");
        if *style == good {
            assert_eq!(said["user"], format!("{text}.bitaxe"), "{said:#}");
            assert_eq!(said["at"], format!("/miners/{}", owner.hex), "{said:#}");
        } else {
            assert_eq!(said["user"], "YOUR-KEY.bitaxe", "{said:#}");
            assert_eq!(
                (&said["at"], &said["sent"]),
                (&json!("/"), &json!([])),
                "{said:#}"
            );
        }
    }
    let log = pool.log();
    for text in [&nsec, &secret, &words] {
        assert!(!log.contains(text.as_str()), "it is in the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and npm ci --prefix axepool/tests/browser; scripts/test.sh runs it"]
async fn a_miners_page_is_live_while_shares_arrive() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |_| {}).await;
    let owner = key(1);
    let axe = bitaxe(pool.stratum().await, &owner, |_| {});
    earns(&axe, 3).await;
    let url = format!(
        "http://{}/miners/{}",
        pool.status().await.http[0],
        owner.hex
    );
    let report = script("live.mjs", &json!({ "url": url })).await;
    axe.stop().await;
    clean(&report);
    assert_eq!(report["loadedOnce"], true, "{report:#}");
    assert_eq!(report["pages"], 1, "{report:#}");
    assert!(
        report["after"].as_u64() > report["before"].as_u64(),
        "{report:#}"
    );
    let hashrate = report["hashrate"].as_str().expect("text");
    assert!(
        hashrate.ends_with("H/s") && !hashrate.starts_with('0'),
        "{report:#}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and npm ci --prefix axepool/tests/browser; scripts/test.sh runs it"]
async fn the_code_on_the_screen_is_money() {
    let (keys, crumb, paid, url) = owners().await;
    let dir = tempfile::tempdir().expect("a directory");
    let many = token_of(&paid, &url, &keys[0], dir.path()).await;
    assert!(
        many["scanned"]["moving"]["frames"].as_u64() > Some(1),
        "{many:#}"
    );
    let few = token_of(&paid, &url, &crumb, dir.path()).await;
    assert!(few["scanned"]["still"].is_object(), "{few:#}");
    assert!(few["scanned"]["moving"].is_null(), "{few:#}");
}

/// Has a browser fetch the sats of `key`, compares what is scanned with what the API
/// says, and takes it into a wallet.
async fn token_of(paid: &Earned, url: &str, key: &SimKey, dir: &Path) -> Value {
    let page = format!("{url}/miners/{}", key.hex);
    let report = script("token.mjs", &json!({ "url": page })).await;
    clean(&report);
    let http = paid.pool.status().await.http[0];
    let (_, list) = get(http, &format!("/api/miners/{}/tokens", key.hex)).await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let token = &list["tokens"][0]["token"];
    assert_eq!(&report["shown"], token, "{report:#}");
    let scanned = report["scanned"].as_object().expect("an object");
    assert!(!scanned.is_empty(), "{report:#}");
    for (which, code) in scanned {
        assert_eq!(&code["text"], token, "{which}: {report:#}");
    }

    let scanned = scanned.values().next().expect("a code")["text"].as_str();
    let wallet = ["wallet", "--mint", url, "--wallet", &key.hex];
    let file = key_file(dir, key);
    let receive = ["receive", scanned.expect("text"), "--key", &file];
    let received = axepool(&[&wallet[..], &receive].concat(), dir);
    assert!(received.status.success(), "{}", stderr(&received));
    let said = stdout(&received).replace(',', "");
    let sat = list["tokens"][0]["amount"].as_u64().expect("sat");
    assert_eq!(said, format!("{sat} sat received\n"));
    report
}
