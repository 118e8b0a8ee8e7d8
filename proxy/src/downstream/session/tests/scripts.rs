//! Scripts as a fuzzer would write them if it knew Stratum.

use proptest::prelude::*;

use super::super::script;
use super::*;
use crate::testing::cases;

fn step() -> impl Strategy<Value = Vec<u8>> {
    let event = |name: u8| {
        any::<u8>().prop_filter_map("a newline", move |argument| {
            (argument != b'\n').then(|| vec![b'!', name, argument])
        })
    };
    let job = (1_u64..6, 0_u16..4).prop_map(|(sequence, again)| {
        if again == 0 {
            format!("{sequence:x}")
        } else {
            format!("{sequence:x}r{again:x}")
        }
    });
    let share = (job, 0_u32..120, 0_u32..50)
        .prop_map(|(job, ahead, nonce)| submit_at(9, &job, NTIME + ahead, nonce).into_bytes());
    let suggestion =
        prop::sample::select(vec!["1e-10", "3e-10", "1", "0", "1e300"]).prop_map(|number| {
            format!(r#"{{"id":5,"method":"mining.suggest_difficulty","params":[{number}]}}"#)
                .into_bytes()
        });
    prop_oneof![
        12 => share,
        2 => suggestion,
        3 => event(b'j'),
        4 => event(b'w'),
        1 => event(b'g'),
        1 => event(b'm'),
        1 => event(b'd'),
        1 => event(b's'),
        1 => event(b'r'),
        1 => Just(subscribe(7, "bitaxe").into_bytes()),
        1 => Just(authorize(8, MINER).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..60),
    ]
}

fn begin() -> Vec<u8> {
    let lines = [configure(1), subscribe(2, "bitaxe"), authorize(3, MINER)];
    lines.join("\n").into_bytes()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn no_script_breaks_a_promise(steps in prop::collection::vec(step(), 0..80)) {
        let script = [vec![begin()], steps].concat().join(&b'\n');
        script::run(&script);
    }

    #[test]
    fn nor_does_one_that_begins_anywhere(steps in prop::collection::vec(step(), 0..20)) {
        script::run(&steps.join(&b'\n'));
    }
}
