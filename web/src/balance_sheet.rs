//! Liabilities and assets in words: what `/api/solvency` says, for the operator's page and
//! for everybody's. Pure.

use accounting::MSAT_PER_SAT;
use basics::humane;
use serde_json::Value;

/// The parts in the JSON, and their names.
const OWED: [(&str, &str); 7] = [
    ("outstanding_sat", "Ecash outstanding"),
    ("paid_unissued_sat", "Paid and not issued"),
    ("parked_sat", "Parked"),
    ("unapplied_sat", "On the way to the mint"),
    ("carry_msat", "Carry"),
    ("suspense_msat", "Suspense"),
    ("fee_msat", "The operator's"),
];
const THERE: [(&str, &str); 4] = [
    ("channels_sat", "In channels"),
    ("under_way_msat", "In payments under way"),
    ("on_chain_sat", "On-chain"),
    ("closing_sat", "From closed channels"),
];

/// A part and its amount.
pub(crate) type Line = (&'static str, String);

/// Both sides, with their sums; an amount that is not known now says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BalanceSheet {
    /// What the pool owes.
    pub(crate) liabilities: Vec<Line>,
    /// Their sum.
    pub(crate) owed: String,
    /// What the lightning node has.
    pub(crate) assets: Vec<Line>,
    /// Their sum.
    pub(crate) there: String,
    /// The amount that is missing, where melts are paused for it.
    pub(crate) missing: Option<String>,
    /// When it was looked at, milliseconds since 1970.
    pub(crate) as_of_ms: Option<u64>,
    /// Whether ecash is melted: `on`, `paused` or `off`.
    pub(crate) melts: Melts,
}

/// Whether ecash is melted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Melts {
    /// Liabilities are covered.
    On,
    /// They exceed the assets.
    Paused,
    /// There is no node to compare with.
    Off,
}

impl BalanceSheet {
    /// Of the answer of `/api/solvency`.
    pub(crate) fn of(told: &Value) -> BalanceSheet {
        let total = |side: &Value| match side["total_msat"].as_str() {
            Some(text) => msat_text(text),
            None => "not known".to_owned(),
        };
        let lines = |side: &Value, parts: &[(&'static str, &'static str)]| {
            let line =
                |(key, name): &(&'static str, &'static str)| (*name, amount(key, &side[*key]));
            parts.iter().map(line).collect()
        };
        let (liabilities, assets) = (&told["liabilities"], &told["assets"]);
        BalanceSheet {
            liabilities: lines(liabilities, &OWED),
            owed: total(liabilities),
            assets: lines(assets, &THERE),
            there: total(assets),
            missing: told["missing_msat"].as_str().map(msat_text),
            as_of_ms: told["as_of_ms"].as_u64(),
            melts: match told["melts"].as_str() {
                Some("on") => Melts::On,
                Some("paused") => Melts::Paused,
                _ => Melts::Off,
            },
        }
    }
}

/// An amount of the JSON; its key tells the unit.
fn amount(key: &str, value: &Value) -> String {
    match (value.as_u64(), value.as_str()) {
        (Some(sat), _) if key.ends_with("_sat") => format!("{} sat", humane::count(sat)),
        (_, Some(msat)) => msat_text(msat),
        _ => "not known".to_owned(),
    }
}

/// An amount in msat, a decimal string since it may pass 2^53.
fn msat_text(text: &str) -> String {
    match text.parse::<u128>() {
        Ok(msat) => msat_words(msat),
        Err(_) => text.to_owned(),
    }
}

/// Thousandths of a satoshi as satoshis.
pub(crate) fn msat_words(msat: u128) -> String {
    let sat = msat / u128::from(MSAT_PER_SAT);
    match u64::try_from(sat) {
        Ok(sat) => format!(
            "{}.{:03} sat",
            humane::count(sat),
            msat % u128::from(MSAT_PER_SAT)
        ),
        Err(_) => format!("{msat} msat"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_sides_are_told_in_satoshis() {
        let told = json!({
            "as_of_ms": 1_000,
            "liabilities": {
                "outstanding_sat": 12_345, "carry_msat": "1500", "total_msat": "12346500",
            },
            "assets": null,
            "melts": "paused",
            "missing_msat": "340282366920938463463374607431768211455",
        });
        let sheet = BalanceSheet::of(&told);
        assert_eq!((sheet.melts, sheet.as_of_ms), (Melts::Paused, Some(1_000)));
        assert_eq!(sheet.owed, "12,346.500 sat");
        assert_eq!(sheet.there, "not known");
        assert_eq!(
            sheet.missing.as_deref(),
            Some("340282366920938463463374607431768211455 msat")
        );
        let line = |name, amount: &str| (name, amount.to_owned());
        assert_eq!(
            sheet.liabilities[0],
            line("Ecash outstanding", "12,345 sat")
        );
        assert_eq!(sheet.liabilities[4], line("Carry", "1.500 sat"));
        assert_eq!(sheet.assets[0], line("In channels", "not known"));
    }
}
