//! The money: liabilities and assets, payments in suspense, the operator's balance.

use basics::humane;
use pool::admin::{FeeStatus, PayoutFate, PayoutRow, WithdrawalOutcome};
use pool::{amounts, control};
use serde_json::Value;

use super::{Note, Section, Table, alarm, bad, doubtful, good, plain, warn};
use crate::balance_sheet::{BalanceSheet, Line, Melts, msat_words};

pub(super) fn solvency(told: &Value, now_ms: u64) -> Section {
    let sheet = BalanceSheet::of(told);
    let mut facts = vec![
        ("Total liabilities", sheet.owed),
        ("Total assets", sheet.there),
    ];
    facts.extend(sheet.missing.map(|missing| ("Missing", missing)));
    let as_of = sheet.as_of_ms.map(|at_ms| humane::ago(at_ms, now_ms));
    facts.extend(as_of.map(|ago| ("As of", ago)));
    let rows = |side: &str, lines: Vec<Line>| {
        let row = |(name, amount): Line| vec![side.to_owned(), name.to_owned(), amount];
        lines.into_iter().map(row).collect::<Vec<_>>()
    };
    let mut all = rows("liabilities", sheet.liabilities);
    all.extend(rows("assets", sheet.assets));
    Section {
        title: "Liabilities and assets",
        badge: match sheet.melts {
            Melts::On => good("covered, ecash is melted"),
            Melts::Paused => bad("liabilities exceed assets"),
            Melts::Off => plain("no node to compare with"),
        },
        facts,
        notes: Vec::new(),
        table: Some(Table {
            head: vec!["Side", "Part", "Amount"],
            rows: all,
            more: 0,
        }),
    }
}

pub(super) fn suspense(payouts: &[PayoutRow]) -> Section {
    let row = |row: &PayoutRow| {
        let why = match row.state {
            PayoutFate::Suspended { why } => control::suspense(why, row.via),
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
        assert_eq!(table.rows.len(), 11);
        assert_eq!(
            table.rows[0],
            ["liabilities", "Ecash outstanding", "12,345 sat"]
        );
        assert_eq!(table.rows[4], ["liabilities", "Carry", "1.500 sat"]);
        assert_eq!(table.rows[7][2], "not known");
    }
}
