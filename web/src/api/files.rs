//! Audit files for download. The ledger can make a file again whenever asked, but for
//! 100,000 miners this is much work and the file has some 40 MB: strangers must neither
//! have files made in parallel nor have many of them held in memory.
//!
//! So one file at a time is made, compared with the hash that the ledger kept, and streamed
//! from `data_dir/audit-cache`. The cache has a size limit, is emptied at
//! each start, and may be deleted at any time.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use accounting::settle::FileHash;
use axum::body::{Body, Bytes};
use futures::stream;
use ledger::{LedgerError, Reader};
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use super::answer::Refusal;
use super::csv;

/// What is kept on the disk at most, but always the file that was made last.
const MAX_KEPT_BYTES: u64 = 256 << 20;

/// So many may wait for a file to be made; the next one is told to come back.
const MAX_WAITING: usize = 16;

/// A piece of a file on its way out.
const PIECE_BYTES: usize = 64 << 10;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The bytes that are hashed.
    Json,
    /// A table.
    Csv,
}

impl Form {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Form::Json => "application/json",
            Form::Csv => "text/csv; charset=utf-8",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Csv => "csv",
        }
    }
}

/// The files.
#[derive(Debug)]
pub(super) struct AuditFiles {
    reader: Reader,
    directory: PathBuf,
    /// None of them ever changes.
    hashes: Mutex<BTreeMap<u64, FileHash>>,
    /// Goes with the work: that is done to its end, even when who asked is gone.
    making: Arc<AsyncMutex<()>>,
    waiting: Semaphore,
}

impl AuditFiles {
    /// Keeps them in `directory`, which is emptied: a loss of power may have left half a
    /// file there. Nobody but this process may use it.
    pub(super) fn new(reader: Reader, directory: &Path) -> Self {
        if let Err(error) = empty(directory) {
            tracing::warn!(directory = %directory.display(), %error, "audit files cannot be cached for now");
        }
        AuditFiles {
            reader,
            directory: directory.to_owned(),
            hashes: Mutex::default(),
            making: Arc::default(),
            waiting: Semaphore::new(MAX_WAITING),
        }
    }

    /// The hash of a file; `None` when there is no such file.
    pub(super) async fn hash(&self, number: u64) -> Result<Option<FileHash>, Refusal> {
        if let Some(hash) = self.known(number) {
            return Ok(Some(hash));
        }
        // Right after a settlement it takes all of the file.
        let _waits = self.waiting.try_acquire().map_err(|_| Refusal::Busy)?;
        let alone = Arc::clone(&self.making).lock_owned().await;
        if let Some(hash) = self.known(number) {
            return Ok(Some(hash));
        }
        let reader = self.reader.clone();
        let hash = tokio::task::spawn_blocking(move || {
            let _alone = alone;
            reader.audit_hash(number)
        });
        let hash = hash.await.map_err(|_| LedgerError::Closed)??;
        if let Some(hash) = hash {
            let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
            hashes.insert(number, hash);
        }
        Ok(hash)
    }

    fn known(&self, number: u64) -> Option<FileHash> {
        let hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.get(&number).copied()
    }

    /// The length of a file and its bytes; `hash` is its own.
    pub(super) async fn open(
        &self,
        number: u64,
        hash: FileHash,
        form: Form,
    ) -> Result<(u64, Body), Refusal> {
        // Its hash is in the name: a file of a ledger that was restored is another one.
        let path = self.directory.join(format!("{hash}.{}", form.extension()));
        if let Some(file) = if_there(&path).await? {
            return Ok(file);
        }
        let _waits = self.waiting.try_acquire().map_err(|_| Refusal::Busy)?;
        let alone = Arc::clone(&self.making).lock_owned().await;
        if let Some(file) = if_there(&path).await? {
            return Ok(file);
        }
        let (reader, directory) = (self.reader.clone(), self.directory.clone());
        let made = path.clone();
        let making = tokio::task::spawn_blocking(move || {
            let _alone = alone;
            make(&reader, number, hash, form, &made)?;
            Ok::<_, Refusal>(make_room(&directory, &made)?)
        });
        making.await.map_err(|_| LedgerError::Closed)??;
        let file = if_there(&path).await?;
        file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound).into())
    }
}

fn empty(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(directory)
}

/// An open file goes on being sent when it loses its name.
async fn if_there(path: &Path) -> io::Result<Option<(u64, Body)>> {
    let file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.metadata().await?.len();
    let pieces = stream::try_unfold(file, async |mut file| {
        let mut piece = vec![0; PIECE_BYTES];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok::<_, io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
    });
    Ok(Some((length, Body::from_stream(pieces))))
}

fn make(
    reader: &Reader,
    number: u64,
    hash: FileHash,
    form: Form,
    path: &Path,
) -> Result<(), Refusal> {
    let file = reader.audit_file(number)?;
    let file = file.ok_or(Refusal::Changed(number))?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut draft = BufWriter::new(NamedTempFile::new_in(directory)?);
    match form {
        Form::Json => {
            let bytes = file.to_bytes().map_err(io::Error::other)?;
            if FileHash::of(&bytes) != hash {
                return Err(Refusal::Changed(number));
            }
            draft.write_all(&bytes)?;
        }
        Form::Csv => csv::write(&file, &mut draft)?,
    }
    let draft = draft.into_inner().map_err(io::IntoInnerError::into_error)?;
    draft.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Drops what was made longest ago until the rest fits.
fn make_room(directory: &Path, newest: &Path) -> io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let (entry, path) = entry.map(|entry| (entry.metadata(), entry.path()))?;
        let about = entry?;
        files.push((about.modified()?, path, about.len()));
    }
    files.sort();
    let mut kept: u64 = files.iter().map(|(_, _, length)| length).sum();
    for (_, path, length) in files {
        if kept <= MAX_KEPT_BYTES {
            break;
        }
        if path != newest {
            fs::remove_file(&path)?;
            kept = kept.saturating_sub(length);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn the_oldest_make_room_and_the_newest_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str, length: u64, secs: u64| {
            let path = directory.path().join(name);
            let file = File::create(&path).expect("makes");
            // Without a block on the disk.
            file.set_len(length).expect("grows");
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(secs);
            file.set_modified(time).expect("its time");
            path
        };
        let half = MAX_KEPT_BYTES / 2;
        let (old, middle) = (file("old", half, 1), file("middle", half, 2));
        make_room(directory.path(), &middle).expect("fits");
        assert!(old.exists() && middle.exists());
        let small = file("small", 1, 3);
        make_room(directory.path(), &small).expect("makes room");
        assert!(!old.exists() && middle.exists() && small.exists());
        let huge = file("huge", MAX_KEPT_BYTES + 1, 0);
        make_room(directory.path(), &huge).expect("makes room");
        assert!(huge.exists() && !middle.exists() && !small.exists());
    }
}
