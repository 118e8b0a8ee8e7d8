//! What was ever ordered, one line each time its state changes; the last line of an id
//! counts. A line is on disk before what it announces is done.
//!
//! All of it is kept, for ever: a line is what stands between a payment and a second one
//! when the mint comes back from an old backup and asks for it again. At some 250 bytes,
//! a hundred payments a day make 9 MB a year. Superseded lines are dropped when the file
//! is opened and most of it is such.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::record::{Key, Record};
use crate::files::{self, NewerVersion};

/// Why the journal cannot be used. Nothing is paid then.
#[derive(Debug, Error)]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("{path} cannot be used: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A newer program wrote into it.
    #[error("{path}, line {line}: {newer}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// Which version.
        newer: NewerVersion,
    },
    /// It is not what we wrote. It is not put right by guessing: what it forgot could be
    /// paid twice.
    #[error("{path} is damaged in line {line}: {error}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// How.
        error: serde_json::Error,
    },
}

/// The shape of a line. One of a newer program is not understood by guessing.
const VERSION: u64 = 1;

/// The open journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// Opened with the first line that is written.
    file: Option<File>,
    /// How many bytes of the file are whole lines.
    whole_bytes: u64,
    records: HashMap<String, Record>,
    /// The newest id of a key.
    by_key: BTreeMap<Key, String>,
    undecided: BTreeSet<String>,
}

/// So many lines are never too many.
const FEW_LINES: usize = 1_000;

impl Journal {
    /// Opens the journal at `path`; a missing file is an empty one.
    pub(super) fn open(path: &Path) -> Result<Journal, JournalError> {
        let text = files::read_if_there(path).map_err(|error| file_error(path, error))?;
        let mut journal = Journal {
            path: path.to_owned(),
            file: None,
            whole_bytes: 0,
            records: HashMap::new(),
            by_key: BTreeMap::new(),
            undecided: BTreeSet::new(),
        };
        let text = text.unwrap_or_default();
        // What is behind the last line break was never on disk as a whole, so that
        // nothing was done on it: the next line takes its place.
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut lines = 0;
        for line in whole.lines() {
            lines += 1;
            files::check_version(line, VERSION).map_err(|newer| JournalError::Newer {
                path: path.to_owned(),
                line: lines,
                newer,
            })?;
            let record = serde_json::from_str(line).map_err(|error| JournalError::Damaged {
                path: path.to_owned(),
                line: lines,
                error,
            })?;
            journal.take(record);
        }
        journal.whole_bytes = whole.len() as u64;
        if lines > FEW_LINES && lines / 2 > journal.records.len() {
            journal.write_anew()?;
        }
        Ok(journal)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Record> {
        self.records.get(id)
    }

    /// The newest payment of a key.
    pub(super) fn newest(&self, key: &Key) -> Option<&Record> {
        self.records.get(self.by_key.get(key)?)
    }

    /// All of it, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// What is neither paid nor certain not to be, by id.
    pub(super) fn undecided(&self) -> impl Iterator<Item = &Record> {
        self.undecided.iter().filter_map(|id| self.records.get(id))
    }

    /// Writes a record; on disk when this returns.
    ///
    /// # Errors
    /// If it is not certain to be there. Then the record is as it was before.
    pub(super) fn write(&mut self, record: Record) -> Result<(), JournalError> {
        let failed = |path: &Path, error| file_error(path, error);
        let mut line =
            serde_json::to_vec(&record).map_err(|error| failed(&self.path, error.into()))?;
        line.push(b'\n');
        let path = self.path.clone();
        self.append(&line).map_err(|error| failed(&path, error))?;
        self.take(record);
        Ok(())
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        // After a failure the file is opened anew, and what it left behind cut off.
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open_file()?,
        };
        file.write_all(line)?;
        file.sync_data()?;
        self.whole_bytes += line.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    fn open_file(&self) -> io::Result<File> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        file.set_len(self.whole_bytes)?;
        file.sync_all()?;
        File::open(directory)?.sync_all()?;
        Ok(file)
    }

    fn write_anew(&mut self) -> Result<(), JournalError> {
        let mut all: Vec<&Record> = self.records.values().collect();
        // Oldest first: of two with one key the newest must be read last.
        all.sort_by(|one, other| (one.made_secs, &one.id).cmp(&(other.made_secs, &other.id)));
        let of_key = |record: &&Record| self.is_newest_of_its_key(record);
        let (newest, older): (Vec<&Record>, Vec<&Record>) = all.into_iter().partition(of_key);
        let mut text = String::new();
        for record in older.into_iter().chain(newest) {
            let line = serde_json::to_string(record)
                .map_err(|error| file_error(&self.path, error.into()))?;
            text.push_str(&line);
            text.push('\n');
        }
        files::write_whole(&self.path, &text).map_err(|error| file_error(&self.path, error))?;
        self.whole_bytes = text.len() as u64;
        Ok(())
    }

    fn is_newest_of_its_key(&self, record: &Record) -> bool {
        let key = record.order.as_ref().map(|order| &order.key);
        key.and_then(|key| self.by_key.get(key)) == Some(&record.id)
    }

    fn take(&mut self, record: Record) {
        let id = record.id.clone();
        if let Some(order) = &record.order
            && !self.records.contains_key(&id)
        {
            self.by_key.insert(order.key.clone(), id.clone());
        }
        if record.state.is_decided() {
            self.undecided.remove(&id);
        } else {
            self.undecided.insert(id.clone());
        }
        self.records.insert(id, record);
    }
}

fn file_error(path: &Path, error: io::Error) -> JournalError {
    JournalError::File {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests;
