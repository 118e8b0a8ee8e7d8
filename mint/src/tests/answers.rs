//! The form of what the mint answers: the errors of NUT-00, and quotes without an end.

use cdk_common::nuts::{BatchMintRequest, MeltRequest, MintRequest, PreMintSecrets, SwapRequest};
use serde_json::{Value, json};

use super::melts::{ask, pending};
use super::refusals::{outputs, request};
use super::support::{Owner, Pool};
use super::wallets::look_up;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_say_that_they_do_not_expire() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 40), (2, 0)]).await;
    let ids = [1, 2].map(|epoch| pool.id(&owner, epoch));
    let (_, checked) = pool
        .post("/v1/mint/quote/axepool/check", json!({ "quotes": ids }))
        .await;
    let (_, found) = look_up(&pool, &owner).await;
    for (at, id) in ids.iter().enumerate() {
        let (status, quote) = pool.get(&format!("/v1/mint/quote/axepool/{id}")).await;
        assert_eq!(status, 200, "{quote}");
        assert_eq!(quote.get("expiry"), Some(&Value::Null), "{quote}");
        assert_eq!(quote["amount_paid"], [40, 0][at]);
        assert_eq!(checked[at], quote);
        let found = found["quotes"].as_array().expect("quotes");
        let found = found.iter().find(|found| found["quote"] == **id);
        assert_eq!(found, Some(&quote));
    }
}

/// Sends, and gives the answer with its head.
async fn answer(pool: &Pool, verb: &str, path: &str, body: &str) -> (u16, String, Value) {
    let (status, head, body) = pool.send_raw(verb, path, body).await;
    let value = serde_json::from_str(&body);
    let value = value.unwrap_or_else(|_| panic!("{verb} {path}: {body:?} is no JSON"));
    (status, head, value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_have_the_form_of_nut_00() {
    let pool = Pool::start().await;
    let id = "f7b0e94b-f2f0-8a92-9c12-3c8c0a5a4a5a";
    let known = format!("/v1/mint/quote/axepool/{id}");
    for (verb, path, body, expected, words) in [
        ("POST", "/v1/swap", "", 400, "EOF"),
        ("POST", "/v1/swap", "{", 400, "EOF"),
        ("POST", "/v1/swap", "{}", 400, "missing field"),
        ("POST", "/v1/swap", "[]", 400, "invalid length 0"),
        ("POST", "/v1/checkstate", "{\"Ys\":[\"x\"]}", 400, "Ys"),
        ("POST", "/v1/restore", "{\"outputs\":7}", 400, "outputs"),
        ("POST", "/v1/mint/axepool", "{}", 400, "missing field"),
        ("POST", "/v1/mint/axepool/batch", "{}", 400, "missing field"),
        (
            "POST",
            "/v1/mint/quote/axepool/check",
            "{\"quotes\":[\"*\"]}",
            400,
            "quotes",
        ),
        ("GET", "/v1/mint/quote/axepool/*", "", 400, "URL"),
        ("GET", "/v1/melt/quote/bolt11/*", "", 400, "URL"),
        ("GET", "/v1/keys/nonsense", "", 400, "URL"),
        ("GET", &known, "", 400, "Unknown quote"),
        ("POST", "/v1/info", "{}", 405, "POST"),
        ("DELETE", "/v1/swap", "", 405, "DELETE"),
        ("GET", "/v1/ws", "", 400, "upgrade"),
        ("POST", "/api/miners/x/token", "{}", 400, "key"),
    ] {
        let (status, head, answer) = answer(&pool, verb, path, body).await;
        assert_eq!(status, expected, "{verb} {path}: {answer}");
        let about = format!("{verb} {path} {body}: {answer}\n{head}");
        assert_eq!(answer["code"], 50000, "{about}");
        let detail = answer["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(words), "{about}");
        assert_eq!(answer.as_object().map(|fields| fields.len()), Some(2));
        assert_eq!(head.matches("content-type: application/json").count(), 1);
        let cors = head.matches("access-control-allow-origin: *").count();
        assert_eq!(cors, 1, "{about}");
    }
    let long = format!("{{\"quotes\":[\"{}\"]}}", "x".repeat(2 << 20));
    let (status, _, answer) = answer(&pool, "POST", "/v1/mint/quote/axepool/check", &long).await;
    assert_eq!((status, &answer["code"]), (413, &json!(11014)), "{answer}");
    // What a stranger sends is not sent back at length.
    let long = format!("{{\"{}\":1}}", "x".repeat(100_000));
    let (_, _, answer) = self::answer(&pool, "POST", "/v1/swap", &long).await;
    assert!(answer.to_string().len() < 2000, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_that_were_signed_have_a_code_of_their_own() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 12), (2, 12), (3, 12)]).await;
    let ids = [1, 2, 3].map(|epoch| pool.id(&owner, epoch));
    let blinded = outputs(&pool, 12);
    let mint = |id: &str| {
        let mut asked = MintRequest {
            outputs: blinded.blinded_messages(),
            ..request(&pool, id, 12, None)
        };
        asked.sign(&owner.secret).expect("signs");
        serde_json::to_value(asked).expect("json")
    };
    let (status, issued) = pool.post("/v1/mint/axepool", mint(&ids[0])).await;
    assert_eq!(status, 200, "{issued}");
    let refusal = signed_before();

    let (status, answer) = pool.post("/v1/mint/axepool", mint(&ids[1])).await;
    assert_eq!((status, &answer), (400, &refusal), "a mint");

    let mut batch = BatchMintRequest {
        quotes: ids[1..].to_vec(),
        quote_amounts: None,
        outputs: [
            blinded.blinded_messages(),
            outputs(&pool, 12).blinded_messages(),
        ]
        .concat(),
        signatures: None,
    };
    let sign = |id: &String| batch.sign_quote(id, &owner.secret).map(Some);
    let signatures = batch.quotes.iter().map(sign).collect::<Result<_, _>>();
    batch.signatures = Some(signatures.expect("signs"));
    let batch = serde_json::to_value(batch).expect("json");
    let (status, answer) = pool.post("/v1/mint/axepool/batch", batch).await;
    assert_eq!((status, &answer), (400, &refusal), "a batch");

    let wallet = pool.wallet().await;
    let proofs = {
        let claim = pool.claim(&owner, false).await;
        let options = cdk::wallet::ReceiveOptions {
            p2pk_signing_keys: vec![owner.secret.clone()],
            ..Default::default()
        };
        let token = claim["token"].as_str().expect("a token");
        wallet.receive(token, options).await.expect("receives");
        wallet.get_unspent_proofs().await.expect("reads")
    };
    let more = outputs(&pool, 12).blinded_messages();
    let swap = SwapRequest::new(proofs, [blinded.blinded_messages(), more].concat());
    let swap = serde_json::to_value(swap).expect("json");
    let (status, answer) = pool.post("/v1/swap", swap).await;
    assert_eq!((status, &answer), (400, &refusal), "a swap");
}

fn signed_before() -> Value {
    json!({ "code": 11003, "detail": "an output was signed before: its signature can be fetched \
        with /v1/restore" })
}

/// Outputs that were signed, and those of a payment that is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_for_the_change_of_a_melt_are_new() {
    let (_node, pool, proofs) = pending().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(7, 4)]).await;
    let (signed, fresh) = (outputs(&pool, 4), outputs(&pool, 8));
    let mut mint = MintRequest {
        outputs: signed.blinded_messages(),
        ..request(&pool, &pool.id(&owner, 7), 4, None)
    };
    mint.sign(&owner.secret).expect("signs");
    let mint = serde_json::to_value(mint).expect("json");
    assert_eq!(pool.post("/v1/mint/axepool", mint).await.0, 200);

    let melt = async |outputs: &PreMintSecrets| {
        let (status, quote) = ask(&pool).await;
        assert_eq!(status, 200, "{quote}");
        let quote = quote["quote"].as_str().expect("an id").to_owned();
        let request = MeltRequest::new(quote, proofs.clone(), Some(outputs.blinded_messages()));
        let mut body = serde_json::to_value(request).expect("json");
        body["prefer_async"] = json!(true);
        pool.post("/v1/melt/bolt11", body).await
    };
    assert_eq!(melt(&signed).await, (400, signed_before()));
    // Nothing was taken: the same ecash pays with other outputs.
    let (status, answer) = melt(&fresh).await;
    assert_eq!(
        (status, &answer["state"]),
        (200, &json!("PENDING")),
        "{answer}"
    );

    pool.paid(&owner, &[(8, 8)]).await;
    let mut again = MintRequest {
        outputs: fresh.blinded_messages(),
        ..request(&pool, &pool.id(&owner, 8), 8, None)
    };
    again.sign(&owner.secret).expect("signs");
    let again = serde_json::to_value(again).expect("json");
    let pending = json!({ "code": 11004,
        "detail": "an output belongs to another request, which is under way" });
    assert_eq!(pool.post("/v1/mint/axepool", again).await, (400, pending));
}
