//! Forgetting: buckets, sessions and workers that are too old, some at a time.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use accounting::Resolution;
use redb::{ReadableTable, WriteTransaction};

use crate::codec;
use crate::error::StoreError;
use crate::state::{BucketKey, Prune, PruneFrom, Pruned};
use crate::store::tables::{BUCKETS, SESSIONS, WORKERS, bucket_key};

/// What was looked at in one table.
struct Looked<K> {
    rows: usize,
    forgotten: usize,
    /// The first row that there was no room to look at.
    next: Option<K>,
}

/// Looks at `room` rows at most and takes those out that are too old.
///
/// Row by row, which changes a page in its place. redb's `retain` copies the way to
/// each row that goes: for 300,000 rows it made a file of 112 MB one of 1,742.
pub(super) fn prune_rows(
    write: &WriteTransaction,
    prune: &Prune,
    room: usize,
) -> Result<Pruned, StoreError> {
    let mut room = room.max(1);
    let mut pruned = Pruned::default();
    let mut from = Some(prune.from.clone());
    while let Some(at) = from {
        let (rows, forgotten, next) = match at {
            PruneFrom::Buckets => {
                let looked = buckets(write, prune, room)?;
                let next = looked.next.map_or(PruneFrom::Sessions(0), |()| at);
                (looked.rows, looked.forgotten, Some(next))
            }
            PruneFrom::Sessions(first) => {
                let looked = sessions(write, prune, first, room)?;
                let next = looked.next.map(PruneFrom::Sessions);
                let next = next.unwrap_or(PruneFrom::Workers(Vec::new()));
                (looked.rows, looked.forgotten, Some(next))
            }
            PruneFrom::Workers(first) => {
                let looked = workers(write, prune, &first, room)?;
                let next = looked.next.map(PruneFrom::Workers);
                (looked.rows, looked.forgotten, next)
            }
        };
        pruned.rows = pruned.rows.saturating_add(forgotten);
        room = room.saturating_sub(rows);
        from = next;
        if room == 0 {
            break;
        }
    }
    pruned.next = from;
    Ok(pruned)
}

fn buckets(write: &WriteTransaction, prune: &Prune, room: usize) -> Result<Looked<()>, StoreError> {
    let mut table = write.open_table(BUCKETS)?;
    let mut old = Vec::new();
    for resolution in Resolution::ALL {
        let key = |slot| {
            bucket_key(&BucketKey {
                resolution,
                slot,
                who: None,
            })
        };
        let (zero, first) = (key(0), key(prune.first_slot(resolution)));
        let (end, last) = (key(prune.end_slot(resolution)), key(u64::MAX));
        for range in [&zero..&first, &end..&last] {
            let left = room.saturating_sub(old.len());
            for row in table.range::<&[u8; 41]>(range)?.take(left) {
                old.push(*row?.0.value());
            }
        }
    }
    for key in &old {
        table.remove(key)?;
    }
    Ok(Looked {
        rows: old.len(),
        forgotten: old.len(),
        next: (old.len() >= room).then_some(()),
    })
}

fn sessions(
    write: &WriteTransaction,
    prune: &Prune,
    first: u64,
    room: usize,
) -> Result<Looked<u64>, StoreError> {
    let mut table = write.open_table(SESSIONS)?;
    let (mut rows, mut old, mut next) = (0_usize, Vec::new(), None);
    for row in table.range(first..)? {
        let (session, row) = row?;
        if rows >= room {
            next = Some(session.value());
            break;
        }
        rows = rows.saturating_add(1);
        if prune.session(row.value().1) {
            old.push(session.value());
        }
    }
    for session in &old {
        table.remove(session)?;
    }
    let forgotten = old.len();
    Ok(Looked {
        rows,
        forgotten,
        next,
    })
}

fn workers(
    write: &WriteTransaction,
    prune: &Prune,
    first: &[u8],
    room: usize,
) -> Result<Looked<Vec<u8>>, StoreError> {
    let mut table = write.open_table(WORKERS)?;
    let (mut rows, mut old, mut next) = (0_usize, Vec::new(), None);
    for row in table.range(first..)? {
        let (key, row) = row?;
        if rows >= room {
            next = Some(key.value().to_vec());
            break;
        }
        rows = rows.saturating_add(1);
        // A row that does not read back is kept: this is no place to lose one.
        let last_ms = codec::worker_last_ms(row.value());
        if last_ms.is_some_and(|last_ms| prune.worker(last_ms)) {
            old.push(key.value().to_vec());
        }
    }
    for key in &old {
        table.remove(key.as_slice())?;
    }
    let forgotten = old.len();
    Ok(Looked {
        rows,
        forgotten,
        next,
    })
}
