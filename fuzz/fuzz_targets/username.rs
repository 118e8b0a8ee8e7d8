//! Usernames: what is read names the same miner when it is written again, and what is
//! refused is not repeated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy::username::{UsernameError, parse};

fuzz_target!(|raw: &str| {
    match parse(raw) {
        Ok((miner, worker)) => {
            assert_eq!(parse(&format!("{miner}.{worker}")), Ok((miner, worker.clone())));
            assert_eq!(parse(&format!("{}.{worker}", miner.npub())), Ok((miner, worker)));
        }
        Err(error) => {
            assert!(UsernameError::LABELS.contains(&error.label()));
            // Longer than any word of ours, as every key is.
            assert!(raw.len() < 32 || !format!("{error} {error:?}").contains(raw));
        }
    }
});
