//! Being told: per miner a feed of what changed (a worker fell silent, many shares are
//! rejected, sats are ready), and for those who sign a wish the same over ntfy or to a
//! webhook.
//!
//! A miner is looked at from the first time that its feed is asked for, or that its
//! owner signed a wish. What is worth telling is decided by [`tell`], which is pure;
//! the feed is written before anything is sent, and a restart neither repeats nor
//! forgets. Nothing waits for the sending.

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
mod wish;

pub(crate) use desk::{Desk, DeskError, Setting, Sight};
pub(crate) use feed::About;
pub(crate) use run::run;
pub(crate) use target::{Channel, Policy, Target};
pub(crate) use tell::{Rules, WorkerSeen};
pub(crate) use wish::{Wish, digest};
