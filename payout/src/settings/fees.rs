//! What is set aside for the way of a payment.

use accounting::{Msat, Sat};

const PPM: u128 = 1_000_000;

/// How much the way of a payment may cost: a base and a share of the amount. What of it
/// is not used goes back to the payer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// In any case.
    pub base: Sat,
    /// Of the amount, in millionths.
    pub ppm: u32,
}

impl Default for Fees {
    fn default() -> Self {
        // About what routes over a few hops cost, with room for a dear one.
        Fees {
            base: Sat::new(2),
            ppm: 10_000,
        }
    }
}

impl Fees {
    /// What is set aside for a payment of `amount`, rounded up; `None` past 2^64 - 1 msat.
    pub fn reserve_ceil(&self, amount: Msat) -> Option<Msat> {
        let share = u128::from(amount.get())
            .checked_mul(u128::from(self.ppm))?
            .div_ceil(PPM);
        let share = Msat::new(u64::try_from(share).ok()?);
        self.base.to_msat()?.checked_add(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(base: u64, ppm: u32, amount: u64, reserve: Option<u64>) {
        let base = Sat::new(base);
        let fees = Fees { base, ppm };
        let amount = Msat::new(amount);
        assert_eq!(fees.reserve_ceil(amount), reserve.map(Msat::new));
    }

    #[test]
    fn a_base_and_a_share_rounded_up() {
        case(0, 0, 1_000, Some(0));
        case(2, 0, 1_000, Some(2_000));
        case(2, 10_000, 100_000, Some(3_000));
        case(0, 1, 1, Some(1));
        case(0, 1, 1_000_001, Some(2));
        case(0, 1_000_000, u64::MAX, Some(u64::MAX));
        case(0, 1_000_001, u64::MAX, None);
        case(u64::MAX, 0, 1, None);
        case(1, 1_000_000, u64::MAX, None);
    }
}
