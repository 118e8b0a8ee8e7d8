//! The repository itself: which room may import what, and whether documents and files of
//! the installation say what is so.

mod arrows;
mod circles;
mod deploy;
mod docs;
mod pages;
mod words;
