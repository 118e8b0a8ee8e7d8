//! Secrets, the chain and the node.

use std::path::Path;

use axepool::config;

use crate::config::{MAINNET, TESTNET, case, good, minimal};

#[test]
fn a_secret_is_in_a_file_of_its_own() {
    let config = good(&minimal("[mint]\nmnemonic = { file = \"words\" }"));
    assert_eq!(config.mint.mnemonic_file, Path::new("/etc/axepool/words"));
    let config = good(&minimal("[pool]\ndata_dir = \"/var/axepool\""));
    let words = Path::new("/var/axepool/mint/mint.mnemonic");
    assert_eq!(config.mint.mnemonic_file, words);
    for value in [
        "\"zebra zebra\"",
        "{ path = \"x\" }",
        "{ file = \"x\", mode = 1 }",
    ] {
        let text = minimal(&format!("[mint]\nmnemonic = {value}"));
        case(&text, "mint.mnemonic", "has no place in this file");
    }
}

#[test]
fn where_the_money_comes_from_is_checked() {
    let config = good(&minimal(""));
    assert_eq!(config.income.address.to_string(), MAINNET);
    assert!(config.income.node.is_none() && config.income.chain.is_none());
    assert_eq!(
        config.income.ocean_api.as_deref(),
        Some("https://api.ocean.xyz/v1")
    );
    let chain_only = good(&minimal("[ocean]\nblocks = \"chain\""));
    assert_eq!(chain_only.income.ocean_api, None);

    let bad = |text: &str, key: &str, said: &str| case(&minimal(text), key, said);
    bad("[chain]\nurl = \"bitcoind\"", "chain.url", "begins with");
    bad("[chain]\nurl = 3", "chain.url", "not a URL");
    bad(
        "[chain]\nurl = { file = \"none\" }",
        "chain.url",
        "cannot be read",
    );
    bad(
        "[chain]\nurl = \"ssl://electrum.example:50002\"",
        "chain.url",
        "Electrum",
    );
    bad("[ocean]\nblocks = []", "ocean.blocks", "nobody to ask");
    bad("[ocean]\nblocks = \"note\"", "ocean.blocks", "not a source");
    bad(
        "[ocean]\napi_url = \"ftp://ocean\"",
        "ocean.api_url",
        "not a URL",
    );
    bad(
        "[lightning]\nconfig = \"none.toml\"",
        "lightning.config",
        "cannot be read",
    );
}

#[test]
fn a_node_has_the_pools_network_and_a_chain() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("node.toml"), "network = \"mainnet\"\n").unwrap();
    let parse = |text: &str| config::parse(text, dir.path());
    let node = "[lightning]\nconfig = \"node.toml\"\n";
    let list = parse(&minimal(node)).unwrap_err();
    assert_eq!(list.len(), 1, "{list:#?}");
    assert!(list[0].why.contains("no chain to read"), "{list:#?}");

    let chain = "[chain]\nurl = \"http://me:secret@127.0.0.1:8332\"\n";
    let loaded = parse(&minimal(&format!("{node}{chain}"))).unwrap();
    let settings = loaded.config.income.node.unwrap().settings;
    assert_eq!(settings.storage_dir, dir.path().join("data/node"));
    let shown = config::render(&loaded.effective);
    assert!(
        shown.contains("http://me:***@127.0.0.1:8332") && !shown.contains("secret"),
        "{shown}"
    );
    let broken = minimal("[chain]\nurl = \"http://me:secret@127.0.0.1\"\n");
    let list = parse(&broken).unwrap_err();
    assert!(!list[0].to_string().contains("secret"), "{list:#?}");

    let testnet = format!(
        "[pool]\nnetwork = \"testnet4\"\n[upstream]\nurls = [\"stratum+tcp://127.0.0.1:1\"]\naddress = \"{TESTNET}\"\n{node}{chain}"
    );
    let list = parse(&testnet).unwrap_err();
    assert_eq!(list.len(), 1, "{list:#?}");
    assert!(list[0].why.contains("its network is"), "{list:#?}");
}
