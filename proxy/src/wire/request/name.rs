//! The names of the methods that we have, each in one place: what a device writes, and the
//! label of the metric of messages.

/// Declares the names, so that none can be missing in [`Name::ALL`].
macro_rules! names {
    ($($name:ident = $text:literal,)*) => {
        /// A method that we have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Name {
            $(#[doc = concat!("`", $text, "`.")] $name,)*
        }

        impl Name {
            /// Every name; the most frequent one first, since it is looked for first.
            pub(crate) const ALL: &'static [Name] = &[$(Name::$name,)*];

            /// As it is on the wire.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Name::$name => $text,)*
                }
            }
        }
    };
}

names! {
    Submit = "mining.submit",
    Configure = "mining.configure",
    Subscribe = "mining.subscribe",
    Authorize = "mining.authorize",
    SuggestDifficulty = "mining.suggest_difficulty",
    SuggestTarget = "mining.suggest_target",
    ExtranonceSubscribe = "mining.extranonce.subscribe",
    Ping = "mining.ping",
    GetVersion = "client.get_version",
}

/// The label of a reply to something of ours: it has no method.
const REPLY: &str = "reply";

/// The label of a method that we do not have, whatever the device wrote.
const OTHER: &str = "other";

impl Name {
    /// The method of that name; `None` when we do not have it.
    pub(super) fn read(text: &str) -> Option<Name> {
        Self::ALL.iter().copied().find(|name| name.as_str() == text)
    }
}

/// Every label of the metric of messages.
pub(crate) fn labels() -> impl Iterator<Item = &'static str> {
    let names = Name::ALL.iter().map(|name| name.as_str());
    names.chain([REPLY, OTHER])
}

impl super::Method<'_> {
    /// The metric's label: a word of ours, whatever the device sent.
    pub(crate) fn label(&self) -> &'static str {
        let name = match self {
            Self::Submit(_) => Name::Submit,
            Self::Configure(_) => Name::Configure,
            Self::Subscribe(_) => Name::Subscribe,
            Self::Authorize(_) => Name::Authorize,
            Self::SuggestDifficulty(_) => Name::SuggestDifficulty,
            Self::SuggestTarget(_) => Name::SuggestTarget,
            Self::ExtranonceSubscribe => Name::ExtranonceSubscribe,
            Self::Ping => Name::Ping,
            Self::GetVersion => Name::GetVersion,
            Self::Reply => return REPLY,
            Self::Unknown(_) => return OTHER,
        };
        name.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_read_as_itself_and_no_other() {
        for name in Name::ALL {
            assert_eq!(Name::read(name.as_str()), Some(*name));
        }
        for other in ["", "mining.Submit", "mining.submit ", "reply", "other"] {
            assert_eq!(Name::read(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_label_of_a_request_is_the_name_that_it_was_sent_under() {
        for name in Name::ALL {
            let params = match name {
                Name::Submit => r#"["w","1","00","00000000","00000000"]"#,
                Name::Authorize => r#"["w","x"]"#,
                Name::SuggestDifficulty => "[1]",
                Name::SuggestTarget => r#"["ff"]"#,
                _ => "[]",
            };
            let line = format!(
                r#"{{"id":1,"method":"{}","params":{params}}}"#,
                name.as_str()
            );
            let request = super::super::parse(line.as_bytes()).expect(&line);
            assert_eq!(request.method.label(), name.as_str());
        }
        let labels: Vec<_> = labels().collect();
        assert_eq!(labels.len(), Name::ALL.len() + 2);
        for (line, label) in [
            (r#"{"id":1,"result":"pong","error":null}"#, "reply"),
            (r#"{"id":1,"method":"mining.get_transactions"}"#, "other"),
        ] {
            let request = super::super::parse(line.as_bytes()).expect(line);
            assert_eq!(request.method.label(), label);
            assert!(labels.contains(&label));
        }
    }
}
