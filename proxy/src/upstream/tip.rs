//! The block that a job builds on, as the upstream reports it.

use std::time::Instant;

use crate::job::UpstreamJob;

/// The block that the upstream's newest job builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTip {
    /// Its hash in the header's byte order.
    pub hash: [u8; 32],
    /// Its height, where the job's coinbase tells the next one (BIP34).
    pub height: Option<u32>,
    /// When the upstream began to mine on it.
    pub since: Instant,
}

impl UpstreamTip {
    /// The tip after `job`; `before` is the one of the job before.
    pub(super) fn after(job: &UpstreamJob, before: Option<UpstreamTip>) -> UpstreamTip {
        match before {
            Some(before) if before.hash == job.prev_hash => before,
            _ => UpstreamTip {
                hash: job.prev_hash,
                height: coinbase_height(&job.coinb1).and_then(|height| height.checked_sub(1)),
                since: Instant::now(),
            },
        }
    }
}

/// The height at the beginning of a coinbase's scriptSig (BIP34), of which `coinb1` is the
/// transaction's beginning without a witness.
fn coinbase_height(coinb1: &[u8]) -> Option<u32> {
    // The version, one input, its null outpoint.
    let (head, rest) = coinb1.split_at_checked(4 + 1 + 32 + 4)?;
    let is_coinbase = head[4] == 1 && head[5..37] == [0; 32] && head[37..] == [0xff; 4];
    // The script's length: at most 100 bytes (consensus), so one byte.
    let (&script_bytes, script) = rest.split_first()?;
    if !is_coinbase || script_bytes > 100 {
        return None;
    }
    let (&push, pushed) = script.split_first()?;
    match push {
        // OP_1 to OP_16, as regtest's first blocks have it.
        0x51..=0x60 => Some(u32::from(push) - 0x50),
        1..=4 => {
            let digits = pushed.get(..usize::from(push))?;
            let mut bytes = [0; 4];
            bytes[..digits.len()].copy_from_slice(digits);
            // A script's number is negative when its last bit is set.
            let height = i32::from_le_bytes(bytes);
            let is_negative = digits.last().is_some_and(|last| last & 0x80 != 0);
            u32::try_from(height).ok().filter(|_| !is_negative)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A coinbase's beginning with this script.
    fn coinbase(script: &[u8]) -> Vec<u8> {
        let mut bytes = vec![1, 0, 0, 0, 1];
        bytes.extend([0; 32]);
        bytes.extend([0xff; 4]);
        bytes.push(u8::try_from(script.len()).expect("short") + 8);
        bytes.extend(script);
        bytes
    }

    #[track_caller]
    fn case(script: &[u8], height: Option<u32>) {
        assert_eq!(coinbase_height(&coinbase(script)), height, "{script:02x?}");
    }

    #[test]
    fn the_coinbase_tells_its_height() {
        // 961,633 = 0x0eac61, and OCEAN's tag behind it.
        case(b"\x03\x61\xac\x0e\x0f< OCEAN.XYZ >", Some(961_633));
        case(&[0x51], Some(1));
        case(&[0x60], Some(16));
        case(&[1, 17], Some(17));
        case(&[2, 0x80, 0x00], Some(128));
        case(&[4, 0, 0, 0, 1], Some(1 << 24));
        case(&[1, 0x80], None);
        case(&[3, 0x61, 0xac], None);
        case(&[5, 1, 2, 3, 4, 5], None);
        case(&[0], None);
        case(&[], None);
    }

    #[test]
    fn what_is_no_coinbase_tells_none() {
        let good = coinbase(&[1, 17]);
        for cut in 0..good.len() {
            assert_eq!(coinbase_height(&good[..cut]), None, "{cut}");
        }
        for at in [4, 5, 36, 37, 40] {
            let mut wrong = good.clone();
            wrong[at] ^= 2;
            assert_eq!(coinbase_height(&wrong), None, "{at}");
        }
        let mut long = good;
        long[41] = 0xfd;
        assert_eq!(coinbase_height(&long), None);
    }
}
