//! `[upstream]`.

use crate::config::{MAINNET, TESTNET, case, good, minimal};

#[test]
fn the_address_is_checked_against_the_network() {
    case("", "upstream.address", "missing");
    case(
        "[upstream]\naddress = \"bc1qhello\"",
        "upstream.address",
        "not a bitcoin address",
    );
    case(
        &format!("[upstream]\naddress = \"{TESTNET}\""),
        "upstream.address",
        "another network",
    );
    let mistyped = MAINNET.replace("8f3t4", "8f3t5");
    case(
        &format!("[upstream]\naddress = \"{mistyped}\""),
        "upstream.address",
        "not a bitcoin address",
    );
    case(
        &format!("[pool]\nnetwork = \"signet\"\n[upstream]\naddress = \"{TESTNET}\""),
        "upstream.urls",
        "on mainnet alone",
    );
}

#[test]
fn an_authority_of_ones_own_must_be_readable() {
    let missing = minimal("ca_file = \"/nowhere/ca.pem\"\n");
    case(&missing, "upstream.ca_file", "cannot be read");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, "").unwrap();
    let config = good(&minimal(&format!("ca_file = {path:?}\n")));
    assert_eq!(config.upstream.extra_ca, Some(path));
}
