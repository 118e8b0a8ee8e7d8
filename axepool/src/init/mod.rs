//! The dialogue of `axepool init`: the few settings that have no default are asked for, and
//! `pool::init` writes a config with every key in it.

mod answers;
mod dialogue;

pub(crate) use answers::fill;
pub(crate) use dialogue::Dialogue;
