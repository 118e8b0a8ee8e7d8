//! Against the `bitcoin` crate, and against the identity that defines a floor.

use accounting::Work;
use bitcoin::{CompactTarget, Target};
use proptest::prelude::*;
use ruint::Uint;

use super::*;
use crate::job::Assigned;
use crate::testing::cases;

type Wide = Uint<1536, 24>;

fn difficulty(number: f64) -> Difficulty {
    Difficulty::new(number).expect("a difficulty")
}

#[track_caller]
fn target(number: f64, expected: U256) {
    assert_eq!(difficulty(number).target(), expected, "{number}");
}

#[test]
fn targets_of_known_difficulties() {
    let diff1 = U256::from(0xffffu64) << 208;
    target(1.0, diff1);
    target(2.0, diff1 >> 1);
    target(0.5, diff1 << 1);
    target(1000.0, diff1 / U256::from(1000));
    target(1e-10, U256::MAX);
    target(f64::MIN_POSITIVE, U256::MAX);
    target(5e-324, U256::MAX);
    target(f64::MAX, U256::ZERO);
    target(2f64.powi(223), U256::ONE);
    target(2f64.powi(224), U256::ZERO);
    // The mainnet's genesis and a block of 2024, as rust-bitcoin has them.
    for nbits in [0x1d00_ffff, 0x1703_4219] {
        let network = network_target(nbits).expect("a target");
        let library = Target::from_compact(CompactTarget::from_consensus(nbits));
        let same = Difficulty::from_target(network).expect("not zero").get();
        assert!(
            (same / library.difficulty_float() - 1.0).abs() < 1e-12,
            "{nbits:08x}"
        );
    }
}

#[test]
fn numbers_that_are_no_difficulty() {
    for given in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(Difficulty::new(given).is_err(), "{given}");
    }
    assert!("many".parse::<Difficulty>().is_err());
    assert_eq!(Difficulty::from_target(U256::ZERO), None);
}

#[track_caller]
fn prints(number: f64, expected: &str) {
    assert_eq!(difficulty(number).to_string(), expected);
}

#[test]
fn printed_short_and_plain() {
    prints(1000.0, "1000");
    prints(0.002, "0.002");
    prints(1e-9, "0.000000001");
    prints(131_072.5, "131072.5");
    prints(1e300, "1e300");
    prints(5e-324, "5e-324");
}

#[track_caller]
fn no_target(nbits: u32) {
    assert_eq!(network_target(nbits), Err(InvalidNbits { nbits }));
}

#[test]
fn compact_targets_that_core_refuses() {
    // Core's arith_uint256_tests: zero, negative, too large.
    for nbits in [
        0,
        0x0012_3456,
        0x0100_3456,
        0x0200_0056,
        0x0300_0000,
        0x0400_0000,
        0x0092_3456,
        0x0480_0000,
    ] {
        no_target(nbits);
    }
    for nbits in [
        0x0492_3456,
        0x01fe_dcba,
        0xff12_3456,
        0x2300_0001,
        0x2200_0100,
        0x2101_0000,
    ] {
        no_target(nbits);
    }
    assert_eq!(network_target(0x0112_3456), Ok(U256::from(0x12)));
    assert_eq!(network_target(0x0212_3456), Ok(U256::from(0x1234)));
    assert_eq!(network_target(0x0312_3456), Ok(U256::from(0x0012_3456)));
    assert_eq!(network_target(0x0412_3456), Ok(U256::from(0x1234_5600u64)));
    assert_eq!(
        network_target(0x207f_ffff),
        Ok(U256::from(0x7f_ffffu64) << 232)
    );
    assert_eq!(
        network_target(0x2100_ffff),
        Ok(U256::from(0xffffu64) << 240)
    );
    assert_eq!(network_target(0x2200_00ff), Ok(U256::from(0xffu64) << 248));
}

proptest! {
    #![proptest_config(cases(2_000))]

    /// For d = m / 2^k: target * m <= diff1 * 2^k < (target + 1) * m.
    #[test]
    #[allow(clippy::cast_precision_loss, reason = "below 2^53")]
    fn the_target_is_the_exact_floor(m in 1u64..(1 << 53), k in 0i32..600) {
        let exact = difficulty(m as f64 / 2f64.powi(k));
        let numerator = Wide::from(0xffffu64) << (208 + k);
        let m = Wide::from(m);
        let target = exact.target();
        let floor = Wide::from(target);
        if target == U256::MAX {
            prop_assert!(floor * m <= numerator);
        } else {
            prop_assert!(floor * m <= numerator && numerator < (floor + Wide::from(1)) * m);
        }
    }

    #[test]
    fn a_higher_difficulty_never_has_a_higher_target(a: u64, b: u64) {
        let (Ok(a), Ok(b)) = (Difficulty::new(f64::from_bits(a >> 1)), Difficulty::new(f64::from_bits(b >> 1))) else {
            return Ok(());
        };
        prop_assert!(a.max(b).target() <= a.min(b).target());
        prop_assert!(Assigned::of(a.max(b)).work >= Assigned::of(a.min(b)).work);
    }

    #[test]
    fn printed_difficulties_are_read_back_exactly(bits: u64) {
        if let Ok(exact) = Difficulty::new(f64::from_bits(bits)) {
            let text = exact.to_string();
            prop_assert_eq!(text.parse::<Difficulty>(), Ok(exact));
            prop_assert_eq!(serde_json::from_str::<Difficulty>(&text).expect("JSON"), exact);
        }
    }

    #[test]
    fn a_target_and_its_difficulty_agree_to_double_precision(high in 1u64.., shift in 0usize..192) {
        let target = U256::from(high) << shift;
        let back = Difficulty::from_target(target).expect("not zero").target();
        prop_assert!(back.abs_diff(target) <= (target >> 51) + U256::ONE, "{target} {back}");
    }

    #[test]
    fn work_is_what_the_library_says(high in 1u64.., shift in 0usize..192) {
        let target = U256::from(high) << shift;
        let library = Target::from_be_bytes(target.to_be_bytes()).to_work().to_be_bytes();
        let work = U256::from_be_bytes(library);
        prop_assert_eq!(Work::from_target_floor(target).hashes(), work.saturating_to::<u128>());
    }

    #[test]
    fn compact_targets_are_what_the_library_says(size in 0u32..=32, mantissa in 0u32..0x0080_0000) {
        let nbits = (size << 24) | mantissa;
        let library = U256::from_be_bytes(Target::from_compact(CompactTarget::from_consensus(nbits)).to_be_bytes());
        match network_target(nbits) {
            Ok(target) => prop_assert_eq!(target, library),
            Err(_) => prop_assert!(library.is_zero()),
        }
    }
}
