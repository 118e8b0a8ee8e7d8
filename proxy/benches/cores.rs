//! What one item costs on the proxy's hot paths, in nanoseconds: `cargo bench -p proxy`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench prints its results"
)]

mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use proxy::check::{CheckInput, Reject, check};
use proxy::extranonce::Extranonce1;
use proxy::job::{Assigned, UpstreamJob};
use proxy::wire::{JobId, LineDecoder, Method, Submit, parse, reply};
use proxy::{Difficulty, username, vardiff};
use support::{EXTRANONCE1, job};

/// The best of several runs: the machine's other work only ever adds to it.
fn measure(name: &str, mut item: impl FnMut(u32)) {
    let mut best = Duration::MAX;
    let mut count = 1;
    let mut number = 0;
    for _ in 0..40 {
        let start = Instant::now();
        for _ in 0..count {
            number += 1;
            item(number);
        }
        let took = start.elapsed();
        if took < Duration::from_millis(20) {
            count *= 2;
        } else {
            best = best.min(took / count);
        }
    }
    println!("{name:<44} {:>8} ns", best.as_nanos());
}

fn submit(line: &str) -> Submit<'_> {
    match parse(line.as_bytes()).unwrap().method {
        Method::Submit(submit) => submit,
        _ => unreachable!("a submit"),
    }
}

const LINE: &str = r#"{"id": 1234, "method": "mining.submit", "params": ["npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg.bitaxe-1", "1b", "0100000000", "6553f100", "0a2b3c4d", "00a2e000"]}"#;

fn checks(name: &str, job: &UpstreamJob, difficulty: f64) {
    let assigned = Assigned::of(Difficulty::new(difficulty).unwrap());
    let mut submit = submit(LINE);
    let extranonce1 = [Extranonce1::new(&EXTRANONCE1, &[0, 0, 1]).unwrap()];
    measure(name, |nonce| {
        submit.nonce = nonce;
        let input = CheckInput {
            job,
            extranonce1: &extranonce1,
            assigned: &assigned,
            ntime: job.ntime,
            version_mask: job.version_mask,
            submit: &submit,
        };
        let outcome = black_box(check(&input));
        if difficulty >= 1.0 {
            assert_eq!(outcome, Err(Reject::LowDifficulty));
        } else if let Ok(share) = outcome {
            // The set stays small, as it is with real shares.
            job.seen.forget(share.hash.as_ref());
        }
    });
}

fn main() {
    let (small, large) = (job(250, 12), job(6_500, 12));
    checks("check, 250-byte coinbase, 12 branches", &small, 1e6);
    checks("check, the same, credited and forgotten", &small, 1e-12);
    checks("check, 6.5 KB coinbase, 12 branches", &large, 1e6);
    measure("parse mining.submit", |_| {
        let _ = black_box(parse(black_box(LINE.as_bytes())));
    });
    let segment = format!("{LINE}\n");
    let mut decoder = LineDecoder::new(4096);
    measure("cut a line from a segment", |_| {
        let mut rest = black_box(segment.as_bytes());
        while let Ok(Some(line)) = decoder.next_line(&mut rest) {
            black_box(line);
        }
    });
    let mut out = Vec::with_capacity(8192);
    measure("write mining.notify, 250-byte coinbase", |ntime| {
        out.clear();
        reply::notify(
            &mut out,
            JobId::shared(27),
            black_box(&small.notify_middle),
            ntime,
            false,
        );
        black_box(&out);
    });
    measure("write true", |id| {
        out.clear();
        reply::accepted(&mut out, proxy::wire::Id::Number(id.into()));
        black_box(&out);
    });
    measure("read a username (npub)", |_| {
        let _ = black_box(username::parse(black_box(
            "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg.bitaxe-1",
        )));
    });
    measure("target and work of a difficulty", |number| {
        black_box(Assigned::of(Difficulty::new(f64::from(number)).unwrap()));
    });
    let bounds = vardiff::Bounds {
        floor: Difficulty::ONE,
        ceiling: Difficulty::new(1e6).unwrap(),
    };
    let mut control = vardiff::Vardiff::new(Difficulty::new(1e3).unwrap(), 8.0, 0);
    measure("vardiff, one share", |number| {
        let now_ms = u64::from(number) * 7_500;
        control.on_share(control.difficulty(&bounds), now_ms);
        black_box(control.on_tick(&bounds, now_ms));
    });
}
