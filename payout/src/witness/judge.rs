//! Comparing what the witnesses said.

use accounting::settle::Block;
use bitcoin::BlockHash;

use super::{
    Doubt, HEARD_WITHIN_SECS, LATER_SECS, Now, ORDINARY_FORK, STANDS_STILL_SECS, Sides, What,
    Witness, Witnesses,
};

/// A difference as it is found.
struct Found {
    differs: Option<Witness>,
    what: What,
    sides: Sides,
    said: String,
}

/// How our own source and the upstream stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pair {
    /// One of them is not there, or tells no height.
    Unknown,
    /// No further apart than an ordinary fork.
    Together,
    /// One of them lacks the other's newest blocks.
    Behind(Witness),
    /// They have different blocks above this height.
    Apart {
        above: u32,
        shorter: Option<Witness>,
    },
}

impl Witnesses {
    /// The doubt that there is now, and no other one: what is told twice is one doubt. One
    /// whose witnesses could not be compared again is still there, and where there are two,
    /// the one that forbids more counts.
    pub fn judge(&mut self, now: Now) -> Option<Doubt> {
        let found = self.compare(now).map(|found| {
            let mut doubt = Doubt {
                differs: found.differs,
                said: found.said,
                since_secs: now.unix_secs,
                what: found.what,
                sides: found.sides,
            };
            if let Some(before) = self.open.iter().find(|before| before.is_same(&doubt)) {
                doubt.since_secs = before.since_secs;
            }
            doubt
        });
        let before = std::mem::take(&mut self.open);
        let is_open = |doubt: &Doubt| {
            let is_found = found
                .as_ref()
                .is_some_and(|found| found.sides == doubt.sides);
            !is_found && !self.is_compared(doubt, now)
        };
        let mut open: Vec<Doubt> = before.into_iter().filter(is_open).collect();
        open.extend(found);
        self.open = open;
        let forbids = |doubt: &&Doubt| (doubt.holds_everything(), doubt.is_of_own_source());
        self.open.iter().max_by_key(forbids).cloned()
    }

    fn compare(&mut self, now: Now) -> Option<Found> {
        let pair = self.pair();
        self.own_and_itself()
            .or_else(|| self.own_and_list(pair))
            .or_else(|| self.own_and_upstream(pair))
            .or_else(|| self.upstream_and_list())
            .or_else(|| self.standing_still(now))
    }

    /// Whether the witnesses of `doubt` were all heard now, so that it would have been found
    /// again if it were there.
    fn is_compared(&self, doubt: &Doubt, now: Now) -> bool {
        let by_height = doubt.what == What::Behind;
        match doubt.sides {
            Sides::OwnAndItself => self.own_is_there && self.own_contradiction.is_none(),
            Sides::OwnAndList => self.own_tip().is_some_and(|own| {
                let deep = self.newest_listed_below(own.height);
                let seen = deep.is_some_and(|(height, _)| self.own_at.contains_key(&height));
                seen || (by_height && !self.listed.is_empty())
            }),
            Sides::OwnAndUpstream => self.is_compared_with_upstream(by_height),
            Sides::UpstreamAndList => {
                let Some(upstream) = self.upstream_tip() else {
                    return false;
                };
                let deep = self.newest_listed_below(upstream.height);
                let seen = deep.is_some_and(|(height, _)| self.mined_on.contains_key(&height));
                // Our own source, once there, is compared with both of them.
                let by_own = self.own_is_there && !self.listed.is_empty();
                seen || by_own || (by_height && !self.listed.is_empty())
            }
            Sides::Still(witness) => {
                let own = self.own.filter(|_| self.own_is_there);
                let upstream = self.upstream.filter(|_| self.upstream_is_there);
                let moved = match witness {
                    Witness::Own => own.and_then(|own| own.moved_at()),
                    _ => upstream.and_then(|upstream| upstream.moved_at()),
                };
                moved.is_some_and(|at| now.steady_secs.saturating_sub(at) <= STANDS_STILL_SECS)
            }
        }
    }

    /// The same for our own source and the upstream.
    fn is_compared_with_upstream(&self, by_height: bool) -> bool {
        let Some(own) = self.own_tip() else {
            return false;
        };
        let Some(upstream) = self.upstream_tip() else {
            // A job that tells no height may still name our own source's tip.
            let is_witness = self.upstream_is_there && self.upstream_counts();
            let upstream = self.upstream.filter(|_| is_witness);
            return upstream.is_some_and(|upstream| upstream.is.hash == own.hash);
        };
        let common = self.newest_mined_on(own.height);
        let seen = common.is_some_and(|(height, _)| self.own_at.contains_key(&height));
        seen || (by_height && upstream.height >= own.height)
    }

    fn own_and_itself(&self) -> Option<Found> {
        self.own_contradiction.as_ref().map(|said| Found {
            differs: Some(Witness::Own),
            what: What::OtherChain,
            sides: Sides::OwnAndItself,
            said: said.clone(),
        })
    }

    fn own_tip(&self) -> Option<Block> {
        let own = self.own.filter(|_| self.own_is_there)?;
        Some(own.is)
    }

    /// The block that the upstream mines on, where its height is known.
    fn upstream_tip(&self) -> Option<Block> {
        let is_witness = self.upstream_is_there && self.upstream_counts();
        let tip = self.upstream.filter(|_| is_witness)?.is;
        Some(Block {
            hash: tip.hash,
            height: tip.height?,
        })
    }

    fn pair(&mut self) -> Pair {
        let (Some(own), Some(upstream)) = (self.own_tip(), self.upstream_tip()) else {
            return Pair::Unknown;
        };
        let assumed = own.height.min(upstream.height.saturating_sub(1));
        let assumed = *self.assumed.get_or_insert(assumed);
        if !self.is_fork(own.height) {
            let behind = if own.height < upstream.height {
                Witness::Own
            } else {
                Witness::Upstream
            };
            let apart = own.height.abs_diff(upstream.height);
            return if apart > ORDINARY_FORK {
                Pair::Behind(behind)
            } else {
                Pair::Together
            };
        }
        let above = self.shared.unwrap_or(assumed);
        let own_more = own.height.saturating_sub(above);
        let upstream_more = upstream.height.saturating_sub(above);
        if own_more.max(upstream_more) <= ORDINARY_FORK {
            return Pair::Together;
        }
        let shorter = if own_more.saturating_add(ORDINARY_FORK) < upstream_more {
            Some(Witness::Own)
        } else if upstream_more.saturating_add(ORDINARY_FORK) < own_more {
            Some(Witness::Upstream)
        } else {
            None
        };
        Pair::Apart { above, shorter }
    }

    /// Whether our own source's chain has another block than the newest that the upstream
    /// mined on at a height that both have.
    fn is_fork(&self, own_height: u32) -> bool {
        let newest = self.newest_mined_on(own_height);
        newest.is_some_and(|(height, hash)| {
            let ours = self.own_at.get(&height);
            ours.is_some_and(|ours| *ours != hash)
        })
    }

    fn own_and_list(&self, pair: Pair) -> Option<Found> {
        let own = self.own_tip()?;
        let (&newest, _) = self.listed.last_key_value()?;
        if newest > own.height.saturating_add(ORDINARY_FORK) {
            // The upstream decides; without it it is one word against another.
            let differs = self.upstream_tip().map(|upstream| {
                if newest > upstream.height.saturating_add(ORDINARY_FORK) {
                    Witness::List
                } else {
                    Witness::Own
                }
            });
            return Some(Found {
                differs,
                what: What::Behind,
                sides: Sides::OwnAndList,
                said: format!(
                    "our chain source stands at block {}, and OCEAN lists one at {newest}",
                    own.height
                ),
            });
        }
        let (height, listed) = self.newest_listed_below(own.height)?;
        let ours = *self.own_at.get(&height)?;
        if ours == listed {
            return None;
        }
        let differs = match self.upstream_had(height, ours) {
            Some(hash) if hash == listed => Some(Witness::Own),
            Some(hash) if hash == ours => Some(Witness::List),
            _ => match pair {
                Pair::Apart { .. } | Pair::Behind(Witness::Own) => Some(Witness::Own),
                _ => None,
            },
        };
        Some(Found {
            differs,
            what: What::OtherChain,
            sides: Sides::OwnAndList,
            said: format!(
                "at height {height} our chain source has the block {ours}, and OCEAN lists {listed}"
            ),
        })
    }

    /// The block at `height` of the chain that the upstream mines on, where that is known.
    /// `ours` is our own source's.
    fn upstream_had(&self, height: u32, ours: BlockHash) -> Option<BlockHash> {
        if !self.upstream_counts() {
            return None;
        }
        // A block above that both have stands on the same one.
        let shared = self.shared.filter(|shared| *shared >= height);
        let still = shared.filter(|shared| {
            let at = self.own_at.get(shared);
            at.is_none_or(|at| self.mined_on.get(shared) == Some(at))
        });
        match still {
            Some(_) => Some(ours),
            None => self.mined_on.get(&height).copied(),
        }
    }

    fn own_and_upstream(&self, pair: Pair) -> Option<Found> {
        let (own, upstream) = (self.own_tip()?, self.upstream_tip()?);
        let heights = format!(
            "our chain source is at block {} ({}), and the upstream mines on block {} ({})",
            own.height, own.hash, upstream.height, upstream.hash
        );
        match pair {
            Pair::Unknown | Pair::Together => None,
            Pair::Behind(witness) => Some(Found {
                differs: Some(witness),
                what: What::Behind,
                sides: Sides::OwnAndUpstream,
                said: heights,
            }),
            Pair::Apart { above, shorter } => {
                // A listed block above the fork decides, as far as ours is the same: one
                // that is not was found already.
                let listed = self.newest_listed_below(own.height);
                let ours_is_listed = listed.is_some_and(|(height, hash)| {
                    height > above && self.own_at.get(&height) == Some(&hash)
                });
                Some(Found {
                    differs: if ours_is_listed {
                        Some(Witness::Upstream)
                    } else {
                        shorter
                    },
                    what: What::OtherChain,
                    sides: Sides::OwnAndUpstream,
                    said: format!("{heights}: they have other blocks above {above}"),
                })
            }
        }
    }

    /// Where there is no source of our own.
    fn upstream_and_list(&self) -> Option<Found> {
        if self.own_is_there {
            return None;
        }
        let upstream = self.upstream_tip()?;
        let (&newest, _) = self.listed.last_key_value()?;
        if newest > upstream.height.saturating_add(ORDINARY_FORK) {
            return Some(Found {
                differs: Some(Witness::Upstream),
                what: What::Behind,
                sides: Sides::UpstreamAndList,
                said: format!(
                    "the upstream mines on block {}, and OCEAN lists one at {newest}",
                    upstream.height
                ),
            });
        }
        let (height, listed) = self.newest_listed_below(upstream.height)?;
        let mined_on = *self.mined_on.get(&height)?;
        (mined_on != listed).then(|| Found {
            differs: None,
            what: What::OtherChain,
            sides: Sides::UpstreamAndList,
            said: format!(
                "at height {height} the upstream mined on {mined_on}, and OCEAN lists {listed}"
            ),
        })
    }

    fn standing_still(&self, now: Now) -> Option<Found> {
        let own = self.own.filter(|_| self.own_is_there);
        let is_witness = self.upstream_is_there && self.upstream_counts();
        let upstream = self.upstream.filter(|_| is_witness);
        let age = |changed: u64| now.steady_secs.saturating_sub(changed);
        let own_moved = own.and_then(|own| own.moved_at());
        let upstream_moved = upstream.and_then(|upstream| upstream.moved_at());
        let list_moved = self.newest_listed.and_then(|newest| newest.moved_at());
        let still = |witness: Witness, changed: u64, age: u64, others: [Option<u64>; 2]| {
            let moved = others.into_iter().flatten().max()?;
            let stands = age > STANDS_STILL_SECS
                && moved > changed.saturating_add(LATER_SECS)
                && now.steady_secs > moved.saturating_add(HEARD_WITHIN_SECS);
            stands.then(|| Found {
                differs: Some(witness),
                what: What::StandsStill,
                sides: Sides::Still(witness),
                said: format!(
                    "it has had the same tip for {} minutes, and another witness had a new one since",
                    age / 60
                ),
            })
        };
        let own = own.and_then(|own| {
            let made = self.own_made_secs;
            let by_header = made.map_or(0, |made| now.unix_secs.saturating_sub(made));
            let age = age(own.changed_secs).max(by_header);
            still(
                Witness::Own,
                own.changed_secs,
                age,
                [upstream_moved, list_moved],
            )
        });
        own.or_else(|| {
            let changed = upstream?.changed_secs;
            still(Witness::Upstream, changed, age(changed), [own_moved, None])
        })
    }
}
