//! The rows of the books that are many, in fixed widths.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use accounting::settle::{Account, AllocationRow, MinerAccount, PayoutKey};
use accounting::{EpochId, KeyPrefix, MinerId, Msat, OutboxKind, Sat, ShareId};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::{OutPoint, Txid};

use crate::codec::{BadRow, Fields, put_share_id};
use crate::error::StoreError;

/// Rows of one key's chunk: four pages, so that a look-up reads sixteen kilobytes.
pub(super) const CHUNK: usize = 224;

const LIGHTNING: u8 = 1;
const ON_CHAIN: u8 = 2;

/// The first byte of the orders that are many; all others are JSON, which begins with a
/// brace.
const PAY_QUOTE: u8 = 1;
const PAY_SHARE_QUOTE: u8 = 2;
const CREATE_SHARE_QUOTE: u8 = 3;
/// The same, with the prefix of the key behind it.
const CREATE_TYPED_SHARE_QUOTE: u8 = 4;

pub(super) fn miner_account(account: &MinerAccount) -> [u8; 24] {
    let mut row = [0; 24];
    let amounts = [
        account.allocated.get(),
        account.paid.get(),
        account.carry.get(),
    ];
    for (place, amount) in row.chunks_exact_mut(8).zip(amounts) {
        place.copy_from_slice(&amount.to_be_bytes());
    }
    row
}

pub(super) fn read_miner_account(row: &[u8; 24]) -> Result<MinerAccount, BadRow> {
    let mut fields = Fields::of("a miner's account", row);
    let account = MinerAccount {
        allocated: Msat::new(fields.u64()?),
        paid: Sat::new(fields.u64()?),
        carry: Msat::new(fields.u64()?),
    };
    fields.end(account)
}

pub(super) fn put_allocation(row: &mut Vec<u8>, allocation: &AllocationRow) {
    row.extend_from_slice(&allocation.miner.x_only_bytes());
    for number in [
        allocation.allocated.get(),
        allocation.carry_before.get(),
        allocation.paid.get(),
        allocation.carry_after.get(),
        allocation.quote_epoch.get(),
    ] {
        row.extend_from_slice(&number.to_be_bytes());
    }
}

/// The allocations of a chunk.
pub(super) fn read_allocations(
    chunk: &[u8],
) -> impl Iterator<Item = Result<AllocationRow, BadRow>> {
    let mut fields = Fields::of("allocations", chunk);
    std::iter::from_fn(move || (!fields.is_empty()).then(|| read_allocation(&mut fields)))
}

fn read_allocation(fields: &mut Fields<'_>) -> Result<AllocationRow, BadRow> {
    Ok(AllocationRow {
        miner: MinerId::from_stored(fields.array()?),
        allocated: Msat::new(fields.u64()?),
        carry_before: Msat::new(fields.u64()?),
        paid: Sat::new(fields.u64()?),
        carry_after: Msat::new(fields.u64()?),
        quote_epoch: EpochId::new(fields.u64()?),
    })
}

/// A posting as it is stored: a payout has its number for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredPosting {
    pub(super) cause: StoredCause,
    pub(super) from: Account,
    pub(super) to: Account,
    pub(super) amount: Msat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StoredCause {
    Payout(u64),
    Operator(String),
}

pub(super) fn put_posting(row: &mut Vec<u8>, posting: &StoredPosting) {
    match &posting.cause {
        StoredCause::Payout(number) => {
            row.push(0);
            row.extend_from_slice(&number.to_be_bytes());
        }
        StoredCause::Operator(id) => {
            row.push(1);
            row.extend_from_slice(&(id.len() as u64).to_be_bytes());
            row.extend_from_slice(id.as_bytes());
        }
    }
    put_account(row, &posting.from);
    put_account(row, &posting.to);
    row.extend_from_slice(&posting.amount.get().to_be_bytes());
}

/// The postings of a chunk.
pub(super) fn read_postings(chunk: &[u8]) -> impl Iterator<Item = Result<StoredPosting, BadRow>> {
    let mut fields = Fields::of("postings", chunk);
    std::iter::from_fn(move || (!fields.is_empty()).then(|| read_posting(&mut fields)))
}

fn read_posting(fields: &mut Fields<'_>) -> Result<StoredPosting, BadRow> {
    let cause = match fields.u8()? {
        0 => StoredCause::Payout(fields.u64()?),
        1 => {
            let len = usize::try_from(fields.u64()?).map_err(|_| fields.bad())?;
            let id = std::str::from_utf8(fields.bytes(len)?).map_err(|_| fields.bad())?;
            StoredCause::Operator(id.to_owned())
        }
        _ => return Err(fields.bad()),
    };
    Ok(StoredPosting {
        cause,
        from: read_account(fields)?,
        to: read_account(fields)?,
        amount: Msat::new(fields.u64()?),
    })
}

fn put_account(row: &mut Vec<u8>, account: &Account) {
    row.push(match account {
        Account::Outside => 0,
        Account::Operator => 1,
        Account::Carry(_) => 2,
        Account::Quote(..) => 3,
        Account::Suspense => 4,
        Account::NodeCosts => 5,
        Account::Withdrawn => 6,
        Account::Gathering => 7,
    });
    if let Account::Carry(miner) | Account::Quote(miner, _) = account {
        row.extend_from_slice(&miner.x_only_bytes());
    }
    if let Account::Quote(_, epoch) = account {
        row.extend_from_slice(&epoch.get().to_be_bytes());
    }
}

fn read_account(fields: &mut Fields<'_>) -> Result<Account, BadRow> {
    Ok(match fields.u8()? {
        0 => Account::Outside,
        1 => Account::Operator,
        2 => Account::Carry(MinerId::from_stored(fields.array()?)),
        3 => {
            let miner = MinerId::from_stored(fields.array()?);
            Account::Quote(miner, EpochId::new(fields.u64()?))
        }
        4 => Account::Suspense,
        5 => Account::NodeCosts,
        6 => Account::Withdrawn,
        7 => Account::Gathering,
        _ => return Err(fields.bad()),
    })
}

pub(super) fn outbox_kind(kind: &OutboxKind) -> Result<Vec<u8>, StoreError> {
    let mut row = Vec::new();
    match *kind {
        OutboxKind::PayQuote {
            payout,
            miner,
            epoch,
            share,
            sats,
        } => {
            row.push(share.map_or(PAY_QUOTE, |_| PAY_SHARE_QUOTE));
            put_payout_key(&mut row, &payout);
            put_quote(&mut row, miner, epoch, share);
            row.extend_from_slice(&sats.get().to_be_bytes());
        }
        OutboxKind::CreateQuote {
            miner,
            epoch,
            share: share @ Some(_),
            typed,
        } => {
            row.push(typed.map_or(CREATE_SHARE_QUOTE, |_| CREATE_TYPED_SHARE_QUOTE));
            put_quote(&mut row, miner, epoch, share);
            row.extend(typed.map(KeyPrefix::byte));
        }
        _ => return super::checkpoint::json("outbox", kind),
    }
    Ok(row)
}

pub(super) fn read_outbox_kind(row: &[u8]) -> Result<OutboxKind, StoreError> {
    let mut fields = Fields::of("an order for the mint", row);
    let kind = match fields.u8()? {
        kind @ (PAY_QUOTE | PAY_SHARE_QUOTE) => OutboxKind::PayQuote {
            payout: read_payout_key(&mut fields)?,
            miner: MinerId::from_stored(fields.array()?),
            epoch: EpochId::new(fields.u64()?),
            share: match kind {
                PAY_QUOTE => None,
                _ => Some(fields.share_id()?),
            },
            sats: Sat::new(fields.u64()?),
        },
        kind @ (CREATE_SHARE_QUOTE | CREATE_TYPED_SHARE_QUOTE) => OutboxKind::CreateQuote {
            miner: MinerId::from_stored(fields.array()?),
            epoch: EpochId::new(fields.u64()?),
            share: Some(fields.share_id()?),
            typed: match kind {
                CREATE_SHARE_QUOTE => None,
                _ => {
                    let prefix = KeyPrefix::from_byte(fields.u8()?);
                    Some(prefix.ok_or_else(|| fields.bad())?)
                }
            },
        },
        _ => return super::snapshot::json("outbox", row),
    };
    Ok(fields.end(kind)?)
}

fn put_quote(row: &mut Vec<u8>, miner: MinerId, epoch: EpochId, share: Option<ShareId>) {
    row.extend_from_slice(&miner.x_only_bytes());
    row.extend_from_slice(&epoch.get().to_be_bytes());
    share.iter().for_each(|share| put_share_id(row, share));
}

fn put_payout_key(row: &mut Vec<u8>, key: &PayoutKey) {
    match key {
        PayoutKey::Lightning(hash) => {
            row.push(LIGHTNING);
            row.extend_from_slice(hash.as_byte_array());
        }
        PayoutKey::OnChain(output) => {
            row.push(ON_CHAIN);
            row.extend_from_slice(output.txid.as_byte_array());
            row.extend_from_slice(&output.vout.to_be_bytes());
        }
    }
}

fn read_payout_key(fields: &mut Fields<'_>) -> Result<PayoutKey, BadRow> {
    match fields.u8()? {
        LIGHTNING => Ok(PayoutKey::Lightning(sha256::Hash::from_byte_array(
            fields.array()?,
        ))),
        ON_CHAIN => Ok(PayoutKey::OnChain(OutPoint {
            txid: Txid::from_byte_array(fields.array()?),
            vout: fields.u32()?,
        })),
        _ => Err(fields.bad()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::miner;
    use accounting::SessionId;

    fn account() -> impl Strategy<Value = Account> {
        let owner = || (1..9_u8).prop_map(miner);
        prop_oneof![
            Just(Account::Outside),
            Just(Account::Operator),
            owner().prop_map(Account::Carry),
            (owner(), any::<u64>()).prop_map(|(miner, n)| Account::Quote(miner, EpochId::new(n))),
            Just(Account::Suspense),
            Just(Account::Gathering),
            Just(Account::NodeCosts),
            Just(Account::Withdrawn),
        ]
    }

    fn payout_key() -> impl Strategy<Value = PayoutKey> {
        (any::<[u8; 32]>(), proptest::option::of(any::<u32>())).prop_map(|(bytes, vout)| match vout
        {
            None => PayoutKey::Lightning(sha256::Hash::from_byte_array(bytes)),
            Some(vout) => {
                let txid = Txid::from_byte_array(bytes);
                PayoutKey::OnChain(OutPoint { txid, vout })
            }
        })
    }

    fn posting() -> impl Strategy<Value = StoredPosting> {
        let cause = prop_oneof![
            any::<u64>().prop_map(StoredCause::Payout),
            "\\PC{1,40}".prop_map(StoredCause::Operator),
        ];
        (cause, account(), account(), any::<u64>()).prop_map(|(cause, from, to, amount)| {
            let amount = Msat::new(amount);
            StoredPosting {
                cause,
                from,
                to,
                amount,
            }
        })
    }

    proptest! {
        #[test]
        fn postings_read_back(postings in proptest::collection::vec(posting(), 0..9)) {
            let mut row = Vec::new();
            postings.iter().for_each(|posting| put_posting(&mut row, posting));
            let read: Result<Vec<_>, _> = read_postings(&row).collect();
            prop_assert_eq!(read, Ok(postings));
        }

        #[test]
        fn orders_read_back(
            payout in payout_key(), number in 1..9_u8, epoch: u64, sats: u64, id: [u64; 2],
        ) {
            let session = SessionId::from_u64(id[0]);
            let share = Some(ShareId { session, sequence: id[1] });
            let epoch = EpochId::new(epoch);
            let into = epoch.next();
            let (miner, sats) = (miner(number), Sat::new(sats));
            for kind in [
                OutboxKind::PayQuote { payout, miner, epoch, share: None, sats },
                OutboxKind::PayQuote { payout, miner, epoch, share, sats },
                OutboxKind::CreateQuote { miner, epoch, share: None, typed: None },
                OutboxKind::CreateQuote { miner, epoch, share: None, typed: Some(KeyPrefix::Odd) },
                OutboxKind::CreateQuote { miner, epoch, share, typed: None },
                OutboxKind::CreateQuote { miner, epoch, share, typed: Some(KeyPrefix::Even) },
                OutboxKind::CreateQuote { miner, epoch, share, typed: Some(KeyPrefix::Odd) },
                OutboxKind::SettleEpoch { epoch },
                OutboxKind::MergeEpoch { epoch, into },
            ] {
                let row = outbox_kind(&kind).expect("writes");
                prop_assert_eq!(read_outbox_kind(&row).expect("reads"), kind);
            }
        }

        #[test]
        fn allocations_read_back(numbers: [u64; 5], number in 1..9_u8) {
            let [allocated, before, paid, after, epoch] = numbers;
            let row = AllocationRow {
                miner: miner(number),
                allocated: Msat::new(allocated),
                carry_before: Msat::new(before),
                paid: Sat::new(paid),
                carry_after: Msat::new(after),
                quote_epoch: EpochId::new(epoch),
            };
            let mut chunk = Vec::new();
            put_allocation(&mut chunk, &row);
            put_allocation(&mut chunk, &row);
            let read: Result<Vec<_>, _> = read_allocations(&chunk).collect();
            prop_assert_eq!(read, Ok(vec![row, row]));
            let account = MinerAccount {
                allocated: Msat::new(allocated),
                paid: Sat::new(paid),
                carry: Msat::new(after),
            };
            prop_assert_eq!(read_miner_account(&miner_account(&account)), Ok(account));
        }

        #[test]
        fn no_bytes_panic(row in proptest::collection::vec(any::<u8>(), 0..200)) {
            // After an error a reader stops; here it must only come to an end.
            let _ = read_postings(&row).take(300).count();
            let _ = read_allocations(&row).take(300).count();
            let _ = read_outbox_kind(&row);
        }
    }
}
