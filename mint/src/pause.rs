//! Whether melts are paused, and why.

use std::sync::{PoisonError, RwLock};

/// The reason for which melts are paused, if they are. Read by every payment.
#[derive(Debug, Default)]
pub(crate) struct Pause(RwLock<Option<String>>);

impl Pause {
    pub(crate) fn new(why: Option<String>) -> Self {
        Pause(RwLock::new(why))
    }

    /// Why melts are paused; `None` while they are not.
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

/// What wallets are told.
pub(crate) fn words(why: &str) -> String {
    format!("melts are paused: {why}")
}
