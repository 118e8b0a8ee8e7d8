//! `GET /api/widgets/umbrel`: four figures in the form that umbrelOS shows on its desktop.
//! The app's manifest names this path (`deploy/umbrel/`).

use accounting::Msat;
use basics::humane;
use schemars::JsonSchema;
use serde::Serialize;

use super::PoolFigures;

/// How often umbrelOS asks again.
const REFRESH: &str = "10s";

/// A widget of the type `four-stats`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Widget {
    /// The type, by umbrelOS.
    #[schemars(extend("const" = "four-stats"))]
    r#type: &'static str,
    /// The time after which it is asked again.
    refresh: &'static str,
    /// Where a click leads, from the app's own address.
    link: &'static str,
    items: [Item; 4],
}

/// One figure.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "WidgetItem")]
struct Item {
    /// The name of the figure.
    title: &'static str,
    /// The figure.
    text: String,
    /// Its unit.
    subtext: String,
}

impl Widget {
    /// Of the pool's figures.
    pub(super) fn of(figures: &PoolFigures) -> Widget {
        Widget {
            r#type: "four-stats",
            refresh: REFRESH,
            link: "",
            items: items(
                &humane::hashrate(figures.hashrate.now),
                figures.devices,
                figures.miners,
                figures.payouts.first().map(|last| last.amount_msat),
            ),
        }
    }
}

fn items(hashrate: &str, devices: usize, miners: usize, last: Option<Msat>) -> [Item; 4] {
    let (number, unit) = hashrate.split_once(' ').unwrap_or((hashrate, ""));
    let count = |number: usize| humane::count(u64::try_from(number).unwrap_or(u64::MAX));
    let item = |title, text: String, subtext: &str| Item {
        title,
        text,
        subtext: subtext.to_owned(),
    };
    let paid = match last {
        Some(last) => humane::count(last.to_sat_floor().get()),
        None => "none".to_owned(),
    };
    [
        item("Hashrate", number.to_owned(), unit),
        item("Devices", count(devices), "connected"),
        item("Miners", count(miners), "keys"),
        item("Last payout", paid, last.map_or("yet", |_| "sat")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_texts_with_their_units() {
        let texts = |items: [Item; 4]| items.map(|item| format!("{} {}", item.text, item.subtext));
        let paid = Some(Msat::new(4_217_999));
        let some = items("1.21 TH/s", 1_234, 7, paid);
        assert_eq!(
            texts(some),
            ["1.21 TH/s", "1,234 connected", "7 keys", "4,217 sat"]
        );
        let new = items("0.00 H/s", 0, 0, None);
        assert_eq!(
            texts(new),
            ["0.00 H/s", "0 connected", "0 keys", "none yet"]
        );
    }
}
