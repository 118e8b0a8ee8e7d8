//! The documents, and the commands in them. Shared with the tests of `axepool-demo`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Error;
use clap::error::ErrorKind;

pub(crate) fn top() -> PathBuf {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    room.parent().expect("the workspace").to_owned()
}

/// The pages that people read, not the decisions, which may speak of what was dropped.
pub(crate) fn pages() -> Vec<PathBuf> {
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

/// The commands of `program` in a page: lines of its code blocks, and code within its text.
pub(crate) fn commands(page: &str, program: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.extend(command(line, program));
        } else {
            let code = line.split('`').skip(1).step_by(2);
            found.extend(code.filter_map(|code| command(code, program)));
        }
    }
    found
}

/// The line without what stands before and after the command; none if it is another's.
fn command(line: &str, program: &str) -> Option<String> {
    let line = line.trim().trim_start_matches("$ ");
    let line = line.split(" # ").next()?.split(" | ").next()?.trim();
    let line = line.strip_prefix("sudo -u axepool ").unwrap_or(line);
    let is_ours = line.split_whitespace().next() == Some(program);
    // A line with an arrowhead is part of a drawing.
    let is_command = is_ours && !line.contains("...") && !line.contains('►');
    is_command.then(|| line.to_owned())
}

/// Tries each command of `program` in the documents; how many there are.
#[track_caller]
pub(crate) fn can_be_typed(program: &str, parse: impl Fn(Vec<&str>) -> Option<Error>) -> usize {
    let mut tried = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for command in commands(&text, program) {
            tried += 1;
            let Some(error) = parse(command.split_whitespace().collect()) else {
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
    tried
}
