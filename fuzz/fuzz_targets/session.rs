//! A session: lines of a device between events of its world. What must never happen is
//! watched by the runner.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| proxy::fuzzing::run_script(script));
