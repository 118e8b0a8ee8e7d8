//! `axepool init`: the few things that have no default are asked for, and a config with
//! every key in it is written.

mod answers;
mod dialogue;
mod draft;

pub(crate) use answers::{Answers, Told, fill};
pub(crate) use dialogue::Dialogue;
pub(crate) use draft::{Draft, node_example};
