//! The pages of the first run, from `templates/first_run/`. None has a script.

use std::net::SocketAddr;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use bitcoin::Network;
use pool::config::{Config, Problem};
use pool::init::Draft;
use pool::init::set_up::{Heard, Words, Written};

use super::form::{EVERYBODY, Form, NODE, NONE, TYPED};
use super::found::{self, Found};
use crate::Frame;
use crate::operator;

/// A choice of one field.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    id: String,
    words: String,
    is_chosen: bool,
}

/// The form with what is to be said of it.
#[derive(Debug, Template)]
#[template(path = "first_run/form.html")]
pub(super) struct Asked {
    frame: Frame,
    proof: String,
    name: String,
    networks: Vec<Choice>,
    upstream: String,
    has_node: bool,
    address: String,
    chains: Vec<Choice>,
    /// The typed URL of a chain source, without a password.
    chain_url: String,
    /// A URL with a password was typed before, and is kept.
    has_kept: bool,
    has_strangers: bool,
    public_url: String,
    /// Keys that the environment gives, and that are not asked for.
    given: Vec<&'static str>,
    /// Others in the network can read what is sent.
    pub(super) can_be_read: bool,
    /// The chain source's answer.
    pub(super) heard: Heard,
    /// All that does not do.
    pub(super) problems: Vec<Problem>,
}

/// Keys that the form has a field for.
const ASKED: [&str; 7] = [
    "pool.name",
    "pool.network",
    "upstream.urls",
    "upstream.address",
    "lightning.config",
    "chain.url",
    "http.public_url",
];

impl Asked {
    /// The form as it was sent, or empty. `onion` is the address of this app's onion
    /// service, where the home server tells one.
    pub(super) fn new(
        form: &Form,
        proof: &str,
        found: Vec<Found>,
        draft: &Draft,
        (onion, has_kept): (Option<String>, bool),
    ) -> Self {
        let is_new = form.action.is_empty();
        let given = ASKED.into_iter().filter(|key| {
            let (section, key) = key.split_once('.').unwrap_or_default();
            draft.is_given(section, key)
        });
        Asked {
            frame: frame(),
            proof: proof.to_owned(),
            name: form.name.clone(),
            networks: networks(&form.network),
            upstream: form.upstream.clone(),
            has_node: is_new || form.lightning == NODE,
            address: form.address.clone(),
            chains: chains(form, found),
            chain_url: match form.secret_chain_url() {
                Some(_) => String::new(),
                None => form.chain_url.clone(),
            },
            has_kept,
            has_strangers: form.miners == EVERYBODY,
            public_url: match onion.filter(|_| is_new) {
                Some(onion) if is_usable(&onion) => onion,
                _ => form.public_url.clone(),
            },
            given: given.collect(),
            can_be_read: false,
            heard: Heard::default(),
            problems: Vec::new(),
        }
    }

    /// True for a key that the environment gives.
    fn is_given(&self, key: &str) -> bool {
        self.given.contains(&key)
    }

    /// The problem of the field of `key`, in a sentence.
    fn problem(&self, key: &str) -> Option<String> {
        let problem = self.problems.iter().find(|problem| problem.key == key)?;
        Some(sentence(problem))
    }

    /// The problems that belong to no field of the form.
    fn others(&self) -> Vec<String> {
        let others = self.problems.iter().filter(|problem| {
            !ASKED.contains(&problem.key.as_str()) || self.is_given(&problem.key)
        });
        others
            .map(|problem| match problem.key.as_str() {
                "" => sentence(problem),
                key => format!("{key}: {}", sentence(problem)),
            })
            .collect()
    }
}

/// The onion service of an app that has none yet is called by a name that is none.
fn is_usable(url: &str) -> bool {
    let mut draft = Draft::new();
    draft.put_text("http", "public_url", url);
    let problem = draft.problem_of("http", "public_url", std::path::Path::new(""));
    problem.is_none()
}

fn networks(chosen: &str) -> Vec<Choice> {
    let choice = |network: &str| Choice {
        id: network.to_owned(),
        words: network.to_owned(),
        is_chosen: network == chosen,
    };
    found::networks().map(choice).collect()
}

/// Those found, then what is always there. The first one found is chosen unless another was.
fn chains(form: &Form, found: Vec<Found>) -> Vec<Choice> {
    let is_given = found.iter().any(|found| found.url.is_none());
    let mut chains: Vec<Choice> = found
        .into_iter()
        .map(|found| Choice {
            is_chosen: form.chain == found.id,
            id: found.id.to_owned(),
            words: found.words,
        })
        .collect();
    if !is_given {
        let always = [
            (TYPED, "Another source, with this URL:"),
            (
                NONE,
                "None: payouts on-chain are not found, and no lightning node can run",
            ),
        ];
        chains.extend(always.map(|(id, words)| Choice {
            id: id.to_owned(),
            words: words.to_owned(),
            is_chosen: form.chain == id,
        }));
    }
    if !chains.iter().any(|chain| chain.is_chosen)
        && let Some(first) = chains.first_mut()
    {
        first.is_chosen = true;
    }
    chains
}

fn sentence(problem: &Problem) -> String {
    let mut why = problem.why.chars();
    let first = why.next().map(|first| first.to_uppercase().to_string());
    let value = match &problem.value {
        Some(value) => format!("{value}: "),
        None => String::new(),
    };
    let (first, why) = (first.unwrap_or_default(), why.as_str());
    match value.is_empty() {
        true => format!("{first}{why}: {}.", problem.fix),
        false => format!("{value}{}: {}.", problem.why, problem.fix),
    }
}

/// The field of the typed URL is empty.
pub(super) fn chain_url_is_needed() -> Problem {
    Problem {
        key: "chain.url".to_owned(),
        value: None,
        why: "a URL is needed here".to_owned(),
        fix: "type it, or choose another source".to_owned(),
    }
}

pub(super) fn frame() -> Frame {
    Frame::new("Axepool".to_owned(), Network::Bitcoin)
}

/// The form.
pub(super) fn form(status: StatusCode, asked: Asked) -> Response {
    crate::page(status, &asked)
}

#[derive(Debug, Template)]
#[template(path = "first_run/closed.html")]
struct Closed {
    frame: Frame,
    problem: Option<&'static str>,
    can_be_read: bool,
}

/// The page for a browser without the secret, with the fault of the one that it sent.
pub(super) fn closed(problem: Option<&'static str>, can_be_read: bool) -> Response {
    let page = Closed {
        frame: frame(),
        problem,
        can_be_read,
    };
    crate::page(StatusCode::UNAUTHORIZED, &page)
}

#[derive(Template)]
#[template(path = "first_run/printed.html")]
struct Printed<'a> {
    frame: Frame,
    token: &'a str,
    can_be_read: bool,
}

/// The page at the address that was printed: a button that uses its secret.
pub(super) fn printed(token: &str, can_be_read: bool) -> Response {
    let page = Printed {
        frame: frame(),
        token,
        can_be_read,
    };
    crate::page(StatusCode::OK, &page)
}

#[derive(Debug, Template)]
#[template(path = "first_run/words.html")]
struct Shown<'a> {
    frame: Frame,
    proof: &'a str,
    words: &'a [Words],
    warnings: &'a [String],
    address: String,
    has_node: bool,
}

/// The words to be copied, and the button that starts the pool.
pub(super) fn words(written: &Written, proof: &str) -> Response {
    let page = Shown {
        frame: frame(),
        proof,
        words: &written.words,
        warnings: &written.warnings,
        address: written.config.income.address.to_string(),
        has_node: written.config.income.node.is_some(),
    };
    crate::page(StatusCode::OK, &page)
}

#[derive(Debug, Template)]
#[template(path = "first_run/started.html")]
struct Begun {
    frame: Frame,
    /// Host and port for the devices.
    stratum: Option<(String, u16)>,
    /// The pool's pages.
    pages: Option<String>,
    /// The operator's page with its token.
    operator: Option<String>,
    has_node: bool,
}

/// The pool starts. `host` is how the browser asked for this machine, at our port `port`; the
/// config and the operator's page with its token are told once.
pub(super) fn started(
    (host, port): (&str, u16),
    config: Option<&Config>,
    operator: Option<(SocketAddr, String)>,
) -> Response {
    let name = name_of(host);
    let stratum = config.and_then(|config| config.downstream.listen.first());
    // A port that the system chooses is another one at each start.
    let stratum = stratum.filter(|address| address.port() != 0);
    let page = Begun {
        frame: frame(),
        stratum: stratum.map(|address| (name.to_owned(), address.port())),
        pages: config.and_then(|config| pages_of(host, port, config)),
        operator: operator.and_then(|(address, token)| operators(name, address, &token)),
        has_node: config.is_some_and(|config| config.income.node.is_some()),
    };
    crate::page(StatusCode::OK, &page)
}

/// The name of `host`, which may have a port.
pub(super) fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The pages: at this very address when they listen on our own `port`, whatever stands before
/// it; else where wallets find them, or on the port that they listen on.
fn pages_of(host: &str, port: u16, config: &Config) -> Option<String> {
    let own = config.http.listen.first()?.port();
    if own == port {
        return Some("/".to_owned());
    }
    if let Some(url) = &config.http.public_url {
        return Some(url.to_string());
    }
    let scheme = match config.http.tls {
        Some(_) => "https",
        None => "http",
    };
    (own != 0).then(|| format!("{scheme}://{}:{own}/", name_of(host)))
}

/// The operator's page for a browser that reached this machine as `name`; none where it would
/// not answer.
fn operators(name: &str, address: SocketAddr, token: &str) -> Option<String> {
    let ip = address.ip();
    let answers = if ip.is_loopback() {
        operator::is_loopback(name)
    } else {
        operator::answers_to(name)
    };
    let at = if ip.is_unspecified() || ip.is_loopback() {
        format!("{name}:{}", address.port())
    } else {
        address.to_string()
    };
    answers.then(|| format!("http://{at}/?token={token}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_a_sentence_beside_its_field() {
        let draft = Draft::new();
        let mut asked = Asked::new(&Form::default(), "p", Vec::new(), &draft, (None, false));
        asked.problems = vec![
            Problem {
                key: "upstream.address".to_owned(),
                value: Some("\"bc1q\"".to_owned()),
                why: "not a bitcoin address".to_owned(),
                fix: "copy it".to_owned(),
            },
            Problem {
                key: "pool.data_dir".to_owned(),
                value: None,
                why: "an empty path".to_owned(),
                fix: "name a directory".to_owned(),
            },
        ];
        let said = asked.problem("upstream.address");
        assert_eq!(
            said.as_deref(),
            Some("\"bc1q\": not a bitcoin address: copy it.")
        );
        assert_eq!(asked.problem("chain.url"), None);
        let others = asked.others();
        assert_eq!(others, ["pool.data_dir: An empty path: name a directory."]);
    }

    #[test]
    fn an_onion_service_that_is_not_there_is_not_suggested() {
        let public = |onion: &str| {
            let onion = Some(format!("http://{onion}"));
            let draft = Draft::new();
            Asked::new(&Form::default(), "p", Vec::new(), &draft, (onion, false)).public_url
        };
        assert_eq!(public("notyetset.onion"), "");
        assert_eq!(public("not-enabled.onion"), "");
        let real = format!("{}d.onion", "a".repeat(55));
        assert_eq!(public(&real), format!("http://{real}"));
    }

    #[test]
    fn a_password_does_not_come_back() {
        let form = Form {
            action: "try".to_owned(),
            chain: TYPED.to_owned(),
            chain_url: "http://a:secret@b:1".to_owned(),
            ..Form::default()
        };
        let asked = Asked::new(&form, "p", Vec::new(), &Draft::new(), (None, true));
        let html = asked.render().expect("a page");
        assert!(!html.contains("secret"), "{html}");
        assert!(asked.has_kept && html.contains("kept"), "{html}");
    }

    fn config(lines: &str) -> Config {
        let address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        let text = format!("[upstream]\naddress = \"{address}\"\n{lines}");
        let config = pool::config::parse(&text, std::path::Path::new("")).expect("a config");
        config.config
    }

    #[test]
    fn the_pages_are_where_this_browser_finds_them() {
        let of = |lines: &str| pages_of("pool.local:8081", 8081, &config(lines));
        assert_eq!(of("").as_deref(), Some("http://pool.local:8080/"));
        // A proxy before our listener stands before theirs.
        assert_eq!(
            of("[http]\nlisten = \"0.0.0.0:8081\"").as_deref(),
            Some("/")
        );
        let public = "[http]\npublic_url = \"https://pool.example\"";
        assert_eq!(of(public).as_deref(), Some("https://pool.example"));
        assert_eq!(of("[http]\nlisten = \"127.0.0.1:0\""), None);
    }

    #[test]
    fn the_operators_page_is_linked_where_it_answers() {
        let operators = |name: &str, lines: &str| {
            let listen = config(lines).operator.listen;
            let address = listen.first()?;
            super::operators(name, *address, "t")
        };
        let link = operators("127.0.0.1", "");
        assert_eq!(link.as_deref(), Some("http://127.0.0.1:8081/?token=t"));
        assert_eq!(operators("umbrel.local", ""), None);
        let home = "[operator]\nlisten = \"0.0.0.0:3381\"\nallow_remote = true";
        let link = operators("umbrel.local", home);
        assert_eq!(link.as_deref(), Some("http://umbrel.local:3381/?token=t"));
        assert_eq!(operators("pool.example", home), None);
        assert_eq!(operators("127.0.0.1", "[operator]\nlisten = []"), None);
    }

    #[test]
    fn a_hosts_name_is_without_its_port() {
        for (host, name) in [
            ("umbrel.local:8090", "umbrel.local"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]:1", "[::1]"),
            ("pool.example", "pool.example"),
        ] {
            assert_eq!(name_of(host), name);
        }
    }
}
