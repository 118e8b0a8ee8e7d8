//! HTTP routes that bring their description along, and the OpenAPI 3.1 document of them.
//!
//! An [`Endpoint`] is one path: its handlers, and an [`Operation`] for each of them. A router
//! is made from endpoints ([`router`]), and so is the [`Document`]: neither has a path that
//! the other lacks. The schemas of answers and requests are derived from the types that are
//! serialised (`schemars::JsonSchema`), with the types' doc comments as their descriptions.

mod document;
mod endpoint;
mod operation;
mod shape;
#[cfg(test)]
mod tests;

/// The description of a miner's key in a path.
pub const MINER_KEY: &str = "The miner's public key: 66 hex digits or an npub.";

/// What there is to say of an answer whose operation says it all.
pub const ANSWER: &str = "The answer.";

/// The description of a refusal for its path.
pub const NO_KEY: &str = "This is no public key.";

/// The description of a refusal for its query.
pub const NO_QUERY: &str = "The query does not do.";

pub use document::{Document, Finished};
pub use endpoint::{Described, Endpoint, router};
pub use operation::{Operation, Refused};
