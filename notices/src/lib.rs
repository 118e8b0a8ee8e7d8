//! Notices: notifications to owners. Each miner has a feed of changes (a worker fell
//! silent, many shares are rejected, sats are ready); an owner who signs a subscription
//! request (a wish) gets the same over ntfy or at a webhook.
//!
//! A miner is watched from the first request for its feed, or from its owner's first wish.
//! The pure core [`tell`] decides from the miner's present and past state whether a change
//! is worth a notice. Each miner's record is feed and queue in one, a small file in
//! `data_dir/notices/`. It is written before anything is sent, so a restart neither repeats
//! nor loses a notice.
//!
//! Two tasks run: one watches miners, the other sends. Nothing waits for either. Each
//! destination server has a lane with a rate limit of its own (`lanes.rs`, `pace.rs`).
//! `target.rs` and docs/decisions/0013-notices.md limit the destinations and contents that
//! strangers can choose; docs/decisions/0022-strangers-log-notices-memory.md limits the
//! number of messages.
//!
//! The room knows the accounting's units and the form of requests that owners sign.
//! What there is to see of a miner comes in through [`Sight`]; pages and commands use it.

mod desk;
mod feed;
mod files;
mod lanes;
mod metrics;
mod news;
mod pace;
mod record;
mod run;
mod send;
mod target;
mod tell;
#[cfg(test)]
mod testing;

pub use desk::{Desk, DeskError, Setting, Sight};
pub use feed::About;
pub use run::run;
pub use target::{Policy, TargetError};
pub use tell::{Rules, WorkerSeen};
