//! Which incarnation the quotes of an epoch are named by.
//!
//! A ledger that is restored from a backup is another one than the ledger that went on
//! after it: what was done between the two is not known. It draws a new incarnation, so
//! that quotes of its epochs are never those of the lost ones. Epochs that were paid
//! before the backup keep theirs: their quotes are known to the mint, issued or not, and
//! under other names all of them would be made, and paid, again
//! (docs/decisions/0010-backup-and-restore.md).

use serde::{Deserialize, Serialize};

use crate::{EpochId, Incarnation};

/// The incarnations of a ledger, each with the first epoch whose quotes it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Line>", into = "Vec<Line>")]
pub struct Lineage {
    first: Incarnation,
    /// Ascending, and none is of the first epoch.
    later: Vec<Line>,
}

/// One incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    from: EpochId,
    incarnation: Incarnation,
}

impl From<Incarnation> for Lineage {
    fn from(first: Incarnation) -> Self {
        Lineage {
            first,
            later: Vec::new(),
        }
    }
}

impl Lineage {
    /// The incarnation that names the quotes of `epoch`.
    pub fn of(&self, epoch: EpochId) -> Incarnation {
        let line = self.later.iter().rev().find(|line| line.from <= epoch);
        line.map_or(self.first, |line| line.incarnation)
    }

    /// The one that names the quotes of new epochs.
    pub fn current(&self) -> Incarnation {
        self.later
            .last()
            .map_or(self.first, |line| line.incarnation)
    }

    /// The first epoch of the current one.
    pub fn current_from(&self) -> EpochId {
        self.later.last().map_or(EpochId::FIRST, |line| line.from)
    }

    /// All of them, the first one first.
    pub fn incarnations(&self) -> impl Iterator<Item = Incarnation> {
        let later = self.later.iter().map(|line| line.incarnation);
        std::iter::once(self.first).chain(later)
    }

    /// True when it was ever restored.
    pub fn was_restored(&self) -> bool {
        !self.later.is_empty()
    }

    /// This one after a restore: from `from` on quotes are named by `incarnation`. What
    /// an earlier restore began there or later never named a quote that was paid.
    #[must_use]
    pub fn restored(mut self, from: EpochId, incarnation: Incarnation) -> Lineage {
        self.later.retain(|line| line.from < from);
        self.later.push(Line { from, incarnation });
        self
    }
}

impl From<Lineage> for Vec<Line> {
    fn from(lineage: Lineage) -> Self {
        let first = Line {
            from: EpochId::new(0),
            incarnation: lineage.first,
        };
        std::iter::once(first).chain(lineage.later).collect()
    }
}

impl TryFrom<Vec<Line>> for Lineage {
    type Error = &'static str;

    fn try_from(lines: Vec<Line>) -> Result<Self, Self::Error> {
        let (first, later) = lines.split_first().ok_or("a lineage without a line")?;
        if !lines.is_sorted_by(|one, next| one.from < next.from) {
            return Err("the lines of a lineage are out of order");
        }
        Ok(Lineage {
            first: first.incarnation,
            later: later.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incarnation(byte: u8) -> Incarnation {
        Incarnation::from_bytes([byte; 16])
    }

    #[track_caller]
    fn case(lineage: &Lineage, named: &[u8]) {
        let seen: Vec<Incarnation> = (1..)
            .map(EpochId::new)
            .map(|id| lineage.of(id))
            .take(named.len())
            .collect();
        let named: Vec<Incarnation> = named.iter().map(|byte| incarnation(*byte)).collect();
        assert_eq!(seen, named, "{lineage:?}");
        let text = serde_json::to_string(lineage).expect("writes");
        assert_eq!(
            serde_json::from_str::<Lineage>(&text).expect("reads"),
            *lineage
        );
    }

    #[test]
    fn epochs_that_were_paid_keep_their_names() {
        let first = Lineage::from(incarnation(1));
        assert!(!first.was_restored());
        case(&first, &[1, 1, 1]);
        let second = first.clone().restored(EpochId::new(3), incarnation(2));
        assert!(second.was_restored());
        case(&second, &[1, 1, 2, 2]);
        // Again from the same backup: the lost one in between is not of this line.
        case(
            &second.clone().restored(EpochId::new(3), incarnation(3)),
            &[1, 1, 3],
        );
        case(
            &second.clone().restored(EpochId::new(5), incarnation(3)),
            &[1, 1, 2, 2, 3, 3],
        );
        let anew = first.restored(EpochId::FIRST, incarnation(4));
        case(&anew, &[4, 4]);
        assert_eq!(
            (anew.current(), anew.current_from()),
            (incarnation(4), EpochId::FIRST)
        );
    }

    #[test]
    fn what_is_no_lineage_does_not_read() {
        let line = |from: u64| format!(r#"{{"from":{from},"incarnation":"{}"}}"#, incarnation(1));
        for bad in [
            "[]".to_owned(),
            format!("[{},{}]", line(2), line(2)),
            "{}".to_owned(),
        ] {
            assert!(serde_json::from_str::<Lineage>(&bad).is_err(), "{bad}");
        }
    }
}
