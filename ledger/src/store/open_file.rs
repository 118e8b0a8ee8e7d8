//! The files of a ledger: its store and its journal.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageBackend};

use crate::error::OpenError;
use crate::store::caught;
use crate::store::length::SyncedLength;

/// Opens the files, again if need be. The one seam under the store: the tests put failing
/// disks here.
pub(crate) trait Opener: Debug + Send + Sync {
    /// Opens the database, and makes it new when `create` and there is none. It holds the
    /// lock of both files.
    fn open(&self, create: bool) -> Result<Database, OpenError>;

    /// Opens the journal; `None` when there is none.
    fn open_journal(&self) -> io::Result<Option<Box<dyn StorageBackend>>>;

    /// Makes a journal of these bytes, in the place of one that is there. Whenever the power
    /// goes, there is the one or the other.
    fn make_journal(&self, bytes: &[u8]) -> io::Result<Box<dyn StorageBackend>>;

    /// Gives the journal that is there a name under which nobody reads it, so that a person
    /// can look at it.
    fn set_journal_aside(&self) -> io::Result<()>;

    /// What the journal is called in errors.
    fn journal_path(&self) -> PathBuf;
}

/// The journal of the ledger at `path`: it stands beside it.
pub fn journal_path(path: &Path) -> PathBuf {
    beside(path, ".journal")
}

/// The same path with more at its end.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(end);
    name.into()
}

/// The file of a real ledger.
#[derive(Debug)]
pub(crate) struct FileOpener {
    pub(crate) path: PathBuf,
    pub(crate) cache_bytes: usize,
}

impl Opener for FileOpener {
    fn open(&self, create: bool) -> Result<Database, OpenError> {
        let path = &self.path;
        let io = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
                self.make(&mut options)?;
                options.open(path).map_err(io)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::NoLedger(path.clone()));
            }
            file => file.map_err(io)?,
        };
        // An empty file would be made a new database whatever we say.
        if !create && file.metadata().map_err(io)?.len() == 0 {
            return Err(OpenError::NoLedger(path.clone()));
        }
        self.database(file)
    }

    fn open_journal(&self) -> io::Result<Option<Box<dyn StorageBackend>>> {
        let mut options = OpenOptions::new();
        match options.read(true).write(true).open(self.journal_path()) {
            Ok(file) => Ok(Some(backend(file)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn make_journal(&self, bytes: &[u8]) -> io::Result<Box<dyn StorageBackend>> {
        let path = self.journal_path();
        let unfinished = beside(&path, ".new");
        // One that a crash left, or anything else of that name: neither its place nor who may
        // read it is to be taken over.
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create_new(true);
        let mut file = private(options).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, &path)?;
        sync_directory(&path)?;
        backend(file)
    }

    fn set_journal_aside(&self) -> io::Result<()> {
        let path = self.journal_path();
        let names = (1..u32::MAX).map(|number| beside(&path, &format!(".{number}")));
        for name in names {
            if !name.try_exists()? {
                std::fs::rename(&path, &name)?;
                return sync_directory(&path);
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn journal_path(&self) -> PathBuf {
        journal_path(&self.path)
    }
}

fn backend(file: File) -> io::Result<Box<dyn StorageBackend>> {
    Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
}

impl FileOpener {
    /// Makes an empty database. Under another name until it is whole: one that lost its
    /// power half made is refused ever after.
    fn make(&self, options: &mut OpenOptions) -> Result<(), OpenError> {
        let io = |source| OpenError::Io {
            path: self.path.clone(),
            source,
        };
        let unfinished = beside(&self.path, ".new");
        let file = private(options)
            .create(true)
            .open(&unfinished)
            .map_err(io)?;
        // Two first starts at once: one of them makes it.
        file.try_lock()
            .map_err(|_| OpenError::LockedByAnother(self.path.clone()))?;
        file.set_len(0).map_err(io)?;
        drop(self.database(file)?);
        match std::fs::hard_link(&unfinished, &self.path) {
            Ok(()) => std::fs::remove_file(&unfinished).map_err(io)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(OpenError::LockedByAnother(self.path.clone()));
            }
            // A card's file system may have no links. A rename replaces what is there,
            // so it comes second.
            Err(_) => std::fs::rename(&unfinished, &self.path).map_err(io)?,
        }
        sync_directory(&self.path).map_err(io)
    }

    fn database(&self, file: File) -> Result<Database, OpenError> {
        // redb repairs what it has just made as well: nothing to worry anybody with.
        let is_new = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        let opened = caught(|| {
            let backend = FileBackend::new(file).map(SyncedLength);
            let mut builder = Database::builder();
            builder
                .set_cache_size(self.cache_bytes)
                .set_repair_callback(move |repair| {
                    if !is_new {
                        let progress = repair.progress();
                        tracing::warn!(progress, "the ledger was not closed: checking it");
                    }
                });
            Ok(backend.and_then(|backend| builder.create_with_backend(backend)))
        })?;
        opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::LockedByAnother(self.path.clone()),
            other => OpenError::Store(other.into()),
        })
    }
}

#[cfg(unix)]
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
