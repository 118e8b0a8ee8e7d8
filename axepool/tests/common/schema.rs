//! JSON Schema (2020-12), as much of it as the OpenAPI file uses. A keyword that is not
//! known here is an error, so that none is passed over.
//!
//! Our own, since every crate that does it has the whole tree built again with other
//! features, and this is all that is needed.

use regex::Regex;
use serde_json::{Map, Value};

/// Whether `value` is what `schema` of `document` says; otherwise where it is not.
pub fn check(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    at(document, schema, value, "$")
}

fn at(document: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let schema = schema
        .as_object()
        .ok_or_else(|| format!("{place}: no schema"))?;
    for (keyword, rule) in schema {
        keyword_at(document, schema, (keyword, rule), value, place)
            .map_err(|why| format!("{why} (by {keyword})"))?;
    }
    Ok(())
}

fn keyword_at(
    document: &Value,
    schema: &Map<String, Value>,
    (keyword, rule): (&str, &Value),
    value: &Value,
    place: &str,
) -> Result<(), String> {
    let fails = || Err(format!("{place}: {value} is not {rule}"));
    let holds = |good: bool| if good { Ok(()) } else { fails() };
    match keyword {
        "description" | "default" => Ok(()),
        "format" => holds(is_format(value, rule)),
        "$ref" => {
            let name = rule.as_str().and_then(|name| name.strip_prefix('#'));
            let target = name.and_then(|name| document.pointer(name));
            let target = target.ok_or_else(|| format!("{place}: there is no {rule}"))?;
            at(document, target, value, place)
        }
        "const" => holds(value == rule),
        "enum" => holds(list(rule, place)?.contains(value)),
        "type" => holds(is_type(value, rule)),
        // Of what is no number, no text or no list these say nothing: `type` does.
        "minimum" | "maximum" if !value.is_number() => Ok(()),
        "minimum" => holds(value.as_u64() >= rule.as_u64()),
        "maximum" => holds(value.as_u64().is_some() && value.as_u64() <= rule.as_u64()),
        "minItems" => {
            let least = rule.as_u64().and_then(|least| usize::try_from(least).ok());
            holds(least.is_some() && value.as_array().map(Vec::len) >= least)
        }
        "maxItems" => {
            let most = rule.as_u64().and_then(|most| usize::try_from(most).ok());
            holds(value.as_array().map(Vec::len) <= most)
        }
        "pattern" if !value.is_string() => Ok(()),
        "pattern" => {
            let pattern = Regex::new(rule.as_str().unwrap_or_default());
            let pattern = pattern.map_err(|error| format!("{place}: {error}"))?;
            holds(value.as_str().is_some_and(|text| pattern.is_match(text)))
        }
        "anyOf" | "oneOf" => {
            let told = list(rule, place)?.iter();
            let told: Vec<_> = told.map(|one| at(document, one, value, place)).collect();
            match told.iter().filter(|told| told.is_ok()).count() {
                0 => Err(format!("{place}: none of {told:?}")),
                1 => Ok(()),
                _ if keyword == "anyOf" => Ok(()),
                many => Err(format!("{place}: {many} of the alternatives")),
            }
        }
        "items" => {
            let items = list(value, place)?.iter().enumerate();
            let mut told =
                items.map(|(n, item)| at(document, rule, item, &format!("{place}[{n}]")));
            told.find(Result::is_err).unwrap_or(Ok(()))
        }
        "required" => {
            let names = list(rule, place)?.iter().filter_map(Value::as_str);
            let mut missing = names.filter(|name| value.get(name).is_none());
            match missing.next() {
                Some(name) => Err(format!("{place}: no {name} in {value}")),
                None => Ok(()),
            }
        }
        "properties" => {
            let rules = rule.as_object().into_iter().flatten();
            let mut told = rules.filter_map(|(name, rule)| {
                let value = value.get(name)?;
                Some(at(document, rule, value, &format!("{place}.{name}")))
            });
            told.find(Result::is_err).unwrap_or(Ok(()))
        }
        "additionalProperties" if *rule == Value::Bool(false) => {
            let known = &schema["properties"];
            let mut names = value.as_object().into_iter().flat_map(Map::keys);
            match names.find(|name| known.get(name).is_none()) {
                Some(name) => Err(format!("{place}: {name} is not documented")),
                None => Ok(()),
            }
        }
        _ => Err(format!("{place}: the keyword is not known to the test")),
    }
}

fn list<'v>(value: &'v Value, place: &str) -> Result<&'v Vec<Value>, String> {
    let list = value.as_array();
    list.ok_or_else(|| format!("{place}: {value} is no list"))
}

/// The range of a number's format.
fn is_format(value: &Value, rule: &Value) -> bool {
    if !value.is_number() {
        return true;
    }
    let below = |most: u64| value.as_u64().is_some_and(|number| number <= most);
    match rule.as_str() {
        Some("uint8") => below(u8::MAX.into()),
        Some("uint16") => below(u16::MAX.into()),
        Some("uint32") => below(u32::MAX.into()),
        Some("uint64") => below(u64::MAX),
        Some("int64") => value.is_i64(),
        Some("double") => true,
        _ => false,
    }
}

fn is_type(value: &Value, rule: &Value) -> bool {
    if let Some(types) = rule.as_array() {
        return types.iter().any(|rule| is_type(value, rule));
    }
    match rule.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    }
}
