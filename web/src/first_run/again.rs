//! The page for whoever comes after the config was written: what stands in it, and where the
//! seed words are.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use bitcoin::Network;
use pool::config::Config;
use pool::init::set_up::Written;

use super::pages::frame;
use crate::Frame;

#[derive(Debug, Template)]
#[template(path = "first_run/again.html")]
struct Again<'a> {
    frame: Frame,
    proof: &'a str,
    files: Vec<String>,
    facts: Vec<(&'static str, String)>,
}

/// The written config, without the words, and the button that starts the pool.
pub(super) fn page(status: StatusCode, written: &Written, proof: &str) -> Response {
    let files = written.words.iter();
    let page = Again {
        frame: frame(),
        proof,
        files: files.map(|of| of.file.display().to_string()).collect(),
        facts: facts(&written.config),
    };
    crate::page(status, &page)
}

/// The form's questions with the config's answers.
fn facts(config: &Config) -> Vec<(&'static str, String)> {
    let none = || "none".to_owned();
    let upstream = config.upstream.urls.iter().map(ToString::to_string);
    let income = &config.income;
    let node = match income.node {
        Some(_) => "yes",
        None => "no",
    };
    let network = match config.network {
        Network::Bitcoin => pool::init::MAINNET.to_owned(),
        network => network.to_string(),
    };
    let chain = income.chain.as_ref();
    let public_url = config.http.public_url.as_ref();
    vec![
        ("Name", config.name.clone()),
        ("Network", network),
        ("Upstream pool", upstream.collect::<Vec<_>>().join(", ")),
        ("Chain source", chain.map_or_else(none, ToString::to_string)),
        ("Lightning node", node.to_owned()),
        ("Payout address", income.address.to_string()),
        ("Split", config.terms.split.name().to_owned()),
        (
            "Public URL",
            public_url.map_or_else(none, ToString::to_string),
        ),
    ]
}
