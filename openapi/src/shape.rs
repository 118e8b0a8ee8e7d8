//! From the schemas that `schemars` makes to those of the document.
//!
//! The document is stricter: an object has the documented members and no others. Where a
//! struct has a tagged enum flattened into it, each alternative gets the struct's members, so
//! that this can be said of each by itself.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value};

/// Where the document has its schemas.
const DEFINITIONS: &str = "/components/schemas";

/// What schemas are made with. Of OpenAPI 3.1 the dialect is the one of 2020-12.
pub(crate) fn settings() -> SchemaSettings {
    let settings = SchemaSettings::draft2020_12().with_transform(Strict);
    settings.with(|settings| {
        settings.definitions_path = DEFINITIONS.into();
        settings.meta_schema = None;
    })
}

/// Makes a schema strict, and all that is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strict;

impl Transform for Strict {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(object) = schema.as_object_mut() {
            distribute(object);
            close(object);
            rename_format(object);
            describe(object);
        }
        transform_subschemas(self, schema);
    }
}

/// Members beside alternatives go into each alternative.
fn distribute(schema: &mut Map<String, Value>) {
    if !(schema.contains_key("properties") && schema.contains_key("oneOf")) {
        return;
    }
    let properties = schema.remove("properties");
    let required = schema.remove("required");
    schema.remove("type");
    schema.remove("additionalProperties");
    let alternatives = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    for alternative in alternatives.into_iter().flatten() {
        let Some(alternative) = alternative.as_object_mut() else {
            continue;
        };
        let own = alternative.entry("properties").or_insert_with(object);
        if let (Some(own), Some(Value::Object(shared))) = (own.as_object_mut(), &properties) {
            own.extend(shared.clone());
        }
        let own = alternative.entry("required").or_insert_with(array);
        if let (Some(own), Some(Value::Array(shared))) = (own.as_array_mut(), &required) {
            own.extend(shared.iter().cloned());
        }
    }
}

fn object() -> Value {
    Value::Object(Map::new())
}

fn array() -> Value {
    Value::Array(Vec::new())
}

/// No members but those that are documented. `true` is what is so without the keyword.
fn close(schema: &mut Map<String, Value>) {
    if schema.contains_key("properties") {
        schema.entry("additionalProperties").or_insert(false.into());
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(true)) {
        schema.remove("additionalProperties");
    }
}

/// The registry of formats has no `uint`, which is Rust's `usize`: 64 bits where pools run.
fn rename_format(schema: &mut Map<String, Value>) {
    if let Some(format) = schema.get_mut("format")
        && format == "uint"
    {
        *format = "uint64".into();
    }
}

/// Doc comments are lines of text with links of rustdoc, a description is neither.
fn describe(schema: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = plain(text);
    }
}

/// The text of a doc comment without line breaks and without links into the code.
fn plain(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        words.join(" ")
    });
    // The target of a link stands in a paragraph of its own, or in parentheses.
    let paragraphs = paragraphs.filter(|paragraph| !paragraph.starts_with("[`"));
    let joined = paragraphs.collect::<Vec<_>>().join("\n\n");
    let mut plain = String::with_capacity(joined.len());
    let mut rest = joined.as_str();
    while let Some((before, after)) = rest.split_once("[`") {
        plain.push_str(before);
        let Some((name, after)) = after.split_once("`]") else {
            plain.push_str("[`");
            rest = after;
            continue;
        };
        plain.push_str(&format!("`{name}`"));
        let target = after
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'));
        rest = target.map_or(after, |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doc_comments_become_plain_text() {
        for (comment, description) in [
            ("One line.", "One line."),
            ("Two\nlines.", "Two lines."),
            ("A [`Link`] of\nmany.", "A `Link` of many."),
            ("A [`Link`](crate::Link).", "A `Link`."),
            ("One.\n\n[`Link`]: super::Link", "One."),
            ("One.\n\nTwo.", "One.\n\nTwo."),
            ("Open [`code", "Open [`code"),
        ] {
            assert_eq!(plain(comment), description, "{comment}");
        }
    }
}
