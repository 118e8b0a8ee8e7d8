//! The operator's page of a running pool: who is let in, and what it shows.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::{PoolProcess, stdout};
use crate::money::fetch::{Answer, ask_as, fetch, http};
use crate::money::prepare::stopped_pool;

/// Where the page is, and its token.
async fn door(pool: &PoolProcess) -> (SocketAddr, String) {
    let url = pool
        .poll("the operator's page", async |pool| {
            pool.status().await.operator
        })
        .await;
    let rest = url.strip_prefix("http://").expect("a URL");
    let (address, token) = rest.split_once("/?token=").expect("a token");
    (address.parse().expect("an address"), token.to_owned())
}

/// Asks under the name `host`; `more` are further headers with their line ends.
async fn under(address: SocketAddr, host: &str, path: &str, more: &str) -> Answer {
    ask_as(host, address, ("GET", path), more, "").await
}

/// The page, as the operator's browser gets it.
pub(crate) async fn page(pool: &PoolProcess) -> String {
    let (address, token) = door(pool).await;
    let host = address.to_string();
    let welcome = under(address, &host, &format!("/?token={token}"), "").await;
    let cookie = welcome.header("set-cookie").to_owned();
    let session = cookie.split(';').next().expect("a value");
    let page = under(address, &host, "/", &format!("Cookie: {session}\r\n")).await;
    assert_eq!(page.code, 200, "{page:?}");
    String::from_utf8(page.body).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_has_the_token_sees_how_everything_is() {
    let (mut pool, _stratum) = stopped_pool("").await;
    pool.spawn().await;
    pool.wait_ready().await;
    let (address, token) = door(&pool).await;
    assert!(address.ip().is_loopback());
    assert_eq!(token.len(), 64, "{token}");
    let host = address.to_string();
    for (query, cookie) in [
        ("/".to_owned(), ""),
        (format!("/?token={}", "0".repeat(64)), ""),
        ("/".to_owned(), "Cookie: axepool_operator=x\r\n"),
        (
            "/".to_owned(),
            &*format!("Cookie: axepool_operator={token}\r\n"),
        ),
    ] {
        let answer = under(address, &host, &query, cookie).await;
        assert_eq!(answer.code, 401, "{query} {cookie}: {answer:?}");
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            said.contains("axepool status") && !said.contains(&token),
            "{said}"
        );
    }
    let path = format!("/?token={token}");
    let foreign = under(address, "pool.evil.example", &path, "").await;
    assert_eq!(foreign.code, 421, "{foreign:?}");

    let welcome = under(address, &host, &path, "").await;
    assert_eq!((welcome.code, welcome.header("location")), (303, "/"));
    let cookie = welcome.header("set-cookie").to_owned();
    assert!(
        cookie.contains("httponly") && cookie.contains("samesite=strict"),
        "{cookie}"
    );
    let session = cookie.split(';').next().expect("a value");
    let cookie = format!("Cookie: {session}\r\n");
    let page = under(address, &host, "/", &cookie).await;
    assert_eq!(page.code, 200, "{page:?}");
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    let html = String::from_utf8(page.body).expect("text");
    for words in [
        "miners are served",
        "Upstream",
        "Mint and outbox",
        "Lightning node and liquidity",
        "Liabilities and assets",
        // Two payments name no block that is known.
        "needs your decision",
        "axepool suspense assign",
        "To be withdrawn",
        "nobody stands out",
    ] {
        assert!(html.contains(words), "{words:?} is not in {html}");
    }
    assert!(!html.contains(&token), "the token is not on the page");

    // Nothing takes an order, here or anywhere on TCP.
    for method in ["POST", "PUT", "DELETE"] {
        let answer = ask_as(&host, address, (method, "/"), &cookie, "").await;
        assert_eq!(answer.code, 405, "{method}: {answer:?}");
    }
    let public = fetch(http(&pool).await, &path, &cookie).await;
    let public = String::from_utf8_lossy(&public.body).into_owned();
    assert!(!public.contains("Mint and outbox"), "{public}");

    let file = pool.data_dir().join("operator.token");
    let mode = std::fs::metadata(file).expect("is there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let status = stdout(&pool.command(&["status"]));
    assert!(status.contains(&token), "{status}");

    // The token stays over a restart, the cookie does not.
    assert!(pool.stop().await.success());
    pool.spawn().await;
    let (address, again) = door(&pool).await;
    assert_eq!(again, token);
    let old = under(address, &address.to_string(), "/", &cookie).await;
    assert_eq!(old.code, 401);
}

/// Mining does not wait for a page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_keeps_nobody_from_mining() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let (mut pool, _stratum) = stopped_pool("").await;
    pool.setup().operator = address;
    pool.spawn().await;
    pool.wait_ready().await;
    assert_eq!(pool.status().await.operator, None);
    drop(taken);
    assert_eq!(door(&pool).await.0, address, "once it is free");
}
