//! Keys that the environment gives instead of the file: `AXEPOOL__SECTION__KEY`, as
//! containers and service managers like it.

use std::collections::BTreeMap;
use std::ffi::OsString;

use toml::{Table, Value};

use super::setting::{Refusal, Setting};

/// What the name of such a variable begins with. With one `_` begins what is no key:
/// `AXEPOOL_LOG`.
const PREFIX: &str = "AXEPOOL__";

/// The variables that stand for keys. Each is taken when its key is asked for; what is
/// left in the end is unknown.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// By name; `None` for a value that is no text.
    variables: BTreeMap<String, Option<String>>,
}

impl Environment {
    /// This process's.
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// Takes the variable of a key, if there is one.
    pub(super) fn take(&mut self, section: &str, key: &str) -> Option<Given> {
        self.variables.remove(&name(section, key)).map(Given)
    }

    /// True when there is one.
    pub fn has(&self, section: &str, key: &str) -> bool {
        self.variables.contains_key(&name(section, key))
    }

    /// Gives the variable of `old` to the key `new`, which goes before it when both are
    /// there; true when there was one.
    pub(super) fn rename(&mut self, section: &str, old: &str, new: &str) -> bool {
        let Some(value) = self.variables.remove(&name(section, old)) else {
            return false;
        };
        self.variables.entry(name(section, new)).or_insert(value);
        true
    }

    /// The names that nobody asked for, each with the key that it seems to mean.
    pub(super) fn into_rest(self) -> impl Iterator<Item = (String, String)> {
        self.variables.into_keys().map(|name| {
            let key = name.trim_start_matches(PREFIX).to_ascii_lowercase();
            let key = key.replacen("__", ".", 1);
            (name, key)
        })
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    /// Of all variables those that stand for keys.
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(all: T) -> Self {
        let named = all.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX)
                .then(|| (name, value.into_string().ok()))
        });
        Environment {
            variables: named.collect(),
        }
    }
}

/// The variable of a key.
pub(super) fn name(section: &str, key: &str) -> String {
    format!("{PREFIX}{section}__{key}").to_ascii_uppercase()
}

/// What a variable says.
pub(super) struct Given(Option<String>);

impl Given {
    /// Reads it as the file's value would be read, `["a", "b"]`, and else as the text
    /// that it is: nobody quotes twice for a shell.
    pub(super) fn read<T: Setting>(&self) -> Result<T, Refusal> {
        let Some(text) = &self.0 else {
            return Err(Refusal::new("not text (UTF-8)", "write it in UTF-8"));
        };
        let as_text = Value::String(text.clone());
        match value(text) {
            None => T::read(&as_text),
            Some(value) => T::read(&value).or_else(|refusal| {
                let read = T::read(&as_text);
                read.map_err(|of_text| {
                    // Who meant text is told what is wrong with the text.
                    if refusal.is_wrong_type {
                        of_text
                    } else {
                        refusal
                    }
                })
            }),
        }
    }

    /// What to show of it.
    pub(super) fn shown(&self) -> Value {
        Value::String(self.0.clone().unwrap_or_default())
    }
}

/// `text` as a value of TOML, when it is exactly one.
fn value(text: &str) -> Option<Value> {
    let mut table: Table = toml::from_str(&format!("value = {text}")).ok()?;
    let value = table.remove("value")?;
    table.is_empty().then_some(value)
}
