//! The way of one share through the pure cores, as often as the argument says: the line is
//! cut from a segment, read, checked, credited and answered. `scripts/instructions.sh` counts
//! its instructions: `cargo bench -p proxy --bench lines -- 1000`.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench ends where something is wrong with it"
)]

mod support;

use std::fmt::Write as _;
use std::hint::black_box;

use proxy::check::{CheckInput, check};
use proxy::extranonce::Extranonce1;
use proxy::job::Assigned;
use proxy::wire::{LineDecoder, Method, parse, reply};
use proxy::{Difficulty, vardiff};
use support::{EXTRANONCE1, job};

fn main() {
    // cargo adds `--bench`.
    let count = std::env::args().find_map(|word| word.parse().ok());
    let count: u32 = count.unwrap_or(1);
    // Without branches: callgrind knows no SHA instructions, and hashing in software would
    // hide everything else.
    let job = job(250, 0);
    let extranonce1 = [Extranonce1::new(&EXTRANONCE1, &[0, 0, 1]).unwrap()];
    // Every hash is a share.
    let assigned = Assigned::of(Difficulty::new(1e-12).unwrap());
    let bounds = vardiff::Bounds {
        floor: Difficulty::ONE,
        ceiling: Difficulty::new(1e6).unwrap(),
    };
    let mut control = vardiff::Vardiff::new(Difficulty::new(1e3).unwrap(), 8.0, 0);
    let mut decoder = LineDecoder::new(4096);
    let (mut line, mut out) = (String::new(), Vec::with_capacity(256));
    for nonce in 0..count {
        line.clear();
        let key = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg.bitaxe";
        let fixed = "\"1b\", \"0100000000\", \"6553f100\"";
        let id = nonce % 10_000;
        writeln!(
            line,
            r#"{{"id": {id}, "method": "mining.submit", "params": ["{key}", {fixed}, "{nonce:08x}", "00a2e000"]}}"#
        )
        .unwrap();
        let mut rest = black_box(line.as_bytes());
        let cut = decoder.next_line(&mut rest).unwrap().unwrap();
        let request = parse(cut).unwrap();
        let Method::Submit(submit) = request.method else {
            unreachable!("a submit")
        };
        let input = CheckInput {
            job: &job,
            extranonce1: &extranonce1,
            assigned: &assigned,
            ntime: job.ntime,
            version_mask: job.version_mask,
            submit: &submit,
        };
        let share = check(&input).unwrap();
        // As where a device sends eight a minute: the set stays small.
        job.seen.forget(black_box(share).hash.as_ref());
        control.on_share(control.difficulty(&bounds), u64::from(nonce) * 7_500);
        out.clear();
        reply::accepted(&mut out, request.id);
        black_box(&out);
    }
}
