//! The log in files: JSON, a line each, `axepool.jsonl` and older ones beside it. A file
//! that is full becomes `axepool.1.jsonl`, and so on; the oldest goes. For its owner
//! alone: 0600.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Files of a bounded size and number, written as if they were one.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    /// Bytes of a file at most, but for one line that is longer.
    max_bytes: u64,
    /// Files at most, the one that is written among them.
    keep: u32,
    file: File,
    length: u64,
}

impl Files {
    /// Goes on with what is in `dir`, which is made unless it is there.
    pub(super) fn open(dir: &Path, max_bytes: u64, keep: u32) -> io::Result<Files> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let file = append(&path(dir, 0))?;
        let length = file.metadata()?.len();
        Ok(Files {
            dir: dir.to_owned(),
            max_bytes,
            keep: keep.max(1),
            file,
            length,
        })
    }

    /// The full file steps back, and an empty one takes its place.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            match fs::rename(path(&self.dir, number - 1), path(&self.dir, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.keep == 1 {
            fs::remove_file(path(&self.dir, 0))?;
        }
        self.file = append(&path(&self.dir, 0))?;
        Ok(())
    }
}

impl Write for Files {
    /// Writes one line whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let added = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.length > 0 && self.length.saturating_add(added) > self.max_bytes {
            // Where it cannot be, the file grows on, and this is tried again when it has
            // grown by another such size.
            let rotated = self.rotate();
            self.length = 0;
            rotated?;
        }
        self.file.write_all(line)?;
        self.length = self.length.saturating_add(added);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn path(dir: &Path, number: u32) -> PathBuf {
    match number {
        0 => dir.join("axepool.jsonl"),
        number => dir.join(format!("axepool.{number}.jsonl")),
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(path)?;
    // One that was there may have been open to others.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(dir: &Path) -> Vec<String> {
        let texts = (0..9).map_while(|number| fs::read_to_string(path(dir, number)).ok());
        texts.collect()
    }

    fn write(files: &mut Files, lines: &[&str]) {
        for line in lines {
            files.write_all(line.as_bytes()).unwrap();
        }
    }

    #[test]
    fn full_files_step_back_and_the_oldest_goes() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("logs");
        let mut files = Files::open(&dir, 10, 3).unwrap();
        write(&mut files, &["1aaa\n", "2aaa\n", "3aaa\n"]);
        assert_eq!(texts(&dir), ["3aaa\n", "1aaa\n2aaa\n"]);
        // What is there counts after a restart.
        drop(files);
        let mut files = Files::open(&dir, 10, 3).unwrap();
        write(
            &mut files,
            &["4aaa\n", "5aaa\n", "a line longer than a file\n", "6aaa\n"],
        );
        assert_eq!(
            texts(&dir),
            ["6aaa\n", "a line longer than a file\n", "5aaa\n"]
        );
        for number in 0..3 {
            let mode = fs::metadata(path(&dir, number))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(
            fs::metadata(&dir).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn one_file_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::open(dir.path(), 5, 1).unwrap();
        write(&mut files, &["1aaa\n", "2aaa\n"]);
        assert_eq!(texts(dir.path()), ["2aaa\n"]);
    }
}
