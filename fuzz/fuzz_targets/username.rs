//! Usernames: what is read names the same miner when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy::username::{UsernameError, parse};

fuzz_target!(|raw: &str| {
    match parse(raw) {
        Ok((key, worker)) => {
            for text in [key.miner.to_string(), key.miner.npub()] {
                let (again, name) = parse(&format!("{text}.{worker}")).expect("a key");
                assert_eq!((again.miner, &name), (key.miner, &worker));
            }
        }
        // That it repeats nothing is in its type: an error that is Copy holds no text.
        Err(error) => assert!(UsernameError::LABELS.contains(&error.label())),
    }
});
