//! Message ids: ours to echo, in whatever form they came.

use serde_json::value::RawValue;

/// The id of a request as it came: a number, a string or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id<'a> {
    /// A whole number, what nearly every firmware sends.
    Number(u64),
    /// Any other number, a string or `null`, as JSON text.
    Raw(&'a str),
}

/// An [`Id`] kept for a reply that comes later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedId {
    /// A whole number.
    Number(u64),
    /// Any other number, a string or `null`, as JSON text.
    Raw(Box<str>),
}

/// The most bytes of an id's JSON text.
const MAX_ID_BYTES: usize = 64;

impl<'a> Id<'a> {
    /// No id.
    pub const NULL: Id<'static> = Id::Raw("null");

    /// From JSON; `None` for a bool, an array, an object or something too long.
    pub(super) fn from_json(value: Option<&'a RawValue>) -> Option<Self> {
        let Some(text) = value.map(RawValue::get) else {
            return Some(Id::NULL);
        };
        let first = *text.as_bytes().first()?;
        // A leading zero is no JSON and a sign is no digit: what parses prints the same.
        if first.is_ascii_digit()
            && let Ok(number) = text.parse()
        {
            return Some(Id::Number(number));
        }
        let allowed = first.is_ascii_digit() || first == b'-' || first == b'"' || text == "null";
        (allowed && text.len() <= MAX_ID_BYTES).then_some(Id::Raw(text))
    }

    /// For a reply that comes later.
    pub fn to_owned(self) -> OwnedId {
        match self {
            Id::Number(number) => OwnedId::Number(number),
            Id::Raw(text) => OwnedId::Raw(text.into()),
        }
    }

    /// Appends its JSON.
    pub(super) fn push(self, out: &mut Vec<u8>) {
        match self {
            Id::Number(number) => super::reply::push_display(out, number),
            Id::Raw(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
}

impl OwnedId {
    /// To write a reply with.
    pub fn as_id(&self) -> Id<'_> {
        match self {
            OwnedId::Number(number) => Id::Number(*number),
            OwnedId::Raw(text) => Id::Raw(text),
        }
    }
}
