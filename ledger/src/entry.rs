//! The entries of the ledger, in one order, and the encoding of a batch in the journal.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::sync::Arc;

use accounting::{
    CloseCause, EpochId, EpochTerms, Identity, KeyPrefix, MinerId, OutboxId, QuotePer, ShareRecord,
    Split, UpstreamResult, Work,
};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

use crate::codec::{BadRow, Fields, put_share_id, put_worker_name};

/// One thing that happened. The state after a history of entries is a function of the
/// entries alone: whatever else it depends on (a time, the terms) is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A share to credit.
    Share(ShareRecord),
    /// What the upstream said to a share.
    Upstream(UpstreamResult),
    /// The open epoch ends here, and the next opens on these terms.
    Close {
        cause: CloseCause,
        at_ms: u64,
        next: EpochTerms,
    },
    /// These rows of the outbox are done.
    OutboxDone(Vec<OutboxId>),
    /// Books were written, in the transaction that put this into the journal.
    Booked {
        /// So many rows of the outbox came with them.
        outbox: u64,
        /// Epochs that dissolved: should the block come back, it closes another one.
        dissolved: Vec<EpochId>,
    },
}

const SHARE: u8 = 1;
const UPSTREAM: u8 = 2;
const CLOSE: u8 = 3;
const OUTBOX_DONE: u8 = 4;
const BOOKED: u8 = 5;

const MEETS_UPSTREAM: u8 = 1;
const MEETS_NETWORK: u8 = 2;
/// How the key was typed: neither for an npub, nor in shares of before there were these.
const TYPED_ODD: u8 = 4;
const TYPED_EVEN: u8 = 8;

/// Beside the way of quoting: how many shares have their own follows. Rows of before
/// there were such quotes have none.
const HAS_MOST: u8 = 0x80;

/// Appends an entry. Fixed widths: a share is 131 bytes and its worker's name, about
/// the least that its hash and key allow, at the cost of a few copies.
pub(crate) fn put(row: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Share(share) => put_share(row, share),
        Entry::Upstream(result) => {
            row.push(UPSTREAM);
            row.extend_from_slice(&result.miner.x_only_bytes());
            row.extend_from_slice(&result.upstream_work.hashes().to_be_bytes());
            row.push(u8::from(result.accepted));
        }
        Entry::Close { cause, at_ms, next } => {
            row.push(CLOSE);
            put_cause(row, cause);
            row.extend_from_slice(&at_ms.to_be_bytes());
            put_terms(row, next);
        }
        Entry::OutboxDone(ids) => {
            row.push(OUTBOX_DONE);
            row.extend_from_slice(&(ids.len() as u64).to_be_bytes());
            ids.iter()
                .for_each(|id| row.extend_from_slice(&id.get().to_be_bytes()));
        }
        Entry::Booked { outbox, dissolved } => {
            row.push(BOOKED);
            row.extend_from_slice(&outbox.to_be_bytes());
            row.extend_from_slice(&(dissolved.len() as u64).to_be_bytes());
            dissolved
                .iter()
                .for_each(|id| row.extend_from_slice(&id.get().to_be_bytes()));
        }
    }
}

/// Reads a whole journal row.
pub(crate) fn batch(row: &[u8]) -> Result<Vec<Entry>, BadRow> {
    let mut fields = Fields::of("a journal row", row);
    let mut entries = Vec::new();
    while !fields.is_empty() {
        entries.push(match fields.u8()? {
            SHARE => Entry::Share(share(&mut fields)?),
            UPSTREAM => Entry::Upstream(UpstreamResult {
                miner: MinerId::from_stored(fields.array()?),
                upstream_work: fields.work()?,
                accepted: fields.u8()? != 0,
            }),
            CLOSE => Entry::Close {
                cause: cause(&mut fields)?,
                at_ms: fields.u64()?,
                next: terms(&mut fields)?,
            },
            OUTBOX_DONE => {
                let count = fields.u64()?;
                let ids = (0..count).map(|_| fields.u64().map(OutboxId::new));
                Entry::OutboxDone(ids.collect::<Result<_, _>>()?)
            }
            BOOKED => {
                let (outbox, count) = (fields.u64()?, fields.u64()?);
                let ids = (0..count).map(|_| fields.u64().map(EpochId::new));
                let dissolved = ids.collect::<Result<_, _>>()?;
                Entry::Booked { outbox, dissolved }
            }
            _ => return Err(fields.bad()),
        });
    }
    Ok(entries)
}

fn put_share(row: &mut Vec<u8>, share: &ShareRecord) {
    row.push(SHARE);
    put_share_id(row, &share.id);
    row.extend_from_slice(&share.who.miner.x_only_bytes());
    put_worker_name(row, &share.who.worker);
    row.extend_from_slice(&share.work.hashes().to_be_bytes());
    row.extend_from_slice(share.hash.as_byte_array());
    row.extend_from_slice(&share.upstream_work.hashes().to_be_bytes());
    let upstream = if share.meets_upstream {
        MEETS_UPSTREAM
    } else {
        0
    };
    let network = if share.meets_network {
        MEETS_NETWORK
    } else {
        0
    };
    let typed = match share.typed {
        None => 0,
        Some(KeyPrefix::Even) => TYPED_EVEN,
        Some(KeyPrefix::Odd) => TYPED_ODD,
    };
    row.push(upstream | network | typed);
    row.extend_from_slice(&share.time_ms.to_be_bytes());
}

fn share(fields: &mut Fields<'_>) -> Result<ShareRecord, BadRow> {
    let id = fields.share_id()?;
    let miner = MinerId::from_stored(fields.array()?);
    let who = Arc::new(Identity {
        miner,
        worker: fields.worker_name()?,
    });
    let (work, hash, upstream_work) = (fields.work()?, fields.hash()?, fields.work()?);
    let flags = fields.u8()?;
    Ok(ShareRecord {
        id,
        who,
        typed: match flags & (TYPED_EVEN | TYPED_ODD) {
            0 => None,
            TYPED_EVEN => Some(KeyPrefix::Even),
            TYPED_ODD => Some(KeyPrefix::Odd),
            _ => return Err(fields.bad()),
        },
        work,
        hash,
        upstream_work,
        meets_upstream: flags & MEETS_UPSTREAM != 0,
        meets_network: flags & MEETS_NETWORK != 0,
        time_ms: fields.u64()?,
    })
}

fn put_cause(row: &mut Vec<u8>, cause: &CloseCause) {
    match cause {
        CloseCause::Command => row.push(0),
        CloseCause::OceanBlock { hash, height } => {
            row.push(1);
            row.extend_from_slice(hash.as_byte_array());
            row.extend_from_slice(&height.to_be_bytes());
        }
    }
}

fn cause(fields: &mut Fields<'_>) -> Result<CloseCause, BadRow> {
    match fields.u8()? {
        0 => Ok(CloseCause::Command),
        1 => Ok(CloseCause::OceanBlock {
            hash: BlockHash::from_byte_array(fields.array()?),
            height: fields.u32()?,
        }),
        _ => Err(fields.bad()),
    }
}

fn put_terms(row: &mut Vec<u8>, terms: &EpochTerms) {
    row.extend_from_slice(&terms.fee_bps.to_be_bytes());
    row.push(terms.split.code());
    let per = terms.quote_per.code();
    let most = terms.max_share_quotes;
    row.push(if most == 0 { per } else { per | HAS_MOST });
    row.extend_from_slice(&terms.quote_min_work.hashes().to_be_bytes());
    if most > 0 {
        row.extend_from_slice(&most.to_be_bytes());
    }
}

fn terms(fields: &mut Fields<'_>) -> Result<EpochTerms, BadRow> {
    let fee_bps = fields.u16()?;
    let split = Split::from_code(fields.u8()?).ok_or_else(|| fields.bad())?;
    let per = fields.u8()?;
    Ok(EpochTerms {
        fee_bps,
        split,
        quote_per: QuotePer::from_code(per & !HAS_MOST).ok_or_else(|| fields.bad())?,
        quote_min_work: Work::from_hashes(fields.u128()?),
        max_share_quotes: if per & HAS_MOST == 0 {
            0
        } else {
            fields.u32()?
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{entry, miner};

    proptest! {
        #[test]
        fn a_batch_reads_back(entries in proptest::collection::vec(entry(), 0..20)) {
            let mut row = Vec::new();
            entries.iter().for_each(|entry| put(&mut row, entry));
            prop_assert_eq!(batch(&row), Ok(entries));
        }

        #[test]
        fn no_bytes_panic(row in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = batch(&row);
        }

        #[test]
        fn a_cut_row_is_an_error(entry in entry(), keep in any::<proptest::sample::Index>()) {
            let mut row = Vec::new();
            put(&mut row, &entry);
            let cut = keep.index(row.len());
            prop_assert!(cut == 0 || batch(&row[..cut]).is_err());
        }
    }

    #[test]
    fn a_count_that_is_not_there_takes_no_memory() {
        let mut row = vec![OUTBOX_DONE];
        row.extend_from_slice(&u64::MAX.to_be_bytes());
        assert!(batch(&row).is_err());
        assert!(batch(&[99]).is_err());
        assert_eq!(miner(1), MinerId::from_stored(miner(1).x_only_bytes()));
    }
}
