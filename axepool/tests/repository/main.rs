//! The repository itself: which room may import what, and whether documents and files of
//! the installation say what is so.

mod arrows;
mod circles;
mod deploy;
mod docs;
mod home_servers;
mod pages;
mod words;
#[path = "../common/yaml.rs"]
mod yaml;
