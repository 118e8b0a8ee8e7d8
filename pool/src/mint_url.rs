//! The URL under which tokens were issued. A token names its mint, so a token in
//! circulation is worth nothing under another URL unless its owner knows better.
//!
//! `http.public_url` is written into every token. `data_dir/mint/public_url.json` remembers
//! the last URL and the ecash outstanding under it; `axepool run` and `check-config` warn
//! when the URL has changed since. Without a URL the pool makes no tokens, except on
//! regtest: owners sweep instead, and `axepool run`, `check-config` and the answer to a
//! claim say so.

use std::io;
use std::path::Path;

use accounting::Sat;
use basics::json_file;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::data_dir;

/// What was true when the mint last looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The URL in the tokens.
    pub(crate) public_url: String,
    /// Ecash that was out there.
    pub(crate) outstanding_sat: Sat,
}

/// The record, if there is one that can be read.
pub(crate) fn read(data_dir: &Path) -> io::Result<Option<Record>> {
    json_file::read(&data_dir::mint_url(data_dir))
}

/// A crash leaves the old one or the new one.
pub(crate) fn write(data_dir: &Path, record: &Record) -> io::Result<()> {
    json_file::write(&data_dir::mint_url(data_dir), record)
}

/// What to say when the URL is another one than that in tokens that are out there.
pub(crate) fn changed(record: &Record, public_url: &str) -> Option<String> {
    (record.public_url != public_url && record.outstanding_sat > Sat::ZERO).then(|| {
        format!(
            "http.public_url was {} and is {public_url} now: tokens worth {} sat were issued under \
             the old one and name it. Keep the old URL reachable until they are redeemed",
            record.public_url, record.outstanding_sat
        )
    })
}

/// The same for a config that is only looked at.
pub fn warning(config: &Config) -> io::Result<Option<String>> {
    let record = read(&config.data_dir)?;
    let public_url = config.http.public_url_at(&config.http.listen);
    Ok(record.and_then(|record| changed(&record, public_url.as_str())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_tokens_that_are_out_there_matter() {
        let record = |sat| Record {
            public_url: "https://old.example".to_owned(),
            outstanding_sat: Sat::new(sat),
        };
        assert_eq!(changed(&record(5), "https://old.example"), None);
        assert_eq!(changed(&record(0), "https://new.example"), None);
        let said = changed(&record(5), "https://new.example").expect("a warning");
        assert!(
            said.contains("https://old.example") && said.contains("5 sat"),
            "{said}"
        );
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("mint")).expect("mkdir");
        assert_eq!(read(dir.path()).expect("reads"), None);
        let record = Record {
            public_url: "https://old.example".to_owned(),
            outstanding_sat: Sat::new(7),
        };
        write(dir.path(), &record).expect("writes");
        assert_eq!(read(dir.path()).expect("reads"), Some(record));
    }
}
