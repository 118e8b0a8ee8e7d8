//! cdk's store in a file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use cdk::cdk_database::WalletDatabase;
use cdk_redb::WalletRedbDatabase;

use super::Store;

/// The store in the file `path`, made when it is not there.
///
/// # Errors
/// What the store or the file system says.
pub(crate) async fn open_store(path: &Path) -> Result<Store, String> {
    let store = WalletRedbDatabase::new(path).map_err(|error| error.to_string())?;
    // cdk-redb 0.18.3 makes every table of a new store but this one, and cannot read
    // what is under way until something was. Removing nothing makes it.
    let table = store.delete_saga(&uuid::Uuid::nil()).await;
    table.map_err(|error| error.to_string())?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|error| error.to_string())?;
    Ok(Arc::new(store))
}
