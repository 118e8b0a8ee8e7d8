use std::collections::VecDeque;

use accounting::{Incarnation, Sat};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::news::News;
use super::super::record::Record;
use super::*;
use crate::testing::pair;
use signed::Target;

fn about() -> About {
    About {
        name: "Mine".to_owned(),
        public_url: "https://pool.example".to_owned(),
        ledger: Incarnation::from_bytes([1; 16]),
    }
}

fn policy(server: &str, allow_private: bool) -> Policy {
    Policy {
        ntfy_servers: vec![server.to_owned()],
        webhooks: true,
        allow_private,
    }
}

fn delivery(channel: Channel, url: String, count: u64) -> Delivery {
    let mut record = Record::new(pair(1).1, 5);
    for sat in 1..=count {
        record.note(News::Ready { sat: Sat::new(sat) }, 5);
    }
    Delivery {
        miner: record.miner,
        target: Target { channel, url },
        entries: record.entries.into_iter().collect(),
    }
}

/// A receiver that answers each request with the next of `answers`, and gives back what
/// it was sent.
async fn receiver(answers: &[&'static str]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let mut answers: VecDeque<&str> = answers.iter().copied().collect();
    let task = tokio::spawn(async move {
        let mut requests = Vec::new();
        while let Some(answer) = answers.pop_front() {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let mut request = Vec::new();
            while !is_whole(&request) {
                let mut part = [0; 4096];
                let read = stream.read(&mut part).await.expect("reads");
                assert!(read > 0, "it ended early");
                request.extend_from_slice(&part[..read]);
            }
            stream.write_all(answer.as_bytes()).await.expect("writes");
            requests.push(String::from_utf8(request).expect("text"));
        }
        requests
    });
    (url, task)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.lines().next());
    length.is_some_and(|length| body.len() >= length.parse().unwrap_or(usize::MAX))
}

fn body(request: &str) -> Value {
    let (_, body) = request.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

#[tokio::test]
async fn ntfy_gets_a_message_at_its_root() {
    let (server, received) = receiver(&[OK, OK]).await;
    let policy = policy(&server, false);
    for count in [1, 20] {
        let delivery = delivery(Channel::Ntfy, format!("{server}/topic"), count);
        send(&delivery, &policy, &about()).await.expect("arrives");
    }
    let received = received.await.expect("no panic");
    assert!(
        received[0].starts_with("POST / HTTP/1.1"),
        "{}",
        received[0]
    );
    let (one, many) = (body(&received[0]), body(&received[1]));
    assert_eq!(
        (&one["topic"], &one["title"]),
        (&json!("topic"), &json!("Mine: 1 sat ready"))
    );
    let click = one["click"].as_str().expect("a link");
    assert!(
        click.starts_with("https://pool.example/miners/02"),
        "{click}"
    );
    assert_eq!(many["title"], "Mine: 20 notices");
    let text = many["message"].as_str().expect("text");
    assert!(text.contains("20 sat wait") && text.len() <= 4096, "{text}");
}

#[tokio::test]
async fn a_webhook_gets_the_entries_of_the_feed() {
    let (url, received) = receiver(&[OK]).await;
    let delivery = delivery(Channel::Webhook, format!("{url}/hook?token=1"), 2);
    let sent = send(&delivery, &policy("https://ntfy.sh", true), &about()).await;
    sent.expect("arrives");
    let received = received.await.expect("no panic");
    assert!(
        received[0].starts_with("POST /hook?token=1 "),
        "{}",
        received[0]
    );
    let body = body(&received[0]);
    assert_eq!(body["miner"], json!(delivery.miner));
    let id = entry_id(about().ledger, &delivery.miner, 1);
    assert_eq!(body["entries"][0]["id"], json!(id));
    assert_eq!(
        body["entries"][1]["news"],
        json!({ "kind": "ready", "sat": 2 })
    );
}

#[tokio::test]
async fn only_success_is_success_and_nothing_is_followed() {
    let (url, received) = receiver(&[
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "what?",
    ])
    .await;
    let delivery = delivery(Channel::Webhook, url, 1);
    let policy = policy("https://ntfy.sh", true);
    for expected in [Some(302), Some(500), None] {
        let error = send(&delivery, &policy, &about())
            .await
            .expect_err("no success");
        match (&error, expected) {
            (SendError::Status { status, .. }, Some(expected)) => assert_eq!(*status, expected),
            (SendError::Silent(_), None) => {}
            other => panic!("{other:?}"),
        }
        assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    }
    received.await.expect("no panic");
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_asked() {
    // Its name says nothing; its addresses do.
    let url = Url::parse("https://localhost.localdomain.example.localhost/").expect("a URL");
    let found = pinned(&url, &policy("https://ntfy.sh", false)).await;
    let error = found.expect_err("it leads to this machine or nowhere");
    let inside = matches!(
        error,
        SendError::Target(TargetError::Private(_) | TargetError::NoAddress(_))
    );
    assert!(inside, "{error}");
}

#[tokio::test]
async fn a_server_that_asks_to_wait_is_heard() {
    let (url, received) = receiver(&[
        "HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 429 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 503 No\r\nRetry-After: 9\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        OK,
    ])
    .await;
    let delivery = delivery(Channel::Webhook, url, 1);
    let policy = policy("https://ntfy.sh", true);
    let held = |asked_ms| Outcome::Held { asked_ms };
    for expected in [
        held(Some(7_000)),
        held(None),
        held(Some(9_000)),
        Outcome::Failed,
        Outcome::Arrived,
    ] {
        let sent = send(&delivery, &policy, &about()).await;
        let outcome = Outcome::of(Channel::Webhook, &sent);
        assert_eq!(outcome, expected, "{sent:?}");
    }
    received.await.expect("no panic");
}

#[test]
fn an_ntfy_server_out_of_order_is_no_failure_of_a_topic() {
    let case = |status: u16, ntfy_holds: bool| {
        let sent = Err(SendError::Status {
            status,
            retry_after_ms: None,
        });
        let is_held = |channel| matches!(Outcome::of(channel, &sent), Outcome::Held { .. });
        assert_eq!(is_held(Channel::Ntfy), ntfy_holds, "{status}");
        assert_eq!(is_held(Channel::Webhook), status == 429, "{status}");
    };
    for status in [429, 500, 502, 503, 504] {
        case(status, true);
    }
    // A topic that is somebody's, one that is not allowed, one that nobody listens to.
    for status in [302, 400, 401, 403, 404, 413, 507] {
        case(status, false);
    }
    let silent = Err(SendError::Silent("connection refused".to_owned()));
    assert_ne!(Outcome::of(Channel::Ntfy, &silent), Outcome::Failed);
    assert_eq!(Outcome::of(Channel::Webhook, &silent), Outcome::Failed);
}

#[test]
fn retry_after_is_read_in_seconds() {
    let case = |text: &str, expected: Option<u64>| {
        let value = HeaderValue::from_str(text).expect("a value");
        assert_eq!(retry_after_ms(&value), expected, "{text}");
    };
    case("0", Some(0));
    case(" 12 ", Some(12_000));
    case("99999999999999999999999", Some(u64::MAX));
    for none in ["", "-1", "+1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"] {
        case(none, None);
    }
}
