//! Documents, help texts and the config's comments name their subjects. The tests count
//! clauses that begin with a headless "what", "who", "where" and the like ("Who looks has one
//! of eight places"), per 1,000 words.

use std::fs;
use std::path::{Path, PathBuf};

use axepool::Cli;
use clap::CommandFactory;

/// The most headless clauses per 1,000 words. rust-analyzer's architecture.md has 1.2,
/// TigerBeetle's 1.3.
const MOST_PER_1000_WORDS: f64 = 2.0;

/// Pages that are shorter count as if they had so many words, so that a single clause does
/// not fail a page of a few lines.
const LEAST_WORDS: usize = 500;

/// A clause that begins with one of these has no subject but the clause itself.
const HEADLESS: [&str; 11] = [
    "what",
    "whatever",
    "who",
    "whom",
    "whose",
    "whoever",
    "whichever",
    "where",
    "wherever",
    "why",
    "how",
];

/// What was counted in a text.
#[derive(Debug, Default, PartialEq)]
struct Count {
    words: usize,
    headless: Vec<String>,
}

impl Count {
    fn of_markdown(page: &str) -> Self {
        let mut count = Self::default();
        for block in blocks(page) {
            count.add(&block);
        }
        count
    }

    /// Adds a block of running text: a paragraph, a list's item or a table's cell.
    fn add(&mut self, block: &str) {
        let words = block.split_whitespace().filter(|word| is_word(word));
        self.words += words.count();
        for sentence in sentences(block) {
            if sentence.ends_with('?') {
                continue;
            }
            let clauses = clauses(sentence);
            let headless = clauses.into_iter().filter(|clause| is_headless(clause));
            self.headless.extend(headless);
        }
    }

    /// Headless clauses per 1,000 words.
    fn rate(&self) -> f64 {
        let words = u32::try_from(self.words.max(LEAST_WORDS)).expect("few words");
        let headless = u32::try_from(self.headless.len()).expect("few clauses");
        f64::from(headless) * 1000.0 / f64::from(words)
    }
}

/// The running text of a page, without headings, code blocks and HTML.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    let mut in_code = false;
    for line in page.lines() {
        let line = line.trim();
        let is_fence = line.starts_with("```");
        in_code ^= is_fence;
        let is_text = !in_code && !is_fence && !line.starts_with(['#', '<']);
        if !is_text || line.is_empty() {
            blocks.push(String::new());
        } else if let Some(row) = line.strip_prefix('|') {
            blocks.extend(row.split('|').map(plain));
            blocks.push(String::new());
        } else {
            if is_item(line) {
                blocks.push(String::new());
            }
            let last = blocks.last_mut().expect("one at least");
            last.push_str(&plain(item_text(line)));
            last.push(' ');
        }
    }
    blocks.retain(|block| !block.trim().is_empty());
    blocks
}

fn is_item(line: &str) -> bool {
    item_text(line).len() < line.len()
}

/// The line without a list's sign or number before it.
fn item_text(line: &str) -> &str {
    for sign in ["- [ ] ", "- [x] ", "- ", "* "] {
        if let Some(text) = line.strip_prefix(sign) {
            return text;
        }
    }
    match line.split_once(". ") {
        Some((number, text)) if number.parse::<u8>().is_ok() => text,
        _ => line,
    }
}

/// Code within the text is a noun; a link is its text; signs of emphasis go.
fn plain(line: &str) -> String {
    let mut text = String::new();
    for (place, part) in line.split('`').enumerate() {
        text.push_str(if place % 2 == 1 { "CODE" } else { part });
    }
    let mut parts = text.split("](");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    plain.replace(['*', '[', ']', '_'], "")
}

fn is_word(word: &str) -> bool {
    word.contains(char::is_alphanumeric)
}

/// Sentences with the sign that ends them.
fn sentences(block: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (place, sign) in block.char_indices() {
        let end = place + sign.len_utf8();
        let is_end = matches!(sign, '.' | '!' | '?')
            && block[end..]
                .trim_start_matches([')', '"'])
                .chars()
                .next()
                .is_none_or(char::is_whitespace);
        if is_end {
            sentences.push(block[start..end].trim());
            start = end;
        }
    }
    sentences.push(block[start..].trim());
    sentences
}

/// A sentence's clauses, in so far as a sign says where one begins.
fn clauses(sentence: &str) -> Vec<String> {
    const MARK: char = '\u{1}';
    let mut text = sentence.to_lowercase();
    for begin in ["; ", ": ", ", and ", ", but "] {
        text = text.replace(begin, &MARK.to_string());
    }
    text.split(MARK)
        .map(|clause| clause.trim().to_owned())
        .collect()
}

/// A single word ("who" as a table's heading) is no clause.
fn is_headless(clause: &str) -> bool {
    let mut words = clause.split_whitespace().filter(|word| is_word(word));
    let first = words.next().unwrap_or_default();
    let first = first.trim_matches(|sign: char| !sign.is_alphanumeric());
    HEADLESS.contains(&first) && words.count() >= 2
}

fn top() -> PathBuf {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    room.parent().expect("the workspace").to_owned()
}

/// README and `docs/*.md`; the decisions are a record, and are left as they were written.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(top().join("docs")).expect("docs");
    let mut pages: Vec<_> = docs
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    pages.push(top().join("README.md"));
    pages.sort();
    pages
}

#[test]
fn sentences_name_their_subject() {
    let mut bad = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let count = Count::of_markdown(&text);
        let name = page.file_name().expect("a name").to_string_lossy();
        println!("{:.1} {name}: {} words", count.rate(), count.words);
        if count.rate() > MOST_PER_1000_WORDS {
            bad.push((name.into_owned(), count));
        }
    }
    assert!(bad.is_empty(), "sentences without a subject: {bad:#?}");
}

/// Adds the help of a command, of its options and of its subcommands.
fn add_help(command: &clap::Command, count: &mut Count) {
    let about = command.get_long_about().or(command.get_about());
    let options = command.get_arguments();
    let options = options.filter_map(|option| option.get_long_help().or(option.get_help()));
    for text in about.into_iter().chain(options) {
        for block in text.to_string().split("\n\n") {
            count.add(&plain(block));
        }
    }
    for subcommand in command.get_subcommands() {
        add_help(subcommand, count);
    }
}

#[test]
fn help_names_its_subject() {
    let mut count = Count::default();
    add_help(&Cli::command(), &mut count);
    println!("{:.1} --help: {} words", count.rate(), count.words);
    assert!(count.words > 1000, "the commands have help: {count:#?}");
    assert!(count.rate() <= MOST_PER_1000_WORDS, "{count:#?}");
}

#[test]
fn the_config_names_its_subject() {
    let config = fs::read_to_string(top().join("axepool.example.toml")).expect("the example");
    // Keys and sections end a comment.
    let comments = config
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or_default());
    let count = Count::of_markdown(&comments.collect::<Vec<_>>().join("\n"));
    println!("{:.1} example: {} words", count.rate(), count.words);
    assert!(count.words > 1000, "the keys have comments: {count:#?}");
    assert!(count.rate() <= MOST_PER_1000_WORDS, "{count:#?}");
}

#[test]
fn headless_clauses_are_counted() {
    #[track_caller]
    fn case(page: &str, headless: &[&str]) {
        let found = Count::of_markdown(page).headless;
        let found: Vec<_> = found.iter().map(String::as_str).collect();
        assert_eq!(found, headless, "{page}");
    }

    // Without a head: where a sentence, a part of one, an item or a cell begins.
    case(
        "What is nowhere is a page.",
        &["what is nowhere is a page."],
    );
    case(
        "It ends. Who looks has a place.",
        &["who looks has a place."],
    );
    case(
        "It waits; what is late is lost.",
        &["what is late is lost."],
    );
    case("One rule: whoever asks waits.", &["whoever asks waits."]);
    case(
        "It stops, and what is open waits.",
        &["what is open waits."],
    );
    case(
        "It stops, but what\nis open waits.",
        &["what is open waits."],
    );
    case("- *Whatever* comes is kept", &["whatever comes is kept"]);
    case(
        "1. Where it is, is no matter",
        &["where it is, is no matter"],
    );
    case("| bound | who has most goes |", &["who has most goes"]);
    case("Why [it](a.md) is so is told.", &["why it is so is told."]);
    case("How `x` is made is told.", &["how code is made is told."]);

    // With a head, as a question, as a heading, within a clause, or as code.
    case("The miner who looks has a place.", &[]);
    case("The miners, who own it, are asked.", &[]);
    case("The page shows what is owed and where it is.", &[]);
    case("The port where miners connect is open.", &[]);
    case("Who may mine? Everybody may.", &[]);
    case("## What you need\n\nA machine.", &[]);
    case("| who | what |", &[]);
    case("```\nwhat is this\n```\n", &[]);
    case("`what is this` prints it.", &[]);
}

#[test]
fn words_are_counted() {
    let page = "# Title\n\nTwo words - here: `a b`.\n\n| one | two three |\n|---|---|\n";
    assert_eq!(Count::of_markdown(page).words, 7);
}
