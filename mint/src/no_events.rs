//! A payment method without events of its own: cdk wants a stream to listen to, and to know
//! whether it listens.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use cdk_common::payment::Event;
use futures::Stream;

/// The stream that never says anything.
#[derive(Debug, Default)]
pub(crate) struct NoEvents {
    is_listened_to: AtomicBool,
}

impl NoEvents {
    pub(crate) fn listen(&self) -> Pin<Box<dyn Stream<Item = Event> + Send>> {
        self.is_listened_to.store(true, Ordering::SeqCst);
        Box::pin(futures::stream::pending())
    }

    pub(crate) fn is_listened_to(&self) -> bool {
        self.is_listened_to.load(Ordering::SeqCst)
    }

    pub(crate) fn cancel(&self) {
        self.is_listened_to.store(false, Ordering::SeqCst);
    }
}
