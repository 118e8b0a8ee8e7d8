//! Usernames: what is read names the same miner when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy::username::{UsernameError, parse};

fuzz_target!(|raw: &str| {
    match parse(raw) {
        Ok((miner, worker)) => {
            assert_eq!(parse(&format!("{miner}.{worker}")), Ok((miner, worker.clone())));
            assert_eq!(parse(&format!("{}.{worker}", miner.npub())), Ok((miner, worker)));
        }
        // That it repeats nothing is in its type: an error that is Copy holds no text.
        Err(error) => assert!(UsernameError::LABELS.contains(&error.label())),
    }
});
