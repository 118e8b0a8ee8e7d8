//! The sections of the page, from the answers of the pool. Pure.

mod mining;
mod money;
mod node;

use mint::Parked;
use pool::admin::{FeeStatus, NodeStatus, PayoutRow, Status, SuspectRow};
use serde_json::Value;

use mining::{health, miners, mint, suspects, upstream};
use money::{fee, solvency, suspense};
use node::{closed, node};

/// Rows of a list at most: `axepool` lists the rest.
const MOST_ROWS: usize = 50;

/// All answers; what cannot be told says why.
#[derive(Debug)]
pub(in crate::operator) struct Told {
    pub(in crate::operator) status: Result<Status, String>,
    pub(in crate::operator) node: Result<NodeStatus, String>,
    pub(in crate::operator) suspense: Result<Vec<PayoutRow>, String>,
    pub(in crate::operator) fee: Result<FeeStatus, String>,
    pub(in crate::operator) parked: Result<Vec<Parked>, String>,
    pub(in crate::operator) suspects: Result<Vec<SuspectRow>, String>,
    pub(in crate::operator) solvency: Value,
}

/// One part of the page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::operator) struct Section {
    pub(in crate::operator) title: &'static str,
    pub(in crate::operator) badge: Option<Badge>,
    pub(in crate::operator) facts: Vec<(&'static str, String)>,
    pub(in crate::operator) notes: Vec<Note>,
    pub(in crate::operator) table: Option<Table>,
}

/// How a part is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operator) struct Badge {
    pub(in crate::operator) style: &'static str,
    pub(in crate::operator) word: &'static str,
}

const fn badge(style: &'static str, word: &'static str) -> Option<Badge> {
    Some(Badge { style, word })
}

const fn good(word: &'static str) -> Option<Badge> {
    badge("good", word)
}

const fn doubtful(word: &'static str) -> Option<Badge> {
    badge("warn", word)
}

const fn bad(word: &'static str) -> Option<Badge> {
    badge("alarm", word)
}

const fn plain(word: &'static str) -> Option<Badge> {
    badge("", word)
}

/// A sentence that stands out.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::operator) struct Note {
    pub(in crate::operator) style: &'static str,
    pub(in crate::operator) text: String,
}

/// A list.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::operator) struct Table {
    pub(in crate::operator) head: Vec<&'static str>,
    pub(in crate::operator) rows: Vec<Vec<String>>,
    /// How many more there are.
    pub(in crate::operator) more: usize,
}

impl Table {
    /// `None` where there is nothing to list.
    fn of<T>(head: &[&'static str], items: &[T], row: impl Fn(&T) -> Vec<String>) -> Option<Table> {
        (!items.is_empty()).then(|| Table {
            head: head.to_vec(),
            rows: items.iter().take(MOST_ROWS).map(row).collect(),
            more: items.len().saturating_sub(MOST_ROWS),
        })
    }
}

fn alarm(text: impl Into<String>) -> Note {
    Note {
        style: "alarm",
        text: text.into(),
    }
}

fn warn(text: impl Into<String>) -> Note {
    Note {
        style: "warn",
        text: text.into(),
    }
}

/// The page from top to bottom.
pub(in crate::operator) fn sections(told: &Told, now_ms: u64) -> Vec<Section> {
    let mut all = Vec::new();
    match &told.status {
        Ok(status) => {
            all.push(health(status));
            all.push(upstream(&status.upstream));
            all.push(miners(status));
            all.push(mint(&status.mint, &told.parked, now_ms));
        }
        Err(why) => all.push(untold("The pool", why)),
    }
    all.push(match &told.node {
        Ok(status) => node(status),
        Err(why) => untold("Lightning node and liquidity", why),
    });
    if let Ok(status) = &told.node {
        all.extend(closed(status, now_ms));
    }
    all.push(solvency(&told.solvency, now_ms));
    all.push(match &told.suspense {
        Ok(payouts) => suspense(payouts),
        Err(why) => untold("Suspense", why),
    });
    all.push(match &told.fee {
        Ok(status) => fee(status),
        Err(why) => untold("Your own money", why),
    });
    all.push(match &told.suspects {
        Ok(rows) => suspects(rows),
        Err(why) => untold("Suspects", why),
    });
    all
}

fn untold(title: &'static str, why: &str) -> Section {
    Section {
        title,
        badge: plain("not known"),
        notes: vec![warn(why)],
        ..Section::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing_told() -> Told {
        let why = || "it is stopping".to_owned();
        Told {
            status: Err(why()),
            node: Err(why()),
            suspense: Err(why()),
            fee: Err(why()),
            parked: Err(why()),
            suspects: Err(why()),
            solvency: Value::Null,
        }
    }

    #[test]
    fn what_cannot_be_told_says_so_and_nothing_else_is_lost() {
        let all = sections(&nothing_told(), 0);
        let titles: Vec<&str> = all.iter().map(|section| section.title).collect();
        assert_eq!(
            titles,
            [
                "The pool",
                "Lightning node and liquidity",
                "Liabilities and assets",
                "Suspense",
                "Your own money",
                "Suspects",
            ]
        );
        let silent = all.iter().filter(|section| !section.notes.is_empty());
        assert_eq!(silent.count(), 5);
        assert!(all.iter().all(|section| section.badge != good("nothing")));
    }

    #[test]
    fn a_long_list_ends_and_says_so() {
        let items: Vec<usize> = (0..MOST_ROWS + 7).collect();
        let table = Table::of(&["n"], &items, |n| vec![n.to_string()]);
        let table = table.expect("rows");
        assert_eq!((table.rows.len(), table.more), (MOST_ROWS, 7));
        assert_eq!(Table::of(&["n"], &items[..0], |_| Vec::new()), None);
    }
}
