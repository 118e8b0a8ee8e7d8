//! Takes a config apart key by key. Asking for a key is what makes it known, so that
//! the list of known keys, the defaults and the effective config cannot drift apart.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use basics::mask;
use toml::{Table, Value};

use super::advice;
use super::effective::{Effective, Origin};
use super::environment::{self, Environment};
use super::expert;
use super::problem::Problem;
use super::setting::{Refusal, Setting};

/// Reads a whole config: sections are opened one after the other, then
/// [`finish`](Reader::finish) tells what was left over.
#[derive(Debug)]
pub(super) struct Reader {
    file: Table,
    /// `[expert]`: a table for each section.
    expert: Table,
    environment: Environment,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// Keys whose secret stands in the file itself.
    plain_secrets: Vec<String>,
    effective: Vec<Effective>,
    /// Given keys that no section asked for.
    strangers: Vec<(&'static str, String)>,
    /// The same of `[expert.SECTION]`.
    expert_strangers: Vec<(&'static str, String)>,
    sections: Vec<&'static str>,
}

impl Reader {
    pub(super) fn new(mut file: Table, environment: Environment) -> Self {
        let expert = match file.remove("expert") {
            Some(Value::Table(expert)) => expert,
            // Told at the end, as a key outside of every section.
            Some(other) => {
                file.insert("expert".to_owned(), other);
                Table::new()
            }
            None => Table::new(),
        };
        Reader {
            file,
            expert,
            environment,
            problems: Vec::new(),
            warnings: Vec::new(),
            plain_secrets: Vec::new(),
            effective: Vec::new(),
            strangers: Vec::new(),
            expert_strangers: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Reads one section with `read`, which asks for every key that it knows.
    pub(super) fn section<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        self.sections.push(name);
        let table = match self.file.remove(name) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => {
                // What it says is not shown: a secret may be in it. The same goes for every
                // key that is not known.
                self.problem(
                    name,
                    None,
                    "this is a section, not a value",
                    &format!("begin it with a line [{name}]"),
                );
                Table::new()
            }
        };
        let expert = match self.expert.remove(name) {
            Some(Value::Table(expert)) => expert,
            Some(other) => {
                // Left over: told at the end.
                self.expert.insert(name.to_owned(), other);
                Table::new()
            }
            None => Table::new(),
        };
        let mut section = Section {
            name,
            table,
            expert,
            given_plainly: Vec::new(),
            reader: self,
        };
        let value = read(&mut section);
        let rest = std::mem::take(&mut section.table);
        let rest_of_expert = std::mem::take(&mut section.expert);
        self.strangers
            .extend(rest.into_iter().map(|(key, _)| (name, key)));
        self.expert_strangers
            .extend(rest_of_expert.into_iter().map(|(key, _)| (name, key)));
        value
    }

    /// A problem of a key that is named with its section, `stratum.listen`.
    pub(super) fn problem(&mut self, key: &str, value: Option<&Value>, why: &str, fix: &str) {
        let problem = self.about(key, value, why, fix);
        self.problems.push(problem);
    }

    /// A problem of the key, which is named where it was given.
    fn about(&self, key: &str, value: Option<&Value>, why: &str, fix: &str) -> Problem {
        let plain = key.strip_prefix("expert.").unwrap_or(key);
        let variable = plain.split_once('.').and_then(|(section, key)| {
            let is_it = |known: &&Effective| {
                (known.section, known.key, known.origin) == (section, key, Origin::Environment)
            };
            let known = self.effective.iter().find(is_it)?;
            Some(environment::name(known.section, known.key))
        });
        Problem {
            key: variable.unwrap_or_else(|| key.to_owned()),
            value: value.map(|value| masked(value).to_string()),
            why: mask::text(why).into_owned(),
            fix: fix.to_owned(),
        }
    }

    /// The problems so far, where only a part of the config was asked for.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Reports what nobody asked for; all problems, or all that was read.
    pub(super) fn finish(mut self) -> Result<Read, Vec<Problem>> {
        for (section, key) in std::mem::take(&mut self.strangers) {
            let fix = advice::for_key(&self.effective, section, &key);
            let name = format!("{section}.{key}");
            self.problem(&name, None, "there is no such key", &fix);
        }
        for (section, key) in std::mem::take(&mut self.expert_strangers) {
            let fix = advice::for_expert_key(&self.effective, section, &key);
            let name = format!("{}.{key}", expert::table(section));
            self.problem(&name, None, "there is no such key", &fix);
        }
        for (name, _) in std::mem::take(&mut self.expert) {
            let fix = format!("write its keys below [{}]", expert::table("SECTION"));
            let why = "there is no such section of expert keys";
            self.problem(&expert::table(&name), None, why, &fix);
        }
        for (name, value) in std::mem::take(&mut self.file) {
            let (why, fix) = if value.is_table() {
                (
                    "there is no such section",
                    advice::for_section(&self.sections, &name),
                )
            } else {
                (
                    "this key stands outside of every section",
                    advice::for_key(&self.effective, "", &name),
                )
            };
            self.problem(&name, None, why, &fix);
        }
        for (name, key) in std::mem::take(&mut self.environment).into_rest() {
            let fix = advice::for_variable(&self.effective, &key);
            // What it says is not shown: a secret may be in it.
            self.problem(&name, None, "there is no such key", &fix);
        }
        if self.problems.is_empty() {
            Ok(Read {
                effective: self.effective,
                warnings: self.warnings,
                plain_secrets: self.plain_secrets,
            })
        } else {
            Err(self.problems)
        }
    }
}

/// What was read of a config without problems.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) effective: Vec<Effective>,
    pub(super) warnings: Vec<Problem>,
    /// Keys whose secret stands in the file itself.
    pub(super) plain_secrets: Vec<String>,
}

/// One section while it is read.
#[derive(Debug)]
pub(super) struct Section<'a> {
    name: &'static str,
    table: Table,
    /// `[expert.NAME]`.
    expert: Table,
    /// Expert keys that stand in the plain section.
    given_plainly: Vec<&'static str>,
    reader: &'a mut Reader,
}

impl Section<'_> {
    /// The value of `key`, or `default` when it is not given. A value that does not do
    /// is reported, and the default stands in so that the rest is checked too.
    pub(super) fn get<T: Setting>(&mut self, key: &'static str, default: T) -> T {
        self.get_if(key, default, |_| Ok(()))
    }

    /// Like [`get`](Self::get), with one more condition.
    pub(super) fn get_if<T: Setting>(
        &mut self,
        key: &'static str,
        default: T,
        condition: impl FnOnce(&T) -> Result<(), Refusal>,
    ) -> T {
        let given = self.take(key, condition);
        let value = given.unwrap_or(default);
        self.shown(value.show());
        value
    }

    /// The value of a key without a default.
    pub(super) fn optional<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        self.optional_if(key, |_| Ok(()))
    }

    /// Like [`optional`](Self::optional), with one more condition.
    pub(super) fn optional_if<T: Setting>(
        &mut self,
        key: &'static str,
        condition: impl FnOnce(&T) -> Result<(), Refusal>,
    ) -> Option<T> {
        let value = self.take(key, condition)?;
        self.shown(value.show());
        Some(value)
    }

    /// What stands in the effective config for the key that was read last.
    fn shown(&mut self, value: Value) {
        if let Some(known) = self.reader.effective.last_mut() {
            known.value = Some(value);
        }
    }

    /// The value of a key that must be given; `fix` says what to write.
    pub(super) fn required<T: Setting>(
        &mut self,
        key: &'static str,
        why: &str,
        fix: &str,
    ) -> Option<T> {
        let is_missing =
            !self.table.contains_key(key) && !self.reader.environment.has(self.name, key);
        let value = self.optional(key);
        if is_missing {
            self.problem(key, None, why, fix);
        }
        value
    }

    /// A whole number within `range`.
    pub(super) fn number<N>(&mut self, key: &'static str, default: N, range: RangeInclusive<N>) -> N
    where
        N: Setting + PartialOrd + Display,
    {
        self.get_if(key, default, |value| within(value, &range))
    }

    /// A time in whole seconds; the key's name says so.
    pub(super) fn seconds(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<u64>,
    ) -> Duration {
        debug_assert!(key.ends_with("_secs"), "{key}");
        Duration::from_secs(self.number(key, default.as_secs(), range))
    }

    /// A time in whole milliseconds; the key's name says so.
    pub(super) fn millis(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<u64>,
    ) -> Duration {
        debug_assert!(key.ends_with("_ms"), "{key}");
        let default = u64::try_from(default.as_millis()).expect("defaults are far below 2^64 ms");
        Duration::from_millis(self.number(key, default, range))
    }

    /// Reads a key's earlier name as the key itself, with a warning, so that a config of an
    /// earlier version still starts. Comes before `new` is read.
    pub(super) fn renamed(&mut self, old: &'static str, new: &'static str) {
        const WHY: &str = "this is the earlier name of the key";
        let fix = if expert::is_expert(self.name, new) {
            format!("rename it to {new}, below [{}]", expert::table(self.name))
        } else {
            format!("rename it to {new}")
        };
        if let Some(value) = self.table.remove(old) {
            if self.table.contains_key(new) || self.expert.contains_key(new) {
                self.warn(
                    old,
                    Some(&value),
                    WHY,
                    &format!("remove it: {new} is given"),
                );
            } else {
                self.warn(old, Some(&value), WHY, &fix);
                let is_expert = expert::is_expert(self.name, new);
                let into = if is_expert {
                    &mut self.expert
                } else {
                    &mut self.table
                };
                into.insert(new.to_owned(), value);
            }
        }
        if self.reader.environment.rename(self.name, old, new) {
            self.reader.warnings.push(Problem {
                key: environment::name(self.name, old),
                value: None,
                why: WHY.to_owned(),
                fix: format!("rename it to {}", environment::name(self.name, new)),
            });
        }
    }

    /// A problem of `key` that shows only beside other keys.
    pub(super) fn problem(&mut self, key: &str, value: Option<&Value>, why: &str, fix: &str) {
        let key = self.full_name(key);
        self.reader.problem(&key, value, why, fix);
    }

    /// What is to be said of `key`, though it can be used as it is.
    pub(super) fn warn(&mut self, key: &str, value: Option<&Value>, why: &str, fix: &str) {
        let key = self.full_name(key);
        let warning = self.reader.about(&key, value, why, fix);
        self.reader.warnings.push(warning);
    }

    /// A key's name with its table, as the file writes it.
    fn full_name(&self, key: &str) -> String {
        if expert::is_expert(self.name, key) && !self.given_plainly.contains(&key) {
            format!("{}.{key}", expert::table(self.name))
        } else {
            format!("{}.{key}", self.name)
        }
    }

    /// Takes an expert key out of its own table or, with a warning, out of the section.
    fn take_expert(&mut self, key: &'static str) -> Option<Value> {
        const WHY: &str = "this is a key for experts now";
        let table = expert::table(self.name);
        let in_expert = self.expert.remove(key);
        let Some(plain) = self.table.remove(key) else {
            return in_expert;
        };
        self.given_plainly.push(key);
        if in_expert.is_some() {
            self.warn(
                key,
                Some(&plain),
                WHY,
                &format!("remove it: [{table}] has it"),
            );
            self.given_plainly.pop();
            return in_expert;
        }
        let fix = format!("move it to [{table}], or remove it: the default suits most pools");
        self.warn(key, Some(&plain), WHY, &fix);
        Some(plain)
    }

    /// Remembers that the secret of `key` stands in the file itself, if it does.
    pub(super) fn note_plain_secret(&mut self, key: &str) {
        let is_it = |known: &&Effective| (known.section, known.key) == (self.name, key);
        let known = self.reader.effective.iter().find(is_it);
        if known.is_some_and(|known| known.origin == Origin::File) {
            let key = format!("{}.{key}", self.name);
            self.reader.plain_secrets.push(key);
        }
    }

    /// Makes `key` known and reads it.
    fn take<T: Setting>(
        &mut self,
        key: &'static str,
        condition: impl FnOnce(&T) -> Result<(), Refusal>,
    ) -> Option<T> {
        let is_expert = expert::is_expert(self.name, key);
        let in_file = if is_expert {
            self.take_expert(key)
        } else {
            self.table.remove(key)
        };
        let variable = self.reader.environment.take(self.name, key);
        self.reader.effective.push(Effective {
            section: self.name,
            key,
            is_expert,
            value: None,
            origin: match (&variable, &in_file) {
                (Some(_), _) => Origin::Environment,
                (None, Some(_)) => Origin::File,
                (None, None) => Origin::Default,
            },
        });
        let (read, given) = match (variable, in_file) {
            (Some(variable), _) => (variable.read(), variable.shown()),
            (None, Some(value)) => (T::read(&value), value),
            (None, None) => return None,
        };
        match read.and_then(|value| condition(&value).map(|()| value)) {
            Ok(value) => Some(value),
            Err(refusal) => {
                let shown = (!T::IS_SECRET && !refusal.hides_value).then_some(&given);
                self.problem(key, shown, &refusal.why, &refusal.fix);
                None
            }
        }
    }
}

/// A value without the secrets of the URLs in it.
pub(super) fn masked(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(mask::url(text)),
        Value::Array(list) => Value::Array(list.iter().map(masked).collect()),
        Value::Table(table) => {
            let masked = table
                .iter()
                .map(|(key, value)| (key.clone(), masked(value)));
            Value::Table(masked.collect())
        }
        other => other.clone(),
    }
}

fn within<N: PartialOrd + Display>(value: &N, range: &RangeInclusive<N>) -> Result<(), Refusal> {
    if range.contains(value) {
        return Ok(());
    }
    let (low, high) = (range.start(), range.end());
    let why = if value < low {
        format!("below the least, {low}")
    } else {
        format!("above the most, {high}")
    };
    Err(Refusal::new(
        why,
        format!("give a number from {low} to {high}"),
    ))
}
