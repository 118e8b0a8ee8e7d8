//! A problem of a config, with its remedy.

use std::fmt;

/// One thing wrong with the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key with its section, `stratum.listen`; empty when the file as a whole is
    /// meant.
    pub key: String,
    /// What was given, as TOML; `None` when it is missing.
    pub value: Option<String>,
    /// Why it does not do.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.as_str(), &self.value) {
            ("", _) => {}
            (key, None) => write!(f, "{key}: ")?,
            (key, Some(value)) => write!(f, "{key} = {value}: ")?,
        }
        write!(f, "{}\n      {}", self.why, self.fix)
    }
}

/// All that is wrong with a config: every problem at once, so that the file is not
/// mended one start at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// Where the config came from, for the heading.
    pub source: String,
    /// In the order of the file's sections.
    pub list: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = if self.list.len() == 1 {
            "problem"
        } else {
            "problems"
        };
        write!(f, "{}: {} {many}", self.source, self.list.len())?;
        self.list
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}
