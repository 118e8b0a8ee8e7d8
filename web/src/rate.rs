//! How often one household may ask. Pure: the time is handed in.

use std::collections::HashMap;

use listener::Household;

/// Addresses remembered at most. Beyond, those that owe nothing are forgotten; when all
/// owe something, strangers are let in uncounted: the limits on connections and on the
/// mint's work hold without this one.
const MAX_ADDRESSES: usize = 65_536;

/// A leaky bucket per address: each request fills it by one interval, and it leaks in
/// real time.
#[derive(Debug)]
pub(super) struct Rates {
    interval_us: u64,
    burst_us: u64,
    /// When the address's bucket is empty again.
    empty_us: HashMap<Household, u64>,
}

impl Rates {
    /// `per_minute` requests sustained, `burst` of them at once.
    pub(super) fn new(per_minute: u32, burst: u32) -> Self {
        let interval_us = 60_000_000 / u64::from(per_minute.max(1));
        Rates {
            interval_us,
            burst_us: interval_us * u64::from(burst.max(1)),
            empty_us: HashMap::new(),
        }
    }

    /// Counts a request at `now_us`; otherwise after how many microseconds the next one
    /// is welcome.
    pub(super) fn admit(&mut self, key: Household, now_us: u64) -> Result<(), u64> {
        if self.empty_us.len() >= MAX_ADDRESSES && !self.empty_us.contains_key(&key) {
            self.empty_us.retain(|_, empty_us| *empty_us > now_us);
            if self.empty_us.len() >= MAX_ADDRESSES {
                return Ok(());
            }
        }
        let empty_us = self.empty_us.entry(key).or_insert(now_us);
        let filled = (*empty_us).max(now_us).saturating_add(self.interval_us);
        let limit = now_us.saturating_add(self.burst_us);
        if filled > limit {
            return Err(filled - limit);
        }
        *empty_us = filled;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Household {
        Household::of(text.parse().expect("an address"))
    }

    #[test]
    fn a_burst_is_let_in_and_then_the_rate() {
        // One a second, three at once.
        let mut rates = Rates::new(60, 3);
        let one = ip("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(rates.admit(one, 0), Ok(()));
        }
        assert_eq!(rates.admit(one, 0), Err(1_000_000));
        assert_eq!(rates.admit(one, 400_000), Err(600_000));
        assert_eq!(rates.admit(ip("192.0.2.2"), 0), Ok(()), "another's own");
        assert_eq!(rates.admit(one, 1_000_000), Ok(()));
        assert_eq!(rates.admit(one, 1_000_000), Err(1_000_000));
    }

    #[test]
    fn a_household_is_one() {
        let mut rates = Rates::new(60, 1);
        assert_eq!(rates.admit(ip("2001:db8::1"), 0), Ok(()));
        assert!(rates.admit(ip("2001:db8::ffff:2"), 0).is_err());
        assert_eq!(rates.admit(ip("2001:db8:0:1::1"), 0), Ok(()));
        assert_eq!(rates.admit(ip("192.0.2.1"), 0), Ok(()));
        assert!(rates.admit(ip("::ffff:192.0.2.1"), 0).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut rates = Rates::new(60, 1);
        for number in 0..u32::try_from(MAX_ADDRESSES).expect("small") + 10 {
            assert_eq!(
                rates.admit(Household::V4(std::net::Ipv4Addr::from_bits(number)), 0),
                Ok(())
            );
        }
        assert_eq!(rates.empty_us.len(), MAX_ADDRESSES);
        assert_eq!(rates.admit(ip("255.0.0.1"), 2_000_000), Ok(()));
        assert_eq!(rates.empty_us.len(), 1, "who owes nothing is forgotten");
    }
}
