//! The time of a job from the first miner that gets it to the last.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::FanOutReport;
use crate::stratum::Notify;

/// When a miner was told of a job.
pub(crate) type Arrival = (Arc<Notify>, Instant);

#[derive(Debug)]
struct Spread {
    first: Instant,
    last: Instant,
    miners: usize,
}

/// Sums up the arrivals of all miners. Only jobs that all `miners` were told of count:
/// others are cut off by the start or the end, or are a miner's own.
pub(crate) fn report(
    arrivals: impl IntoIterator<Item = Arrival>,
    miners: usize,
) -> Option<FanOutReport> {
    let mut spreads: HashMap<String, Spread> = HashMap::new();
    for (notify, at) in arrivals {
        spreads
            .entry(notify.job_id.clone())
            .and_modify(|spread| {
                spread.first = spread.first.min(at);
                spread.last = spread.last.max(at);
                spread.miners += 1;
            })
            .or_insert(Spread {
                first: at,
                last: at,
                miners: 1,
            });
    }
    let mut times: Vec<Duration> = spreads
        .values()
        .filter(|spread| spread.miners >= miners)
        .map(|spread| spread.last - spread.first)
        .collect();
    times.sort_unstable();
    let ms = |time: &Duration| time.as_secs_f64() * 1e3;
    Some(FanOutReport {
        jobs: times.len(),
        min_ms: ms(times.first()?),
        median_ms: ms(times.get(times.len() / 2)?),
        max_ms: ms(times.last()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_jobs_that_all_were_told_of_count() {
        let start = Instant::now();
        let arrival = |job: &str, ms| {
            let params = serde_json::json!([job, "00".repeat(32), "", "", [], "0", "0", "0", true]);
            let notify = Notify::from_params(params.as_array().unwrap()).unwrap();
            (Arc::new(notify), start + Duration::from_millis(ms))
        };
        let arrivals = [
            arrival("1", 5),
            arrival("2", 10),
            arrival("2", 16),
            arrival("2", 12),
            arrival("3", 22),
            arrival("3", 20),
            arrival("3", 21),
            arrival("own", 50),
            arrival("4", 60),
            arrival("4", 61),
        ];
        let report = report(arrivals, 3).unwrap();
        assert_eq!(
            report,
            FanOutReport {
                jobs: 2,
                min_ms: 2.0,
                median_ms: 6.0,
                max_ms: 6.0
            }
        );
    }
}
