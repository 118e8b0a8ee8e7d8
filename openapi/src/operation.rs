//! What one method of a path takes and answers.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

/// Makes the schema of a type, as a reference where the type has a name.
pub(crate) type Shape = fn(&mut SchemaGenerator) -> Schema;

fn reference<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// JSON, and nothing said of its encoding.
const JSON: &str = "application/json";

/// The reason of the refusal, in the form of Cashu's NUT-00.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct Refused {
    /// The code of the NUTs; 0 or 50000 where they have none. Absent where the request was
    /// not looked at: try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub code: Option<i64>,
    /// In words.
    pub detail: String,
}

/// A part of the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathPart {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) shape: Shape,
}

/// The body of a request, JSON always.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    pub(crate) is_required: bool,
    pub(crate) shape: Shape,
}

/// The answer with one status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) description: &'static str,
    /// By media type.
    pub(crate) content: BTreeMap<&'static str, Shape>,
}

/// The description of one method of a path.
#[derive(Clone, Debug)]
pub struct Operation {
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) path: Vec<PathPart>,
    /// The properties of this type are the parameters behind the question mark.
    pub(crate) query: Option<Shape>,
    pub(crate) body: Option<Body>,
    pub(crate) answers: BTreeMap<u16, Answer>,
}

impl Operation {
    /// An operation that can be refused as each one can: too often, or not now.
    pub fn new(id: &'static str, summary: &'static str) -> Self {
        let operation = Operation {
            id,
            summary,
            path: Vec::new(),
            query: None,
            body: None,
            answers: BTreeMap::new(),
        };
        operation
            .refuses(429, "Too many requests from this address: see Retry-After.")
            .refuses(
                503,
                "Too many ask at once, or it cannot be had now: try again later.",
            )
    }

    /// `{name}` in the path is a `T`.
    #[must_use]
    pub fn path<T: JsonSchema>(mut self, name: &'static str, description: &'static str) -> Self {
        let shape = reference::<T>;
        self.path.push(PathPart {
            name,
            description,
            shape,
        });
        self
    }

    /// The query is a `T`: each of its fields is a parameter.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(T::json_schema);
        self
    }

    /// The body is a `T`; without `is_required` it may be empty.
    #[must_use]
    pub fn body<T: JsonSchema>(mut self, is_required: bool) -> Self {
        let shape = reference::<T>;
        self.body = Some(Body { is_required, shape });
        self
    }

    /// Answered with 200 and a `T` in JSON.
    #[must_use]
    pub fn json<T: JsonSchema>(self, description: &'static str) -> Self {
        self.content(200, description, Some((JSON, reference::<T>)))
    }

    /// Answered with 200 and text of this media type.
    #[must_use]
    pub fn text(self, media: &'static str, description: &'static str) -> Self {
        self.content(200, description, Some((media, reference::<String>)))
    }

    /// Answered with this status and no body.
    #[must_use]
    pub fn empty(self, status: u16, description: &'static str) -> Self {
        self.content(status, description, None)
    }

    /// Refused with this status, and a [`Refused`].
    #[must_use]
    pub fn refuses(self, status: u16, description: &'static str) -> Self {
        self.content(status, description, Some((JSON, reference::<Refused>)))
    }

    fn content(
        mut self,
        status: u16,
        description: &'static str,
        content: Option<(&'static str, Shape)>,
    ) -> Self {
        let answer = self.answers.entry(status).or_insert_with(|| Answer {
            description,
            content: BTreeMap::new(),
        });
        answer.content.extend(content);
        self
    }
}
