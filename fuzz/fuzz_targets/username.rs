//! Usernames: what is read names the same miner when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy::username::{UsernameError, parse};

fuzz_target!(|raw: &str| {
    match parse(raw) {
        Ok((key, worker)) => {
            assert_eq!(parse(&format!("{key}.{worker}")), Ok((key, worker.clone())));
            let (npub, name) = parse(&format!("{}.{worker}", key.miner.npub())).expect("a key");
            assert_eq!((npub.miner, name), (key.miner, worker));
        }
        // That it repeats nothing is in its type: an error that is Copy holds no text.
        Err(error) => assert!(UsernameError::LABELS.contains(&error.label())),
    }
});
