//! What a stranger sends to the stratum port. The first byte says how the rest is cut
//! into segments: the lines must not depend on it, and each must be read or refused
//! with an id that is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy::wire::{LineDecoder, Method, parse, reply};

const LIMIT: usize = 512;

fn lines(bytes: &[u8], segment_size: usize) -> Vec<Option<Vec<u8>>> {
    let mut decoder = LineDecoder::new(LIMIT);
    let mut lines = Vec::new();
    for mut segment in bytes.chunks(segment_size) {
        loop {
            match decoder.next_line(&mut segment) {
                Ok(Some(line)) => lines.push(Some(line.to_vec())),
                Ok(None) => break,
                Err(_) => lines.push(None),
            }
        }
    }
    lines
}

fuzz_target!(|input: &[u8]| {
    let Some((&size, bytes)) = input.split_first() else { return };
    let whole = lines(bytes, usize::MAX);
    assert_eq!(whole, lines(bytes, usize::from(size).max(1)));
    for line in whole.into_iter().flatten() {
        assert!(!line.is_empty() && line.len() <= LIMIT);
        let json: Option<serde_json::Value> = serde_json::from_slice(&line).ok();
        let id = match parse(&line) {
            Ok(request) => {
                let json = json.expect("only JSON is a request");
                if let Method::Submit(submit) = &request.method {
                    assert!(submit.extranonce2.len() <= 32);
                    assert_eq!(json["params"][0].as_str(), Some(submit.username.as_str()));
                }
                request.id
            }
            Err(error) => error.id,
        };
        let mut out = Vec::new();
        reply::accepted(&mut out, id.to_owned().as_id());
        let echoed: serde_json::Value = serde_json::from_slice(&out).expect("a reply is JSON");
        assert_eq!(echoed["result"], true);
    }
});
