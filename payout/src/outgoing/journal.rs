//! What was ever ordered, one line each time its state changes; the last line of an id
//! counts. A line is on disk before what it announces is done.
//!
//! All of it is kept, for ever: a line is what stands between a payment and a second one
//! when the mint comes back from an old backup and asks for it again. At some 250 bytes,
//! a hundred payments a day make 9 MB a year. Superseded lines are dropped when the file
//! is opened and most of it is such.
//!
//! Each line has the journal's mark, which is told outside of the directory before the line's
//! announcement is done. A journal that is an older copy forgot payments that were made:
//! which it may have forgotten is its [`Gap`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use accounting::StoreMark;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::record::{Key, Record};
use crate::files::{self, NewerVersion};
use crate::marks::{self, Found, MarkKeeper, Part};

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
    /// How far it is cannot be told outside of it: a copy of it would not be known as such.
    #[error("how far {path} is cannot be kept: {error}")]
    Untold {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The shape of a line. One of a newer program is not understood by guessing.
const VERSION: u64 = 2;

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
    keeper: Arc<dyn MarkKeeper>,
    /// `None` until its first line of this version.
    mark: Option<StoreMark>,
    /// The mark is not known to be told.
    is_untold: bool,
    gap: Option<Gap>,
}

/// What may be missing: payments that were ordered before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gap {
    /// Before this, seconds since 1970, payments may have been ordered that the journal does
    /// not know.
    pub(super) until_secs: u64,
    /// Before this the node's store may not know them either, nor what became of those that
    /// it does know. `None`: it does.
    pub(super) of_store_secs: Option<u64>,
}

impl Gap {
    fn after(self, before: Option<Gap>) -> Gap {
        let earlier = before.and_then(|before| before.of_store_secs);
        Gap {
            of_store_secs: self.of_store_secs.or(earlier),
            ..self
        }
    }
}

/// A line as it is written. One without a record says what is missing.
#[derive(Serialize)]
struct Line<'a> {
    version: u64,
    mark: StoreMark,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
    #[serde(flatten)]
    record: Option<&'a Record>,
}

/// A line as it is read. One of the first version is a record alone.
struct Read {
    mark: Option<StoreMark>,
    gap: Option<Gap>,
    record: Option<Record>,
}

impl Read {
    fn line(line: &str) -> Result<Read, serde_json::Error> {
        let mut fields: Map<String, Value> = serde_json::from_str(line)?;
        fields.remove("version");
        let mark = fields.remove("mark").map(serde_json::from_value);
        let mark = mark.transpose()?;
        let gap = fields.remove("gap").map(serde_json::from_value);
        let gap = gap.transpose()?;
        let is_record = gap.is_none() || !fields.is_empty();
        let record = is_record.then(|| serde_json::from_value(Value::Object(fields)));
        Ok(Read {
            mark,
            gap,
            record: record.transpose()?,
        })
    }
}

/// So many lines are never too many.
const FEW_LINES: usize = 1_000;

impl Journal {
    /// Opens the journal at `path`; a missing file is an empty one. `keeper` is told how far
    /// it is.
    pub(super) fn open(path: &Path, keeper: Arc<dyn MarkKeeper>) -> Result<Journal, JournalError> {
        let text = files::read_if_there(path).map_err(|error| file_error(path, error))?;
        let mut journal = Journal {
            path: path.to_owned(),
            file: None,
            whole_bytes: 0,
            records: HashMap::new(),
            by_key: BTreeMap::new(),
            undecided: BTreeSet::new(),
            keeper,
            mark: None,
            is_untold: false,
            gap: None,
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
            let read = Read::line(line).map_err(|error| JournalError::Damaged {
                path: path.to_owned(),
                line: lines,
                error,
            })?;
            journal.mark = read.mark.or(journal.mark);
            journal.gap = read.gap.or(journal.gap);
            if let Some(record) = read.record {
                journal.take(record);
            }
        }
        journal.whole_bytes = whole.len() as u64;
        if lines > FEW_LINES && lines / 2 > journal.records.len() {
            journal.write_anew()?;
        }
        Ok(journal)
    }

    /// What it is, for the comparison at a start.
    pub(super) fn found(&self) -> Found {
        match self.mark {
            Some(mark) => Found::Marked(mark),
            None if self.records.is_empty() => Found::Nothing,
            None => Found::Unmarked,
        }
    }

    /// What may be missing, if anything may.
    pub(super) fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// Goes on as another journal, of which `gap` may be missing; on disk when this returns.
    /// Its mark is not told: nothing that was known of it holds any more.
    pub(super) fn begin_anew(&mut self, gap: Gap) -> Result<StoreMark, JournalError> {
        let (mark, gap) = (marks::begin(), gap.after(self.gap));
        self.add(&Line {
            version: VERSION,
            mark,
            gap: Some(gap),
            record: None,
        })?;
        (self.mark, self.gap, self.is_untold) = (Some(mark), Some(gap), false);
        Ok(mark)
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

    /// Writes a record; on disk, and told outside, when this returns.
    ///
    /// # Errors
    /// If it is not certain to be there: then the record is as it was before. Or if it is
    /// there and was not told: nothing more is written until it is.
    pub(super) fn write(&mut self, record: Record) -> Result<(), JournalError> {
        self.tell()?;
        let mark = self.mark.map_or_else(marks::begin, StoreMark::next);
        self.add(&Line {
            version: VERSION,
            mark,
            gap: None,
            record: Some(&record),
        })?;
        (self.mark, self.is_untold) = (Some(mark), true);
        self.take(record);
        self.tell()
    }

    fn tell(&mut self) -> Result<(), JournalError> {
        let Some(mark) = self.mark.filter(|_| self.is_untold) else {
            return Ok(());
        };
        let told = self.keeper.keep(Part::Payments, mark);
        told.map_err(|error| JournalError::Untold {
            path: self.path.clone(),
            error,
        })?;
        self.is_untold = false;
        Ok(())
    }

    fn add(&mut self, line: &Line<'_>) -> Result<(), JournalError> {
        let mut bytes =
            serde_json::to_vec(line).map_err(|error| file_error(&self.path, error.into()))?;
        bytes.push(b'\n');
        let appended = self.append(&bytes);
        appended.map_err(|error| file_error(&self.path, error))
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
        let records = older
            .into_iter()
            .chain(newest)
            .map(|record| (None, Some(record)));
        let gap = self.gap.map(|gap| (Some(gap), None));
        let mark = self.mark.unwrap_or_else(marks::begin);
        let mut text = String::new();
        for (gap, record) in gap.into_iter().chain(records) {
            let line = Line {
                version: VERSION,
                mark,
                gap,
                record,
            };
            let line = serde_json::to_string(&line)
                .map_err(|error| file_error(&self.path, error.into()))?;
            text.push_str(&line);
            text.push('\n');
        }
        files::write_whole(&self.path, &text).map_err(|error| file_error(&self.path, error))?;
        self.whole_bytes = text.len() as u64;
        self.mark = Some(mark);
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
