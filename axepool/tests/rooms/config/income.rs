//! Secrets, the chain and the node.

use std::path::Path;

use pool::config;

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
        shown.contains("http://***@127.0.0.1:8332") && !shown.contains("secret"),
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

/// Whatever is wrong with the config, and when nothing is.
#[test]
fn no_secret_of_a_url_is_ever_printed() {
    let everything = |text: &str| match config::parse(text, Path::new("/etc/axepool")) {
        Ok(loaded) => format!(
            "{}\n{:?}",
            config::render(&loaded.effective),
            loaded.warnings
        ),
        Err(list) => format!("{list:#?}"),
    };
    let url = "http://me:s3/@#?cret@127.0.0.1:8332";
    for text in [
        format!("[chain]\nurl = \"{url}\""),
        format!("[chain]\nurl = \"{url}/api\""),
        format!("[chain]\nurl = \"{url}\"\ncookie = \".cookie\""),
        format!("[chain]\nulr = \"{url}\""),
        format!("[chian]\nurl = \"{url}\""),
        format!("[chain]\nurl = [\"{url}\"]"),
        format!("chain = \"{url}\"\n[expert.chain]\nx = \"{url}\""),
        format!("[expert]\nurl = \"{url}\""),
        format!("[expert.url]\nurl = \"{url}\""),
        format!("[chain]\nurl = \"{url}"),
        format!("[ocean]\napi_url = \"{url}\""),
        "[ocean]\napi_url = \"https://host/?token=s3-cret\"".to_owned(),
        format!("[http]\npublic_url = \"{url}\""),
        "[http]\npublic_url = \"https://:s3cret@host\"".to_owned(),
        format!("[notices]\nntfy_servers = [\"https://ntfy.sh\", \"{url}\"]"),
        "[notices]\nntfy_servers = [\"https://host/?token=s3-cret\"]".to_owned(),
        format!("[http]\ntrusted_proxies = [\"{url}\"]"),
        format!("[stratum]\nlisten = \"{url}\""),
        format!("[log]\nlevels = \"{url}\""),
        format!("[lightning]\nconfig = \"{url}\""),
    ] {
        let said = everything(&minimal(&text));
        assert!(!said.contains("cret"), "{text}: {said}");
    }
    let urls =
        format!("[upstream]\naddress = \"{MAINNET}\"\nurls = [\"{url}\", \"me:s3cret@x:1\"]");
    assert!(!everything(&urls).contains("cret"), "{}", everything(&urls));
    let variable = ("AXEPOOL__OCEAN__API_URL", url.replace("http", "ftp"));
    let environment = [variable].map(|(name, value)| (name.into(), value.into()));
    let environment = environment.into_iter().collect();
    let list = config::parse_with(&minimal(""), Path::new(""), environment).unwrap_err();
    assert!(!format!("{list:?}").contains("cret"), "{list:?}");
}

#[test]
fn bitcoind_is_known_by_its_cookie() {
    let chain = |text: &str| good(&minimal(&format!("[chain]\n{text}"))).income.chain;
    let source = |text: &str| {
        let source = chain(text).expect("a source");
        let cookie = source.cookie().expect("a cookie");
        format!("{source}, {cookie:?}")
    };
    let given = source("url = \"http://core:8332\"\ncookie = \"core/.cookie\"");
    assert!(
        given.contains("core:8332") && given.contains("/etc/axepool/core/.cookie"),
        "{given}"
    );
    let alone = source("cookie = \"/core/.cookie\"");
    assert!(alone.contains("bitcoind at 127.0.0.1:8332"), "{alone}");
    let nothing = source("url = \"http://127.0.0.1:8332\"");
    assert!(nothing.contains(".bitcoin/.cookie"), "{nothing}");
    for (text, key, said) in [
        (
            "url = \"http://a:b@core:8332\"\ncookie = \"x\"",
            "chain.url",
            "one of them",
        ),
        (
            "url = \"https://core/api\"\ncookie = \"x\"",
            "chain.url",
            "bitcoind's",
        ),
        ("cookie = 3", "chain.cookie", "text in quotes"),
    ] {
        case(&minimal(&format!("[chain]\n{text}")), key, said);
    }
}
