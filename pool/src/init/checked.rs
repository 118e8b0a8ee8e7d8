//! Answers, and how each gets into the config: checked by the reader of the config itself.

use std::path::{Path, PathBuf};

use toml::Value;

use super::Draft;
use super::draft::node_example;
use crate::config::Problem;

/// The network that a config is for unless it says otherwise.
pub const MAINNET: &str = "mainnet";

/// Answers that were given beforehand, by options or a form.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// `[pool] data_dir`.
    pub data_dir: Option<PathBuf>,
    /// `[pool] name`.
    pub name: Option<String>,
    /// `[pool] network`.
    pub network: Option<String>,
    /// `[upstream] urls`.
    pub upstream: Option<String>,
    /// `[upstream] address`.
    pub address: Option<String>,
    /// Whether strangers may mine here.
    pub strangers: Option<bool>,
    /// `[http] public_url`.
    pub public_url: Option<String>,
    /// `[chain] url`.
    pub chain: Option<String>,
    /// Whether the pool has a lightning node.
    pub lightning: Option<bool>,
}

/// Facts to tell once the config is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The node's settings, if there is a node.
    pub node: Option<NodeFile>,
    /// Whether the address is still to be put in.
    pub lacks_address: bool,
}

/// The file with the node's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFile {
    /// Its path, from the config's directory.
    pub path: String,
    /// Its content.
    pub text: &'static str,
}

/// Puts in what a form answered, where nobody can be asked again; the first-run page of the
/// browser does. An answer that the form lacks has its default. The node is not put in: its
/// settings have to be written first ([`NodeFile::put`]).
///
/// # Errors
/// Everything that does not do or is missing, in the order of the questions. Nothing of what
/// does not do is put in.
pub(super) fn put_all(
    draft: &mut Draft,
    given: Answers,
    base: &Path,
) -> Result<Told, Vec<Problem>> {
    let mut problems = Vec::new();
    let network = given.network.unwrap_or_else(|| MAINNET.to_owned());
    problems.extend(put_network(draft, &network, base).err());
    let node = NodeFile::of(&network).filter(|_| given.lightning == Some(true));
    if given.lightning == Some(true) && node.is_none() {
        problems.push(no_node(&network));
    }
    let texts = [
        (("pool", "name"), given.name),
        (("upstream", "urls"), given.upstream),
        (("chain", "url"), given.chain),
        (("upstream", "address"), given.address),
        (("http", "public_url"), given.public_url),
    ];
    let mut lacking = vec![("pool", "name"), ("http", "public_url")];
    if network == MAINNET {
        lacking.push(("upstream", "urls"));
    }
    // With a node the pool has an address of its own, and without one no need of the chain.
    lacking.push(match node {
        Some(_) => ("upstream", "address"),
        None => ("chain", "url"),
    });
    let mut has_address = draft.is_given("upstream", "address");
    for (place, text) in texts {
        match text {
            Some(text) => {
                has_address |= place == ("upstream", "address");
                problems.extend(put_checked(draft, place, &text, base).err());
            }
            None if lacking.contains(&place) || draft.is_given(place.0, place.1) => {}
            None => problems.push(needed(place)),
        }
    }
    if let Some(strangers) = given.strangers {
        put_split(draft, strangers);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Told {
        node,
        lacks_address: !has_address,
    })
}

impl NodeFile {
    /// The example for a network, by its name in the config; none where there is none.
    pub fn of(network: &str) -> Option<NodeFile> {
        Some(NodeFile {
            path: format!("ldk-node-config/{network}.toml"),
            text: node_example(network)?,
        })
    }

    /// Names the file in the config.
    pub fn put(&self, draft: &mut Draft) {
        draft.put("lightning", "config", &Value::from(self.path.as_str()));
    }
}

/// There is no answer to a question that needs one.
fn needed((section, key): (&str, &str)) -> Problem {
    Problem {
        key: format!("{section}.{key}"),
        value: None,
        why: "an answer is needed here".to_owned(),
        fix: "fill this field in".to_owned(),
    }
}

/// There is no example of a node's settings for a network.
pub fn no_node(network: &str) -> Problem {
    Problem {
        key: "lightning.config".to_owned(),
        value: None,
        why: format!("there are no settings of a node for {network} to begin with"),
        fix: "choose a pool without a node, or another network".to_owned(),
    }
}

/// The default stays as the example has it.
pub fn put_network(draft: &mut Draft, network: &str, base: &Path) -> Result<(), Problem> {
    if network == MAINNET {
        return Ok(());
    }
    put_checked(draft, ("pool", "network"), network, base)
}

/// Puts in the split that suits those who may mine; the default is that of friends.
pub fn put_split(draft: &mut Draft, strangers: bool) {
    if strangers {
        let split = Value::from(accounting::Split::FOR_STRANGERS.name());
        draft.put("payout", "split", &split);
    }
}

/// Puts in `text` unless the config's reader has something against it.
pub fn put_checked(
    draft: &mut Draft,
    (section, key): (&'static str, &'static str),
    text: &str,
    base: &Path,
) -> Result<(), Problem> {
    let mut changed = draft.clone();
    changed.put(section, key, &Value::from(text));
    if let Some(problem) = changed.problem_of(section, key, base) {
        return Err(problem);
    }
    *draft = changed;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";

    #[test]
    fn a_forms_answers_are_checked_all_at_once() {
        let put = |given: Answers| put_all(&mut Draft::new(), given, Path::new(""));
        let keys = |given: Answers| -> Vec<String> {
            let problems = put(given).expect_err("problems");
            problems.into_iter().map(|problem| problem.key).collect()
        };
        assert_eq!(keys(Answers::default()), ["upstream.address"]);
        let wrong = Answers {
            name: Some("x".repeat(65)),
            network: Some("signet".to_owned()),
            address: Some(ADDRESS.to_owned()),
            public_url: Some("ftp://x".to_owned()),
            lightning: Some(true),
            ..Answers::default()
        };
        let all = [
            "pool.name",
            "upstream.urls",
            "chain.url",
            "upstream.address",
            "http.public_url",
        ];
        assert_eq!(keys(wrong), all);
        let nowhere = Answers {
            network: Some("testnet4".to_owned()),
            upstream: Some("stratum+tcp://x:1".to_owned()),
            lightning: Some(true),
            ..Answers::default()
        };
        assert_eq!(keys(nowhere), ["lightning.config", "upstream.address"]);
        let node = Answers {
            chain: Some("https://chain.example/api".to_owned()),
            lightning: Some(true),
            ..Answers::default()
        };
        let told = put(node).expect("a config without its address");
        assert!(told.lacks_address && told.node.is_some());
    }

    #[test]
    fn what_the_environment_gives_is_not_missing() {
        let given = [("AXEPOOL__CHAIN__URL", "https://chain.example/api")];
        let given = given.map(|(name, value)| (name.into(), value.into()));
        let mut draft = Draft::within(given.into_iter().collect());
        let answers = Answers {
            lightning: Some(true),
            ..Answers::default()
        };
        put_all(&mut draft, answers, Path::new("")).expect("nothing is missing");
        assert!(draft.text().contains("#: url = "), "it is not written");
    }
}
