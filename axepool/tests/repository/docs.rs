//! What the documents tell people to type is what the program takes.

use std::fs;
use std::path::{Path, PathBuf};

use axepool::Cli;
use clap::Parser;
use clap::error::ErrorKind;

fn top() -> PathBuf {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    room.parent().expect("the workspace").to_owned()
}

/// The pages that people read, not the decisions, which may speak of what was dropped.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(top().join("docs")).expect("docs");
    let mut pages: Vec<_> = docs
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        // What is still to be built may have names already.
        .filter(|path| !path.ends_with("plan.md"))
        .collect();
    pages.push(top().join("README.md"));
    pages
}

/// The commands in a page: lines of its code blocks, and code within its text.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.extend(command(line));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).filter_map(command));
        }
    }
    found
}

/// The line without what stands before and after the command; none if it is another's.
fn command(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches("$ ");
    let line = line.split(" # ").next()?.split(" | ").next()?.trim();
    let line = line.strip_prefix("sudo -u axepool ").unwrap_or(line);
    let is_ours = line == "axepool" || line.starts_with("axepool ");
    (is_ours && !line.contains("...")).then(|| line.to_owned())
}

#[test]
fn what_the_documents_say_can_be_typed() {
    let mut tried = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for command in commands(&text) {
            tried += 1;
            let Err(error) = Cli::try_parse_from(command.split_whitespace()) else {
                continue;
            };
            // A name in place of a number, or a command named without what it needs.
            let is_mention = matches!(
                error.kind(),
                ErrorKind::ValueValidation
                    | ErrorKind::InvalidValue
                    | ErrorKind::MissingRequiredArgument
                    | ErrorKind::MissingSubcommand
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    | ErrorKind::DisplayVersion
                    | ErrorKind::DisplayHelp
            );
            assert!(is_mention, "{}: `{command}`: {error}", page.display());
        }
    }
    assert!(tried > 30, "the pages have commands in them: {tried}");
}

/// Links from page to page, and to files of the tree.
#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let folder = page.parent().expect("a folder");
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if target.starts_with("http") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                page.clone()
            } else {
                folder.join(file)
            };
            assert!(file.exists(), "{}: {target}", page.display());
            if anchor.is_empty() || file.extension().is_none_or(|ending| ending != "md") {
                continue;
            }
            let other = fs::read_to_string(&file).expect("a page");
            let is_there = headings(&other).any(|heading| heading == anchor);
            assert!(is_there, "{}: {target}: no such heading", page.display());
        }
    }
}

/// Headings as links name them.
fn headings(page: &str) -> impl Iterator<Item = String> {
    page.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.collect::<String>().replace(' ', "-")
        })
}

/// The map of the code names files and folders that exist.
#[test]
fn the_map_fits_the_tree() {
    let map = fs::read_to_string(top().join("docs/ARCHITECTURE.md")).expect("the map");
    let paths = map.split('`').skip(1).step_by(2);
    let paths = paths.filter(|path| {
        let first = path.split_once('/').map(|(first, _)| first);
        first.is_some_and(|first| !first.is_empty() && top().join(first).is_dir())
    });
    let mut tried = 0;
    for path in paths {
        tried += 1;
        assert!(top().join(path).exists(), "docs/ARCHITECTURE.md: {path}");
    }
    assert!(tried > 30, "the map has paths in it: {tried}");
}

/// What an alert names as its help is a heading of the guide.
#[test]
fn each_alert_has_its_place_in_the_guide() {
    let rules = top().join("grafana/prometheus/rules/axepool.yml");
    let rules = fs::read_to_string(rules).expect("the rules");
    let guide = fs::read_to_string(top().join("docs/operator.md")).expect("the guide");
    let mut alerts = 0;
    for line in rules.lines() {
        let Some(anchor) = line.trim().strip_prefix("runbook: docs/operator.md#") else {
            continue;
        };
        alerts += 1;
        assert!(
            headings(&guide).any(|heading| heading == anchor),
            "{anchor}"
        );
    }
    assert_eq!(alerts, rules.matches("- alert: ").count());
}
