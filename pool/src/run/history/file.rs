//! The last hour on disk, for the next start.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use accounting::MinerId;
use basics::{files, json_file};
use serde::{Deserialize, Serialize};

use super::devices::{Devices, MAX_DEVICES, Named};

#[derive(Serialize)]
struct Written<'a> {
    miners: &'a BTreeMap<MinerId, Named>,
}

#[derive(Deserialize)]
struct Read {
    miners: BTreeMap<MinerId, Named>,
}

pub(super) fn written(devices: &Devices) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&Written {
        miners: &devices.miners,
    })?)
}

/// What was saved; nothing where there is no file.
pub(super) fn read(path: &Path, now_ms: u64) -> io::Result<Devices> {
    let Some(read) = json_file::read::<Read>(path)? else {
        return Ok(Devices::default());
    };
    let count: usize = read.miners.values().map(Named::len).sum();
    if count > MAX_DEVICES {
        let why = format!("{count} devices, above {MAX_DEVICES}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(Devices::restored(read.miners, now_ms))
}

/// There is always a whole file; after a loss of power perhaps an older one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    files::replace_unsynced(path, bytes)
}
