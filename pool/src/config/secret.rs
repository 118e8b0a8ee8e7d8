//! Secrets: in the config as they are, or better in a file or a variable that the config
//! names. None is ever printed.

use std::fmt;
use std::path::{Path, PathBuf};

use basics::files;
use basics::mask::MASK;
use toml::Value;

use super::from_base;
use super::reader::Section;
use super::setting::{Refusal, Setting};

/// What such a file may hold at most.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// A secret, or where it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// Here.
    Here(String),
    /// In a file whose only line it is: `{ file = "password" }`.
    File(PathBuf),
    /// In a variable of the environment: `{ env = "PASSWORD" }`.
    Env(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.show())
    }
}

impl Setting for Secret {
    const IS_SECRET: bool = true;

    fn read(value: &Value) -> Result<Self, Refusal> {
        let refusal = || {
            Refusal::new(
                "not a secret",
                "write { file = \"...\" } or { env = \"...\" }, or the text in quotes",
            )
        };
        if let Some(text) = value.as_str() {
            return Ok(Secret::Here(text.to_owned()));
        }
        let table = value.as_table().filter(|table| table.len() == 1);
        let (kind, place) = table
            .and_then(|table| table.iter().next())
            .ok_or_else(refusal)?;
        match kind.as_str() {
            "file" => Ok(Secret::File(PathBuf::read(place)?)),
            "env" => Ok(Secret::Env(String::read(place)?)),
            _ => Err(refusal()),
        }
    }

    fn show(&self) -> Value {
        let (kind, place) = match self {
            Secret::Here(_) => return Value::String(MASK.to_owned()),
            Secret::File(path) => ("file", path.show()),
            Secret::Env(name) => ("env", name.show()),
        };
        Value::Table([(kind.to_owned(), place)].into_iter().collect())
    }
}

impl Section<'_> {
    /// The secret of `key`, fetched from where it is. One that cannot be had is a
    /// problem, and its default stands in.
    pub(super) fn secret(&mut self, key: &'static str, base: &Path) -> Option<String> {
        let secret: Secret = self.optional(key)?;
        self.fetch(key, base, secret)
    }

    /// The text of `secret`, which `key` gave.
    pub(super) fn fetch(&mut self, key: &str, base: &Path, secret: Secret) -> Option<String> {
        let shown = secret.show();
        let (fetched, fix) = match secret {
            Secret::Here(text) => {
                self.note_plain_secret(key);
                return Some(text);
            }
            Secret::File(path) => {
                let path = from_base(base, path);
                self.mind_mode(key, &path);
                (
                    read_file(&path),
                    "name a file whose only line is the secret",
                )
            }
            Secret::Env(name) => (
                std::env::var(&name).map_err(|error| error.to_string()),
                "set this variable where the pool is started",
            ),
        };
        match fetched {
            Ok(text) => Some(text),
            Err(why) => {
                self.problem(key, Some(&shown), &why, fix);
                None
            }
        }
    }

    /// Warns of a secret's file that others may read.
    fn mind_mode(&mut self, key: &str, path: &Path) {
        if let Some(mode) = read_by_others(path) {
            self.warn(
                key,
                Some(&Value::String(path.display().to_string())),
                &format!("has mode {mode:o}: others can read it"),
                "chmod 600 it",
            );
        }
    }
}

/// The mode of a file that others than its owner may read, if it is such a file. A link
/// is followed: container runtimes make such.
pub(super) fn read_by_others(path: &Path) -> Option<u32> {
    files::mode_for_others(&std::fs::metadata(path).ok()?)
}

fn read_file(path: &Path) -> Result<String, String> {
    use std::io::Read as _;

    let cannot = |error| format!("cannot be read: {error}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut text = String::new();
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text);
    if u64::try_from(read.map_err(cannot)?).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(format!("longer than {MAX_FILE_BYTES} bytes: no secret"));
    }
    match text.trim() {
        "" => Err("empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}
