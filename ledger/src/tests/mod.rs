//! The whole ledger against a simple model, on disks that fail.

mod books;
mod books_crash;
mod bounds;
mod crash;
mod disk;
mod driver;
mod failing;
mod hanging;
mod history;
mod model;
mod old_file;
mod slow;
