//! Makes the admin socket so that at no moment anybody else can open it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};

/// What a unix socket's address holds, its closing zero left out: 108 on Linux, 104 on
/// the BSDs and macOS.
const MAX_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The socket is made in here and then moved to its place.
const NURSERY: &str = ".adm";

/// A path that is too long for a socket's address.
#[derive(Debug, Error)]
#[error(
    "{path} has {} bytes, and a unix socket's path at most {MAX_PATH_BYTES}: give a shorter pool.data_dir",
    path.as_os_str().len()
)]
pub struct PathTooLong {
    path: PathBuf,
}

/// The bound socket; its file goes with it.
#[derive(Debug)]
pub struct AdminSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // A file left behind does no harm: the next start replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

/// An error when `path` fits no socket's address.
pub(super) fn check_length(path: &Path) -> Result<(), PathTooLong> {
    if path.as_os_str().len() > MAX_PATH_BYTES {
        Err(PathTooLong {
            path: path.to_owned(),
        })
    } else {
        Ok(())
    }
}

/// Binds the admin socket at `path`, with mode 0600; what a killed process left there
/// is replaced.
///
/// # Errors
/// When a living process answers there, or the directory does not allow it.
pub async fn bind(path: &Path) -> Result<AdminSocket> {
    let shown = path.display();
    if UnixStream::connect(path).await.is_ok() {
        bail!("another axepool is running: it answers at {shown}");
    }
    let nursery = path.with_file_name(NURSERY);
    let infant = nursery.join("s");
    check_length(path)?;
    check_length(&infant)?;

    // bind(2) gives the file the umask's mode, and the umask belongs to all threads of
    // the process. In a directory of mode 0700 that does not matter; only a socket
    // that is 0600 already is moved out, and the move replaces a stale one at once.
    clear(&nursery).with_context(|| format!("{} cannot be removed", nursery.display()))?;
    DirBuilder::new()
        .mode(0o700)
        .create(&nursery)
        .with_context(|| format!("{} cannot be made", nursery.display()))?;
    let listener = UnixListener::bind(&infant)
        .with_context(|| format!("the admin socket {shown} cannot be made"))?;
    fs::set_permissions(&infant, Permissions::from_mode(0o600))
        .with_context(|| format!("the admin socket {shown} cannot be closed to others"))?;
    fs::rename(&infant, path)
        .with_context(|| format!("the admin socket cannot be moved to {shown}"))?;
    clear(&nursery).with_context(|| format!("{} cannot be removed", nursery.display()))?;
    Ok(AdminSocket {
        listener,
        path: path.to_owned(),
    })
}

fn clear(nursery: &Path) -> io::Result<()> {
    match fs::remove_dir_all(nursery) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_else_can_open_it_and_a_stale_one_is_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("admin.sock");
        // What kill -9 leaves behind: a socket's file that nobody listens on.
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bind"));
        assert!(path.exists());

        let socket = bind(&path).await.expect("a stale socket is no obstacle");
        let mode = fs::metadata(&path)
            .expect("the socket")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(UnixStream::connect(&path).await.is_ok());
        let error = bind(&path).await.expect_err("a living one is").to_string();
        assert!(error.contains("another axepool is running"), "{error}");
        let left: Vec<_> = fs::read_dir(dir.path()).expect("the directory").collect();
        assert_eq!(left.len(), 1, "{left:?}");

        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_path_that_fits_no_address_is_explained() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("d".repeat(100)).join("admin.sock");
        let error = bind(&path).await.expect_err("too long").to_string();
        assert!(error.contains("shorter pool.data_dir"), "{error}");
    }
}
