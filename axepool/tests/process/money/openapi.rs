//! The OpenAPI file against the answers of a running pool: every documented operation
//! answers as it says, and so do its refusals.

use std::net::SocketAddr;

use pool::admin::MintState;
use serde_json::{Value, json};

use crate::common::PoolProcess;
use crate::money::fetch::{Answer, ask, fetch, fetch_head, http};
use crate::money::prepare::{foreign, miners, open, stopped_pool};
use crate::schema;

/// The document as the pool serves it.
struct Document(Value);

impl Document {
    async fn of(address: SocketAddr) -> Document {
        let answer = fetch(address, "/api/openapi.json", "").await;
        let value = answer.json();
        assert_eq!(value["openapi"], "3.1.0");
        let tag = answer.header("etag").to_owned();
        let known = format!("If-None-Match: {tag}\r\n");
        let again = fetch(address, "/api/openapi.json", &known).await;
        assert_eq!(again.code, 304);
        Document(value)
    }

    /// The answer is one that `method` of `path` is documented to give.
    #[track_caller]
    fn check(&self, method: &str, path: &str, answer: &Answer) {
        let code = answer.code.to_string();
        let responses = &self.0["paths"][path][method]["responses"];
        let response = &responses[&code];
        assert!(response.is_object(), "{method} {path} answers {answer:?}");
        let Some(content) = response["content"].as_object() else {
            assert!(answer.body.is_empty(), "{method} {path}: {answer:?}");
            return;
        };
        let media = answer.header("content-type");
        let schema = &content
            .get(media)
            .unwrap_or_else(|| panic!("{path}: {media}"))["schema"];
        if media == "application/json" {
            let value = answer.json();
            if let Err(error) = schema::check(&self.0, schema, &value) {
                panic!("{method} {path}: {error}\n{value:#}");
            }
        }
    }
}

/// An address of the documented path.
fn address_of(path: &str) -> String {
    let [miner, _] = miners();
    path.replace("{id}", "1")
        .replace("{file}", "1.json")
        .replace("{key}", &miner.to_string())
}

/// A pool with payments, one of them suspended and one the operator's, and an open mint.
pub(crate) async fn pool_with_books() -> PoolProcess {
    let (mut pool, _stratum) = stopped_pool("").await;
    let ledger = open(&pool);
    ledger.settle(foreign(7, 3_000)).await.expect("books");
    ledger.close().await;
    pool.spawn().await;
    pool.poll("the mint, with nothing left to do", async |pool| {
        let mint = pool.status().await.mint;
        (mint.state == MintState::Open && mint.outbox_waiting == 0).then_some(())
    })
    .await;
    pool
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_answers_as_documented() {
    let pool = pool_with_books().await;
    let address = http(&pool).await;
    let document = Document::of(address).await;
    let paths = document.0["paths"].as_object().expect("paths").clone();
    for (path, operations) in &paths {
        let at = address_of(path);
        if let Some(get) = operations.get("get") {
            let content = &get["responses"]["200"]["content"];
            let answer = if content.get("text/event-stream").is_some() {
                fetch_head(address, &at).await
            } else {
                fetch(address, &at, "").await
            };
            assert_eq!(answer.code, 200, "{path}: {answer:?}");
            document.check("get", path, &answer);
        }
        if operations.get("post").is_some() {
            let answer = ask(address, "POST", &at, "", "").await;
            assert!(![404, 405].contains(&answer.code), "{path}: {answer:?}");
            document.check("post", path, &answer);
        }
        for (method, name) in [("GET", "get"), ("POST", "post"), ("DELETE", "delete")] {
            if operations.get(name).is_none() {
                let answer = ask(address, method, &at, "", "").await;
                assert_eq!(answer.code, 405, "{method} {path}: {answer:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_and_the_other_forms_are_documented() {
    let pool = pool_with_books().await;
    let address = http(&pool).await;
    let document = Document::of(address).await;
    let [miner, other] = miners();
    let secret = "ab".repeat(32);
    let cases: &[(&str, &str, u16)] = &[
        ("/api/epochs", "?newest=1&before=3", 200),
        ("/api/epochs", "?newest=x", 400),
        ("/api/wind-down/balances", "?after=x", 400),
        ("/api/epochs", "?before=0", 200),
        ("/api/epochs/{id}", "/3", 200),
        ("/api/epochs/{id}", "/99", 404),
        ("/api/epochs/{id}", "/x", 404),
        ("/api/epochs/{id}/split", "/1/split?payout=1&page=1", 200),
        ("/api/epochs/{id}/split", "/3/split", 200),
        ("/api/epochs/{id}/split", "/1/split?page=2", 404),
        ("/api/epochs/{id}/split", "/1/split?page=0", 404),
        ("/api/epochs/{id}/split", "/1/split?page=-1", 400),
        ("/api/epochs/{id}/split", "/3/split?payout=1", 404),
        ("/api/epochs/{id}/split", "/99/split", 404),
        ("/api/payouts", "?newest=0", 200),
        ("/api/payouts", "?newest=-1", 400),
        ("/api/audit", "?newest=9", 200),
        ("/api/audit", "?newest=x", 400),
        ("/api/audit/{file}", "/1.csv", 200),
        ("/api/audit/{file}", "/99.csv", 404),
    ];
    for (path, more, code) in cases {
        let root = path.split("/{").next().expect("a root");
        let answer = fetch(address, &format!("{root}{more}"), "").await;
        assert_eq!(answer.code, *code, "{root}{more}: {answer:?}");
        document.check("get", path, &answer);
    }
    for (key, query, code) in [
        (miner.to_string(), "?epoch=1", 200),
        (miner.npub(), "", 200),
        (other.to_string(), "?epoch=2", 404),
        (secret.clone(), "", 400),
    ] {
        let at = format!("/api/miners/{key}/receipt{query}");
        let answer = fetch(address, &at, "").await;
        assert_eq!(answer.code, code, "{at}: {answer:?}");
        document.check("get", "/api/miners/{key}/receipt", &answer);
    }
    let tokens = "/api/miners/{key}/tokens";
    let miner = "/api/miners/{key}";
    let events = "/api/miners/{key}/events";
    for path in [miner, events, tokens] {
        let answer = fetch(address, &path.replace("{key}", &secret), "").await;
        assert_eq!(answer.code, 400, "{path}");
        document.check("get", path, &answer);
    }
    let token = "/api/miners/{key}/token";
    let at = address_of(token);
    for expected in [json!(true), json!(false)] {
        let answer = ask(address, "POST", &at, "", "").await;
        document.check("post", token, &answer);
        assert_eq!(answer.json()["new"], expected, "{answer:?}");
    }
    let half = json!({ "time_ms": 1 }).to_string();
    let answer = ask(address, "POST", &at, "", &half).await;
    assert_eq!(answer.code, 400);
    document.check("post", token, &answer);
    let answer = fetch(address, &address_of(tokens), "").await;
    document.check("get", tokens, &answer);
    assert_eq!(answer.json()["tokens"].as_array().map(Vec::len), Some(1));
}

/// Page by page it is what the audit file says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_split_is_that_of_the_audit_file() {
    let pool = pool_with_books().await;
    let address = http(&pool).await;
    let split = fetch(address, "/api/epochs/1/split", "").await.json();
    let file = fetch(address, "/api/audit/1.json", "").await.json();
    assert_eq!(split["payout"], 1, "{split}");
    let rows = split["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2, "{split}");
    assert_eq!(rows[0]["work"], "3000", "most work first");
    for row in rows {
        let of_file = file["miners"].as_array().expect("miners").iter();
        let of_file = of_file.clone().find(|one| one["miner"] == row["miner"]);
        let of_file = of_file.expect("is in the file");
        for (key, name) in [
            ("allocated_msat", "allocated"),
            ("carry_before_msat", "carry_before"),
            ("paid_sat", "paid"),
            ("carry_after_msat", "carry_after"),
        ] {
            assert_eq!(row["got"][key], of_file[name], "{key}: {row} {of_file}");
        }
    }
    let epoch = fetch(address, "/api/epochs/1", "").await.json();
    assert_eq!(epoch["payouts"][0]["number"], 1, "{epoch}");
    let hash = &epoch["payouts"][0]["proof"]["lightning"]["payment_hash"];
    assert_eq!(
        *hash, file["payment"]["via"]["lightning"]["payment_hash"],
        "{epoch}"
    );
    let older = fetch(address, "/api/epochs?before=2", "").await.json();
    let ids: Vec<&Value> = older["epochs"].as_array().expect("a list").iter().collect();
    assert_eq!(ids.len(), 1, "{older}");
    assert_eq!(ids[0]["id"], 1);
}
