//! What the ledger writes for a share where pools really are: a thousand devices that send
//! eight shares a minute each. Time is counted, not waited for.

use std::sync::Arc;
use std::time::Duration;

use accounting::{Identity, MinerId, SessionId, ShareId, ShareRecord};

use super::disk::{Disk, Fault};
use super::driver::{Answer, Driver, NOW_MS};
use crate::LedgerOptions;
use crate::entry::Entry;
use crate::testing::share;

const DEVICES: u32 = 1_000;

/// From one share to the next, microseconds: 1,000 devices, eight a minute each.
const BETWEEN_US: u64 = 7_500;

/// How long is looked at: some checkpoints.
const SECONDS: u64 = 1_220;

fn share_of(number: u32, sequence: u64, at_ms: u64) -> Entry {
    let mut key = [0x5a; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    let like = share(1, sequence, 4_294_967_296);
    Entry::Share(ShareRecord {
        id: ShareId {
            session: SessionId::new(1, number),
            sequence,
        },
        who: Arc::new(Identity {
            miner: MinerId::from_stored(key),
            worker: like.who.worker.clone(),
        }),
        time_ms: NOW_MS + at_ms,
        ..like
    })
}

#[test]
fn a_share_of_a_thousand_devices_takes_less_than_a_kilobyte_of_disk() {
    let disk = Disk::new();
    let options = LedgerOptions::new("on no disk".into(), super::driver::terms(), NOW_MS);
    let window = options.window.max(options.quiet_window);
    let (window, interval) = (micros(window), micros(options.checkpoint_interval));
    let mut driver = Driver::open_with(&disk, options).expect("opens");
    disk.set_fault(Fault::None);
    let (mut number, mut last, mut next) = (0_u64, 0, 0);
    while next < SECONDS * 1_000_000 {
        // The window begins with the first share.
        let now = next + window;
        let mut batch = Vec::new();
        while next <= now {
            let device = u32::try_from(number % u64::from(DEVICES)).expect("small");
            batch.push(share_of(
                device,
                1 + number / u64::from(DEVICES),
                next / 1000,
            ));
            number += 1;
            // Not evenly: devices do not ask each other.
            next += BETWEEN_US / 2 + u64::from(device) * 7919 % BETWEEN_US;
        }
        assert_eq!(driver.append(&batch), Answer::Stored);
        if now - last > interval {
            driver.writer.checkpoint();
            last = now;
        }
    }
    let (bytes, syncs) = (disk.bytes(), disk.syncs());
    let per_share = bytes / number;
    println!("{number} shares: {per_share} bytes a share, {syncs} syncs");
    assert!(per_share < 512, "{per_share} bytes a share");
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("short")
}
