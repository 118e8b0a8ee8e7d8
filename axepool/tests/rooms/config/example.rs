//! `axepool.example.toml` has every key there is, with its default.

use std::fs;
use std::path::Path;

use pool::config::{self, Effective, Origin, Problem};

use crate::config::{MAINNET, minimal};

const EXAMPLE: &str = include_str!("../../../../axepool.example.toml");

/// The example with an address in it.
fn with_address() -> String {
    EXAMPLE.replace("address = \"bc1...\"", &format!("address = \"{MAINNET}\""))
}

/// Every key put in.
fn all_put_in() -> String {
    let lines = with_address();
    let lines = lines
        .lines()
        .map(|line| line.strip_prefix("#: ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// A directory with the files that the example names.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    for file in [
        "upstream-ca.pem",
        "stratum-certificate.pem",
        "stratum-key.pem",
        "http-certificate.pem",
        "http-key.pem",
    ] {
        fs::write(place.path().join(file), "").expect("a file");
    }
    fs::write(place.path().join("upstream-password"), "open sesame\n").expect("a file");
    let nodes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ldk-node-config");
    fs::create_dir(place.path().join("ldk-node-config")).expect("a directory");
    fs::copy(
        nodes.join("mainnet.toml"),
        place.path().join("ldk-node-config/mainnet.toml"),
    )
    .expect("the node's example");
    place
}

#[track_caller]
fn effective(text: &str, base: &Path) -> Vec<Effective> {
    match config::parse(text, base) {
        Ok(loaded) => loaded.effective,
        Err(problems) => panic!("{problems:#?}"),
    }
}

#[test]
fn it_lacks_an_address_and_nothing_else() {
    let problems = config::parse(EXAMPLE, Path::new("")).expect_err("no address");
    let keys: Vec<_> = problems.iter().map(|Problem { key, .. }| key).collect();
    assert_eq!(keys, ["upstream.address"]);
    let given: Vec<_> = effective(&with_address(), Path::new(""))
        .into_iter()
        .filter(|key| key.origin != Origin::Default)
        .map(|key| (key.section, key.key))
        .collect();
    assert_eq!(given, [("upstream", "address")]);
}

#[test]
fn it_has_every_key_and_each_default() {
    let place = place();
    let known = effective(&minimal(""), place.path());
    let shown = effective(&all_put_in(), place.path());
    for (known, shown) in known.iter().zip(&shown) {
        let name = format!("{}.{}", known.section, known.key);
        assert_eq!(
            shown.origin,
            Origin::File,
            "{name} is missing in axepool.example.toml"
        );
        if let Some(default) = &known.value {
            let shown = shown.value.as_ref().expect("it was given");
            assert_eq!(
                shown, default,
                "{name}: not its default in axepool.example.toml"
            );
        }
    }
}

#[test]
fn every_key_is_explained() {
    let lines: Vec<_> = EXAMPLE.lines().collect();
    for (number, pair) in lines.windows(2).enumerate() {
        let is_key = |line: &str| line.starts_with("#: ") || line.contains(" = \"");
        let is_text = |line: &str| line.starts_with("# ");
        // Keys that belong together share a text.
        assert!(
            !is_key(pair[1]) || is_text(pair[0]) || is_key(pair[0]),
            "axepool.example.toml, line {}: {} has no text",
            number + 2,
            pair[1]
        );
        assert!(pair[1].chars().count() <= 100, "{}", pair[1]);
    }
}
