//! Starting again: what stays, what the config changes, what is refused.

use prometheus::Registry;

use super::support::{Owner, Pool, config};
use crate::version::{NEWEST_MIGRATION, newest_migration};
use crate::{Mint, OpenError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mint_says_what_it_does() {
    let pool = Pool::start().await;
    let (status, info) = pool.get("/v1/info").await;
    assert_eq!(status, 200);
    let nuts = &info["nuts"];
    assert_eq!(
        nuts["4"]["methods"].as_array().map(Vec::len),
        Some(1),
        "{nuts}"
    );
    assert_eq!(nuts["4"]["methods"][0]["method"], "axepool");
    assert_eq!(
        (
            &nuts["5"]["disabled"],
            nuts["5"]["methods"].as_array().map(Vec::len)
        ),
        (&true.into(), Some(0)),
        "{nuts}"
    );
    assert_eq!(nuts["8"]["supported"], false, "no melts, no fee return");
    for nut in ["7", "9", "10", "11", "12", "14", "20"] {
        assert_eq!(nuts[nut]["supported"], true, "NUT-{nut}");
    }
    assert_eq!(
        nuts["17"]["supported"][0]["commands"],
        serde_json::json!(["axepool_mint_quote", "proof_state"])
    );
    assert_eq!(
        nuts["19"]["cached_endpoints"].as_array().map(Vec::len),
        Some(3)
    );
    assert_eq!(
        (&nuts["29"]["max_batch_size"], &nuts["29"]["methods"][0]),
        (&100.into(), &"axepool".into())
    );
    let (_, keysets) = pool.get("/v1/keysets").await;
    assert_eq!(keysets["keysets"][0]["input_fee_ppk"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_takes_the_config_and_keeps_the_keys() {
    let pool = Pool::start().await;
    let owner = Owner::new();
    pool.paid(&owner, &[(1, 6)]).await;
    let claim = pool.claim(&owner, false).await;
    let mut changed = config(pool.dir.path(), pool.url.clone());
    changed.name = "Another name".into();
    let again = Mint::open(changed, None, &Registry::new())
        .await
        .expect("opens");
    assert_eq!(again.public_key(), pool.mint.public_key());
    assert_eq!(
        again.cdk().get_active_keysets(),
        pool.mint.cdk().get_active_keysets()
    );
    let info = again.cdk().mint_info().await.expect("reads");
    assert_eq!(info.name.as_deref(), Some("Another name"));
    assert_eq!(info.pubkey.map(|key| *key), Some(pool.mint.public_key()));
    assert_eq!(info.nuts.nut04.methods.len(), 1);
    let tokens = again.tokens(&owner.miner, 10).await.expect("lists");
    assert_eq!(tokens[0].0.token, claim["token"].as_str().expect("a token"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_mnemonic_or_none_is_refused() {
    let pool = Pool::start().await;
    let path = pool.dir.path().join("mint.mnemonic");
    let words = std::fs::read_to_string(&path).expect("there");
    let open = || {
        Mint::open(
            config(pool.dir.path(), pool.url.clone()),
            None,
            Box::leak(Box::new(Registry::new())),
        )
    };
    std::fs::write(
        &path,
        bip39::Mnemonic::from_entropy(&[3; 32])
            .expect("words")
            .to_string(),
    )
    .expect("writes");
    assert!(matches!(
        open().await.err(),
        Some(OpenError::OtherMnemonic { .. })
    ));
    std::fs::remove_file(&path).expect("removes");
    assert!(matches!(open().await.err(), Some(OpenError::Seed(_))));
    assert!(!path.exists(), "no new one is made for old keys");
    std::fs::write(&path, words).expect("writes");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("chmod");
    assert!(open().await.is_ok());
    let bad = config(pool.dir.path(), "not a url".into());
    let refused = Mint::open(bad, None, &Registry::new()).await.err();
    assert!(matches!(refused, Some(OpenError::PublicUrl { .. })));
}

/// cdk's tables are what `version` says they are; a newer store stays closed, whichever
/// half of it is newer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_store_is_refused() {
    let pool = Pool::start().await;
    let path = pool.dir.path().join("mint.sqlite");
    let newest = newest_migration(&path).expect("reads");
    assert_eq!(newest.as_deref(), Some(NEWEST_MIGRATION));
    pool.mint.close().await.expect("closes");
    let open = async || {
        let config = config(pool.dir.path(), pool.url.clone());
        Mint::open(config, None, &Registry::new()).await
    };
    let change = |sql: &str| {
        let store = rusqlite::Connection::open(&path).expect("opens");
        store.execute_batch(sql).expect("changes");
    };
    let refused = |result: Result<Mint, OpenError>, found: &str| {
        let Err(error) = result else {
            panic!("opened in spite of {found}")
        };
        let said = error.to_string();
        assert!(
            said.contains(found) && said.contains("newer version"),
            "{said}"
        );
    };
    open().await.expect("opens as it is");
    change("INSERT INTO migrations (name) VALUES ('20990101000000_of_the_future.sql')");
    refused(open().await, "20990101000000_of_the_future.sql");
    change("DELETE FROM migrations WHERE name LIKE '2099%'");
    change(
        "UPDATE kv_store SET value = CAST('3' AS BLOB) \
         WHERE primary_namespace = 'axepool' AND secondary_namespace = 'format'",
    );
    refused(open().await, "records 3");
}
