//! A look at what the metrics say.

use std::time::{Duration, Instant};

use prometheus::Registry;

/// Nothing in these tests takes longer, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The sum of a metric, named without the common prefix, over all its labels that hold
/// `label` (`""`: all of them).
pub(crate) fn metric(registry: &Registry, name: &str, label: &str) -> f64 {
    let name = format!("axepool_{name}");
    let families = registry.gather();
    let metrics = families
        .iter()
        .filter(|family| family.name() == name)
        .flat_map(|family| family.get_metric());
    metrics
        .filter(|metric| {
            label.is_empty() || metric.get_label().iter().any(|pair| pair.value() == label)
        })
        .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
        .sum()
}

/// Waits until that sum has this value.
pub(crate) async fn metric_becomes(registry: &Registry, name: &str, label: &str, value: f64) {
    let begun = Instant::now();
    loop {
        let now = metric(registry, name, label);
        if (now - value).abs() < 1e-9 {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{name} {label} is {now}, not {value}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
