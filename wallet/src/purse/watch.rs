//! Whether the proofs of a mint are to be checked before the next operation, once or for a
//! while.
//!
//! An operation that the mint had not carried out is undone. Its request may be on its way
//! all the same, in a proxy or in the mint's queue. While it can still arrive, each operation
//! asks first whether proofs are spent; and when it can no more, the mint is searched once,
//! since a mint request has no proofs that would show it, and those of a received token are
//! not kept.

use std::time::Duration;

use cdk_common::database;
use cdk_common::util::unix_time;

use super::{NAMESPACE, Purse};
use crate::error::WalletError;

/// Mints of which proofs are to be checked, each with a time in seconds since 1970.
pub(super) const UNCHECKED: &str = "unchecked";

/// The time of a mint whose proofs are to be checked once.
pub(super) const ONCE: u64 = 1;

/// How long a request can be on its way: longer than any proxy or mint keeps one.
const ON_THE_WAY: Duration = Duration::from_secs(600);

/// True while a request can still arrive. A time that is further away than it can be set is of
/// a clock that went wrong.
fn is_watched(until: u64, now: u64) -> bool {
    let farthest = now.saturating_add(ON_THE_WAY.as_secs());
    (now.saturating_add(1)..=farthest).contains(&until)
}

/// The time in a mark; one that cannot be read is to be checked once.
pub(super) fn until_of(mark: &[u8]) -> u64 {
    let text = std::str::from_utf8(mark).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(ONCE)
}

impl Purse {
    /// Notes that the proofs are to be checked by the next operation.
    pub(super) async fn mark_unchecked(&self) -> Result<(), WalletError> {
        match self.unchecked_until().await? {
            None => self.set_unchecked(Some(ONCE)).await,
            Some(_) => Ok(()),
        }
    }

    /// Notes that each operation checks them, for as long as a request can be on its way.
    pub(super) async fn watch_proofs(&self) -> Result<(), WalletError> {
        let until = unix_time().saturating_add(ON_THE_WAY.as_secs());
        self.set_unchecked(Some(until)).await
    }

    /// Notes that they were checked. The mint holds some of them if `are_held`, and they are
    /// to be checked again.
    pub(super) async fn were_checked(&self, are_held: bool) -> Result<(), WalletError> {
        let until = self.unchecked_until().await?;
        if until.is_some_and(|until| is_watched(until, unix_time())) {
            return Ok(());
        }
        if until.is_some_and(|until| until > ONCE) {
            self.mark_searched(false).await?;
        }
        self.set_unchecked(are_held.then_some(ONCE)).await
    }

    pub(super) async fn is_unchecked(&self) -> Result<bool, WalletError> {
        Ok(self.unchecked_until().await?.is_some())
    }

    /// The time until which each operation checks them; `None` where none has to.
    pub(crate) async fn unchecked_until(&self) -> Result<Option<u64>, WalletError> {
        let store = &self.wallet.localstore;
        let mark = store.kv_read(NAMESPACE, UNCHECKED, &self.mark()).await;
        let mark = mark.map_err(|error| self.store_error(error))?;
        Ok(mark.map(|mark| until_of(&mark)))
    }

    pub(crate) async fn set_unchecked(&self, until: Option<u64>) -> Result<(), WalletError> {
        let (store, mint) = (&self.wallet.localstore, self.mark());
        let written: Result<(), database::Error> = match until {
            Some(until) => {
                let until = until.to_string();
                store
                    .kv_write(NAMESPACE, UNCHECKED, &mint, until.as_bytes())
                    .await
            }
            None => store.kv_remove(NAMESPACE, UNCHECKED, &mint).await,
        };
        written.map_err(|error| self.store_error(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_watched_for_until_it_can_arrive_no_more() {
        let now = 1_800_000_000;
        for (until, expected) in [
            (ONCE, false),
            (now, false),
            (now + 1, true),
            (now + 600, true),
            // The clock was set back.
            (now + 601, false),
            (u64::MAX, false),
        ] {
            assert_eq!(is_watched(until, now), expected, "{until}");
        }
        assert_eq!(
            (until_of(b"1"), until_of(b"77"), until_of(b"x")),
            (1, 77, 1)
        );
    }
}
