//! The reasons why a line is no request. The texts name the fault and repeat nothing that
//! was sent: it may hold a secret key.

use thiserror::Error;

use crate::wire::id::Id;

/// A line that cannot be served, with the id to answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{malformed}")]
pub struct WireError<'a> {
    /// The request's id, [`Id::NULL`] where none could be read.
    pub id: Id<'a>,
    /// What is wrong with it.
    pub malformed: Malformed,
}

impl WireError<'_> {
    /// Stratum's code for everything that has no code of its own.
    pub const CODE: u8 = 20;
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Bytes that are no text.
    #[error("line is not UTF-8")]
    NotUtf8,
    /// No JSON object, or one with a member of the wrong type.
    #[error("line is not a JSON-RPC object (at character {column})")]
    Json {
        /// Where, in characters from 1.
        column: usize,
    },
    /// The id has a type that JSON-RPC does not allow, or is very long.
    #[error("id must be a number, null or a string of at most 62 characters")]
    Id,
    /// Neither a request nor a reply.
    #[error("no method given")]
    NoMethod,
    /// A param is missing or not what it should be.
    #[error("{method}: {param} must be {expected}")]
    Param {
        /// The method.
        method: &'static str,
        /// The param's name.
        param: &'static str,
        /// What is accepted.
        expected: &'static str,
    },
}

impl Malformed {
    /// Every value of [`Self::label`].
    pub const LABELS: [&'static str; 5] =
        ["not_utf8", "not_json", "bad_id", "no_method", "bad_param"];

    /// A short name for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Malformed::NotUtf8 => "not_utf8",
            Malformed::Json { .. } => "not_json",
            Malformed::Id => "bad_id",
            Malformed::NoMethod => "no_method",
            Malformed::Param { .. } => "bad_param",
        }
    }
}
