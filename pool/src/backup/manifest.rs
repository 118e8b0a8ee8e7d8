//! A backup's manifest: `manifest.json`, the last file that is written into it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use accounting::{EpochId, Incarnation};
use anyhow::{Context, Result, bail};
use bitcoin::hashes::sha256;
use serde::{Deserialize, Serialize};

/// The shape of a backup. A newer one is refused.
pub(super) const FORMAT: u64 = 2;

/// The manifest's name.
pub(super) const NAME: &str = "manifest.json";

/// A manifest is some kilobytes, and 200 bytes for each miner who is told things.
const MAX_BYTES: u64 = 64 << 20;

/// What is never in a backup, and why.
pub(super) const LEFT_OUT: &str = "the lightning node's channels: an old copy of their state \
    would lose their money to the peers. After a restore the node starts from its words alone, \
    its peers close the channels, and axepool node recover fetches the money";

/// What is in a file of a backup, by its name there. The place in a data directory is the
/// same.
pub(super) mod name {
    use accounting::MinerId;

    pub(in crate::backup) const LEDGER: &str = "ledger.redb";
    pub(in crate::backup) const MINT: &str = "mint/mint.sqlite";
    pub(in crate::backup) const MINT_URL: &str = "mint/public_url.json";
    pub(in crate::backup) const MINT_WORDS: &str = "mint/mint.mnemonic";
    pub(in crate::backup) const OFFERS: &str = "offers.json";
    pub(in crate::backup) const OCEAN_WATCH: &str = "ocean-watch.json";
    pub(in crate::backup) const RECEIPT_KEY: &str = "receipt.key";
    pub(in crate::backup) const OUTGOING: &str = "node/outgoing.jsonl";
    /// Made by earlier versions, and of no use any more.
    pub(in crate::backup) const PAYOUT_ADDRESS: &str = "node/payout-address";
    /// Which addresses the node's wallet has given out.
    pub(in crate::backup) const WALLET: &str = "node/wallet.json";
    /// What transactions cost that brought lost money back.
    pub(in crate::backup) const FETCHED: &str = "node/fetched.json";
    pub(in crate::backup) const NODE_WORDS: &str = "node-mnemonic";
    pub(in crate::backup) const CONFIG: &str = "config.toml";

    /// What owners are told, a file for each miner: `notices/{key}.json`.
    pub(in crate::backup) const NOTICES: &str = "notices";

    /// True for what a backup may have. Nothing else is ever taken out of one.
    pub(in crate::backup) fn is_known(name: &str) -> bool {
        ALL.contains(&name) || notice_of(name).is_some()
    }

    /// The miner of a file of notices.
    fn notice_of(name: &str) -> Option<MinerId> {
        let file = name.strip_prefix(NOTICES)?.strip_prefix('/')?;
        let miner: MinerId = file.strip_suffix(".json")?.parse().ok()?;
        // One miner can be written in several ways, and has one file.
        (name == format!("{NOTICES}/{miner}.json")).then_some(miner)
    }

    /// The single files.
    const ALL: [&str; 13] = [
        LEDGER,
        MINT,
        MINT_URL,
        MINT_WORDS,
        OFFERS,
        OCEAN_WATCH,
        RECEIPT_KEY,
        OUTGOING,
        PAYOUT_ADDRESS,
        WALLET,
        FETCHED,
        NODE_WORDS,
        CONFIG,
    ];
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub(crate) format: u64,
    /// The version of the program that made it.
    pub(crate) program: String,
    /// When it was begun, milliseconds since 1970: what was spent or issued later is not
    /// in it.
    pub(crate) made_ms: u64,
    /// `bitcoin`, `regtest`, ...
    pub(crate) network: String,
    /// The pool's name.
    pub(crate) name: String,
    /// The ledger in it.
    pub(crate) ledger: Ledger,
    /// Tells the mint's mnemonic from others; `None`: there was none.
    pub mint_words: Option<String>,
    /// The same of the node's.
    pub node_words: Option<String>,
    /// The config file that was in use.
    pub config: Option<PathBuf>,
    /// The mnemonics and the config file are in it.
    pub with_secrets: bool,
    /// With whom the node had channels, `node_id@host:port`, or without the place where it
    /// was not known: a node that starts from its words alone has to meet them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channel_peers: Vec<String>,
    /// Its files.
    pub(crate) files: Vec<Entry>,
    /// What is not in it and never is.
    pub left_out: Vec<String>,
}

/// The ledger of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Which.
    pub(crate) incarnation: Incarnation,
    /// The number of the last batch that is in it.
    pub(crate) sequence: u64,
    /// The open epoch.
    pub(crate) epoch: EpochId,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// One of [`name`].
    pub(crate) name: String,
    /// Its length.
    pub(crate) bytes: u64,
    /// Its hash.
    pub(crate) sha256: sha256::Hash,
}

impl Manifest {
    /// Reads the manifest of the backup in `dir`.
    ///
    /// # Errors
    /// There is none, it does not read, or it is of a newer program.
    pub(super) fn read(dir: &Path) -> Result<Manifest> {
        /// What every format has.
        #[derive(Deserialize)]
        struct Any {
            format: u64,
            program: String,
        }
        let path = dir.join(NAME);
        let shown = path.display();
        let about = fs::metadata(&path);
        if about
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        {
            bail!("{} is no backup: it has no {NAME}", dir.display());
        }
        if about.with_context(|| format!("{shown}"))?.len() > MAX_BYTES {
            bail!("{shown} is longer than any manifest");
        }
        let text = fs::read(&path).with_context(|| format!("{shown}"))?;
        let any: Any =
            serde_json::from_slice(&text).with_context(|| format!("{shown} is no manifest"))?;
        if any.format > FORMAT {
            bail!(
                "{shown} was written by axepool {}: its format is {}, the newest known here is \
                 {FORMAT}. Restore with that version",
                any.program,
                any.format
            );
        }
        let manifest: Manifest =
            serde_json::from_slice(&text).with_context(|| format!("{shown} is no manifest"))?;
        for entry in &manifest.files {
            if !name::is_known(&entry.name) {
                bail!("{shown} names {:?}, which no backup has", entry.name);
            }
        }
        if !manifest.has(name::LEDGER) {
            bail!("{shown} names no ledger");
        }
        Ok(manifest)
    }

    /// Whether a file is in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.iter().any(|entry| entry.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            program: "0.1.0".to_owned(),
            made_ms: 7,
            network: "regtest".to_owned(),
            name: "pool".to_owned(),
            ledger: Ledger {
                incarnation: Incarnation::from_bytes([1; 16]),
                sequence: 9,
                epoch: EpochId::FIRST,
            },
            mint_words: None,
            node_words: Some("ab".to_owned()),
            config: None,
            with_secrets: false,
            channel_peers: vec!["peer@host:9735".to_owned()],
            files: vec![Entry {
                name: name::LEDGER.to_owned(),
                bytes: 3,
                sha256: bitcoin::hashes::Hash::hash(b"abc"),
            }],
            left_out: vec![LEFT_OUT.to_owned()],
        }
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Manifest), said: &str) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut changed = manifest();
        change(&mut changed);
        let text = serde_json::to_string(&changed).expect("writes");
        fs::write(dir.path().join(NAME), text).expect("writes");
        let error = Manifest::read(dir.path()).expect_err("refused");
        assert!(format!("{error:#}").contains(said), "{error:#}");
    }

    #[test]
    fn it_reads_back_and_nothing_else_does() {
        let dir = tempfile::tempdir().expect("a directory");
        let none = Manifest::read(dir.path()).expect_err("none");
        assert!(none.to_string().contains("is no backup"), "{none}");
        let text = serde_json::to_string(&manifest()).expect("writes");
        fs::write(dir.path().join(NAME), text).expect("writes");
        assert_eq!(Manifest::read(dir.path()).expect("reads"), manifest());

        refused(
            |manifest| {
                manifest.format = FORMAT + 1;
                manifest.program = "7.0.0".to_owned();
            },
            &format!("written by axepool 7.0.0: its format is {}", FORMAT + 1),
        );
        refused(|manifest| manifest.files.clear(), "names no ledger");
        for bad in [
            "../../etc/passwd",
            "/etc/passwd",
            "notices/../../x.json",
            "notices/x.json",
            "node/ldk_node_data.sqlite",
        ] {
            refused(
                |manifest| manifest.files[0].name = bad.to_owned(),
                "which no backup has",
            );
        }
    }
}
