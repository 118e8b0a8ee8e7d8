//! Addresses of a mint: pages and redirects that answer instead of one, and purses that an
//! earlier version kept under other spellings.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use cdk_common::mint_url::MintUrl;

use super::dying_store::DyingStore;
use super::mint::{Options, TestMint};
use super::network::Fault;
use crate::purse::{Purse, Store};
use crate::{Home, OwnerKey, WalletError, mint_address};

/// A server that gives everybody the same answer.
async fn server(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> MintUrl {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(move || std::future::ready(answer.clone()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url.parse().unwrap()
}

const PAGE: &str = "<!DOCTYPE html><html><head><title> My \u{1b}[2J pool </title></head></html>";

#[tokio::test]
async fn a_web_page_is_called_one() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(&dir.path().join("wallet")).await.unwrap();
    let html = || [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    for url in [
        server((StatusCode::OK, html(), PAGE)).await,
        server((StatusCode::OK, PAGE)).await,
        server((StatusCode::NOT_FOUND, html(), PAGE)).await,
        server((StatusCode::FORBIDDEN, html(), PAGE)).await,
    ] {
        let purse = home.purse(&url).unwrap();
        let error = purse.sweep(&OwnerKey::generate(), &mut |_| {}).await;
        let error = error.unwrap_err();
        assert!(matches!(error, WalletError::WebPage { .. }), "{error}");
        let said = error.to_string();
        assert!(
            said.starts_with("this is a web page, not a mint: "),
            "{said}"
        );
        assert!(
            said.contains("My  [2J pool") && !said.contains('<'),
            "{said}"
        );
        let restored = home.restore(&url).await.unwrap_err();
        assert!(
            matches!(restored, WalletError::WebPage { .. }),
            "{restored}"
        );
    }
    // One that a proxy shows while the mint is away passes.
    let away = server((StatusCode::BAD_GATEWAY, html(), PAGE)).await;
    let purse = home.purse(&away).unwrap();
    let error = purse.sweep(&OwnerKey::generate(), &mut |_| {}).await;
    let error = error.unwrap_err();
    assert!(error.passes(), "{error}");
    assert!(
        error.to_string().contains("HTTP 502: a web page"),
        "{error}"
    );
}

#[tokio::test]
async fn a_redirect_names_its_address() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(&dir.path().join("wallet")).await.unwrap();
    let to = [(header::LOCATION, "https://Other.example/v1/info")];
    let url = server((StatusCode::MOVED_PERMANENTLY, to, "moved")).await;
    let purse = home.purse(&url).unwrap();
    let error = purse.sweep(&OwnerKey::generate(), &mut |_| {}).await;
    let said = error.unwrap_err().to_string();
    assert!(
        said.contains("visitors to https://other.example."),
        "{said}"
    );
}

/// The purse that an earlier version opened under this spelling.
fn earlier(home: &Home, store: &Store, url: &str) -> Purse {
    let url: MintUrl = url.parse().unwrap();
    home.purse_of_earlier_version(&url, Arc::clone(store))
}

/// Everything is found again: ecash, sent tokens, and requests without an answer.
#[tokio::test]
async fn purses_under_other_spellings_are_found_again() {
    let mint = TestMint::start(Options::default()).await;
    let port = mint.url.to_string();
    let port = port.rsplit_once(':').unwrap().1;
    let dir = tempfile::tempdir().unwrap();
    let key = OwnerKey::generate();
    let spellings = [
        format!("http://localhost:{port}"),
        format!("http://127.1:{port}"),
        format!("http://127.0.0.1:{port}?x=1"),
        format!("http://127.0.0.1:{port}#f"),
        format!("http://me:pw@127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}"),
    ];
    let (home, _) = mint.open(dir.path()).await;
    let store = Arc::clone(&home.purse(&mint.url).unwrap().wallet.localstore);
    let mut sent = Vec::new();
    for (place, spelling) in spellings.iter().enumerate() {
        let purse = earlier(&home, &store, spelling);
        let sat = 100 << place;
        mint.quote(&key, sat).await;
        let swept = purse.sweep(&key, &mut |_| {}).await.unwrap();
        assert_eq!(swept.balance_sat, sat, "{spelling}");
        purse.send(3).await.unwrap();
        sent.extend(purse.sent().await.unwrap());
    }
    // A request of the first spelling that gets no answer.
    mint.quote(&key, 50).await;
    let purse = earlier(&home, &store, &spellings[0]);
    for number in 0.. {
        mint.fault(Fault::Before(number));
        purse.sweep(&key, &mut |_| {}).await.unwrap_err();
        mint.fault(Fault::None);
        if purse.sagas().await.unwrap().len() > 1 {
            break;
        }
    }
    assert_eq!(home.balances().await.unwrap().len(), spellings.len());
    drop((purse, store, home));

    let (_, paid) = mint.issued_and_paid().await;
    let (home, purse) = mint.open(dir.path()).await;
    let balances = home.balances().await.unwrap();
    let [(name, balance)] = balances.iter().collect::<Vec<_>>()[..] else {
        panic!("one purse: {balances:?}");
    };
    assert_eq!(name, &mint.url.to_string());
    let all = balance.spendable_sat + balance.pending_sat + balance.sent_sat;
    assert_eq!((all, balance.sent_sat), (paid - 50, 18));
    let mut found = purse.sent().await.unwrap();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    sent.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(found, sent);
    let swept = purse.sweep(&key, &mut |_| {}).await.unwrap();
    assert_eq!((swept.left, swept.balance_sat), (vec![], paid - 18));
    for token in found {
        assert_eq!(purse.take_back(&token.id).await.unwrap(), 3);
    }
    assert_eq!(purse.balance_sat().await.unwrap(), paid);
    assert_eq!(super::words::worth(&[&purse]).await, paid);
    // And the address of a friend's token, however it is written.
    let token = purse.send(40).await.unwrap();
    assert_eq!(Purse::mint_of(&token).unwrap(), mint.url);
    assert_eq!(mint_address(&spellings[0]).unwrap(), mint.url);
    drop((purse, home));
    let (home, _) = mint.open(dir.path()).await;
    assert_eq!(home.balances().await.unwrap().len(), 1);
}

/// The process dies while the purses are brought together: the next opening does the rest.
#[tokio::test]
async fn bringing_purses_together_is_cut_off_at_every_write() {
    let mint = TestMint::start(Options::default()).await;
    let port = mint.url.to_string();
    let port = port.rsplit_once(':').unwrap().1;
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = OwnerKey::generate();
    let (home, purse) = mint.open(dir.path()).await;
    let store = Arc::clone(&purse.wallet.localstore);
    for (host, sat) in [("127.0.0.1", 40), ("localhost", 25), ("127.1", 7)] {
        mint.quote(&key, sat).await;
        let purse = earlier(&home, &store, &format!("http://{host}:{port}"));
        purse.sweep(&key, &mut |_| {}).await.unwrap();
        purse.send(2).await.unwrap();
    }
    drop((purse, store, home));
    let path = dir.path().join("wallet/wallet.redb");
    let copy = kept.path().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    for writes in 1.. {
        std::fs::copy(&copy, &path).unwrap();
        let dying = DyingStore::over(crate::purse::open_store(&path).await.unwrap(), writes);
        let store: Store = Arc::new(dying);
        let done = crate::readdress::readdress(&store).await.is_ok();
        drop(store);
        let (home, purse) = mint.open(dir.path()).await;
        let balances = home.balances().await.unwrap();
        assert_eq!(balances.len(), 1, "{writes}: {balances:?}");
        let balance = balances[&mint.url.to_string()];
        assert_eq!(
            (balance.spendable_sat, balance.sent_sat),
            (66, 6),
            "{writes}"
        );
        assert_eq!(purse.sent().await.unwrap().len(), 3, "{writes}");
        if done {
            assert!(writes > 6, "{writes}");
            break;
        }
    }
}
