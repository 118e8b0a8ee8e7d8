//! The file of marks: how far the mint's store and the ledger were, apart from both.
//!
//! It is written after each commit of the mint and before its answer, so it is small and
//! written in place: one of two slots in turn, each with its hash, so that one of them is
//! whole whatever ends a write. It says when it was made, which no copy of it was; and it is
//! made anew from time to time, so that neither was one that a copy is written into.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use accounting::StoreMark;
use basics::files::{directory_of, sync_directory};
use bitcoin::hashes::{Hash as _, sha256};
use mint::LedgerMark;
use serde::{Deserialize, Serialize};

/// The shape of what is kept. What a newer program wrote is refused.
const VERSION: u64 = 1;

/// Bytes of a slot; what is kept takes half of them.
const SLOT: usize = 2048;

/// What the stores were when somebody looked last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The mint's store, after its last commit.
    pub(super) mint: Option<StoreMark>,
    /// The ledger, some seconds ago.
    pub(super) ledger: Option<LedgerMark>,
    /// When this file was made, nanoseconds since 1970; `None` where the file system does
    /// not say.
    pub(super) born: Option<u64>,
    /// The lightning node's directory. An older program passes over it.
    #[serde(default)]
    pub(super) node: KeptNode,
}

/// What is known of the node's directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptNode {
    /// Its store, after the last state of a channel.
    pub(super) channels: Option<StoreMark>,
    /// Its journal of payments, after the last line.
    pub(super) payments: Option<StoreMark>,
    /// These may be a copy of any age: the file was one, or was gone, and nobody has said
    /// since that the directory is the last one.
    pub(super) is_doubted: bool,
}

/// What a slot holds beside its hash.
#[derive(Serialize, Deserialize)]
struct Slot {
    version: u64,
    /// The slot with the higher number counts.
    number: u64,
    #[serde(flatten)]
    kept: Kept,
}

/// The open file.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    /// The number of the last slot that was written.
    number: u64,
}

/// What the file at `path` keeps, and whether it is a copy; `None` when there is none. One
/// of which nothing reads back keeps nothing.
pub(super) fn read_marks(path: &Path) -> io::Result<Option<(Kept, bool)>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let slots = [read(&file, 0)?, read(&file, 1)?];
    let newest = slots.into_iter().flatten().max_by_key(|slot| slot.number);
    let Some(Slot { kept, .. }) = newest else {
        return Ok(None);
    };
    let is_copy = match (kept.born, birth(&file)) {
        (Some(then), Some(now)) => then != now,
        // Nothing is concluded from what nobody says.
        _ => false,
    };
    Ok(Some((kept, is_copy)))
}

impl MarkFile {
    /// Makes the file at `path` anew, with `kept` in it. On disk when this returns; until
    /// then there is the old one.
    pub(super) fn make(path: &Path, kept: &mut Kept) -> io::Result<MarkFile> {
        let mut draft: PathBuf = path.to_owned();
        draft.set_extension("new");
        // One that a crash left has a birth of its own, too, which is as good.
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        // Whole from the beginning, so that no later write needs room.
        file.write_all(&[b' '; 2 * SLOT])?;
        kept.born = birth(&file);
        let mut made = MarkFile { file, number: 0 };
        made.write(kept)?;
        made.file.sync_all()?;
        std::fs::rename(&draft, path)?;
        sync_directory(directory_of(path))?;
        Ok(made)
    }

    /// Keeps `kept` instead of the last; on disk when this returns.
    pub(super) fn write(&mut self, kept: &Kept) -> io::Result<()> {
        let number = self.number.wrapping_add(1);
        let slot = Slot {
            version: VERSION,
            number,
            kept: kept.clone(),
        };
        let json = serde_json::to_vec(&slot)?;
        let hash = sha256::Hash::hash(&json);
        let mut bytes = Vec::with_capacity(SLOT);
        writeln!(bytes, "{hash} {}", json.len())?;
        bytes.extend_from_slice(&json);
        if bytes.len() >= SLOT {
            return Err(io::Error::other("the marks are longer than their slot"));
        }
        bytes.resize(SLOT - 1, b' ');
        bytes.push(b'\n');
        self.file.write_all_at(&bytes, place(number))?;
        self.file.sync_data()?;
        self.number = number;
        Ok(())
    }
}

/// The slot of a number.
fn place(number: u64) -> u64 {
    (number % 2) * SLOT as u64
}

/// What is in a slot; `None` when it is not whole.
fn read(file: &File, number: u64) -> io::Result<Option<Slot>> {
    let mut bytes = vec![0; SLOT];
    match file.read_exact_at(&mut bytes, place(number)) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let Some(json) = json(&bytes) else {
        return Ok(None);
    };
    #[derive(Deserialize)]
    struct Any {
        version: u64,
    }
    match serde_json::from_slice(json) {
        Ok(Any { version }) if version > VERSION => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "written by a newer version of this program: its version is {version}, the newest known here is {VERSION}"
            ),
        )),
        Ok(_) => Ok(serde_json::from_slice(json).ok()),
        Err(_) => Ok(None),
    }
}

/// The JSON of a slot that is whole.
fn json(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let (hash, length) = head.split_once(' ')?;
    let length: usize = length.parse().ok()?;
    let from = end.checked_add(1)?;
    let json = bytes.get(from..from.checked_add(length)?)?;
    (sha256::Hash::hash(json).to_string() == hash).then_some(json)
}

/// When a file was made; `None` when the file system does not say.
fn birth(file: &File) -> Option<u64> {
    let made = file.metadata().ok()?.created().ok()?;
    let since = made.duration_since(UNIX_EPOCH).ok()?;
    // 0 is how some say that they do not know.
    u64::try_from(since.as_nanos())
        .ok()
        .filter(|nanos| *nanos > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(counter: u64) -> Kept {
        let store = "0123456789abcdef0123456789abcdef".to_owned();
        Kept {
            mint: Some(StoreMark {
                store: store.try_into().expect("an id"),
                counter,
            }),
            ..Kept::default()
        }
    }

    fn read_back(path: &Path) -> Option<Kept> {
        read_marks(path).expect("reads").map(|(kept, _)| kept)
    }

    #[test]
    fn the_last_whole_slot_counts() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("stores.marks");
        assert_eq!(read_back(&path), None);
        let mut first = kept(1);
        let mut file = MarkFile::make(&path, &mut first).expect("makes");
        assert_eq!(read_back(&path), Some(first.clone()));
        for counter in 2..=5 {
            let kept = Kept {
                born: first.born,
                ..kept(counter)
            };
            file.write(&kept).expect("writes");
        }
        let counter = || {
            read_back(&path)
                .and_then(|kept| kept.mint)
                .map(|mark| mark.counter)
        };
        assert_eq!(counter(), Some(5));
        // A write that ended in the middle leaves the one before.
        let last = place(file.number);
        let broken = OpenOptions::new().write(true).open(&path).expect("opens");
        broken.write_all_at(b"torn", last + 80).expect("writes");
        assert_eq!(counter(), Some(4));
        std::fs::write(&path, "").expect("writes");
        assert_eq!(counter(), None, "what keeps nothing is as good as none");
    }

    #[test]
    fn a_copy_is_told_from_the_file_itself() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("stores.marks");
        let is_copy = |path: &Path| read_marks(path).expect("reads").expect("there").1;
        let mut marks = kept(1);
        let mut file = MarkFile::make(&path, &mut marks).expect("makes");
        file.write(&marks).expect("writes");
        assert!(!is_copy(&path));
        if marks.born.is_none() {
            // This file system does not say when a file was made.
            return;
        }
        let copy = dir.path().join("copy");
        std::fs::copy(&path, &copy).expect("copies");
        assert!(is_copy(&copy));
        std::fs::rename(&path, dir.path().join("moved")).expect("moves");
        assert!(
            !is_copy(&dir.path().join("moved")),
            "a name is not the file"
        );
        // Written into the file that was made anew meanwhile.
        let mut later = kept(2);
        drop(MarkFile::make(&path, &mut later).expect("makes"));
        assert!(!is_copy(&path));
        std::fs::copy(&copy, &path).expect("overwrites");
        assert!(is_copy(&path));
    }

    #[test]
    fn a_newer_file_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("stores.marks");
        let json = r#"{"version":2,"number":9}"#;
        let hash = sha256::Hash::hash(json.as_bytes());
        let mut text = format!("{hash} {}\n{json}", json.len()).into_bytes();
        text.resize(2 * SLOT, b' ');
        std::fs::write(&path, text).expect("writes");
        let error = read_marks(&path).expect_err("newer");
        assert!(error.to_string().contains("newer version"), "{error}");
    }
}
