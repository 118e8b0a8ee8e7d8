//! The document against itself and against the source of the routes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_schema_has_a_name_of_its_own_and_is_used() {
    let Finished { document, clashes } = finished();
    assert!(clashes.is_empty(), "{clashes:?}");
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object();
    for name in schemas.expect("schemas").keys() {
        let reference = format!("\"#/components/schemas/{name}\"");
        assert!(text.contains(&reference), "{name} is not used");
    }
}

/// A path's parts in braces are its parameters, and an operation's id is its own.
#[test]
fn operations_name_the_parts_of_their_paths() {
    let document = finished().document;
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let parts = path.split('/').filter_map(|part| part.strip_prefix('{'));
        let parts: BTreeSet<&str> = parts.filter_map(|part| part.strip_suffix('}')).collect();
        for (method, operation) in operations.as_object().expect("operations") {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let named = parameters.filter(|one| one["in"] == "path");
            let named: BTreeSet<&str> = named.filter_map(|one| one["name"].as_str()).collect();
            assert_eq!(named, parts, "{method} {path}");
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{id} is twice there");
        }
    }
    assert!(ids.len() > 20, "{ids:?}");
}

/// All Rust files below `folder`.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The paths below `/api` that a source gives to `call`, whatever is between.
fn given_to<'t>(text: &'t str, call: &str) -> Vec<&'t str> {
    let calls = text.split(call).skip(1);
    let paths = calls.filter_map(|rest| rest.trim_start().strip_prefix('"'));
    let paths = paths.filter_map(|rest| rest.split('"').next());
    paths.filter(|path| path.starts_with("/api")).collect()
}

/// Routes come into the document because they are endpoints. No route below `/api` is made in
/// another way, and every endpoint of the sources is in the document.
#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let document = finished().document;
    let documented = document["paths"].as_object().expect("paths");
    let documented: BTreeSet<&str> = documented.keys().map(String::as_str).collect();
    let mut files = Vec::new();
    for room in ["web", "mint", "notices", "pool"] {
        sources(&repository().join(room).join("src"), &mut files);
    }
    let texts: Vec<String> = files
        .iter()
        .map(|path| fs::read_to_string(path).expect("text"))
        .collect();
    let of = |call: &str| -> BTreeSet<&str> {
        texts.iter().flat_map(|text| given_to(text, call)).collect()
    };
    assert_eq!(of("Endpoint::at("), documented);
    // `/api` is `/api/` without its slash.
    assert_eq!(of(concat!(".rou", "te(")), BTreeSet::from(["/api"]));
    assert_eq!(of(concat!(".ne", "st(")), BTreeSet::new());
}

/// What a reader of the document depends on, spelled out once: a change of a derive must not
/// loosen it.
#[test]
fn schemas_are_strict() {
    let document = finished().document;
    let schema = |name: &str| &document["components"]["schemas"][name];
    assert_eq!(schema("MinerId")["pattern"], "^02[0-9a-f]{64}$");
    assert_eq!(schema("Work")["pattern"], "^[0-9]+$");
    assert_eq!(schema("EpochId")["minimum"], 1);
    assert_eq!(schema("Sat")["minimum"], 0);
    let terms = &schema("EpochTerms")["properties"];
    assert_eq!(terms["fee_bps"]["maximum"], 10_000);
    let receipt = schema("Receipt");
    assert_eq!(receipt["properties"]["version"]["const"], 2);
    let required = receipt["required"].as_array().expect("names");
    assert!(required.iter().any(|name| name == "terms"), "{receipt}");
    assert_eq!(schema("Tokens")["properties"]["tokens"]["maxItems"], 100);
    fn objects(value: &Value, place: &str) {
        if let Some(properties) = value
            .get("properties")
            .filter(|_| value["type"] == "object")
        {
            assert_eq!(value["additionalProperties"], false, "{place}");
            assert!(properties.is_object(), "{place}");
        }
        match value {
            Value::Object(members) => members
                .iter()
                .for_each(|(name, value)| objects(value, &format!("{place}/{name}"))),
            Value::Array(items) => items.iter().for_each(|value| objects(value, place)),
            _ => {}
        }
    }
    objects(&document["components"], "");
}
