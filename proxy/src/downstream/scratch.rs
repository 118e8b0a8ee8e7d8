//! Buffers that a thread lends to whichever connection it serves: an idle connection
//! has none of its own.

use std::cell::RefCell;

/// A read takes at most so much. Larger than what a device ever sends at once: a read
/// that does not fill it tells the runtime that the socket is empty, which saves a call.
const READ_BYTES: usize = 16 * 1024;

/// A write buffer that grew beyond this is given back.
const KEEP_BYTES: usize = 64 * 1024;

/// One thread's buffers.
pub(crate) struct Scratch {
    /// Where segments are read to.
    pub(crate) read: Box<[u8]>,
    /// Where lines are written; empty between two uses.
    pub(crate) out: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { read: vec![0; READ_BYTES].into(), out: Vec::new() });
}

/// Lends the thread's buffers. Not to be called within itself.
pub(crate) fn with<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        let done = work(scratch);
        scratch.out.clear();
        scratch.out.shrink_to(KEEP_BYTES);
        done
    })
}
