//! `axepool reissue`: an unspent token in the other spelling of its key, and back.

use std::process::Output;

use serde_json::Value;

use super::{Desk, claim};
use crate::common::{axepool, stderr, stdout};
use crate::earned::earned;
use crate::world::{get, key};

fn reissue(desk: &Desk, file: &str, more: &[&str]) -> Output {
    let start = ["reissue", "--mint", &desk.mint, "--key", file];
    axepool(&[&start, more].concat(), desk.dir.path())
}

#[track_caller]
fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_str(&stdout(output)).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_made_again_for_the_spelling_that_a_wallet_shows() {
    let keys = [key(1), key(2)];
    let paid = earned(&keys, &[], 2, |_| {}).await;
    let http = paid.pool.status().await.http[0];
    let desk = Desk::new(&format!("http://{http}"));
    let file = desk.keep(&keys[0]);
    let none = reissue(&desk, &file, &[]);
    assert!(stderr(&none).contains("no unspent token"), "{none:?}");

    // The devices of this test typed 02.
    let first = claim(&paid.pool, &keys[0]).await;
    let x = &keys[0].hex[2..];
    let odd = json(&reissue(&desk, &file, &["--json"]));
    assert_eq!(odd["locked_to"], format!("03{x}"), "{odd}");
    assert_eq!(odd["number"], 1);
    let odd = odd["token"].as_str().expect("a token").to_owned();
    assert_ne!(odd, first);
    let (code, list) = get(http, &format!("/api/miners/{}/tokens", keys[0].hex)).await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(
        (code, &list["tokens"][0]["prefix"]),
        (200, &Value::from("03"))
    );
    let old = desk.run("ours", &["receive", &first, "--key", &file]);
    assert!(stderr(&old).contains("taken already"), "{}", stderr(&old));

    // And back, and once more, named by its number, as it is written for people.
    let even = json(&reissue(&desk, &file, &["1", "--prefix", "02", "--json"]));
    assert_eq!(even["locked_to"], format!("02{x}"), "{even}");
    let said = reissue(&desk, &file, &["1"]);
    assert!(
        stderr(&said).contains(&format!("locked to 03{x}")),
        "{said:?}"
    );
    let token = stdout(&said).trim().to_owned();
    let stale = desk.run("ours", &["receive", &odd, "--key", &file]);
    assert!(
        stderr(&stale).contains("taken already"),
        "{}",
        stderr(&stale)
    );
    let received = desk.run("ours", &["receive", &token, "--key", &file]);
    assert!(received.status.success(), "{}", stderr(&received));
    assert_eq!(even["amount_sat"], desk.balance("ours").0);

    // A spent token is not made again, and nobody else's key asks for it.
    let spent = reissue(&desk, &file, &["1"]);
    assert_eq!(spent.status.code(), Some(1));
    assert!(stderr(&spent).contains("spent"), "{}", stderr(&spent));
    let other = desk.keep(&keys[1]);
    let not_theirs = reissue(&desk, &other, &["1"]);
    let said = stderr(&not_theirs);
    assert!(said.contains("lists no token 1 of this key"), "{said}");
    let nobody = ["reissue", "--mint", "http://127.0.0.1:1", "--key", &file];
    let nobody = axepool(&nobody, desk.dir.path());
    assert!(stderr(&nobody).contains("cannot be reached"), "{nobody:?}");
}
