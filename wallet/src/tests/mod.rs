//! The wallet against a real mint over HTTP. The mint is cdk's own; the routes beside
//! it are written here from the draft and from the pool's published interface.

mod addresses;
mod dying_store;
mod foreign_keys;
mod interruptions;
mod joins;
mod large_tokens;
mod late;
mod mint;
mod network;
mod parallel;
mod payments;
mod restores;
mod sweeps;
mod word_keys;
mod words;
