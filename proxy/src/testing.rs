//! Helpers shared by the tests of several modules.

pub(crate) mod certificates;
pub(crate) mod metrics;

use proptest::test_runner::Config;

/// `day` cases, and a hundred times as many when AXEPOOL_NIGHTLY is set.
pub(crate) fn cases(day: u32) -> Config {
    let nightly = std::env::var_os("AXEPOOL_NIGHTLY").is_some();
    Config {
        cases: if nightly { day * 100 } else { day },
        ..Config::default()
    }
}
