//! Difficulty, target and work, exactly.

use bitcoin::CompactTarget;
use ruint::aliases::U256;

use super::Hash;

type U512 = ruint::Uint<512, 8>;

/// The threshold of difficulty 1 that pools use: `0xffff << 208`.
const DIFFICULTY_1: u64 = 0xffff;
const DIFFICULTY_1_SHIFT: usize = 208;

/// The threshold that a header's hash, read as a little-endian number, must not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target(U256);

impl Target {
    /// The target of a stratum difficulty, rounded down: `floor(diff1 / difficulty)`, at
    /// most 2^256 - 1. `None` unless the difficulty is finite and above 0.
    pub fn of_difficulty(difficulty: f64) -> Option<Target> {
        if !difficulty.is_finite() || difficulty <= 0.0 {
            return None;
        }
        let (mantissa, exponent) = decompose(difficulty);
        let numerator = U512::from(DIFFICULTY_1) << DIFFICULTY_1_SHIFT;
        let divisor = U512::from(mantissa);
        let quotient = match usize::try_from(exponent) {
            // floor(floor(a / m) / 2^e) is floor(a / (m * 2^e)).
            Ok(right) if right < 512 => (numerator / divisor) >> right,
            Ok(_) => U512::ZERO,
            // Past 285 bits to the left the quotient is above 2^256 for every mantissa.
            Err(_) if exponent < -285 => return Some(Target(U256::MAX)),
            Err(_) => (numerator << exponent.unsigned_abs() as usize) / divisor,
        };
        Some(Target(U256::saturating_from(quotient)))
    }

    /// The network's target of a header's compact bits.
    pub fn of_bits(bits: u32) -> Target {
        let target = bitcoin::Target::from_compact(CompactTarget::from_consensus(bits));
        Target(U256::from_be_bytes(target.to_be_bytes()))
    }

    /// The compact bits whose target is the highest not above this one.
    pub fn to_bits(self) -> u32 {
        bitcoin::Target::from_be_bytes(self.0.to_be_bytes())
            .to_compact_lossy()
            .to_consensus()
    }

    /// True if the hash meets the target.
    pub fn is_met_by(self, hash: &Hash) -> bool {
        U256::from_le_bytes(*hash) <= self.0
    }

    /// The expected number of hashes: `floor(2^256 / (target + 1))`, at most 2^128 - 1.
    pub fn work(self) -> u128 {
        let space = U512::from(1u8) << 256;
        let tries: U512 = space / (U512::from(self.0) + U512::from(1u8));
        tries.saturating_to::<u128>()
    }

    /// The target's most significant 32 bits, for a cheap first comparison.
    pub(crate) fn top(self) -> u32 {
        (self.0 >> 224usize).to::<u32>()
    }
}

/// The difficulty that a hash achieves. For display only: rounded.
pub fn achieved_difficulty(hash: &Hash) -> f64 {
    let value = f64::from(U256::from_le_bytes(*hash));
    let diff_1 = f64::from(U256::from(DIFFICULTY_1) << DIFFICULTY_1_SHIFT);
    diff_1 / value.max(1.0)
}

/// A positive finite number as `mantissa * 2^exponent`, exactly.
fn decompose(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let biased = i32::try_from((bits >> 52) & 0x7ff).expect("11 bits fit 31");
    if biased == 0 {
        (fraction, -1074)
    } else {
        (fraction | (1 << 52), biased - 1075)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difficulties_give_exact_targets() {
        #[track_caller]
        fn case(difficulty: f64, hex: &str) {
            let expected = U256::from_str_radix(hex, 16).unwrap();
            assert_eq!(Target::of_difficulty(difficulty), Some(Target(expected)));
        }
        let zeros = |digits: &str, n: usize| format!("{digits}{}", "0".repeat(n));
        case(1.0, &zeros("ffff", 52));
        case(0.5, &zeros("1fffe", 52));
        case(2.0, &zeros("7fff8", 51));
        case(65535.0, &zeros("1", 52));
        case(3.0, &zeros("5555", 52));
        case(2f64.powi(-40), &"f".repeat(64));
        case(f64::MIN_POSITIVE, &"f".repeat(64));
        case(f64::MAX, "0");
        case(
            1e60,
            &format!("{:x}", (U512::from(0xffffu64) << 208) / exact(1e60)),
        );
    }

    fn exact(value: f64) -> U512 {
        let (mantissa, exponent) = decompose(value);
        U512::from(mantissa) << usize::try_from(exponent).unwrap()
    }

    proptest::proptest! {
        /// The target is the largest whose product with the difficulty is at most diff1.
        #[test]
        fn targets_are_rounded_down(mantissa in 1u64..1 << 53, shift in 0i32..60) {
            #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
            let difficulty = mantissa as f64 * 2f64.powi(-shift);
            let target = Target::of_difficulty(difficulty).unwrap();
            let scaled = (U512::from(DIFFICULTY_1) << DIFFICULTY_1_SHIFT) << shift.unsigned_abs() as usize;
            let times = |target: U512| target * U512::from(mantissa);
            let whole = U512::from(target.0);
            proptest::prop_assert!(times(whole) <= scaled);
            let next_is_above = times(whole + U512::from(1u8)) > scaled;
            proptest::prop_assert!(next_is_above || target.0 == U256::MAX);
        }
    }

    #[test]
    fn nonsense_has_no_target() {
        for difficulty in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Target::of_difficulty(difficulty), None);
        }
    }

    #[test]
    fn bits_and_work() {
        assert_eq!(
            Target::of_bits(0x1d00_ffff),
            Target::of_difficulty(1.0).unwrap()
        );
        assert_eq!(Target::of_difficulty(1.0).unwrap().to_bits(), 0x1d00_ffff);
        assert_eq!(Target::of_bits(0x1d00_ffff).work(), 0x1_0001_0001);
        assert_eq!(Target::of_bits(0x207f_ffff).work(), 2);
        assert_eq!(Target(U256::MAX).work(), 1);
        assert_eq!(Target(U256::ZERO).work(), u128::MAX);
    }

    #[test]
    fn a_hash_on_the_target_meets_it() {
        let target = Target::of_difficulty(1.0).unwrap();
        let mut hash = target.0.to_le_bytes::<32>();
        assert!(target.is_met_by(&hash));
        assert_eq!(achieved_difficulty(&hash), 1.0);
        hash[0] = 1;
        assert!(!target.is_met_by(&hash));
    }
}
