//! The pause of melts, with its reason.

use std::sync::{PoisonError, RwLock};

/// The reason for which melts are paused, if they are. Read by every payment.
#[derive(Debug, Default)]
pub(crate) struct Pause(RwLock<Option<String>>);

impl Pause {
    pub(crate) fn new(why: Option<String>) -> Self {
        Pause(RwLock::new(why))
    }

    /// The reason for which melts are paused; `None` while they are not.
    pub(crate) fn why(&self) -> Option<String> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, why: Option<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// The words that wallets are told.
pub(crate) fn words(why: &str) -> String {
    format!("melts are paused: {why}")
}
