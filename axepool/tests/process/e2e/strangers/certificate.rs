//! A certificate that cannot be used.

use std::fs;

use super::connect;
use crate::common::{stderr, stdout};
use crate::world::{agrees, bitaxe, earns, key, ocean, pool};

#[tokio::test]
async fn mining_starts_without_the_pages_and_these_follow() {
    let ocean = ocean(|_| {}).await;
    let dir = tempfile::tempdir().expect("a directory");
    let [certificate, secret] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    fs::write(&certificate, "garbage").expect("written");
    fs::write(&secret, "garbage").expect("written");
    let pool = pool(&ocean, |setup| {
        setup.http_lines += &format!("certificate = {certificate:?}\nkey = {secret:?}\n");
    })
    .await;
    let key = key(1);
    let honest = bitaxe(pool.stratum().await, &key, |_| {});
    earns(&honest, 3).await;
    agrees(&pool, &honest, &key).await;

    let status = pool.status().await;
    let told = status.beside.join("\n");
    assert!(told.contains("http.certificate"), "{told}");
    let mut page = connect(10, status.http[0]).await.expect("connect");
    assert_eq!(super::rest(&mut page).await, b"", "no page");
    let checked = pool.command(&["check-config"]);
    assert_eq!(checked.status.code(), Some(1), "{}", stdout(&checked));
    let said = stderr(&checked);
    assert!(said.contains("http.certificate"), "{said}");

    let made = rcgen::generate_simple_self_signed(["axepool.test".to_owned()]).expect("a key");
    fs::write(&secret, made.signing_key.serialize_pem()).expect("written");
    fs::write(&certificate, made.cert.pem()).expect("written");
    pool.poll("the pages", async |pool| {
        let told = pool.status().await.beside.join("\n");
        (!told.contains("http.certificate")).then_some(())
    })
    .await;
    assert_eq!(pool.command(&["check-config"]).status.code(), Some(0));
    let (dir, root) = (&dir, made.cert.der().clone());
    assert!(dir.path().exists());
    let page = crate::e2e::tls::https(status.http[0], &root, "/healthz").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
}
