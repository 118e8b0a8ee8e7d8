//! What the documents tell people to type is what the program takes.

#[path = "../../../axepool/tests/repository/pages.rs"]
#[allow(dead_code, reason = "the repository's own tests use the rest of it")]
mod pages;

use clap::Parser as _;
use demo::Cli;

#[test]
fn what_the_documents_say_can_be_typed() {
    let tried = pages::can_be_typed("axepool-demo", |words| Cli::try_parse_from(words).err());
    assert!(tried > 3, "the pages have commands in them: {tried}");
}
