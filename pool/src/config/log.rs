//! `[log]`: levels and files of the log.

use std::path::{Path, PathBuf};

use super::from_base;
use super::reader::Section;
use super::setting::Refusal;
use crate::logs::{self, LogConfig};

pub(super) fn read(section: &mut Section<'_>, base: &Path) -> LogConfig {
    let levels = section.get_if("levels", "info".to_owned(), |levels| {
        let checked = logs::check_levels(levels);
        checked.map_err(|error| Refusal::new(error.to_string(), "\"info\" suits most"))
    });
    let dir: Option<PathBuf> = section.optional("dir");
    LogConfig {
        levels,
        dir: dir.map(|dir| from_base(base, dir)),
        max_bytes: section.number("max_mib", 16, 1..=4_096_u64) << 20,
        keep: section.number("keep", 8, 1..=1_000),
    }
}
