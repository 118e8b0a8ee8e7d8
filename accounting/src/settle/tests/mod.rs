//! The ways of money through the books, each with its exact postings.

mod attacks;
mod audits;
mod epochs;
mod held;
mod operator;
mod payments;
mod tides;

pub(super) use audits::file_of;
