//! Backups beside each other in one directory, each under the time at which it was begun.

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use basics::files::sync_directory;
use basics::humane;

use super::manifest;

/// What a name looks like, with digits for the nines.
const FORM: &[u8] = b"9999-99-99T99-99-99Z";

/// Where the one that is begun now is to be in `directory`: `2026-11-21T07-53-32Z`.
pub fn next(directory: &Path, now_ms: u64) -> PathBuf {
    let time = humane::utc(now_ms).replace(' ', "T").replace(':', "-");
    directory.join(time + "Z")
}

/// Removes all but the newest `keep`, and gives the places of those that are gone, the
/// oldest first. The one that was just `made` stays, even where a clock that was set back
/// named it as an old one. What is no backup under such a name is nobody's business here.
///
/// # Errors
/// One of them cannot be read or removed; those before it are gone.
pub fn prune(directory: &Path, keep: NonZeroUsize, made: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_named = entry.file_name().to_str().is_some_and(is_name);
        if is_named && entry.path() != made && entry.file_type()?.is_dir() {
            let manifest = entry.path().join(manifest::NAME);
            if manifest.try_exists()? {
                found.push(entry.path());
            }
        }
    }
    // By name is by time.
    found.sort_unstable();
    found.truncate(found.len().saturating_sub(keep.get() - 1));
    for old in &found {
        // What is left of it when this breaks off is no backup any more.
        fs::remove_file(old.join(manifest::NAME))?;
        sync_directory(old)?;
        fs::remove_dir_all(old)?;
    }
    Ok(found)
}

fn is_name(name: &str) -> bool {
    let like = |(byte, form): (u8, &u8)| match form {
        b'9' => byte.is_ascii_digit(),
        form => byte == *form,
    };
    name.len() == FORM.len() && name.bytes().zip(FORM).all(like)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        let name = |entry: io::Result<fs::DirEntry>| {
            let name = entry.expect("an entry").file_name();
            name.into_string().expect("a text")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_oldest_go_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path();
        let keep = |count| NonZeroUsize::new(count).expect("above 0");
        let made = [0, 1, 2, 3].map(|day| next(dir, 1_795_247_612_000 + day * 86_400_000));
        for place in &made {
            fs::create_dir(place).expect("made");
            fs::write(place.join(manifest::NAME), "{}").expect("written");
            fs::write(place.join("ledger.redb"), "").expect("written");
        }
        assert!(made[0].ends_with("2026-11-21T07-53-32Z"), "{made:?}");
        // Old, and somebody's own; named so, and no backup; a file.
        for other in ["before-the-move", "2020-01-01T00-00-00Z"] {
            fs::create_dir(dir.join(other)).expect("made");
        }
        fs::write(dir.join("2020-01-02T00-00-00Z"), "").expect("written");

        let prune = |count| prune(dir, keep(count), &made[3]).expect("pruned");
        assert_eq!(prune(4), [] as [PathBuf; 0]);
        assert_eq!(prune(2), made[..2]);
        assert_eq!(prune(2), [] as [PathBuf; 0]);
        let left = [
            "2020-01-01T00-00-00Z",
            "2020-01-02T00-00-00Z",
            "2026-11-23T07-53-32Z",
            "2026-11-24T07-53-32Z",
            "before-the-move",
        ];
        assert_eq!(names(dir), left);
        // The clock was set back by a day before the last one was made.
        let gone = super::prune(dir, keep(1), &made[2]).expect("pruned");
        assert_eq!(gone, made[3..]);
        assert!(made[2].exists());
    }
}
