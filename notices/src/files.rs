//! A file for each record. A record is small and changes seldom; all of them are read
//! at the start.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use accounting::MinerId;
use basics::{files, json_file};

use super::record::Record;

/// The directory of the records: whoever reads it knows where owners are told.
#[derive(Debug)]
pub(super) struct Files(PathBuf);

impl Files {
    /// The directory `path`, made when it is not there, and what is in it. A file that
    /// cannot be read is told and left where it is; its miner begins anew.
    ///
    /// # Errors
    /// Besides those of the disk: a newer program wrote one of them, and would miss what
    /// is told from now on.
    pub(super) fn open(path: &Path) -> io::Result<(Files, Vec<Record>)> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let mut records = Vec::new();
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match json_file::read(&path) {
                Ok(record) => records.extend(record),
                Err(error) if json_file::is_newer(&error) => {
                    let why = format!("{}: {error}", path.display());
                    return Err(io::Error::new(error.kind(), why));
                }
                Err(error) => tracing::warn!(
                    path = %path.display(), %error,
                    "a miner's notices cannot be read and begin anew"
                ),
            }
        }
        Ok((Files(path.to_owned()), records))
    }

    fn path(&self, miner: &MinerId) -> PathBuf {
        self.0.join(format!("{miner}.json"))
    }

    /// Writes a record; `durable` when a loss of power must not undo it.
    pub(super) fn write(&self, record: &Record, durable: bool) -> io::Result<()> {
        let bytes = serde_json::to_vec(record)?;
        let path = self.path(&record.miner);
        if durable {
            files::replace(&path, &bytes)
        } else {
            files::replace_unsynced(&path, &bytes)
        }
    }

    /// Forgets a record.
    pub(super) fn remove(&self, miner: &MinerId) -> io::Result<()> {
        match fs::remove_file(self.path(miner)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::testing::pair;

    #[test]
    fn records_come_back_and_broken_ones_are_no_obstacle() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notices");
        let (files, none) = Files::open(&path).expect("opens");
        assert!(none.is_empty());
        let [one, two, three] = [1, 2, 3].map(|byte| Record::new(pair(byte).1, 5));
        for (record, durable) in [(&one, true), (&two, false), (&three, true)] {
            files.write(record, durable).expect("writes");
        }
        files.remove(&three.miner).expect("removes");
        files.remove(&three.miner).expect("is gone");
        let broken = path.join(format!("{}.json", three.miner));
        fs::write(&broken, "{").expect("writes");
        let (_, mut read) = Files::open(&path).expect("opens");
        read.sort_by_key(|record| record.miner);
        let mut expected = vec![one, two];
        expected.sort_by_key(|record| record.miner);
        assert_eq!(read, expected);
        assert!(broken.exists(), "somebody may want to look at it");
        fs::write(&broken, "{\"version\":2}").expect("writes");
        let error = Files::open(&path).expect_err("a newer program's");
        assert!(error.to_string().contains("its version is 2"), "{error}");
        let mode = fs::metadata(&path).expect("there").mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
