//! What the documents tell people to type is what the program takes.

use std::fs;

use axepool::Cli;
use clap::Parser;

use crate::pages::{can_be_typed, commands, pages, top};

#[test]
fn what_the_documents_say_can_be_typed() {
    let pool = can_be_typed("axepool", |words| Cli::try_parse_from(words).err());
    assert!(pool > 30, "the pages have commands in them: {pool}");
    let owner = can_be_typed("axepool-wallet", |words| {
        owner::Cli::try_parse_from(words).err()
    });
    assert!(
        owner > 3,
        "the pages have an owner's commands in them: {owner}"
    );
}

/// What is a program of its own now is not told as a command of `axepool`.
#[test]
fn the_documents_know_where_commands_went() {
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for command in commands(&text, "axepool") {
            let second = command.split_whitespace().nth(1);
            let went = second.is_some_and(|word| ["demo", "sim", "load"].contains(&word));
            assert!(!went, "{}: `{command}`", page.display());
        }
    }
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
