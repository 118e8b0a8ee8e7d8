//! The epochs' pages, as they come over HTTP, and the commands that they tell to paste.

use std::process::Command;

use crate::common::{PoolProcess, axepool, stderr, stdout};
use crate::money::fetch::{Answer, fetch, http};
use crate::money::prepare::{FIRST_MSAT, block, key, miners, stopped_pool};

async fn html(pool: &PoolProcess, path: &str) -> String {
    let answer = fetch(http(pool).await, path, "").await;
    assert_eq!(answer.code, 200, "{path}: {answer:?}");
    text(path, &answer)
}

#[track_caller]
fn text(path: &str, answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
    String::from_utf8(answer.body.clone()).expect("text")
}

#[track_caller]
fn says(page: &str, words: &[&str]) {
    for words in words {
        assert!(page.contains(words), "{words:?} is not in {page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_tells_its_block_its_money_and_its_miners() {
    let (mut pool, _stratum) = stopped_pool("").await;
    pool.spawn().await;
    let list = html(&pool, "/epochs").await;
    says(
        &list,
        &["href=\"/epochs/3\"", ">open<", ">partly paid<", "123.457"],
    );
    let one = html(&pool, "/epochs/1").await;
    let [miner, other] = miners().map(|miner| format!("/miners/{miner}"));
    let (hash, height) = block(1);
    says(
        &one,
        &[
            &hash.to_string(),
            &format!(">{height}<"),
            &key(1).to_string(),
            // The preimage.
            &"01".repeat(32),
            "123.457",
            "5 %",
            &miner,
            &other,
            "75.0000 %",
            ">87\u{202f}964<",
            "href=\"/api/audit/1.json\"",
            "axepool-wallet audit 1.json",
        ],
    );
    assert_eq!(FIRST_MSAT, 123_457);
    // What a payer wrote is nowhere: whoever sends a msat would write on this page.
    assert!(!one.contains("OCEAN lightning"), "{one}");
    let second = html(&pool, "/epochs/2?payout=2").await;
    says(&second, &["axepool-wallet audit 2.json --previous 1.json"]);
    let open = html(&pool, "/epochs/3").await;
    says(&open, &[">open<", "No payment yet", &miner]);
    let older = html(&pool, "/epochs?before=2").await;
    says(&older, &["href=\"/epochs/1\"", "The newest"]);
    assert!(!older.contains("href=\"/epochs/2\""), "{older}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_told_on_a_page() {
    let (mut pool, _stratum) = stopped_pool("").await;
    pool.spawn().await;
    let address = http(&pool).await;
    for (path, code) in [
        ("/epochs/99", 404),
        ("/epochs/x", 404),
        ("/epochs/1?page=2", 404),
        ("/epochs/1?page=%3Cb%3E", 400),
        ("/epochs/3?payout=1", 404),
        ("/epochs?before=x", 400),
    ] {
        let answer = fetch(address, path, "").await;
        assert_eq!(answer.code, code, "{path}: {answer:?}");
        let page = text(path, &answer);
        says(&page, &["This cannot be shown", "href=\"/epochs\""]);
        assert!(!page.contains("<b>"), "{page}");
    }
}

/// A browser that has the page is not sent it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_did_not_change_is_not_sent_again() {
    let (mut pool, _stratum) = stopped_pool("").await;
    pool.spawn().await;
    let address = http(&pool).await;
    for path in ["/epochs/1", "/api/epochs", "/api/payouts"] {
        let first = fetch(address, path, "").await;
        let tag = format!("If-None-Match: {}\r\n", first.header("etag"));
        let again = fetch(address, path, &tag).await;
        assert_eq!((again.code, again.body.len()), (304, 0), "{path}");
    }
}

/// The lines of the box, in a shell, with the binary on its path.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_can_be_pasted() {
    let (mut pool, _stratum) = stopped_pool("").await;
    pool.spawn().await;
    let page = html(&pool, "/epochs/2").await;
    let from = page.split("<code id=\"commands\">").nth(1).expect("a box");
    let commands = from.split("</code>").next().expect("its end");
    let commands = commands.replace("&#34;", "\"").replace("&#38;", "&");
    let directory = tempfile::tempdir().expect("a directory");
    let has_curl = Command::new("curl").arg("--version").output().is_ok();
    let mut shell_lines = Vec::new();
    for line in commands.lines() {
        match line.strip_prefix("curl -fsSO ") {
            // A machine without curl fetches all the same.
            Some(url) if !has_curl => {
                let path = url.split_once("/api/").expect("a path").1;
                let file = fetch(http(&pool).await, &format!("/api/{path}"), "").await;
                let name = path.rsplit('/').next().expect("a name");
                std::fs::write(directory.path().join(name), file.body).expect("writes");
            }
            _ => shell_lines.push(line),
        }
    }
    let (audit, fetches) = shell_lines.split_last().expect("lines");
    let script = fetches.join("\n");
    let done = Command::new("sh")
        .args(["-ec", &script])
        .current_dir(directory.path())
        .output()
        .expect("a shell");
    assert!(done.status.success(), "{script}: {}", stderr(&done));
    let args: Vec<&str> = audit.split(' ').skip(1).collect();
    let done = axepool(&args, directory.path());
    assert!(done.status.success(), "{audit}: {}", stderr(&done));
    let said = stdout(&done);
    assert!(said.starts_with("equal"), "{said}");
    assert!(said.contains("chain      it follows on"), "{said}");
}
