//! Whether the node's directory is the last one, before each try to start the node.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::build::StartError;
use super::store;
use crate::marks::{self, Doubt, Doubts, Found, GoOn, MarkKeeper};
use crate::outgoing::Desk;

/// The node's directory.
#[derive(Debug)]
pub(super) struct Directory {
    dir: PathBuf,
    keeper: Arc<dyn MarkKeeper>,
    /// What the last comparison found.
    doubts: Mutex<Doubts>,
    /// How the operator said that the node may start all the same.
    accepted: watch::Sender<Option<GoOn>>,
    /// Before when payments may be missing; 0: none is.
    forgot_until: AtomicU64,
}

impl Directory {
    pub(super) fn new(dir: PathBuf, keeper: Arc<dyn MarkKeeper>) -> Directory {
        Directory {
            dir,
            keeper,
            doubts: Mutex::default(),
            accepted: watch::Sender::new(None),
            forgot_until: AtomicU64::new(0),
        }
    }

    /// Changes when the operator says that the node may start.
    pub(super) fn accepted(&self) -> watch::Receiver<Option<GoOn>> {
        self.accepted.subscribe()
    }

    /// Where it is.
    pub(super) fn place(&self) -> &std::path::Path {
        &self.dir
    }

    /// What is the matter with it, by the last comparison.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        let doubts = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
        doubts.channels
    }

    /// The operator's word; what it is about, `None` when nothing is the matter.
    pub(super) fn accept(&self, how: GoOn) -> Option<Doubt> {
        let doubt = self.doubt();
        if doubt.is_some() {
            self.accepted.send_replace(Some(how));
        }
        doubt
    }

    pub(super) fn forgot_until(&self) -> Option<u64> {
        Some(self.forgot_until.load(Ordering::Relaxed)).filter(|secs| *secs > 0)
    }

    /// Compares it with what is known of it, and makes it the one that is known from now on.
    ///
    /// A journal of payments that is not the last one keeps nobody from being paid: what it
    /// may have forgotten is decided by nobody but the operator. A store that is not the last
    /// one has older channels: nothing is touched until the operator accepts it.
    ///
    /// # Errors
    /// The store is not the last one, or nothing can be compared or kept.
    pub(super) fn compare(&self, desk: &Desk, now_secs: u64) -> Result<(), StartError> {
        let known = self.keeper.known();
        let channels = store::found(&self.dir).map_err(cannot)?;
        let payments = desk.found().unwrap_or_else(|error| {
            // It keeps us from paying, and not from being paid.
            tracing::error!(%error, "nothing can be paid");
            known.payments.map_or(Found::Nothing, Found::Marked)
        });
        let doubts = marks::doubts(&known, channels, payments);
        *self.doubts.lock().unwrap_or_else(PoisonError::into_inner) = doubts;
        let (mut has, mut paid) = (channels.mark(), payments.mark());
        if let Some(doubt) = doubts.channels {
            let (dir, word) = (self.dir.clone(), *self.accepted.borrow());
            let Some(how) = word else {
                return Err(StartError::Doubted { dir, doubt });
            };
            tracing::error!(dir = %dir.display(), %doubt, ?how, "the node starts although its store is not the last one, on its operator's word");
        }
        let lost_store =
            doubts.channels.is_some() || marks::is_restored(&known, channels, payments);
        if lost_store || doubts.payments.is_some() {
            // First of all: what is not known may have been paid.
            paid = Some(desk.forgets(now_secs, lost_store)?);
            tracing::error!(
                journal = ?doubts.payments,
                lost_store,
                "the node may have made payments that it does not know any more: what is not known of is not decided by itself (axepool node payments)"
            );
        }
        if doubts.channels.is_some() {
            if *self.accepted.borrow() == Some(GoOn::SetAside) {
                store::set_aside(&self.dir, now_secs).map_err(cannot)?;
            }
            has = Some(store::begin_anew(&self.dir).map_err(cannot)?);
        }
        self.keeper.settle(has, paid).map_err(cannot)?;
        *self.doubts.lock().unwrap_or_else(PoisonError::into_inner) = Doubts::default();
        // Whoever waits for the operator's word is woken by nothing else: a wait between two
        // tries to start the node would be over at once.
        self.accepted.send_if_modified(|word| word.take().is_some());
        let forgot_until = desk.forgot_until().ok().flatten().unwrap_or(0);
        self.forgot_until.store(forgot_until, Ordering::Relaxed);
        Ok(())
    }
}

fn cannot(error: impl std::fmt::Display) -> StartError {
    StartError::Compare(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marks::NoKeeper;
    use crate::offer_book::OfferBook;

    #[test]
    fn a_comparison_without_a_doubt_ends_nobodys_wait() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path().join("node"), Arc::new(NoKeeper));
        let journal = dir.path().join("outgoing.jsonl");
        let offers = OfferBook::open(&dir.path().join("offers")).unwrap();
        let desk = Desk::new(journal, offers, Arc::new(NoKeeper));
        let accepted = directory.accepted();
        directory.compare(&desk, 1_700_000_000).unwrap();
        assert!(!accepted.has_changed().unwrap());
        assert_eq!(directory.accept(GoOn::AsItIs), None);
        assert!(!accepted.has_changed().unwrap());
    }
}
