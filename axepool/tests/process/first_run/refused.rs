//! Admission to the first run, and answers that are not accepted.

use std::fs;

use super::{Waiting, bitcoind, command, free_address, of_home_server, problem, proof_of, text};
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
    let wrong = format!("/first-run?token={}", "0".repeat(64));
    for path in ["/first-run", &wrong] {
        let cookie = format!("Cookie: axepool_operator={token}\r\n");
        let answer = waiting.ask("GET", path, &cookie, "").await;
        assert_eq!(answer.code, 401, "{path}: {answer:?}");
        assert!(!text(&answer).contains("Payout address"));
    }
    let fields = [("address", ELSEWHERE), ("network", "regtest")];
    for path in ["/first-run", "/first-run/start"] {
        for proof in ["", token.as_str()] {
            let blind = [("proof", proof), fields[0], fields[1]];
            let blind = waiting.send(path, &blind).await;
            assert_eq!(blind.code, 401, "{blind:?}");
        }
    }
    let path = format!("/first-run?token={token}");
    let foreign = ask_as("evil.example", waiting.address, ("GET", &path), "", "").await;
    assert_eq!(foreign.code, 421, "{foreign:?}");

    is_not_sent_by_others(&waiting).await;
    // The address alone shows nothing, and may be opened by a browser ahead of its person.
    for _ in 0..2 {
        let page = waiting.ask("GET", &path, "", "").await;
        assert_eq!(page.code, 200, "{page:?}");
        assert!(!text(&page).contains("Payout address"));
    }
    let page = waiting
        .send(super::ENTER, &[("password", token.as_str())])
        .await;
    assert_eq!((page.code, page.header("cache-control")), (200, "no-store"));
    // A browser names the page with its forms.
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    super::is_without_cookie(&page);
    let page = text(&page);
    assert!(
        page.contains("Payout address") && !page.contains("<script"),
        "{page}"
    );
    has_a_lasting_style(&waiting, &page).await;
    // The secret is used up, and what was printed is worth nothing.
    let again = waiting
        .send(super::ENTER, &[("password", token.as_str())])
        .await;
    assert_eq!(again.code, 401, "{again:?}");
    assert!(problem(&text(&again), "password").contains("used before"));

    let proof = proof_of(&page);
    // A form sent by another site, or by another program of this host, changes nothing.
    let sent = [("proof", proof.as_str()), fields[0], fields[1]];
    for more in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: http://127.0.0.1:1\r\n",
        "Origin: null\r\n",
    ] {
        let elsewhere = waiting.send_with(more, "/first-run", &sent).await;
        assert_eq!(elsewhere.code, 403, "{elsewhere:?}");
    }
    let long = "x".repeat(10_000);
    let long = waiting.send("/first-run", &[("name", &long)]).await;
    assert_eq!(long.code, 413, "{long:?}");
    // Nothing starts before there is a config.
    let own = format!("Origin: http://{}\r\n", waiting.address);
    let start = [("proof", proof.as_str())];
    let early = waiting.send_with(&own, "/first-run/start", &start).await;
    assert_eq!(early.code, 409, "{early:?}");
    assert!(!waiting.has_config());
}

/// Not even the secret is taken from another site.
async fn is_not_sent_by_others(waiting: &Waiting) {
    let more = "Origin: http://evil.example\r\n";
    let token = waiting.token();
    let sent = waiting
        .send_with(more, super::ENTER, &[("password", &token)])
        .await;
    assert_eq!(sent.code, 403, "{sent:?}");
}

/// The style stays with the browser, for the last page, behind which nobody answers.
async fn has_a_lasting_style(waiting: &Waiting, page: &str) {
    let (_, style) = page
        .split_once("rel=\"stylesheet\" href=\"")
        .expect("a style");
    let style = style.split('"').next().expect("its end");
    let style = waiting.ask("GET", style, "", "").await;
    assert!(
        style.header("cache-control").contains("immutable"),
        "{style:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_do_is_told_beside_its_field() {
    let (at, mood) = bitcoind().await;
    let waiting = Waiting::start(&of_home_server(at)).await;
    let page = waiting.enter().await;
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
    let answer = waiting.send("/first-run", &wrong).await;
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
    // The typed values stay, and the source's answer is told.
    assert!(page.contains("at block "), "{page}");
    assert!(!waiting.has_config());

    // A source that does not answer as it should is not accepted.
    mood.lock().expect("no panic").login = Some("umbrel:other".to_owned());
    let sent = [wrong[0], ("action", "try"), wrong[3], wrong[4]];
    let tried = waiting.send("/first-run", &sent).await;
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
    let page = text(&waiting.send("/first-run", &sent).await);
    assert!(problem(&page, "chain").contains("HTTP 401"), "{page}");
    let log = waiting.log();
    for secret in ["s3/cr", "wr0ng"] {
        assert!(
            !page.contains(secret) && !log.contains(secret),
            "{page}{log}"
        );
    }
    // A key in the URL's path is a secret, too.
    let typed = format!("http://{at}/v1/0123456789abcdef0123456789abcdef");
    let sent = [
        wrong[0],
        wrong[3],
        ("chain", "typed"),
        ("chain_url", &typed),
    ];
    let page = text(&waiting.send("/first-run", &sent).await);
    assert!(!page.contains("0123456789abcdef"), "{page}");
    // A node needs the chain.
    let sent = [wrong[0], wrong[3], ("chain", "none"), ("lightning", "node")];
    let page = text(&waiting.send("/first-run", &sent).await);
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
