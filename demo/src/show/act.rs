//! The acts of the story, in their order.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use accounting::settle::PayoutState;
use accounting::{CloseCause, EpochId, EpochState, OutboxId};
use anyhow::{Context, Result, bail};
use basics::clock;
use payout::Seed;
use payout::sign::{ocean_message, sign};
use pool::admin::{Answers as _, call};
use pool::run::{Pool, View};

use super::money::Money;
use super::owners::Owners;
use super::story::Story;
use super::verdict::{self, Books};
use super::world::{PAYOUT_DEPTH, World};
use super::{Options, lasting, setup};

/// How long each step may take on a slow machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// How long the first share of a device is waited for.
const STRAGGLERS: Duration = Duration::from_secs(30);

/// The size of OCEAN's channel to the pool, below what a node takes without being told.
pub(super) const CHANNEL_SAT: u64 = 10_000_000;

/// After so long OCEAN pays once more what it could not pay.
const PAY_AGAIN: Duration = Duration::from_secs(5);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Everything, up to what everybody's books say at the end.
pub(super) async fn all(
    story: &mut Story,
    pool: &Pool,
    world: &World,
    options: &Options,
    data_dir: &Path,
    scratch: &Path,
) -> Result<Books> {
    let view = pool.view();
    let both = (pool, world);
    story
        .during(both, "the pool serves miners", PATIENCE, ready(view))
        .await?;
    open(story, both, data_dir).await?;
    let target = here(view.stratum()[0]);
    world.switch_on(target, options)?;
    story.tell(format!(
        "{} simulated Bitaxes mine at {target}; look at http://{}/ or, from another terminal, axepool status --data-dir {}",
        world.devices().len(),
        here(view.http()[0]),
        data_dir.display()
    ))?;
    for number in 1..=options.blocks {
        mine(story, both, options).await?;
        pay(story, both, number).await?;
    }
    let mut owners = Owners::new(here(view.http()[0]), scratch)?;
    spend(story, both, &mut owners).await?;
    if options.keep_running {
        lasting::keep_running(story, both, options, data_dir).await?;
    }
    compare(story, both, &owners).await
}

/// Where this machine finds a listener that may be for all of its addresses.
fn here(mut listener: SocketAddr) -> SocketAddr {
    if listener.ip().is_unspecified() {
        listener.set_ip(match listener.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    listener
}

async fn ready(view: &View) -> Result<()> {
    until(async || Ok(view.is_ready().then_some(()))).await
}

/// Looks again and again.
pub(super) async fn until<T>(look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The node, its channel, the offer and OCEAN's knowledge of it.
async fn open(story: &mut Story, both: (&Pool, &World), data_dir: &Path) -> Result<()> {
    let (pool, world) = both;
    let view = pool.view();
    let node_id = until(async || {
        let status = view.call(call::node_status()).await?;
        Ok(status.node.map(|node| node.node_id))
    });
    let node_id = story
        .during(both, "the lightning node starts", PATIENCE, node_id)
        .await?;
    story.tell(format!("the pool's lightning node runs: {node_id}"))?;
    let at = setup::node_listens(data_dir)?;
    let opening = world.ocean.open_channel_to(node_id, at, CHANNEL_SAT);
    story
        .during(both, "OCEAN opens a channel to it", PATIENCE, opening)
        .await?;
    story.tell(format!("OCEAN has a channel of {CHANNEL_SAT} sat to it"))?;
    let offer = until(async || {
        Ok(match view.call(call::offer(false)).await {
            Ok(offer) if offer.trouble.is_none() => Some(*offer),
            // It works once the channel is usable on this side, too.
            _ => None,
        })
    });
    let offer = story
        .during(both, "the offer is made", PATIENCE, offer)
        .await?;
    let seed = Seed::open(&data_dir.join("node-mnemonic"), &data_dir.join("node"))?;
    let message = ocean_message(world.ocean.chain().lock().height(), &offer.offer)?;
    let address = offer.address.parse().context("the payout address")?;
    let signed = sign(&seed, bitcoin::Network::Regtest, address, message)?;
    world
        .ocean
        .register_offer(&offer.address, &signed.message, &signed.bip322)
        .context("OCEAN does not take the offer")?;
    story.tell("OCEAN has the pool's BOLT12 offer, signed by the payout address")
}

/// The devices mine until OCEAN has a block and the epoch is closed by it.
async fn mine(story: &mut Story, both: (&Pool, &World), options: &Options) -> Result<()> {
    let (pool, world) = both;
    let view = pool.view();
    let epoch = view.ledger().open_epoch().id;
    let mining = async {
        if options.seed.is_some() {
            world.mine_quotas(PATIENCE).await
        } else {
            tokio::time::sleep(options.length).await;
            let devices = world.devices().len();
            let all = until(async || {
                let tallies = view.ledger().tallies(epoch)?;
                Ok((tallies.len() >= devices).then_some(()))
            });
            // So that each owner has something to look at. Who never has a share is waited
            // for no longer.
            tokio::time::timeout(STRAGGLERS, all)
                .await
                .unwrap_or(Ok(()))
        }
    };
    let patience = PATIENCE + STRAGGLERS + options.length;
    story.during(both, "mining", patience, mining).await?;
    let height = story
        .during(
            both,
            "one of the shares is a block",
            PATIENCE,
            world.find_block(PATIENCE),
        )
        .await?;
    let closing = until(async || closed_by(view, epoch, height));
    story
        .during(
            both,
            "the epoch is closed by OCEAN's block",
            PATIENCE,
            closing,
        )
        .await?;
    let closed = view.ledger().epoch(epoch)?.context("the epoch is gone")?;
    story.tell(format!(
        "OCEAN found block {height}: epoch {epoch} is closed, with {} shares of {} miners",
        closed.totals.shares, closed.totals.miners
    ))
}

pub(super) fn closed_by(view: &View, epoch: EpochId, height: u32) -> Result<Option<()>> {
    let Some(epoch) = view.ledger().epoch(epoch)? else {
        return Ok(None);
    };
    match epoch.state {
        EpochState::Closed {
            cause: CloseCause::OceanBlock { height: at, .. },
            ..
        } if at == height => Ok(Some(())),
        EpochState::Closed { cause, .. } => bail!("closed by {cause:?}, not by block {height}"),
        EpochState::Open => Ok(None),
    }
}

/// OCEAN pays some blocks later, and the quotes are paid.
async fn pay(story: &mut Story, both: (&Pool, &World), number: u16) -> Result<()> {
    let (pool, world) = both;
    let view = pool.view();
    let before = view.ledger().totals()?.received;
    world.ocean.mine_blocks(PAYOUT_DEPTH);
    let paying = until(async || {
        let settled =
            |payout: &accounting::settle::Payout| matches!(payout.state, PayoutState::Settled(_));
        let payouts = view.ledger().payouts(usize::MAX)?;
        Ok(
            (payouts.iter().filter(|payout| settled(payout)).count() >= usize::from(number))
                .then_some(()),
        )
    });
    let paying = asking_again(pool, world, paying);
    story
        .during(both, "OCEAN pays over lightning", PATIENCE, paying)
        .await?;
    let came = view.ledger().totals()?.received.saturating_sub(before);
    story.tell(format!("OCEAN paid {} sat over lightning", came / 1000))?;
    let drained = until(async || {
        Ok(view
            .ledger()
            .outbox(OutboxId::START, 1)?
            .is_empty()
            .then_some(()))
    });
    story
        .during(both, "the quotes are paid", PATIENCE, drained)
        .await?;
    story.tell("the miners' quotes at the mint are PAID")
}

/// Waits for `paid`. A payment that fails is due again, and OCEAN's next run is that of its
/// next block: here it is asked for one.
pub(super) async fn asking_again<T>(
    pool: &Pool,
    world: &World,
    paid: impl Future<Output = Result<T>>,
) -> Result<T> {
    let address = pool.view().payout_address();
    let asking = async || -> Infallible {
        loop {
            tokio::time::sleep(PAY_AGAIN).await;
            let account = world.ocean.account(&address);
            if account.due_msat > 0 && account.in_flight_msat == 0 {
                world.ocean.pay_now();
            }
        }
    };
    tokio::select! {
        paid = paid => paid,
        never = asking() => match never {},
    }
}

/// Owners fetch what they earned and use it.
async fn spend(story: &mut Story, both: (&Pool, &World), owners: &mut Owners) -> Result<()> {
    let (pool, world) = both;
    let view = pool.view();
    let devices = world.devices();
    let patience = PATIENCE;
    if let Some(device) = devices.last() {
        let sat = story
            .during(
                both,
                "an owner sweeps",
                patience,
                Box::pin(owners.sweep(device)),
            )
            .await?;
        story.tell(format!(
            "the owner of {} swept {sat} sat by minting their quotes",
            device.worker
        ))?;
    }
    if let [.., device, _] = devices {
        let sat = story
            .during(
                both,
                "an owner scans a token",
                patience,
                Box::pin(owners.receive(device)),
            )
            .await?;
        let worker = &device.worker;
        story.tell(match sat {
            Some(sat) => format!(
                "the owner of {worker} received a token of {sat} sat, as from the code on their page"
            ),
            None => format!("the owner of {worker} has nothing to fetch: no share of theirs counted"),
        })?;
    }
    let node = world.ocean.node().context("OCEAN has no lightning node")?;
    let status = view.call(call::node_status()).await?;
    let channels = status.node.map_or(Vec::new(), |node| node.channels);
    let can_send = channels.iter().map(|one| one.outbound.get() / 1000).sum();
    let amount = owners.some_of_it(can_send);
    if amount == 0 {
        return story.tell(
            "too little came for an owner to pay over lightning: a hundredth of a channel stays in it",
        );
    }
    let invoice = node.invoice(amount * 1000).await?;
    let paid = story
        .during(
            both,
            "an owner pays over lightning",
            patience,
            Box::pin(owners.pay(&invoice)),
        )
        .await?;
    story.tell(format!(
        "an owner paid an invoice of {} sat with ecash, for {} sat of fees",
        paid.amount_sat, paid.fee_sat
    ))
}

/// Stops the devices, waits until everything is booked, and collects what everybody says.
async fn compare(story: &mut Story, both: (&Pool, &World), owners: &Owners) -> Result<Books> {
    let (pool, world) = both;
    let view = pool.view();
    let settling = async {
        let devices = world.drain(PATIENCE).await?;
        verdict::upstream_is_booked(view, world).await?;
        let address = view.payout_address();
        // What is due is paid and booked: both sides say so.
        until(async || {
            let owed = world.ocean.account(&address).due_msat
                + world.ocean.account(&address).in_flight_msat;
            let paid = u128::from(world.ocean.account(&address).paid_msat());
            let booked = view.ledger().totals()?.received;
            let outbox = view.ledger().outbox(OutboxId::START, 1)?;
            Ok((owed == 0 && booked == paid && outbox.is_empty()).then_some(()))
        })
        .await?;
        view.ledger()
            .close_epoch(CloseCause::Command, clock::now_ms())
            .await?;
        let wallets = (owners.have_sat().await?, owners.expected_sat());
        let money = Money::collect(view.ledger(), world, &address, wallets)?;
        Books::collect(view, world, devices, money)
    };
    story
        .during(
            both,
            "the books are closed and compared",
            PATIENCE,
            settling,
        )
        .await
}
