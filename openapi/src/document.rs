//! The document of many endpoints.

use std::collections::BTreeSet;

use schemars::transform::Transform as _;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::endpoint::Described;
use crate::operation::{Answer, Operation};
use crate::shape::{Strict, settings};

/// Collects endpoints and the schemas that they name.
#[derive(Debug)]
pub struct Document {
    /// Of what is serialised.
    answers: SchemaGenerator,
    /// Of what is deserialised: members with a default may be absent there.
    requests: SchemaGenerator,
    paths: Map<String, Value>,
}

/// The document, and what has to be mended in the types that it is made from.
#[derive(Debug)]
pub struct Finished {
    /// The OpenAPI document.
    pub document: Value,
    /// Names of schemas that two types have, or one type with another form in requests than in
    /// answers. `#[schemars(rename = "...")]` gives one of them another name.
    pub clashes: BTreeSet<String>,
}

impl Default for Document {
    fn default() -> Self {
        Document {
            answers: settings().for_serialize().into_generator(),
            requests: settings().for_deserialize().into_generator(),
            paths: Map::new(),
        }
    }
}

impl Document {
    /// Adds endpoints.
    pub fn extend(&mut self, endpoints: impl IntoIterator<Item = Described>) {
        for Described { path, operations } in endpoints {
            let operations = operations.iter();
            let operations = operations
                .map(|(method, operation)| ((*method).to_owned(), self.operation(operation)));
            let operations = operations.collect();
            self.paths
                .insert(path.to_owned(), Value::Object(operations));
        }
    }

    /// The whole document; `about` is its `info`.
    pub fn finish(mut self, about: Value) -> Finished {
        let mut schemas = self.answers.take_definitions(true);
        let mut clashes = BTreeSet::new();
        for (name, schema) in self.requests.take_definitions(true) {
            let known = schemas
                .entry(name.clone())
                .or_insert_with(|| schema.clone());
            if *known != schema {
                clashes.insert(name);
            }
        }
        // A second type of the same name gets a number from `schemars`.
        let numbered = schemas.keys().filter(|name| name.ends_with(is_digit));
        clashes.extend(numbered.cloned());
        let document = json!({
            "openapi": "3.1.0",
            "info": about,
            "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
            "servers": [{ "url": "/" }],
            "paths": self.paths,
            "components": { "schemas": schemas },
        });
        Finished {
            document: sorted(document),
            clashes,
        }
    }

    fn operation(&mut self, operation: &Operation) -> Value {
        let mut told = Map::new();
        told.insert("operationId".to_owned(), operation.id.into());
        told.insert("summary".to_owned(), operation.summary.into());
        let parameters = self.parameters(operation);
        if !parameters.is_empty() {
            told.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(body) = operation.body {
            let schema = strict((body.shape)(&mut self.requests));
            let body = json!({
                "required": body.is_required,
                "content": { "application/json": { "schema": schema } },
            });
            told.insert("requestBody".to_owned(), body);
        }
        let answers = operation.answers.iter();
        let answers = answers.map(|(status, answer)| (status.to_string(), self.answer(answer)));
        let answers = answers.collect();
        told.insert("responses".to_owned(), Value::Object(answers));
        Value::Object(told)
    }

    fn answer(&mut self, answer: &Answer) -> Value {
        let content = answer.content.iter().map(|(media, shape)| {
            let schema = strict(shape(&mut self.answers));
            ((*media).to_owned(), json!({ "schema": schema }))
        });
        let content: Map<String, Value> = content.collect();
        if content.is_empty() {
            return json!({ "description": answer.description });
        }
        json!({ "description": answer.description, "content": content })
    }

    fn parameters(&mut self, operation: &Operation) -> Vec<Value> {
        let parts = operation.path.iter().map(|part| {
            json!({
                "name": part.name,
                "in": "path",
                "required": true,
                "description": part.description,
                "schema": strict((part.shape)(&mut self.requests)),
            })
        });
        let mut parameters: Vec<Value> = parts.collect();
        if let Some(query) = operation.query {
            let query = strict(query(&mut self.requests));
            parameters.extend(query_parameters(query));
        }
        parameters
    }
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

fn strict(mut schema: Schema) -> Value {
    Strict.transform(&mut schema);
    schema.to_value()
}

/// Each member of a query's type is a parameter.
fn query_parameters(mut query: Value) -> Vec<Value> {
    let required = query["required"].take();
    let is_required = |name: &str| {
        let mut names = required.as_array().into_iter().flatten();
        names.any(|one| one == name)
    };
    let Value::Object(members) = query["properties"].take() else {
        return Vec::new();
    };
    let parameters = members.into_iter().map(|(name, mut schema)| {
        let description = match schema.as_object_mut() {
            Some(schema) => schema.remove("description"),
            None => None,
        };
        json!({
            "name": name,
            "in": "query",
            "required": is_required(&name),
            "description": description,
            "schema": not_null(schema),
        })
    });
    parameters.collect()
}

/// What an optional member is when it is there: a query has no `null`.
fn not_null(mut schema: Value) -> Value {
    let is_null = |one: &Value| one == "null" || one["type"] == "null";
    for keyword in ["type", "anyOf"] {
        let Some(Value::Array(alternatives)) = schema.get_mut(keyword) else {
            continue;
        };
        alternatives.retain(|one| !is_null(one));
        if let [alone] = alternatives.as_mut_slice() {
            let alone = alone.take();
            if keyword == "anyOf" {
                return alone;
            }
            schema[keyword] = alone;
        }
    }
    schema
}

/// The same with the members of each object in the order of their names, whichever order the
/// maps of `serde_json` have: another feature of it must not change the file.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members.into_iter().collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            let members = members.into_iter();
            Value::Object(members.map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
