//! The form's fields, and the answers in them.

use basics::mask;
use pool::init::Answers;
use serde::Deserialize;

use super::found::Found;

/// The fields, as a browser sends them. A field that is missing is empty.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    /// The session: proves that the form is one of ours.
    pub(super) proof: String,
    /// The button: `try` asks the chain source, everything else sets the pool up.
    pub(super) action: String,
    pub(super) name: String,
    pub(super) network: String,
    pub(super) upstream: String,
    pub(super) lightning: String,
    pub(super) address: String,
    /// One of those found, `typed` or `none`.
    pub(super) chain: String,
    pub(super) chain_url: String,
    pub(super) miners: String,
    pub(super) public_url: String,
}

/// A password may be in it.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Form").finish_non_exhaustive()
    }
}

/// `chain`: the URL that is typed.
pub(super) const TYPED: &str = "typed";

/// `chain`: no chain source.
pub(super) const NONE: &str = "none";

/// `lightning`: the pool has a node.
pub(super) const NODE: &str = "node";

/// `miners`: strangers may mine.
pub(super) const EVERYBODY: &str = "everybody";

impl Form {
    /// The answers in it. `kept` is the URL of the chain source that was typed before and is
    /// not shown again, since its password would be.
    pub(super) fn answers(&self, found: &[Found], kept: Option<&str>) -> Answers {
        Answers {
            name: text(&self.name),
            network: text(&self.network),
            upstream: text(&self.upstream),
            address: text(&self.address),
            strangers: Some(self.miners == EVERYBODY),
            public_url: text(&self.public_url),
            chain: self.chain_url(found, kept),
            lightning: Some(self.lightning == NODE),
            ..Answers::default()
        }
    }

    /// The chain source that is chosen, as the config names it.
    fn chain_url(&self, found: &[Found], kept: Option<&str>) -> Option<String> {
        if self.chain == TYPED {
            return text(&self.chain_url).or_else(|| kept.map(str::to_owned));
        }
        let chosen = found.iter().find(|found| found.id == self.chain);
        chosen.and_then(|found| found.url.clone())
    }

    /// True when the URL is to be typed and is not.
    pub(super) fn lacks_chain_url(&self, kept: Option<&str>) -> bool {
        self.chain == TYPED && self.chain_url(&[], kept).is_none()
    }

    /// The typed URL of a chain source, if it has a secret: a password, or a key in its path
    /// or query.
    pub(super) fn secret_chain_url(&self) -> Option<String> {
        text(&self.chain_url).filter(|url| url.contains('@') || mask::url(url) != *url)
    }
}

fn text(field: &str) -> Option<String> {
    let field = field.trim();
    (!field.is_empty()).then(|| field.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_field_is_no_answer() {
        let form = Form {
            address: "  ".to_owned(),
            public_url: " https://pool.example ".to_owned(),
            ..Form::default()
        };
        let answers = form.answers(&[], None);
        assert_eq!(answers.address, None);
        assert_eq!(answers.public_url.as_deref(), Some("https://pool.example"));
        assert_eq!(answers.strangers, Some(false));
        assert_eq!(answers.lightning, Some(false));
    }

    #[test]
    fn the_chain_is_what_was_chosen_and_nothing_else() {
        let found = [Found {
            id: "home",
            words: String::new(),
            url: Some("http://a:b@c:1".to_owned()),
        }];
        let chosen = |chain: &str, typed: &str, kept| {
            let form = Form {
                chain: chain.to_owned(),
                chain_url: typed.to_owned(),
                ..Form::default()
            };
            form.answers(&found, kept).chain
        };
        assert_eq!(chosen("home", "x", None).as_deref(), Some("http://a:b@c:1"));
        assert_eq!(chosen(TYPED, "x", Some("y")).as_deref(), Some("x"));
        assert_eq!(chosen(TYPED, "", Some("y")).as_deref(), Some("y"));
        assert_eq!(chosen(NONE, "x", Some("y")), None);
        assert_eq!(chosen("elsewhere", "x", Some("y")), None);
    }

    #[test]
    fn a_url_with_any_secret_is_kept_from_the_page() {
        let secret = |url: &str| {
            let form = Form {
                chain_url: url.to_owned(),
                ..Form::default()
            };
            form.secret_chain_url().is_some()
        };
        for url in [
            "http://a:b@c:1",
            "a:b@c:1",
            "https://esplora.example/v1/0123456789abcdef0123456789abcdef/api",
            "https://esplora.example/api?key=abc",
        ] {
            assert!(secret(url), "{url}");
        }
        assert!(!secret("https://esplora.example/api") && !secret(""));
    }
}
