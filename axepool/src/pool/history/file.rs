//! The last hour on disk, for the next start.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use ledger::{MinerId, WorkerName};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::devices::{Devices, Entry, MAX_DEVICES};

/// The form of the file.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    miners: &'a BTreeMap<MinerId, BTreeMap<WorkerName, Entry>>,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    miners: BTreeMap<MinerId, BTreeMap<WorkerName, Entry>>,
}

pub(super) fn written(devices: &Devices) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&Written {
        version: VERSION,
        miners: &devices.miners,
    })?)
}

/// What was saved; nothing where there is no file.
pub(super) fn read(path: &Path, now_ms: u64) -> io::Result<Devices> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Devices::default()),
        Err(error) => return Err(error),
    };
    let read: Read = serde_json::from_slice(&bytes)?;
    let count: usize = read.miners.values().map(BTreeMap::len).sum();
    if read.version != VERSION || count > MAX_DEVICES {
        let why = format!("version {} with {count} devices", read.version);
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(Devices::restored(read.miners, now_ms))
}

/// Writes it beside and renames: there is always a whole file.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut draft = NamedTempFile::new_in(directory)?;
    draft.write_all(bytes)?;
    draft.persist(path).map_err(|error| error.error)?;
    Ok(())
}
