//! Masks the secrets of URLs, for every output: user and password, the values of a query, a
//! fragment, and parts of a path that are keys. A URL of the config, or of a library's error
//! text, is shown only after it went through here.

use std::borrow::Cow;

/// The text that is printed in a secret's place.
pub const MASK: &str = "***";

/// A part of a path that is so long and has a digit is taken for a key.
const KEY_CHARS: usize = 20;

/// The characters that may stand after a URL in a sentence.
const CLOSING: &[char] = &['"', '\\', '\'', '`', ')', ']', '>', '}', '.', ',', ';', ':'];

/// One URL, the whole of `text`, without its secrets. It may be malformed: a password may
/// have a `/`, an `@`, a `#` or a `?` in it, and the last `@` is taken for its end.
pub fn url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return schemeless(text);
    };
    let place = rest.rsplit_once('@').map(|(_, place)| place);
    let hidden = place.map_or(String::new(), |_| format!("{MASK}@"));
    format!("{scheme}://{hidden}{}", after_user(place.unwrap_or(rest)))
}

/// A sentence, such as an error of a library or a line of a log, with every URL in it
/// masked. A URL ends at the next space or quote; a quote after a backslash does not end it,
/// so that a line of JSON stays one.
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut before = ' ';
    let ends = |c: char| {
        let is_end = c.is_whitespace() || c == '"' && before != '\\';
        before = c;
        is_end
    };
    Cow::Owned(text.split_inclusive(ends).map(word).collect())
}

/// One word of a sentence, with the space after it.
fn word(word: &str) -> Cow<'_, str> {
    let Some(at) = word.find("://") else {
        return Cow::Borrowed(word);
    };
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let begins = word[..at].rfind(|c: char| !is_scheme(c)).map_or(0, |last| {
        last + word[last..].chars().next().map_or(1, char::len_utf8)
    });
    let whole = word.trim_end().trim_end_matches(CLOSING).len().max(at);
    let (before, after) = (&word[..begins], &word[whole..]);
    Cow::Owned(format!("{before}{}{after}", url(&word[begins..whole])))
}

/// `user:password@host` without its scheme; an address of mail is none.
fn schemeless(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((user, place)) if user.contains(':') && !user.starts_with("mailto:") => {
            format!("{MASK}@{place}")
        }
        _ => text.to_owned(),
    }
}

/// Host, path, query and fragment.
fn after_user(place: &str) -> String {
    let (place, fragment) = match place.split_once('#') {
        Some((place, _)) => (place, format!("#{MASK}")),
        None => (place, String::new()),
    };
    let (place, query) = match place.split_once('?') {
        Some((place, query)) => (place, format!("?{}", values_masked(query))),
        None => (place, String::new()),
    };
    let (host, path) = match place.split_once('/') {
        Some((host, path)) => (host, format!("/{}", keys_masked(path))),
        None => (place, String::new()),
    };
    format!("{host}{path}{query}{fragment}")
}

fn values_masked(query: &str) -> String {
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) => format!("{name}={MASK}"),
        None => MASK.to_owned(),
    });
    parts.collect::<Vec<_>>().join("&")
}

fn keys_masked(path: &str) -> String {
    let is_key = |part: &&str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '%' | '.' | '~');
        part.len() >= KEY_CHARS
            && part.chars().all(fits)
            && part.contains(|c: char| c.is_ascii_digit())
    };
    let parts = path
        .split('/')
        .map(|part| if is_key(&part) { MASK } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(given: &str, shown: &str) {
        assert_eq!(url(given), shown);
        // What is masked stays as it is.
        assert_eq!(url(shown), shown);
        let is_whole = !given.contains(|c: char| c.is_whitespace() || c == '"');
        if given.contains("://") && is_whole {
            let sentence = format!("it is \"{given}\", and (x)");
            assert!(!text(&sentence).contains("s3cret"), "{}", text(&sentence));
        }
    }

    #[test]
    fn no_part_of_a_url_that_can_be_a_secret_is_shown() {
        case(
            "http://me:s3cret@127.0.0.1:8332",
            "http://***@127.0.0.1:8332",
        );
        case("http://s3cret@host", "http://***@host");
        case("http://:s3cret@host/api", "http://***@host/api");
        for odd in ["/", "@", "#", "?", "://", "\"", ")", "%2F", "é", " "] {
            for password in [
                format!("s3cret{odd}x"),
                format!("{odd}s3cret"),
                format!("s3cret{odd}"),
                format!("a{odd}s3cret{odd}{odd}b"),
            ] {
                let given = format!("http://me:{password}@host:8332");
                case(&given, "http://***@host:8332");
            }
        }
        case(
            "https://host/api?token=s3cret&x&y=",
            "https://host/api?token=***&***&y=***",
        );
        case("https://host/#s3cret", "https://host/#***");
        case("https://host/api#a?b=s3cret", "https://host/api#***");
        case(
            "https://host/v3/0f9s3cret8a7b6c5d4e3f2a1b0/api",
            "https://host/v3/***/api",
        );
        case(
            "stratum+tcp://me:s3cret@pool:3334",
            "stratum+tcp://***@pool:3334",
        );
        case("me:s3cret@host:8332", "***@host:8332");
    }

    #[test]
    fn what_has_no_secret_stays_as_it_is() {
        for same in [
            "http://127.0.0.1:8332",
            "https://mempool.space/api",
            "https://rapidsync.lightningdevkit.org/snapshot/v2",
            "stratum+tcp://mine.ocean.xyz:3334",
            "http://[::1]:3000/api",
            "mailto:me@example.org",
            "me@example.org",
            "data",
            "",
            "://",
        ] {
            case(same, same);
        }
    }

    #[track_caller]
    fn sentence(given: &str, shown: &str) {
        assert_eq!(text(given), shown);
    }

    #[test]
    fn urls_in_sentences_are_masked() {
        sentence(
            "error sending request for url (http://me:s3cret@host/api): refused",
            "error sending request for url (http://***@host/api): refused",
        );
        sentence(
            "at \"https://host/x?token=s3cret\". Or http://a:b@c\n",
            "at \"https://host/x?token=***\". Or http://***@c\n",
        );
        sentence("é(é://a:s3cret@h", "é(é://***@h");
        sentence(
            r#"{"a":"at \"http://me:s3\"cret@h?x=s3cret\"","b":"me@h?x=y"}"#,
            r#"{"a":"at \"http://***@h?x=***\"","b":"me@h?x=y"}"#,
        );
        sentence("no URL, me@example.org", "no URL, me@example.org");
    }
}
