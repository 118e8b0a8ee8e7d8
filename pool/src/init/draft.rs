//! A config that is being written: the commented example, with keys put in.

use std::path::{Path, PathBuf};

use toml::Value;

use crate::config::{self, Environment, Problem};

/// Every key there is, explained.
const EXAMPLE: &str = include_str!("../../../axepool.example.toml");

/// What a key that may be put in begins with.
const MAY_BE_PUT_IN: &str = "#: ";

/// The example of the node's settings for a network, by the network's name in the config.
pub(super) fn node_example(network: &str) -> Option<&'static str> {
    match network {
        "mainnet" => Some(include_str!("../../../ldk-node-config/mainnet.toml")),
        "signet" => Some(include_str!("../../../ldk-node-config/signet.toml")),
        "regtest" => Some(include_str!("../../../ldk-node-config/regtest.toml")),
        _ => None,
    }
}

/// The example with some keys put in.
#[derive(Clone, Debug)]
pub struct Draft {
    lines: Vec<String>,
    /// The environment, which goes before the file when its keys are checked.
    environment: Environment,
}

impl Default for Draft {
    fn default() -> Self {
        Self::new()
    }
}

impl Draft {
    /// The example as it is.
    pub fn new() -> Self {
        Self::within(Environment::default())
    }

    /// The same for a pool that runs in `environment`, which may give keys itself.
    pub fn within(environment: Environment) -> Self {
        Draft {
            lines: EXAMPLE.lines().map(str::to_owned).collect(),
            environment,
        }
    }

    /// True when the environment gives the key, whatever the file says.
    pub fn is_given(&self, section: &str, key: &str) -> bool {
        self.environment.has(section, key)
    }

    /// Puts in a key whose value is text.
    ///
    /// # Panics
    /// As [`Self::put`].
    pub fn put_text(&mut self, section: &str, key: &str, text: &str) {
        self.put(section, key, &Value::from(text));
    }

    /// Puts in a key.
    ///
    /// # Panics
    /// If the example has no such key: it has every one.
    pub fn put(&mut self, section: &str, key: &str, value: &Value) {
        let heading = format!("[{section}]");
        let begin = format!("{key} = ");
        let line = self
            .lines
            .iter_mut()
            .skip_while(|line| **line != heading)
            .skip(1)
            .take_while(|line| !line.starts_with('['))
            .find(|line| {
                let line = line.strip_prefix(MAY_BE_PUT_IN).unwrap_or(line);
                line.starts_with(&begin)
            });
        let line = line.expect("the example has every key, which a test holds it to");
        *line = format!("{begin}{value}");
    }

    /// The config's text.
    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }

    /// What is wrong with `section.key` as it stands, in a file of the directory `base`.
    pub fn problem_of(&self, section: &str, key: &str, base: &Path) -> Option<Problem> {
        let name = format!("{section}.{key}");
        let problems = self.read(base).err()?;
        problems.into_iter().find(|problem| problem.key == name)
    }

    /// The config as a pool would read it from a file of the directory `base`.
    pub fn read(&self, base: &Path) -> Result<config::Loaded, Vec<Problem>> {
        config::parse_with(&self.text(), base, self.environment.clone())
    }

    /// The data directory as a pool would read it; the rest may be wrong or missing.
    ///
    /// # Errors
    /// The problems of `[pool]`.
    pub fn read_data_dir(&self, base: &Path) -> Result<PathBuf, Vec<Problem>> {
        config::parse_data_dir(&self.text(), base, self.environment.clone())
    }

    /// The same for its network, chain source and node alone: the rest may be missing.
    pub fn read_sources(&self, base: &Path) -> Result<config::Sources, Vec<Problem>> {
        config::parse_sources(&self.text(), base, self.environment.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_put_in_where_it_is_explained_and_nothing_else_changes() {
        let mut draft = Draft::new();
        draft.put("http", "listen", &Value::from("127.0.0.1:1"));
        draft.put("upstream", "address", &Value::from("bc1q"));
        let text = draft.text();
        let changed: Vec<_> = text
            .lines()
            .zip(EXAMPLE.lines())
            .filter(|(new, old)| new != old)
            .collect();
        assert_eq!(
            changed,
            [
                ("address = \"bc1q\"", "address = \"bc1...\""),
                ("listen = \"127.0.0.1:1\"", "#: listen = \"0.0.0.0:8080\""),
            ]
        );
        assert_eq!(text.lines().count(), EXAMPLE.lines().count());
    }

    #[test]
    fn a_value_cannot_break_out_of_its_line() {
        let mut draft = Draft::new();
        let name = "x\"\n[payout]\nfee_bps = 10000\n";
        draft.put("pool", "name", &Value::from(name));
        let table: toml::Table = toml::from_str(&draft.text()).expect("TOML");
        assert_eq!(table["pool"]["name"].as_str(), Some(name));
        assert!(
            table["payout"]
                .as_table()
                .is_some_and(toml::Table::is_empty)
        );
    }

    #[test]
    fn a_problem_is_told_of_its_key_alone() {
        let mut draft = Draft::new();
        assert!(
            draft
                .problem_of("upstream", "address", Path::new(""))
                .is_some()
        );
        assert_eq!(draft.problem_of("http", "public_url", Path::new("")), None);
        draft.put("http", "public_url", &Value::from("ftp://x"));
        assert!(
            draft
                .problem_of("http", "public_url", Path::new(""))
                .is_some()
        );
    }
}
