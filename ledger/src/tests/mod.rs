//! The whole ledger against a simple model, on disks that fail. The payments and the
//! random histories that it is played are those of the settlement's own tests.

mod books;
mod books_crash;
mod bounds;
mod bytes;
mod crash;
mod disk;
mod driver;
mod failing;
#[path = "../../../accounting/src/settle/fixtures.rs"]
mod fixtures;
mod hanging;
#[path = "../../../accounting/src/settle/histories.rs"]
mod histories;
mod history;
mod journal;
mod journal_cuts;
mod model;
mod old_file;
mod slow;
