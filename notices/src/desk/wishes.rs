//! Signed wishes: who may have notices sent, and where to.

use accounting::{MinerId, Work};
use signed::{Target, Wish};

use super::{Desk, DeskError, Setting, sum};
use crate::record::Record;

/// Of them those with a target. When there are more, the key with the least work makes
/// room, unless that is the new one: places are to be had by work, since keys are free.
pub(crate) const MAX_SUBSCRIBED: usize = 2_000;

/// Keys that have notices sent to the same target. An owner may have some; whoever has
/// many more floods a stranger's inbox.
pub(super) const MAX_PER_TARGET: usize = 16;

impl Desk {
    /// Grants a signed wish; it is durable when this returns.
    pub async fn grant(
        &self,
        miner: &MinerId,
        wish: &Wish,
        now_ms: u64,
    ) -> Result<Option<Setting>, DeskError> {
        let pool = self.pool.ok_or(DeskError::NoKey)?;
        if let Some(target) = &wish.target {
            self.policy.place(target)?;
        }
        // Before anything is made for it: whoever has no key gets no record.
        let last_ms = self.records().get(miner).map_or(0, |one| one.signed_ms);
        wish.check(&pool, miner, last_ms, now_ms)?;
        if let Some(record) = self.records().get(miner) {
            self.check_wait(record, now_ms)?;
        }
        let work = sum(&self.sight.workers(miner).await?);
        let grant = |record: &mut Record| {
            wish.check(&pool, miner, record.signed_ms, now_ms)?;
            self.check_wait(record, now_ms)?;
            let Some(target) = &wish.target else {
                record.grant(wish, false, now_ms);
                return Ok(());
            };
            if record.subscription.is_none() && self.subscribed() >= MAX_SUBSCRIBED {
                let least = self.least_subscribed().ok_or(DeskError::Full)?;
                if least.0 >= work {
                    return Err(DeskError::Full);
                }
            }
            let is_told = self.others_at(miner, target, now_ms)?;
            let confirm = !is_told && !record.is_confirmed(None, now_ms);
            record.grant(wish, confirm, now_ms);
            Ok(())
        };
        self.change(miner, true, Some(now_ms), grant).await?;
        self.metrics.wishes.with_label_values(&["granted"]).inc();
        self.standing().insert(*miner, work);
        while self.subscribed() > MAX_SUBSCRIBED
            && let Some((_, least)) = self.least_subscribed()
        {
            self.displace(&least, now_ms).await?;
        }
        self.wake.notify_one();
        Ok(self.setting(miner))
    }

    /// An error while the key's last wish is too new.
    fn check_wait(&self, record: &Record, now_ms: u64) -> Result<(), DeskError> {
        match record.wish_wait_ms(now_ms) {
            0 => Ok(()),
            wait_ms => {
                self.metrics.wishes.with_label_values(&["too_soon"]).inc();
                Err(DeskError::Soon { wait_ms })
            }
        }
    }

    /// Of those with a target the key with the least work, and its work. Who was not
    /// looked at since the start is not judged.
    fn least_subscribed(&self) -> Option<(Work, MinerId)> {
        let (records, standing) = (self.records(), self.standing());
        let subscribed = records.values().filter(|one| one.subscription.is_some());
        let known = subscribed.filter_map(|one| Some((*standing.get(&one.miner)?, one.miner)));
        known.min()
    }

    /// Whether another key had `target` told within the hour that notices are on.
    fn others_at(&self, miner: &MinerId, target: &Target, now_ms: u64) -> Result<bool, DeskError> {
        let records = self.records();
        let others = || records.values().filter(|one| one.miner != *miner);
        let is_there = |one: &&Record| {
            let to = one.subscription.as_ref();
            to.is_some_and(|to| to.target == *target)
        };
        if others().filter(is_there).count() >= MAX_PER_TARGET {
            return Err(DeskError::Shared);
        }
        Ok(others().any(|one| one.is_confirmed(Some(target), now_ms)))
    }

    async fn displace(&self, miner: &MinerId, now_ms: u64) -> Result<(), DeskError> {
        let displace = |record: &mut Record| {
            record.displace(now_ms);
            Ok(())
        };
        match self.change(miner, false, None, displace).await {
            Ok(_) | Err(DeskError::Unknown(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
