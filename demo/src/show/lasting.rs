//! The demonstration that goes on until Ctrl-C.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use pool::admin::{Answers as _, call};
use pool::run::{Pool, View};

use super::act::{CHANNEL_SAT, PATIENCE, asking_again, closed_by, until};
use super::story::{Story, Waited};
use super::world::{PAYOUT_DEPTH, World};
use super::{Options, setup};

/// Between two blocks while somebody looks.
const OFTEN: Duration = Duration::from_secs(60);

/// How long somebody looks.
const AT_FIRST: Duration = Duration::from_secs(15 * 60);

/// Between two blocks afterwards. On regtest the subsidy halves every 150 blocks: with a
/// block a minute, and those on top of it until OCEAN pays, nothing were left of it after
/// some hours.
const RARELY: Duration = Duration::from_secs(10 * 60);

/// How long a block is waited for.
const BLOCK_PATIENCE: Duration = Duration::from_secs(60);

/// OCEAN opens a further channel when all there are take less: the subsidy of a block comes
/// in one payment of up to 610,351 sat.
const LEAST_INBOUND_SAT: u64 = 1_500_000;

/// Blocks and payouts until Ctrl-C.
pub(super) async fn keep_running(
    story: &mut Story,
    both: (&Pool, &World),
    options: &Options,
    data_dir: &Path,
) -> Result<()> {
    let view = both.0.view();
    let pace = options.block_every.map_or_else(
        || "a block a minute, and one in ten minutes after a quarter of an hour".to_owned(),
        |every| format!("a block every {} s", every.as_secs()),
    );
    story.tell(format!(
        "it goes on until Ctrl-C, with {pace}: the pool's page is http://{}/, and a device of yours can mine at {} (with --listen 0.0.0.0 one on another machine, too), its username a key from axepool-wallet key new",
        view.http()[0],
        view.stratum()[0]
    ))?;
    let began = Instant::now();
    loop {
        let every = options
            .block_every
            .unwrap_or_else(|| pace_after(began.elapsed()));
        let waiting = async {
            tokio::time::sleep(every).await;
            Ok(())
        };
        let waited = story
            .watch(both, "mining", every + PATIENCE, waiting)
            .await?;
        if let Waited::Interrupted = waited {
            return Ok(());
        }
        let opening = make_room(both, data_dir);
        match story
            .watch(both, "OCEAN sees to its channels", PATIENCE, opening)
            .await?
        {
            Waited::Done(true) => story.tell(format!(
                "the channels are nearly full: OCEAN opened a further one of {CHANNEL_SAT} sat"
            ))?,
            Waited::Done(false) => {}
            Waited::Interrupted => return Ok(()),
        }
        let round = round(both);
        match story
            .watch(both, "OCEAN finds a block and pays", PATIENCE, round)
            .await?
        {
            Waited::Done(Some((height, sat))) => {
                story.tell(format!("OCEAN found block {height} and paid {sat} sat"))?;
            }
            Waited::Done(None) => story.tell("nobody found a block this time")?,
            Waited::Interrupted => return Ok(()),
        }
    }
}

/// The time between two blocks, so long after the beginning.
const fn pace_after(elapsed: Duration) -> Duration {
    if elapsed.as_secs() < AT_FIRST.as_secs() {
        OFTEN
    } else {
        RARELY
    }
}

/// One block of OCEAN's and its payout: the height and the sats that came. `None` where no
/// device found a block.
async fn round((pool, world): (&Pool, &World)) -> Result<Option<(u32, u64)>> {
    let view = pool.view();
    let epoch = view.ledger().open_epoch().id;
    let before = view.ledger().totals()?.received;
    // None is found while OCEAN's difficulty is still that of a device that left.
    let Ok(height) = world.find_block(BLOCK_PATIENCE).await else {
        return Ok(None);
    };
    until(async || closed_by(view, epoch, height)).await?;
    world.ocean.mine_blocks(PAYOUT_DEPTH);
    let address = view.payout_address();
    let booked = until(async || {
        let account = world.ocean.account(&address);
        let owed = account.due_msat + account.in_flight_msat;
        let received = view.ledger().totals()?.received;
        let is_booked = owed == 0 && received == u128::from(account.paid_msat());
        Ok(is_booked.then_some(received))
    });
    let received = asking_again(pool, world, booked).await?;
    let sat = received.saturating_sub(before) / 1000;
    Ok(Some((height, u64::try_from(sat).unwrap_or(u64::MAX))))
}

/// Opens a further channel where the ones that there are take too little; true if it did.
async fn make_room((pool, world): (&Pool, &World), data_dir: &Path) -> Result<bool> {
    let view = pool.view();
    let (node_id, inbound_sat) = until(async || status(view).await).await?;
    if inbound_sat >= LEAST_INBOUND_SAT {
        return Ok(false);
    }
    let at = setup::node_listens(data_dir)?;
    let opening = world.ocean.open_channel_to(node_id, at, CHANNEL_SAT);
    opening.await.context("OCEAN opens a further channel")?;
    until(async || {
        let room = status(view).await?;
        Ok(room.filter(|(_, inbound_sat)| *inbound_sat >= LEAST_INBOUND_SAT))
    })
    .await?;
    Ok(true)
}

/// The pool's node, and the most that one of its usable channels takes.
async fn status(view: &View) -> Result<Option<(bitcoin::secp256k1::PublicKey, u64)>> {
    let status = view.call(call::node_status()).await?;
    Ok(status.node.map(|node| {
        let usable = node.channels.iter().filter(|channel| channel.is_usable);
        let most = usable.map(|channel| channel.inbound.get() / 1000).max();
        (node.node_id, most.unwrap_or(0))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_often_at_first() {
        assert_eq!(pace_after(Duration::ZERO), OFTEN);
        assert_eq!(pace_after(AT_FIRST - Duration::from_millis(1)), OFTEN);
        assert_eq!(pace_after(AT_FIRST), RARELY);
    }
}
