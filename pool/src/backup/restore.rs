//! From a backup to a data directory that a pool can start with.

use std::path::Path;

use anyhow::{Context, Result, bail};
use basics::clock;
use basics::files::{directory_of, sync_directory};

use super::files;
use super::manifest::{Entry, Manifest, name};
use super::record::{Cause, RestoreRecord, write_restore};
use super::{Told, step};

/// What was restored.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The backup.
    pub manifest: Manifest,
    /// What the data directory remembers of it.
    pub record: RestoreRecord,
}

/// Makes the data directory `to`, which must not be there or be empty, from the backup in
/// `from`. It has its name when it is whole.
///
/// # Errors
/// The backup is damaged or of a newer program, or something is in the way.
pub fn restore(from: &Path, to: &Path, told: Told<'_>) -> Result<Outcome> {
    step(told, "the manifest");
    let manifest = Manifest::read(from)?;
    let shown = to.display();
    let is_free = files::is_free(to).with_context(|| format!("{shown}"))?;
    if !is_free {
        bail!("{shown} is not empty: a backup is restored into a data directory of its own");
    }
    let parent = directory_of(to);
    std::fs::create_dir_all(parent).with_context(|| format!("{}", parent.display()))?;
    let draft = files::draft_in(parent, ".axepool-restore-")
        .with_context(|| format!("{} cannot be written", parent.display()))?;
    for directory in ["mint", "node", name::NOTICES] {
        files::make_dir(&draft.path().join(directory)).with_context(|| format!("{shown}"))?;
    }
    for entry in &manifest.files {
        step(told, &entry.name);
        take(from, draft.path(), entry)?;
    }
    step(told, "the ledger's new incarnation");
    let ledger = draft.path().join(name::LEDGER);
    let restored = ledger::restore(&ledger).context("the ledger of the backup")?;
    if restored.before != manifest.ledger.incarnation {
        bail!(
            "the ledger of the backup is {}, and its manifest says {}",
            restored.before,
            manifest.ledger.incarnation
        );
    }
    let record = RestoreRecord {
        made_ms: manifest.made_ms,
        restored_ms: clock::now_ms(),
        before: restored.before,
        after: restored.after,
        from: restored.from,
        cause: Cause::Backup,
        also: Vec::new(),
        earlier: None,
        accepted: None,
    };
    let sealed = || {
        write_restore(draft.path(), &record)?;
        for directory in ["mint", "node", name::NOTICES, ""] {
            sync_directory(&draft.path().join(directory))?;
        }
        std::fs::rename(draft.path(), to)?;
        sync_directory(parent)
    };
    sealed().with_context(|| format!("{shown} cannot be written"))?;
    // It has another name: there is nothing left to remove.
    let _gone = draft.keep();
    Ok(Outcome { manifest, record })
}

fn take(from: &Path, to: &Path, entry: &Entry) -> Result<()> {
    let path = from.join(&entry.name);
    let shown = path.display();
    let copied = files::copy(&path, &to.join(&entry.name));
    let (bytes, sha256) = copied.with_context(|| format!("{shown} cannot be restored"))?;
    if (bytes, sha256) != (entry.bytes, entry.sha256) {
        bail!(
            "{shown} is damaged: it has {bytes} bytes with the hash {sha256}, and the manifest \
             says {} and {}",
            entry.bytes,
            entry.sha256
        );
    }
    Ok(())
}
