//! What the tests of several modules need.

pub(crate) mod certificates;

use proptest::test_runner::Config;

/// `day` cases, and a hundred times as many when AXEPOOL_NIGHTLY is 1.
pub(crate) fn cases(day: u32) -> Config {
    let nightly = std::env::var("AXEPOOL_NIGHTLY").is_ok_and(|value| value == "1");
    Config {
        cases: if nightly { day * 100 } else { day },
        ..Config::default()
    }
}
