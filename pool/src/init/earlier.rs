//! A pool that ran before is not set up anew in a browser: whoever deleted or lost its config
//! would be asked for another payout address, and its money would go there.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use basics::files;

use super::{Draft, base_of};
use crate::data_dir;

/// The directory of a node whose settings name no other.
const NODE: &str = "node";

/// Tells whether the config `path` may be made in a browser, by somebody who sees nothing of
/// this machine but the page. `draft` knows what the environment says.
///
/// # Errors
/// The file cannot be made, or the pool ran before.
pub fn can_be_set_up(path: &Path, draft: &Draft) -> Result<()> {
    let shown = path.display();
    if path.exists() {
        bail!("{shown} is there already: restart the pool, which reads it");
    }
    if fs::symlink_metadata(path).is_ok() {
        bail!(
            "{shown} is a link to a file that is not there: restore that file, or remove the link"
        );
    }
    let dir = files::directory_of(path);
    fs::create_dir_all(dir)
        .and_then(|()| files::can_make_files_in(dir))
        .with_context(|| {
            format!(
                "the config {shown} cannot be written: let this user write to {}, or name another \
                 file with --config",
                dir.display()
            )
        })?;
    let base = base_of(path);
    let data_dir = draft.read_data_dir(base).map_err(|problems| {
        let problems = problems.iter();
        let told =
            problems.map(|problem| format!("{}: {}; {}", problem.key, problem.why, problem.fix));
        anyhow!(told.collect::<Vec<_>>().join("; "))
    })?;
    // The rest of what the environment says is told of on the page, when it is wrong.
    let node = draft
        .read_sources(base)
        .ok()
        .and_then(|sources| sources.node);
    let node_dir = node.map(|node| node.settings.storage_dir);
    has_not_run(path, &data_dir, node_dir.as_deref())
}

/// Tells that no pool ran in `data_dir`, nor a node in `node_dir`.
///
/// # Errors
/// One did, or that cannot be told.
pub(super) fn has_not_run(path: &Path, data_dir: &Path, node_dir: Option<&Path>) -> Result<()> {
    let mut found = Some(data_dir::ledger(data_dir)).filter(|ledger| ledger.exists());
    let node_dirs = [Some(data_dir.join(NODE)), node_dir.map(Path::to_owned)];
    let dirs = [Some(data_dir::mint(data_dir))]
        .into_iter()
        .chain(node_dirs);
    for dir in dirs.flatten() {
        if found.is_none() {
            let cannot = || format!("{} cannot be read", dir.display());
            found = store_in(&dir).with_context(cannot)?;
        }
    }
    let Some(found) = found else {
        return Ok(());
    };
    bail!(
        "{} is there, so the pool ran before, but its config {} is missing: restore the config \
         from a backup, or write it with `axepool init`; for another pool, name another pool.data_dir",
        found.display(),
        path.display()
    );
}

/// A database of mint or node.
fn store_in(dir: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("sqlite")) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(path: &Path) -> String {
        let error = can_be_set_up(path, &Draft::new()).expect_err("it is refused");
        format!("{error:#}")
    }

    #[test]
    fn a_pool_that_ran_is_not_set_up_anew() {
        for store in [
            "ledger.redb",
            "mint/mint.sqlite",
            "node/ldk_node_data.sqlite",
        ] {
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join("new/axepool.toml");
            can_be_set_up(&path, &Draft::new()).expect("nothing was there");
            let store = dir.path().join("new/data").join(store);
            fs::create_dir_all(files::directory_of(&store)).expect("its directory");
            fs::write(dir.path().join("new/data/node-mnemonic"), "").expect("words alone");
            can_be_set_up(&path, &Draft::new()).expect("no store");
            fs::write(&store, "").expect("a store");
            let told = refused(&path);
            assert!(
                told.contains("restore the config") && told.contains(&*store.to_string_lossy()),
                "{told}"
            );
        }
    }

    #[test]
    fn the_data_directory_is_the_one_of_the_environment() {
        let dir = tempfile::tempdir().expect("a directory");
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).expect("a directory");
        fs::write(data_dir::ledger(&elsewhere), "").expect("a ledger");
        // A problem elsewhere does not hide it.
        let given = [
            ("AXEPOOL__POOL__DATA_DIR".into(), elsewhere.into_os_string()),
            ("AXEPOOL__CHAIN__URL".into(), "nonsense".into()),
        ];
        let draft = Draft::within(given.into_iter().collect());
        let told = can_be_set_up(&dir.path().join("axepool.toml"), &draft);
        assert!(told.is_err());
    }

    #[test]
    fn a_file_that_cannot_be_made_is_told_of_at_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let link = dir.path().join("axepool.toml");
        std::os::unix::fs::symlink(dir.path().join("nothing"), &link).expect("a link");
        assert!(refused(&link).contains("a link to a file that is not there"));
        let below = dir.path().join("file/axepool.toml");
        fs::write(dir.path().join("file"), "").expect("a file");
        assert!(refused(&below).contains("cannot be written"));
    }
}
