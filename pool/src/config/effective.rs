//! A key as it is in force, and who says so.

use toml::Value;

use super::expert;

/// One key as it is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// The section's name.
    pub section: &'static str,
    /// The key's name.
    pub key: &'static str,
    /// True for a key that stands in `[expert.SECTION]`.
    pub is_expert: bool,
    /// The value in force; `None` for a key without a default that was not given.
    pub value: Option<Value>,
    /// Who says so.
    pub origin: Origin,
}

impl Effective {
    /// The table of the file that the key stands in.
    pub fn table(&self) -> String {
        if self.is_expert {
            expert::table(self.section)
        } else {
            self.section.to_owned()
        }
    }
}

/// Who says what a key's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody.
    Default,
    /// The file.
    File,
    /// A variable of the environment, whatever the file says.
    Environment,
}
