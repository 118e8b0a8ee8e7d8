//! The money: liabilities and assets, payments in suspense, the operator's balance.

use accounting::MSAT_PER_SAT;
use basics::humane;
use serde_json::Value;

use super::{Note, Section, Table, alarm, bad, doubtful, good, plain, warn};
use crate::admin::{FeeStatus, PayoutFate, PayoutRow, WithdrawalOutcome};
use crate::{amounts, control};

/// The names of the parts in the JSON, and in words.
const OWED: [(&str, &str); 7] = [
    ("outstanding_sat", "Ecash outstanding"),
    ("paid_unissued_sat", "Paid and not issued"),
    ("parked_sat", "Parked"),
    ("unapplied_sat", "On the way to the mint"),
    ("carry_msat", "Carry"),
    ("suspense_msat", "Suspense"),
    ("fee_msat", "Yours"),
];
const THERE: [(&str, &str); 4] = [
    ("channels_sat", "In channels"),
    ("under_way_msat", "In payments under way"),
    ("on_chain_sat", "On-chain"),
    ("closing_sat", "From closed channels"),
];

pub(super) fn solvency(told: &Value, now_ms: u64) -> Section {
    let badge = match told["melts"].as_str() {
        Some("on") => good("covered, ecash is melted"),
        Some("paused") => bad("liabilities exceed assets"),
        _ => plain("no node to compare with"),
    };
    let mut facts = Vec::new();
    let total = |side: &Value| match side["total_msat"].as_str() {
        Some(text) => msat_text(text),
        None => "not known".to_owned(),
    };
    facts.push(("Total liabilities", total(&told["liabilities"])));
    facts.push(("Total assets", total(&told["assets"])));
    if let Some(missing) = told["missing_msat"].as_str() {
        facts.push(("Missing", msat_text(missing)));
    }
    if let Some(at_ms) = told["as_of_ms"].as_u64() {
        facts.push(("As of", humane::ago(at_ms, now_ms)));
    }
    let line = |side: &'static str, parts: &[(&str, &str)]| {
        let line = |(key, name): &(&str, &str)| {
            vec![
                side.to_owned(),
                (*name).to_owned(),
                amount(key, &told[side][*key]),
            ]
        };
        parts.iter().map(line).collect::<Vec<_>>()
    };
    let mut rows = line("liabilities", &OWED);
    rows.extend(line("assets", &THERE));
    Section {
        title: "Liabilities and assets",
        badge,
        facts,
        notes: Vec::new(),
        table: Some(Table {
            head: vec!["Side", "Part", "Amount"],
            rows,
            more: 0,
        }),
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

fn msat_words(msat: u128) -> String {
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

pub(super) fn suspense(payouts: &[PayoutRow]) -> Section {
    let row = |row: &PayoutRow| {
        let why = match row.state {
            PayoutFate::Suspended { why } => control::suspense(why),
            _ => "settled meanwhile".to_owned(),
        };
        vec![
            row.payout.to_string(),
            amounts::msat_as_sat(row.amount_msat),
            humane::utc(row.received_ms),
            why,
        ]
    };
    let advice = (!payouts.is_empty()).then(|| {
        warn("axepool suspense assign gives a payment to an epoch's miners, to-fee to your balance")
    });
    Section {
        title: "Suspense",
        badge: match payouts.len() {
            0 => good("nothing"),
            _ => doubtful("needs your decision"),
        },
        facts: Vec::new(),
        notes: advice.into_iter().collect(),
        table: Table::of(&["Payment", "Sat", "Received, UTC", "Why"], payouts, row),
    }
}

pub(super) fn fee(fee: &FeeStatus) -> Section {
    let unknown = fee.withdrawals.iter();
    let unknown = unknown.filter(|row| row.outcome == WithdrawalOutcome::Unknown);
    let notes = unknown.map(|row| {
        alarm(format!(
            "The outcome of withdrawal {} of {} sat to {} is unknown: check the chain, then run axepool fee resolve",
            row.id, row.amount_sat, row.to
        ))
    });
    let notes: Vec<Note> = notes.collect();
    Section {
        title: "Your own money",
        badge: match notes.is_empty() {
            true => None,
            false => bad("a withdrawal is open"),
        },
        facts: vec![
            ("Fees so far", msat_words(fee.fee_msat)),
            ("Cost of the node", msat_words(fee.node_costs_msat)),
            ("Withdrawn", msat_words(fee.withdrawn_msat)),
            ("To be withdrawn", msat_words(fee.withdrawable_msat)),
        ],
        notes,
        table: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_owed_is_told_in_satoshis() {
        let told = json!({
            "as_of_ms": 1_000,
            "liabilities": {
                "outstanding_sat": 12_345, "carry_msat": "1500", "total_msat": "12346500",
            },
            "assets": null,
            "melts": "paused",
            "missing_msat": "340282366920938463463374607431768211455",
        });
        let section = solvency(&told, 6_000);
        assert_eq!(section.badge, bad("liabilities exceed assets"));
        let fact = |name| {
            let found = section.facts.iter().find(|(fact, _)| *fact == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(fact("Total liabilities"), Some("12,346.500 sat"));
        assert_eq!(fact("Total assets"), Some("not known"));
        assert_eq!(
            fact("Missing"),
            Some("340282366920938463463374607431768211455 msat")
        );
        assert_eq!(fact("As of"), Some("5 s ago"));
        let table = section.table.expect("a table");
        assert_eq!(table.rows.len(), OWED.len() + THERE.len());
        assert_eq!(
            table.rows[0],
            ["liabilities", "Ecash outstanding", "12,345 sat"]
        );
        assert_eq!(table.rows[4], ["liabilities", "Carry", "1.500 sat"]);
        assert_eq!(table.rows[7][2], "not known");
    }
}
