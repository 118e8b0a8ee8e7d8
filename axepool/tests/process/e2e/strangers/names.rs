//! Who a visitor says to be: `X-Forwarded-For` behind a trusted proxy, at the onion
//! service's listener, and from anybody.

use std::net::SocketAddr;

use super::{ask, get};
use crate::common::PoolProcess;
use crate::world::{ocean, pool};

/// The proxy is 127.0.0.5; five requests at once, and next to none afterwards.
const LINES: &str = "trusted_proxies = [\"127.0.0.5\"]\nonion_listen = \"127.0.0.1:0\"\n\
    requests_per_minute_per_address = 1\nrequest_burst_per_address = 5\n";

async fn listeners(pool: &PoolProcess) -> (SocketAddr, SocketAddr) {
    let status = pool.status().await;
    (status.http[0], status.onion[0])
}

/// What `count` requests with these header lines, from this address, are answered with.
async fn codes(from: u8, to: SocketAddr, lines: &str, count: usize) -> Vec<u16> {
    let request = get("/api/").replace("\r\n\r\n", &format!("\r\n{lines}\r\n"));
    let mut codes = Vec::new();
    for _ in 0..count {
        codes.push(ask(from, to, &request).await.expect("an answer").0);
    }
    codes
}

fn forwarded(value: &str) -> String {
    format!("X-Forwarded-For: {value}\r\n")
}

const FIVE: [u16; 6] = [200, 200, 200, 200, 200, 429];

#[tokio::test]
async fn a_trusted_proxy_names_the_visitor_and_nobody_else_does() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| setup.http_lines = LINES.to_owned()).await;
    let (http, onion) = listeners(&pool).await;

    // Whatever somebody else writes, it is them who are counted.
    for (number, expected) in FIVE.into_iter().enumerate() {
        let line = forwarded(&format!("203.0.113.{number}"));
        assert_eq!(codes(6, http, &line, 1).await, [expected], "{number}");
    }
    // Behind the proxy each has their own five, however the proxy writes it.
    for value in ["203.0.113.50", "203.0.113.51:4711", "[2001:db8::1]:4711"] {
        assert_eq!(codes(5, http, &forwarded(value), 6).await, FIVE, "{value}");
    }
    assert_eq!(
        codes(5, http, &forwarded("203.0.113.51"), 1).await,
        [429],
        "the same"
    );
    // What the visitor wrote stands to the left, readable or not.
    let lines = [
        forwarded("203.0.113.60, 203.0.113.61"),
        forwarded("203.0.113.62"),
    ]
    .concat();
    assert_eq!(codes(5, http, &lines, 6).await, FIVE);
    assert_eq!(
        codes(5, http, &forwarded("203.0.113.60"), 1).await,
        [200],
        "not the victim"
    );
    // An unreadable line does not make an earlier one believed, nor the proxy the visitor.
    let lines = [forwarded("203.0.113.70"), forwarded("nobody")].concat();
    assert_eq!(codes(5, http, &lines, 6).await, FIVE);
    assert_eq!(
        codes(5, http, &forwarded("203.0.113.70"), 1).await,
        [200],
        "not the victim"
    );
    assert_eq!(
        codes(5, http, "", 1).await,
        [200],
        "the proxy's own request"
    );

    // The onion service's visitors write what they like, and are one.
    for (number, expected) in FIVE.into_iter().enumerate() {
        let line = forwarded(&format!("203.0.113.{}", 100 + number));
        assert_eq!(codes(1, onion, &line, 1).await, [expected], "{number}");
    }
    assert_eq!(
        codes(5, http, &forwarded("203.0.113.100"), 1).await,
        [200],
        "not the victim"
    );
    assert_eq!(codes(1, http, "", 1).await, [200], "nor this machine");
    // Unless the tor process tells their circuits.
    for circuit in ["0:1", "0:2"] {
        let line = format!("PROXY TCP6 fc00:dead:beef:4dad::{circuit} ::1 65535 80\r\n");
        for expected in FIVE {
            let request = format!("{line}{}", get("/api/"));
            let (code, answer) = ask(1, onion, &request).await.expect("an answer");
            assert_eq!(code, expected, "{circuit}: {answer}");
        }
    }
    // Which nobody can at the other listener.
    let request = format!(
        "PROXY TCP6 fc00:dead:beef:4dad::9 ::1 1 80\r\n{}",
        get("/api/")
    );
    let answered = ask(9, http, &request).await;
    assert!(!matches!(answered, Ok((200, _))), "{answered:?}");
}

#[tokio::test]
async fn garbage_does_not_keep_a_health_check_from_its_answer() {
    let ocean = ocean(|_| {}).await;
    let pool = pool(&ocean, |setup| setup.http_lines = LINES.to_owned()).await;
    let (http, _) = listeners(&pool).await;
    for value in ["caf\u{e9}", "nobody", "", "1.2.3.4.5", ",,,"] {
        codes(5, http, &forwarded(value), 4).await;
    }
    assert_eq!(codes(5, http, &forwarded("\u{e9}"), 1).await, [429]);
    for _ in 0..20 {
        for path in ["/healthz", "/readyz"] {
            let answer = ask(5, http, &get(path)).await.expect("an answer");
            assert_eq!(answer.0, 200, "{path}");
        }
    }
    assert_eq!(
        codes(5, http, "", 6).await,
        FIVE,
        "the proxy's own requests"
    );
}
