//! TIDES: each user's part of the newest work, and of a block.
//!
//! Pure: time is handed in. Work is in expected hashes, always whole.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ruint::aliases::U256;

/// Shares younger than this are kept though they left the window: hashrates are told
/// over the last five minutes.
const KEPT_SECS: u64 = 300;

/// A share in the log.
#[derive(Clone, Debug)]
struct Logged {
    user: Arc<str>,
    work: u128,
    at_secs: u64,
}

/// The log of shares, newest last.
#[derive(Clone, Debug)]
pub struct Tides {
    capacity: u128,
    log: VecDeque<Logged>,
    logged: u128,
}

/// The newest work up to the window's capacity, by user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Each user's part, above 0.
    pub users: BTreeMap<Arc<str>, u128>,
    /// The sum of these; at most the capacity.
    pub filled: u128,
    /// How much work the window holds: 8 times that of a block.
    pub capacity: u128,
}

/// A sum of money, divided without a rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Divided {
    /// What each user gets; one who gets nothing is there with 0.
    pub users: BTreeMap<Arc<str>, u64>,
    /// What goes to the miners that are not simulated or, without any work in the
    /// window, to nobody.
    pub others: u64,
}

impl Tides {
    /// An empty log with a window of `capacity` expected hashes.
    pub fn new(capacity: u128) -> Tides {
        Tides {
            capacity,
            log: VecDeque::new(),
            logged: 0,
        }
    }

    /// Logs a share.
    pub fn push(&mut self, user: &Arc<str>, work: u128, at_secs: u64) {
        self.logged = self.logged.saturating_add(work);
        self.log.push_back(Logged {
            user: Arc::clone(user),
            work,
            at_secs,
        });
        while let Some(oldest) = self.log.front() {
            let without = self.logged - oldest.work;
            let is_young = at_secs.saturating_sub(oldest.at_secs) <= KEPT_SECS;
            if without < self.capacity || is_young {
                break;
            }
            self.logged = without;
            self.log.pop_front();
        }
    }

    /// The window as it is now: the newest shares, the oldest of them cut to fit.
    pub fn window(&self) -> Window {
        let mut window = Window {
            capacity: self.capacity,
            ..Window::default()
        };
        for share in self.log.iter().rev() {
            let taken = share.work.min(self.capacity - window.filled);
            if taken == 0 {
                break;
            }
            *window.users.entry(Arc::clone(&share.user)).or_default() += taken;
            window.filled += taken;
        }
        window
    }

    /// A user's work since then, as far as the log goes back (five minutes at least).
    pub fn work_since(&self, user: &str, since_secs: u64) -> u128 {
        let newest = self.log.iter().rev();
        newest
            .take_while(|share| share.at_secs >= since_secs)
            .filter(|share| *share.user == *user)
            .map(|share| share.work)
            .sum()
    }
}

impl Window {
    /// Divides `amount` in proportion to the work: rounded down, and what is left goes
    /// one by one to the largest remainders, ties by name. With `with_others` the part of
    /// the window that nobody here filled is the work of others.
    pub fn divide(&self, amount: u64, with_others: bool) -> Divided {
        let whole = if with_others {
            self.capacity
        } else {
            self.filled
        };
        if whole == 0 {
            return Divided {
                others: amount,
                ..Divided::default()
            };
        }
        let rest_of_window = whole - self.filled;
        let named = self.users.iter().map(|(user, work)| (Some(user), *work));
        let mut parts: Vec<_> = named
            .chain([(None, rest_of_window)])
            .map(|(user, work)| {
                let product = U256::from(amount) * U256::from(work);
                let (part, remainder) = product.div_rem(U256::from(whole));
                (user, part.to::<u64>(), remainder)
            })
            .collect();
        let given: u64 = parts.iter().map(|(_, part, _)| part).sum();
        // Stable: among equal remainders the order of names stays, the others last.
        parts.sort_by_key(|(_, _, remainder)| std::cmp::Reverse(*remainder));
        let left = usize::try_from(amount - given).expect("less than one for each part");
        parts.iter_mut().take(left).for_each(|part| part.1 += 1);
        let mut divided = Divided::default();
        for (user, part, _) in parts {
            match user {
                Some(user) => {
                    divided.users.insert(Arc::clone(user), part);
                }
                None => divided.others = part,
            }
        }
        divided
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    fn log(capacity: u128, shares: &[(&str, u128)]) -> Tides {
        let mut tides = Tides::new(capacity);
        for ((name, work), at_secs) in shares.iter().zip((0..).step_by(1_000)) {
            tides.push(&user(name), *work, at_secs);
        }
        tides
    }

    #[track_caller]
    fn case(capacity: u128, shares: &[(&str, u128)], expected: &[(&str, u128)]) {
        let window = log(capacity, shares).window();
        let expected: BTreeMap<_, _> = expected.iter().map(|(n, w)| (user(n), *w)).collect();
        assert_eq!(window.users, expected);
        assert_eq!(window.filled, expected.values().sum::<u128>());
    }

    #[test]
    fn the_window_is_the_newest_work_and_the_oldest_share_is_cut() {
        case(10, &[], &[]);
        case(10, &[("a", 3), ("b", 4)], &[("a", 3), ("b", 4)]);
        case(10, &[("a", 8), ("b", 4), ("a", 3)], &[("a", 6), ("b", 4)]);
        case(10, &[("a", 8), ("b", 10)], &[("b", 10)]);
        case(10, &[("a", 8), ("b", 25)], &[("b", 10)]);
    }

    #[track_caller]
    fn division(shares: &[(&str, u128)], others: bool, expected: &[(&str, u64)], rest: u64) {
        let divided = log(100, shares).window().divide(1_000, others);
        let expected: BTreeMap<_, _> = expected.iter().map(|(n, part)| (user(n), *part)).collect();
        assert_eq!((divided.users, divided.others), (expected, rest));
    }

    #[test]
    fn what_nobody_filled_is_the_others() {
        division(&[], false, &[], 1_000);
        division(&[], true, &[], 1_000);
        division(&[("a", 1), ("b", 3)], true, &[("a", 10), ("b", 30)], 960);
        division(&[("a", 1), ("b", 3)], false, &[("a", 250), ("b", 750)], 0);
        // Thirds: the odd one goes to the first name.
        let thirds = [("c", 5), ("a", 5), ("b", 5)];
        division(&thirds, false, &[("a", 334), ("b", 333), ("c", 333)], 0);
    }

    #[test]
    fn hashrates_are_of_the_last_minutes_though_the_window_is_short() {
        let mut tides = Tides::new(1);
        (0..600).for_each(|secs| tides.push(&user("a"), 2, secs));
        assert_eq!(tides.work_since("a", 540), 120);
        assert_eq!(tides.work_since("a", 300), 600);
        assert_eq!(tides.work_since("b", 0), 0);
        assert_eq!(tides.log.len(), 301);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made_up(
            shares in proptest::collection::vec((0usize..7, 1u128..1 << 90), 0..60),
            capacity in 1u128..1 << 95,
            amount in 0u64..2_100_000_000_000_000_000,
            others: bool,
        ) {
            let names: Vec<_> = (0..7).map(|n| user(&format!("user{n}"))).collect();
            let mut tides = Tides::new(capacity);
            for (who, work) in &shares {
                tides.push(&names[*who], *work, 0);
            }
            let window = tides.window();
            let worked: u128 = shares.iter().map(|(_, work)| work).sum();
            prop_assert_eq!(window.filled, worked.min(capacity));
            prop_assert_eq!(window.users.values().sum::<u128>(), window.filled);
            let divided = window.divide(amount, others);
            prop_assert_eq!(divided.users.values().sum::<u64>() + divided.others, amount);
            let whole = if others { capacity } else { window.filled };
            for (user, part) in &divided.users {
                // Within one of the exact part, either way.
                let exact = U256::from(amount) * U256::from(window.users[user]);
                let part = U256::from(*part) * U256::from(whole);
                prop_assert!(part < exact + U256::from(whole) && exact < part + U256::from(whole));
            }
        }
    }
}
