//! Making a backup.
//!
//! The order is what makes the copies fit each other, although nothing stands still:
//! what is copied earlier may lack what is in a later copy, and never the other way
//! round. The watch over OCEAN's blocks, before the ledger: it tells the ledger again
//! what the ledger has already, and skips nothing. The mint, before the ledger: the
//! ledger then knows every payment that the mint's quotes have, and orders the missing
//! ones again at the next start. The journal of payments, after the mint: a payment that
//! the mint says is under way is never taken for one that was not ordered.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use basics::files::{directory_of, sync_directory};
use basics::{clock, json_file};
use ledger::Reader;
use tempfile::TempDir;

use super::files;
use super::manifest::{self, Entry, FORMAT, LEFT_OUT, Ledger, Manifest, name};
use super::record::{LastBackup, write_last};
use super::{Progress, Told, step};
use crate::config::Config;
use crate::data_dir;

/// Where everything of a pool is.
#[derive(Clone, Debug)]
pub struct Sources {
    network: String,
    name: String,
    data_dir: PathBuf,
    mint_words: PathBuf,
    /// The node's directory and its words; `None` when the pool has no node.
    node: Option<(PathBuf, PathBuf)>,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Order {
    /// The directory that becomes the backup.
    pub to: PathBuf,
    /// The config file in use.
    pub config: Option<PathBuf>,
    /// The mnemonics and the config file go along.
    pub with_secrets: bool,
    /// With whom the node has channels, as far as that is known.
    pub channel_peers: Vec<String>,
}

impl Sources {
    /// Those that `config` names.
    pub fn of(config: &Config) -> Sources {
        let node = config.income.node.as_ref().map(|node| {
            let settings = &node.settings;
            (settings.storage_dir.clone(), settings.mnemonic_file.clone())
        });
        Sources {
            network: config.network.to_string(),
            name: config.name.clone(),
            data_dir: config.data_dir.clone(),
            mint_words: config.mint.mnemonic_file.clone(),
            node,
        }
    }

    #[cfg(test)]
    pub(super) fn for_tests(data_dir: PathBuf, node: Option<(PathBuf, PathBuf)>) -> Sources {
        Sources {
            network: "regtest".to_owned(),
            name: "pool".to_owned(),
            mint_words: data_dir::mint(&data_dir).join("mint.mnemonic"),
            data_dir,
            node,
        }
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }
}

/// Makes the backup that `order` wants, of a ledger that is open or not. It has its name
/// when it is whole; until then it is beside it under another, and whatever ends it
/// leaves nothing under the name.
///
/// # Errors
/// Something of it cannot be read, or the copy not be written.
pub fn make(sources: &Sources, reader: &Reader, order: &Order, told: Told<'_>) -> Result<Manifest> {
    let shown = order.to.display();
    let is_free = files::is_free(&order.to).with_context(|| format!("{shown}"))?;
    if !is_free {
        bail!("{shown} is not empty: a backup is a directory of its own, name a new one");
    }
    let made_ms = clock::now_ms();
    let parent = directory_of(&order.to);
    let draft = files::draft_in(parent, ".axepool-backup-")
        .with_context(|| format!("{} cannot be written", parent.display()))?;
    let mut copying = Copying {
        sources,
        draft,
        files: Vec::new(),
    };
    let ledger = copying.all(reader, order, told)?;
    let manifest = Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        made_ms,
        network: sources.network.clone(),
        name: sources.name.clone(),
        ledger,
        mint_words: copying.mint_fingerprint()?,
        node_words: copying.node_fingerprint()?,
        config: order.config.clone(),
        with_secrets: order.with_secrets,
        channel_peers: order.channel_peers.clone(),
        files: copying.files,
        left_out: vec![LEFT_OUT.to_owned()],
    };
    let draft = copying.draft;
    let sealed = || {
        json_file::write(&draft.path().join(manifest::NAME), &manifest)?;
        std::fs::rename(draft.path(), &order.to)?;
        sync_directory(parent)
    };
    sealed().with_context(|| format!("{shown} cannot be written"))?;
    // It has another name: there is nothing left to remove.
    let _gone = draft.keep();
    let last = LastBackup {
        made_ms,
        to: order.to.clone(),
    };
    write_last(&sources.data_dir, &last).context("when the backup was made cannot be kept")?;
    Ok(manifest)
}

struct Copying<'a> {
    sources: &'a Sources,
    /// Removed unless it gets its name.
    draft: TempDir,
    files: Vec<Entry>,
}

impl Copying<'_> {
    fn all(&mut self, reader: &Reader, order: &Order, told: Told<'_>) -> Result<Ledger> {
        let data_dir = &self.sources.data_dir;
        step(told, "small files");
        files::make_dir(&self.path("mint")).context("the backup")?;
        files::make_dir(&self.path("node")).context("the backup")?;
        files::make_dir(&self.path(name::NOTICES)).context("the backup")?;
        self.file(name::OCEAN_WATCH, &data_dir::ocean_watch(data_dir))?;
        self.file(name::OFFERS, &data_dir::offers(data_dir))?;
        self.file(name::MINT_URL, &data_dir::mint_url(data_dir))?;
        self.file(name::RECEIPT_KEY, &data_dir::receipt_key(data_dir))?;
        self.notices(&data_dir::notices(data_dir))?;
        if let Some((storage, _)) = &self.sources.node {
            self.file(name::FETCHED, &storage.join("fetched.json"))?;
        }
        step(told, "the mint's store");
        if mint::copy_store(&data_dir::mint(data_dir), &self.path(name::MINT))? {
            self.enter(name::MINT)?;
        }
        let ledger = self.ledger(reader, told)?;
        if let Some((storage, _)) = &self.sources.node {
            step(told, "the journal of payments");
            self.file(name::OUTGOING, &storage.join("outgoing.jsonl"))?;
            self.file(name::WALLET, &storage.join("wallet.json"))?;
        }
        if order.with_secrets {
            self.secrets(order)?;
        }
        for directory in ["mint", "node", name::NOTICES] {
            sync_directory(&self.path(directory)).context("the backup")?;
        }
        Ok(ledger)
    }

    /// A file for each miner who is told things; others are of no use to anybody.
    fn notices(&mut self, from: &Path) -> Result<()> {
        let entries = match std::fs::read_dir(from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.with_context(|| format!("{}", from.display()))?,
        };
        for entry in entries {
            let file = entry.with_context(|| format!("{}", from.display()))?;
            let name = format!("{}/{}", name::NOTICES, file.file_name().to_string_lossy());
            if name::is_known(&name) {
                self.file(&name, &file.path())?;
            }
        }
        Ok(())
    }

    fn ledger(&mut self, reader: &Reader, told: Told<'_>) -> Result<Ledger> {
        let path = self.path(name::LEDGER);
        let rows = |done, of| {
            told(Progress {
                step: "the ledger".to_owned(),
                done,
                of,
            });
        };
        reader
            .copy_to(&path, rows)
            .context("the ledger cannot be copied")?;
        // A copy that cannot be opened is none; and it says itself what it is.
        let ledger = {
            let copy = Reader::open(&path).context("the ledger's copy")?;
            Ledger {
                incarnation: copy.incarnation(),
                sequence: copy.sequence(),
                epoch: copy.open_epoch().id,
            }
        };
        self.enter(name::LEDGER)?;
        Ok(ledger)
    }

    fn secrets(&mut self, order: &Order) -> Result<()> {
        self.file(name::MINT_WORDS, &self.sources.mint_words)?;
        if let Some((_, words)) = &self.sources.node {
            self.file(name::NODE_WORDS, words)?;
        }
        if let Some(config) = &order.config {
            self.file(name::CONFIG, config)?;
        }
        Ok(())
    }

    /// Copies a file that may not be there.
    fn file(&mut self, name: &str, from: &Path) -> Result<()> {
        let copied = files::copy_if_there(from, &self.path(name));
        let copied = copied.with_context(|| format!("{} cannot be copied", from.display()))?;
        let Some((bytes, sha256)) = copied else {
            return Ok(());
        };
        self.files.push(Entry {
            name: name.to_owned(),
            bytes,
            sha256,
        });
        Ok(())
    }

    /// Enters a file that is there and synced.
    fn enter(&mut self, name: &str) -> Result<()> {
        let path = self.path(name);
        let synced = std::fs::File::open(&path).and_then(|file| file.sync_all());
        let sum = synced.and_then(|()| files::sum(&path));
        let (bytes, sha256) = sum.with_context(|| format!("the copy {name}"))?;
        self.files.push(Entry {
            name: name.to_owned(),
            bytes,
            sha256,
        });
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.draft.path().join(name)
    }

    fn mint_fingerprint(&self) -> Result<Option<String>> {
        let words = &self.sources.mint_words;
        let fingerprint = words.try_exists()?.then(|| mint::fingerprint(words));
        Ok(fingerprint.transpose()?)
    }

    fn node_fingerprint(&self) -> Result<Option<String>> {
        let Some((_, words)) = &self.sources.node else {
            return Ok(None);
        };
        let fingerprint = words
            .try_exists()?
            .then(|| payout::Seed::fingerprint_of(words));
        Ok(fingerprint.transpose()?)
    }
}
