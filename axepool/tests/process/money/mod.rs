//! The money as the operator and the auditor see it: the real binary over a ledger that
//! holds payments, with and without a process that has it open; and over HTTP.

mod audit;
mod books;
mod compressed;
pub(crate) mod fetch;
mod gone;
mod kills;
mod long_ago;
mod openapi;
pub(crate) mod operator;
mod pages;
mod prepare;
mod stops;
mod wind_down;
mod withdraw;
