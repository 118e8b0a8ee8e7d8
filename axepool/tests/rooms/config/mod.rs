//! The config as a table: what is wrong, and what is said about it.

mod example;
mod income;
mod listeners;
mod origin;
mod upstream;
mod values;
mod whole;

use std::path::Path;

use pool::config::{self, Config, Problem};

/// A real address of each network, from BIP173 and BIP350's examples.
const MAINNET: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
const TESTNET: &str = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx";

fn minimal(more: &str) -> String {
    format!("[upstream]\naddress = \"{MAINNET}\"\n{more}")
}

#[track_caller]
fn good(text: &str) -> Config {
    match config::parse(text, Path::new("/etc/axepool")) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems:#?}"),
    }
}

#[track_caller]
fn problems(text: &str) -> Vec<Problem> {
    config::parse(text, Path::new("")).expect_err("problems")
}

/// `text` has one problem, of `key`, whose words contain `said`.
#[track_caller]
fn case(text: &str, key: &str, said: &str) {
    let list = problems(text);
    assert_eq!(list.len(), 1, "{list:#?}");
    let whole = list[0].to_string();
    assert_eq!(list[0].key, key, "{whole}");
    assert!(whole.contains(said), "{whole:?} does not say {said:?}");
}
