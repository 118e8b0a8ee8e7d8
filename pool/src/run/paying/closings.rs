//! Channels that were closed, for status, page and metrics, whether or not the node is up:
//! until the node was looked at, what its directory has of them is told.

use basics::clock;
use payout::node::{ClosedBy, ClosedView};

use super::Paying;

/// So many are told of by the status: strangers may open channels to close them.
const TOLD: usize = 5;

/// The status's lines about them, the newest first.
fn told(closed: &[ClosedView], now_ms: u64) -> Vec<String> {
    let mut news = closed.iter().filter(|one| one.is_news(now_ms / 1000));
    let first = news.by_ref().take(TOLD);
    let mut told: Vec<String> = first.map(ToString::to_string).collect();
    let more = news.count();
    if more > 0 {
        told.push(format!(
            "{more} more channels were closed (axepool node status)"
        ));
    }
    told
}

impl Paying {
    /// The status's lines about closed channels.
    pub(super) fn closings_trouble(&self) -> Vec<String> {
        told(&self.known().closed, clock::now_ms())
    }

    /// The channels that were closed, the newest first, as they were seen last.
    pub(super) fn closings(&self) -> Vec<ClosedView> {
        self.known().closed.clone()
    }

    /// Puts them into the metrics.
    pub(super) fn measure_closings(&self) {
        let known = self.known();
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for label in ClosedBy::LABELS {
            let of = known.closed.iter();
            let of = of.filter(|one| one.closed.by.label() == label).count();
            let family = self.metrics.closings.with_label_values(&[label]);
            family.set(i64::try_from(of).unwrap_or(i64::MAX));
        }
        let funded = known.closed.iter().map(|one| &one.closed);
        let funded = funded.filter(|one| one.by != ClosedBy::Unfunded);
        let (mut last_secs, mut coming_sat) = (0, 0_u64);
        for one in funded {
            last_secs = one.at_secs.max(last_secs);
            coming_sat = coming_sat.saturating_add(one.money.coming.get());
        }
        self.metrics.channel_closed_at.set(gauge(last_secs));
        self.metrics.closings_coming.set(gauge(coming_sat));
    }
}

#[cfg(test)]
mod tests {
    use accounting::Sat;
    use payout::node::{ClosedChannel, Money};

    use super::*;

    const DAY_SECS: u64 = 86_400;

    fn closed(by: ClosedBy, coming: u64, at_secs: u64) -> ClosedView {
        let money = Money {
            most: Sat::new(coming),
            coming: Sat::new(coming),
            from_block: Some(900_144),
            arrived_secs: None,
        };
        let closed = ClosedChannel {
            id: 7,
            channel: "ab".repeat(32),
            peer: None,
            at_secs,
            by,
            reason: "the peer said: bye".to_owned(),
            money,
        };
        ClosedView {
            closed,
            about_secs: Some(at_secs + DAY_SECS),
        }
    }

    #[test]
    fn the_status_tells_of_the_newest_and_counts_the_others() {
        let now_ms = 1_800_000_000_000;
        let old = closed(ClosedBy::Peer, 0, now_ms / 1000 - 8 * DAY_SECS);
        let open = closed(ClosedBy::Us, 1, now_ms / 1000 - 300 * DAY_SECS);
        let never = closed(ClosedBy::Unfunded, 0, now_ms / 1000);
        assert_eq!(told(&[old, never], now_ms), Vec::<String>::new());
        let all = told(&vec![open; 8], now_ms);
        assert_eq!(all.len(), TOLD + 1);
        assert!(all[TOLD].starts_with("3 more channels"), "{all:?}");
    }
}
