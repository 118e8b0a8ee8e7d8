//! Whether the node's directory is the last one.
//!
//! An older copy of a channel's state is whole and agrees with itself, and a node that goes
//! on from it can lose all the money of the channel; an older journal of payments calls a
//! payment that was made "never ordered". So both parts of the directory have a mark, an id
//! and a counter, which a [`MarkKeeper`] outside of the directory is told of: the channels'
//! after each state that is written and before their peers hear of it, the journal's after
//! each line and before the node is handed a payment. They are compared before each start
//! of the node (docs/decisions/0017-stores-that-are-not-the-last-ones.md).

use std::fmt;
use std::io;

use accounting::{StoreId, StoreMark};
use serde::{Deserialize, Serialize};

/// The mark of a part that begins.
pub(crate) fn begin() -> StoreMark {
    StoreMark::first(StoreId::from_bytes(rand::random()))
}

/// The parts of the directory that have a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The node's store, with its channels.
    Channels,
    /// The journal of outgoing payments.
    Payments,
}

/// What is known of the directory outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The last mark of the channels; `None` when there never was one.
    pub channels: Option<StoreMark>,
    /// The last mark of the payments, likewise.
    pub payments: Option<StoreMark>,
    /// These are the last marks; false when they may be a copy of any age.
    pub is_vouched: bool,
}

/// Keeps the marks outside of the node's directory.
pub trait MarkKeeper: fmt::Debug + Send + Sync {
    /// What was told last.
    fn known(&self) -> Known;

    /// Keeps how far a part is; on disk when this returns.
    ///
    /// # Errors
    /// It is not certain to be on disk.
    fn keep(&self, part: Part, mark: StoreMark) -> io::Result<()>;

    /// From now on these are the marks, whatever was known before: the directory is the
    /// last one, or its operator accepted it. `None`: that part has none yet.
    ///
    /// # Errors
    /// As [`Self::keep`].
    fn settle(&self, channels: Option<StoreMark>, payments: Option<StoreMark>) -> io::Result<()>;
}

/// A part as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is not there.
    Nothing,
    /// It is there and has no mark: a program of before there were any left it.
    Unmarked,
    /// It is there.
    Marked(StoreMark),
}

impl Found {
    pub(crate) fn mark(self) -> Option<StoreMark> {
        match self {
            Found::Marked(mark) => Some(mark),
            Found::Nothing | Found::Unmarked => None,
        }
    }
}

/// Why a part is not, or may not be, the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is gone.
    Lost,
    /// It is an older copy.
    Older,
    /// It is another node's, or another pool's.
    Another,
    /// It may be a copy of any age: nothing outside of it vouches for it.
    Unvouched,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Doubt::Lost => "gone",
            Doubt::Older => "an older copy",
            Doubt::Another => "another one than the last",
            Doubt::Unvouched => "perhaps an older copy, since the data directory is a copy",
        })
    }
}

/// How a node goes on whose store is not the last one, by its operator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoOn {
    /// With the store that is there: it is the last one, whatever it looks like.
    AsItIs,
    /// From the node's words: the store is put out of the way, the channels' peers close
    /// them, and their money is looked for on the chain.
    SetAside,
}

/// What is doubted of a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// The node's store with its channels.
    pub channels: Option<Doubt>,
    /// The journal of payments.
    pub payments: Option<Doubt>,
}

/// What is doubted of the directory in which these were found.
///
/// A store that is gone while the journal is there, and of which nothing is known outside,
/// is that of a pool that was restored from a backup: its operator knows that, so it is no
/// doubt. What such a node forgot is told by [`is_restored`].
pub(crate) fn doubts(known: &Known, channels: Found, payments: Found) -> Doubts {
    Doubts {
        channels: doubt(known.channels, channels, known.is_vouched),
        payments: doubt(known.payments, payments, known.is_vouched),
    }
}

/// Whether the node's store is lost with a pool that was restored.
pub(crate) fn is_restored(known: &Known, channels: Found, payments: Found) -> bool {
    known.channels.is_none() && channels == Found::Nothing && payments != Found::Nothing
}

fn doubt(known: Option<StoreMark>, found: Found, is_vouched: bool) -> Option<Doubt> {
    match (known, found) {
        (Some(_), Found::Nothing) => Some(Doubt::Lost),
        (None, Found::Nothing) => None,
        // From before it had a mark.
        (Some(_), Found::Unmarked) => Some(Doubt::Older),
        (Some(known), Found::Marked(mark)) if mark.store != known.store => Some(Doubt::Another),
        (Some(known), Found::Marked(mark)) if mark.counter < known.counter => Some(Doubt::Older),
        _ => (!is_vouched).then_some(Doubt::Unvouched),
    }
}

/// A keeper that remembers nothing: every directory is the last one. For readers, and for
/// nodes that nobody keeps marks of.
#[derive(Debug)]
pub struct NoKeeper;

impl MarkKeeper for NoKeeper {
    fn known(&self) -> Known {
        Known {
            channels: None,
            payments: None,
            is_vouched: true,
        }
    }

    fn keep(&self, _: Part, _: StoreMark) -> io::Result<()> {
        Ok(())
    }

    fn settle(&self, _: Option<StoreMark>, _: Option<StoreMark>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(store: u8, counter: u64) -> StoreMark {
        let store = StoreId::from_bytes([store; 16]);
        StoreMark { store, counter }
    }

    #[track_caller]
    fn case(known: Option<StoreMark>, found: Found, expected: Option<Doubt>) {
        assert_eq!(doubt(known, found, true), expected);
        // Nothing becomes certain by being a copy.
        let unvouched = doubt(known, found, false);
        match (found, expected) {
            (Found::Nothing, _) | (_, Some(_)) => assert_eq!(unvouched, expected),
            (_, None) => assert_eq!(unvouched, Some(Doubt::Unvouched)),
        }
    }

    #[test]
    fn what_is_not_the_last_is_known() {
        let known = Some(mark(1, 7));
        case(known, Found::Marked(mark(1, 7)), None);
        // Killed before it was told.
        case(known, Found::Marked(mark(1, 8)), None);
        case(known, Found::Marked(mark(1, 6)), Some(Doubt::Older));
        case(known, Found::Marked(mark(2, 9)), Some(Doubt::Another));
        case(known, Found::Unmarked, Some(Doubt::Older));
        case(known, Found::Nothing, Some(Doubt::Lost));
    }

    #[test]
    fn a_node_of_which_nothing_is_known_is_taken_as_it_is() {
        case(None, Found::Nothing, None);
        case(None, Found::Unmarked, None);
        case(None, Found::Marked(mark(1, 7)), None);
    }

    #[test]
    fn a_restored_node_is_known_by_its_journal() {
        let known = |channels| Known {
            channels,
            payments: None,
            is_vouched: true,
        };
        let marked = Found::Marked(mark(1, 7));
        assert!(is_restored(&known(None), Found::Nothing, marked));
        assert!(is_restored(&known(None), Found::Nothing, Found::Unmarked));
        assert!(!is_restored(&known(None), Found::Nothing, Found::Nothing));
        assert!(!is_restored(&known(None), marked, marked));
        assert!(!is_restored(
            &known(Some(mark(1, 1))),
            Found::Nothing,
            marked
        ));
    }
}
