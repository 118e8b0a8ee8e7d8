//! Who is let in, and what is not accepted.

use std::fs;

use super::{
    Waiting, bitcoind, command, cookie_of, free_address, of_home_server, problem, proof_of, text,
};
use crate::common::ELSEWHERE;
use crate::money::fetch::ask_as;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_secret_opens_the_page() {
    let waiting = Waiting::start(&[]).await;
    let token = waiting.token();
    assert_eq!(token.len(), 64, "{token}");
    // Every other path leads to the page.
    for path in ["/", "/miners", "/v1/info"] {
        let answer = waiting.ask("GET", path, "", "").await;
        assert_eq!(
            (answer.code, answer.header("location")),
            (303, "/first-run")
        );
    }
    for (path, cookie) in [
        ("/first-run".to_owned(), String::new()),
        (
            format!("/first-run?token={}", "0".repeat(64)),
            String::new(),
        ),
        (
            "/first-run".to_owned(),
            format!("Cookie: axepool_operator={token}\r\n"),
        ),
    ] {
        let answer = waiting.ask("GET", &path, &cookie, "").await;
        assert_eq!(answer.code, 401, "{path}: {answer:?}");
        assert!(!text(&answer).contains("Payout address"));
    }
    let fields = [("address", ELSEWHERE), ("network", "regtest")];
    for path in ["/first-run", "/first-run/start"] {
        let blind = waiting.send(path, "", &fields).await;
        assert_eq!(blind.code, 401, "{blind:?}");
    }
    let path = format!("/first-run?token={token}");
    let foreign = ask_as("evil.example", waiting.address, ("GET", &path), "", "").await;
    assert_eq!(foreign.code, 421, "{foreign:?}");

    let cookie = cookie_of(&waiting.ask("GET", &path, "", "").await);
    let page = waiting.ask("GET", "/first-run", &cookie, "").await;
    assert_eq!((page.code, page.header("cache-control")), (200, "no-store"));
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    let page = text(&page);
    assert!(
        page.contains("Payout address") && !page.contains("<script"),
        "{page}"
    );
    // The style stays with the browser, for the last page, behind which nobody answers.
    let (_, style) = page
        .split_once("rel=\"stylesheet\" href=\"")
        .expect("a style");
    let style = style.split('"').next().expect("its end");
    let style = waiting.ask("GET", style, "", "").await;
    assert!(
        style.header("cache-control").contains("immutable"),
        "{style:?}"
    );
    let proof = proof_of(&page);
    // A form without its proof, or sent by another site, changes nothing.
    let without = waiting.send("/first-run", &cookie, &fields).await;
    assert_eq!(without.code, 403, "{without:?}");
    let cross = format!("{cookie}Sec-Fetch-Site: cross-site\r\n");
    let sent = [("proof", proof.as_str()), fields[0], fields[1]];
    let elsewhere = waiting.send("/first-run", &cross, &sent).await;
    assert_eq!(elsewhere.code, 403, "{elsewhere:?}");
    let long = "x".repeat(10_000);
    let long = waiting
        .send("/first-run", &cookie, &[("name", &long)])
        .await;
    assert_eq!(long.code, 413, "{long:?}");
    // Nothing starts before there is a config.
    let early = waiting
        .send("/first-run/start", &cookie, &[("proof", &proof)])
        .await;
    assert_eq!(early.code, 303, "{early:?}");
    assert!(!waiting.has_config());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_do_is_told_beside_its_field() {
    let (at, mood) = bitcoind().await;
    let waiting = Waiting::start(&of_home_server(at)).await;
    let (cookie, page) = waiting.enter().await;
    let proof = proof_of(&page);
    let of_home = format!("The bitcoind of this home server, at {at}");
    assert!(page.contains(&of_home), "{page}");
    assert!(page.contains("value=\"regtest\" selected"), "{page}");

    let wrong = [
        ("proof", proof.as_str()),
        ("action", "save"),
        ("name", &*"x".repeat(70)),
        ("network", "regtest"),
        ("chain", "home"),
        ("lightning", "none"),
        ("address", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        ("public_url", "https://pool.example/?x=<b>"),
    ];
    let answer = waiting.send("/first-run", &cookie, &wrong).await;
    assert_eq!(answer.code, 400, "{answer:?}");
    let page = text(&answer);
    for (field, words) in [
        ("name", "not a name"),
        ("upstream", "needed"),
        ("address", "another network"),
        ("public_url", "more than scheme"),
    ] {
        let told = problem(&page, field).to_lowercase();
        assert!(told.contains(words), "{field}: {told}");
    }
    assert!(!page.contains("<b>"), "{page}");
    // What was typed stays, and the source's answer is told.
    assert!(page.contains("at block "), "{page}");
    assert!(!waiting.has_config());

    // A source that does not answer as it should is not accepted.
    mood.lock().expect("no panic").login = Some("umbrel:other".to_owned());
    let sent = [wrong[0], ("action", "try"), wrong[3], wrong[4]];
    let tried = waiting.send("/first-run", &cookie, &sent).await;
    assert_eq!(tried.code, 200, "{tried:?}");
    let page = text(&tried);
    assert!(problem(&page, "chain").contains("HTTP 401"), "{page}");
    assert!(!page.contains("id=\"upstream-problem\">"), "{page}");
    let typed = format!("http://umbrel:wr0ng@{at}");
    let sent = [
        wrong[0],
        wrong[3],
        ("chain", "typed"),
        ("chain_url", &typed),
    ];
    let page = text(&waiting.send("/first-run", &cookie, &sent).await);
    assert!(problem(&page, "chain").contains("HTTP 401"), "{page}");
    let log = waiting.log();
    for secret in ["s3/cr", "wr0ng"] {
        assert!(
            !page.contains(secret) && !log.contains(secret),
            "{page}{log}"
        );
    }
    // A node needs the chain.
    let sent = [wrong[0], wrong[3], ("chain", "none"), ("lightning", "node")];
    let page = text(&waiting.send("/first-run", &cookie, &sent).await);
    assert!(problem(&page, "chain").contains("needed"), "{page}");
    assert!(!waiting.has_config());
}

#[test]
fn a_short_password_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let short = [("AXEPOOL_FIRST_RUN_PASSWORD", "hunter2".to_owned())];
    let ended = command(dir.path(), free_address(), &short).status();
    assert_eq!(ended.expect("axepool").code(), Some(1));
    let log = fs::read_to_string(dir.path().join("log")).expect("the log");
    assert!(
        log.contains("fewer than 20") && !log.contains("hunter2"),
        "{log}"
    );
}
