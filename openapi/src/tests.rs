//! The document of a few made-up types.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

/// A thing.
#[derive(Serialize, JsonSchema)]
#[allow(dead_code)]
struct Thing {
    /// Its
    /// number.
    number: u64,
    /// Maybe.
    maybe: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seldom: Option<u16>,
    #[serde(flatten)]
    state: State,
}

/// A part.
#[derive(Serialize, Deserialize, JsonSchema)]
#[allow(dead_code)]
struct Part {
    name: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
#[allow(dead_code)]
enum State {
    /// New.
    New,
    /// Old.
    Old {
        /// Since when.
        since_ms: u64,
    },
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code)]
struct Asked {
    /// How many.
    #[schemars(range(max = 500), extend("default" = 50))]
    newest: Option<usize>,
}

fn endpoints() -> [Endpoint<()>; 2] {
    let get = Operation::new("thing", "A thing")
        .path::<u64>("id", "Which.")
        .query::<Asked>()
        .json::<Thing>("The answer.")
        .refuses(404, "There is none.");
    let post = Operation::new("part", "A part")
        .body::<Part>(true)
        .empty(204, "Done.");
    [
        Endpoint::at("/api/things/{id}").get(async || "", get),
        Endpoint::at("/api/parts").post(async || StatusCode::NO_CONTENT, post),
    ]
}

fn finished() -> Finished {
    let mut document = Document::default();
    document.extend(endpoints().map(Endpoint::described));
    document.finish(json!({ "title": "Test" }))
}

#[test]
fn answers_are_described_strictly() {
    let Finished { document, clashes } = finished();
    assert_eq!(clashes.len(), 0, "{clashes:?}");
    let thing = &document["components"]["schemas"]["Thing"];
    assert_eq!(thing["description"], "A thing.");
    let alternatives = thing["oneOf"].as_array().expect("alternatives");
    for (alternative, required) in alternatives.iter().zip([
        json!(["maybe", "number", "state"]),
        json!(["maybe", "number", "since_ms", "state"]),
    ]) {
        assert_eq!(alternative["additionalProperties"], false, "{alternative}");
        let mut names: Vec<&str> = alternative["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        names.sort_unstable();
        assert_eq!(json!(names), required);
        let number = &alternative["properties"]["number"];
        assert_eq!(number["description"], "Its number.");
        assert_eq!(number["minimum"], 0);
        let maybe = &alternative["properties"]["maybe"]["anyOf"];
        assert_eq!(
            *maybe,
            json!([{ "$ref": "#/components/schemas/Part" }, { "type": "null" }])
        );
    }
    assert_eq!(alternatives.len(), 2);
}

#[test]
fn a_query_has_a_parameter_for_each_member() {
    let Finished { document, .. } = finished();
    let get = &document["paths"]["/api/things/{id}"]["get"];
    let [id, newest] = get["parameters"].as_array().expect("parameters").as_slice() else {
        panic!("{get}");
    };
    assert_eq!([&id["in"], &id["required"]], [&json!("path"), &json!(true)]);
    assert_eq!(newest["in"], "query");
    assert_eq!(newest["required"], false);
    assert_eq!(newest["description"], "How many.");
    let expected = json!({
        "type": "integer", "format": "uint64", "minimum": 0, "maximum": 500, "default": 50,
    });
    assert_eq!(newest["schema"], expected);
}

#[test]
fn each_operation_has_the_refusals_that_all_have() {
    let Finished { document, .. } = finished();
    let post = &document["paths"]["/api/parts"]["post"];
    let told = post["responses"].as_object().expect("responses");
    let told: Vec<&String> = told.keys().collect();
    assert_eq!(told, ["204", "429", "503"]);
    assert_eq!(post["responses"]["204"], json!({ "description": "Done." }));
    let refused = &document["components"]["schemas"]["Error"];
    assert_eq!(refused["required"], json!(["detail"]));
    assert_eq!(refused["properties"]["code"]["type"], "integer");
}

#[test]
fn two_types_of_one_name_are_told() {
    mod other {
        #[derive(schemars::JsonSchema)]
        #[allow(dead_code)]
        pub(super) struct Part {
            other: u8,
        }
    }
    let operation = Operation::new("other", "Another").json::<other::Part>("The answer.");
    let mut document = Document::default();
    document.extend(endpoints().map(Endpoint::described));
    document.extend([Endpoint::<()>::at("/api/other")
        .get(async || "", operation)
        .described()]);
    let Finished { clashes, .. } = document.finish(Value::Null);
    assert!(!clashes.is_empty());
}

/// Compiles only where a handler comes with its operation; answers are axum's business.
#[test]
fn a_router_is_made_of_endpoints() {
    let router: axum::Router<()> = router(endpoints());

    assert!(router.has_routes());
}
