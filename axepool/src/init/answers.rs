//! The dialogue of `axepool init`: what is asked for, one question after the other.

use std::io::BufRead;
use std::path::Path;

use anyhow::{Error, Result, anyhow, bail};
use basics::output;
use pool::config::Problem;
use pool::init::{
    Answers, Draft, MAINNET, NodeFile, Told, no_node, put_checked, put_network, put_split,
};

use super::Dialogue;

/// A question for the value of a key.
struct Question<'a> {
    section: &'static str,
    key: &'static str,
    words: &'a str,
    /// What an empty answer means: nothing is put in, or that it has to be given.
    may_be_empty: bool,
}

/// Asks for what was not answered beforehand, and puts it all in. Each answer is checked
/// at once, by the reader of the config itself.
///
/// # Errors
/// When an answer given beforehand does not do, or one that is needed cannot be had.
pub(crate) fn fill(
    draft: &mut Draft,
    given: Answers,
    person: &mut Dialogue<impl BufRead>,
    base: &Path,
) -> Result<Told> {
    if let Some(data_dir) = given.data_dir {
        put_path(draft, &data_dir, base)?;
    }
    let network = given.network.unwrap_or_else(|| MAINNET.to_owned());
    put_network(draft, &network, base).map_err(told)?;
    if network != MAINNET {
        let upstream = Question {
            section: "upstream",
            key: "urls",
            words: "Where does the pool mine? OCEAN, the default, is on mainnet alone.\n  \
                    (stratum+tcp://host:port)",
            may_be_empty: false,
        };
        upstream.settle(draft, given.upstream, person, base)?;
    } else if let Some(urls) = given.upstream {
        put_checked(draft, ("upstream", "urls"), &urls, base).map_err(told)?;
    }
    let node = node(&network, given.lightning, person)?;
    let chain = Question {
        section: "chain",
        key: "url",
        words: if node.is_some() {
            "Where does the pool, and its node, read the chain?\n  \
             (bitcoind's RPC, http://user:password@127.0.0.1:8332, or http://127.0.0.1:8332 with \
             its cookie; or an Esplora server, https://host/api)"
        } else {
            "Where does the pool read the chain? With none, payouts on-chain are not found.\n  \
             (bitcoind's RPC, http://user:password@127.0.0.1:8332, or http://127.0.0.1:8332 with \
             its cookie; an Esplora server, https://host/api; or nothing)"
        },
        may_be_empty: node.is_none(),
    };
    chain.settle(draft, given.chain, person, base)?;
    let address = Question {
        section: "upstream",
        key: "address",
        words: if node.is_some() {
            "Which bitcoin address of yours does OCEAN pay to?\n  \
             (nothing: one of the pool's own node, which `axepool address` shows afterwards)"
        } else {
            "Which bitcoin address of yours does OCEAN pay to?"
        },
        may_be_empty: node.is_some(),
    };
    let has_address = address.settle(draft, given.address, person, base)?;
    let question = "May strangers mine here? Then payouts are split over OCEAN's own window of \
                    shares,\n  so that a miner who comes only when a block is near gains nothing.";
    let strangers = match given.strangers {
        Some(strangers) => strangers,
        None => person.yes_or_no(question, false)?,
    };
    put_split(draft, strangers);
    let public_url = Question {
        section: "http",
        key: "public_url",
        words: "Under which URL do wallets reach this machine? It stands in every token and \
                should never change.\n  (https://pool.example.org, or nothing for now: owners \
                sweep until there is one)",
        may_be_empty: true,
    };
    public_url.settle(draft, given.public_url, person, base)?;
    if let Some(node) = &node {
        node.put(draft);
    }
    Ok(Told {
        node,
        lacks_address: !has_address,
    })
}

/// Where the node's settings are to be, and what they say.
fn node(
    network: &str,
    given: Option<bool>,
    person: &mut Dialogue<impl BufRead>,
) -> Result<Option<NodeFile>> {
    let Some(file) = NodeFile::of(network) else {
        if given == Some(true) {
            bail!("--lightning: {}", no_node(network).why);
        }
        return Ok(None);
    };
    let question = "Is OCEAN to pay over lightning, to a node that runs in the pool? It needs a \
                    channel\n  with inbound liquidity; without a node OCEAN pays on-chain.";
    let wanted = match given {
        Some(wanted) => wanted,
        // Nobody is surprised by a node.
        None => person.yes_or_no(question, person.can_ask())?,
    };
    Ok(wanted.then_some(file))
}

impl Question<'_> {
    /// Puts in what is answered; true when something was.
    fn settle(
        &self,
        draft: &mut Draft,
        given: Option<String>,
        person: &mut Dialogue<impl BufRead>,
        base: &Path,
    ) -> Result<bool> {
        let place = (self.section, self.key);
        if let Some(given) = given {
            put_checked(draft, place, &given, base).map_err(told)?;
            return Ok(true);
        }
        loop {
            let answer = person.ask(self.words)?;
            if answer.is_empty() {
                if self.may_be_empty {
                    return Ok(false);
                }
                if !person.can_ask() {
                    bail!(
                        "{}.{} is needed: see axepool init --help",
                        self.section,
                        self.key
                    );
                }
                output::remark("  This one is needed.");
                continue;
            }
            match put_checked(draft, place, &answer, base) {
                Ok(()) => return Ok(true),
                Err(problem) => output::remark(format!("  {problem}")),
            }
        }
    }
}

/// A problem as the error of a command.
fn told(problem: Problem) -> Error {
    anyhow!("{problem}")
}

fn put_path(draft: &mut Draft, data_dir: &Path, base: &Path) -> Result<()> {
    let Some(data_dir) = data_dir.to_str() else {
        bail!("{}: a config file holds only text", data_dir.display());
    };
    put_checked(draft, ("pool", "data_dir"), data_dir, base).map_err(told)
}

#[cfg(test)]
mod tests {
    use toml::Value;

    use super::*;
    use pool::config;

    const ADDRESS: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";

    /// The config that comes of the lines, and what is told.
    #[track_caller]
    fn case(given: Answers, lines: &str) -> (config::Loaded, Told) {
        let mut draft = Draft::new();
        let mut person = Dialogue::new(Some(lines.as_bytes()));
        let told = fill(&mut draft, given, &mut person, Path::new("")).expect("answers");
        assert!(person.ask("?").is_err(), "an answer is left over");
        if told.lacks_address {
            draft.put("upstream", "address", &Value::from(ADDRESS));
        }
        if told.node.is_some() {
            // Its file is not written yet.
            draft.put("lightning", "config", &Value::from(node_file()));
        }
        let loaded = config::parse(&draft.text(), Path::new("")).expect("a config");
        (loaded, told)
    }

    fn node_file() -> &'static str {
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../ldk-node-config/mainnet.toml"
        )
    }

    #[test]
    fn answers_are_checked_one_by_one_and_asked_for_again() {
        // No node; no chain; a mistyped address, then nothing, then one; strangers; a URL
        // that is none of mainnet's, then one.
        let lines = format!(
            "n\n\nbc1qwrong\n\n{ADDRESS}\nperhaps\ny\nhttp://192.0.2.1\nhttps://pool.example\n"
        );
        let (loaded, told) = case(Answers::default(), &lines);
        let config = loaded.config;
        assert_eq!(config.income.address.to_string(), ADDRESS);
        assert_eq!(config.terms.split, accounting::Split::Tides);
        let url = config.http.public_url.map(|url| url.to_string());
        assert_eq!(url.as_deref(), Some("https://pool.example"));
        assert!(told.node.is_none() && !told.lacks_address);
    }

    #[test]
    fn a_node_needs_the_chain_and_may_give_the_address() {
        let lines = "\n\nhttp://me:secret@127.0.0.1:8332\n\n\n\n";
        let (loaded, told) = case(Answers::default(), lines);
        assert!(told.lacks_address && loaded.config.income.node.is_some());
        assert_eq!(
            told.node.expect("a node").path,
            "ldk-node-config/mainnet.toml"
        );
        assert_eq!(loaded.config.terms.split, accounting::Split::Epoch);
    }

    #[test]
    fn what_was_given_is_not_asked() {
        let given = Answers {
            address: Some(ADDRESS.to_owned()),
            strangers: Some(false),
            public_url: Some("https://pool.example".to_owned()),
            chain: Some("https://chain.example/api".to_owned()),
            lightning: Some(false),
            ..Answers::default()
        };
        let (loaded, _) = case(given, "");
        assert!(loaded.config.income.chain.is_some());
    }

    #[test]
    fn without_anybody_to_ask_what_is_missing_is_named() {
        let refused = |given: Answers| {
            let nobody = &mut Dialogue::new(None::<&[u8]>);
            let filled = fill(&mut Draft::new(), given, nobody, Path::new(""));
            filled.expect_err("a problem").to_string()
        };
        let nothing = refused(Answers::default());
        assert!(nothing.contains("upstream.address is needed"), "{nothing}");
        let wrong = refused(Answers {
            address: Some("bc1qwrong".to_owned()),
            ..Answers::default()
        });
        assert!(wrong.contains("not a bitcoin address"), "{wrong}");
        let elsewhere = refused(Answers {
            network: Some("signet".to_owned()),
            ..Answers::default()
        });
        assert!(elsewhere.contains("upstream.urls is needed"), "{elsewhere}");
        let network = refused(Answers {
            network: Some("moon".to_owned()),
            ..Answers::default()
        });
        assert!(network.contains("choose \"mainnet\""), "{network}");
        let node = refused(Answers {
            network: Some("testnet4".to_owned()),
            upstream: Some("stratum+tcp://x:1".to_owned()),
            lightning: Some(true),
            ..Answers::default()
        });
        assert!(node.contains("testnet4"), "{node}");
    }
}
