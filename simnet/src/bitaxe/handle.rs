//! A running device in the hand.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::DropGuard;

use super::device::{self, Device};
use super::{BitaxeStats, Misbehaviour, SimBitaxeOptions};
use crate::watched::WaitTimeout;

/// A running device. It is switched off when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct SimBitaxe {
    device: Arc<Device>,
    _off: Arc<DropGuard>,
}

impl SimBitaxe {
    /// Switches a device on. Needs a tokio runtime around it.
    pub fn start(options: SimBitaxeOptions) -> SimBitaxe {
        let device = Arc::new(Device::new(options));
        tokio::spawn(device::run(Arc::clone(&device)));
        let off = Arc::new(device.cancel.clone().drop_guard());
        SimBitaxe { device, _off: off }
    }

    /// How it was set up.
    pub fn options(&self) -> &SimBitaxeOptions {
        &self.device.options
    }

    /// A copy of its stats.
    pub fn stats(&self) -> BitaxeStats {
        self.read_stats(BitaxeStats::clone)
    }

    /// Looks at its stats without copying them.
    pub fn read_stats<R>(&self, look: impl FnOnce(&BitaxeStats) -> R) -> R {
        self.device.stats.read(look)
    }

    /// Waits until its stats satisfy `condition`.
    ///
    /// # Errors
    /// [`WaitTimeout`] if they do not within `timeout`.
    pub async fn wait_for(
        &self,
        condition: impl Fn(&BitaxeStats) -> bool,
        timeout: Duration,
    ) -> Result<(), WaitTimeout> {
        let look = |stats: &BitaxeStats| condition(stats).then_some(());
        self.device
            .stats
            .wait_for(timeout, look, BitaxeStats::summary)
            .await
    }

    /// Hashes a second from now on; 0 lets it listen only.
    pub fn set_hashrate(&self, hashrate: f64) {
        self.device.set_hashrate(hashrate);
    }

    /// Lets it have so many more shares accepted, then it rests: more than were allowed
    /// before or, if it ran freely, than are accepted now. What is rejected or lost does
    /// not count; an accepted share whose answer was lost with its connection is mined
    /// again, since no device can know.
    pub fn allow_shares(&self, more: u64) {
        self.device.extend_quota(more, false);
    }

    /// Lets it have one more share accepted, and only one that is a block by its job's
    /// bits: it searches on until it has one, and throws the others away.
    pub fn allow_block(&self) {
        self.device.extend_quota(1, true);
    }

    /// Lets it run freely from now on.
    pub fn allow_all(&self) {
        self.device.lift_quota();
    }

    /// Waits until it has had accepted all that it was allowed.
    ///
    /// # Errors
    /// [`WaitTimeout`] if it has not within `timeout`.
    pub async fn wait_until_done(&self, timeout: Duration) -> Result<BitaxeStats, WaitTimeout> {
        let quota = self.device.quota();
        self.wait_for(|stats| quota.is_done(stats), timeout).await?;
        Ok(self.stats())
    }

    /// What it does wrong from now on; [`Misbehaviour::WrongDifficulty`] with the next
    /// job.
    pub fn set_misbehaviours(&self, wrongs: Vec<Misbehaviour>) {
        self.device.set_misbehaviours(wrongs);
    }

    /// Stops hashing and waits until every submit is answered: then its stats and the
    /// pool's books can be compared.
    ///
    /// # Errors
    /// [`WaitTimeout`] if answers are missing after `timeout`.
    pub async fn drain(&self, timeout: Duration) -> Result<BitaxeStats, WaitTimeout> {
        self.set_hashrate(0.0);
        // A chunk may be under way: two more looks at the clock, and it is done.
        tokio::time::sleep(Duration::from_millis(25)).await;
        self.wait_for(|stats| stats.unanswered == 0, timeout)
            .await?;
        Ok(self.stats())
    }

    /// Switches it off and waits until it is.
    pub async fn stop(&self) -> BitaxeStats {
        self.device.cancel.cancel();
        self.device.stopped.cancelled().await;
        self.stats()
    }
}
