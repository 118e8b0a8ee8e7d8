//! A look at node and books from time to time: for status, metrics, and to stop melts
//! when more is owed than there is.

use std::sync::Arc;

use accounting::MSAT_PER_SAT;
use accounting::settle::Totals;
use basics::clock;
use ledger::LedgerError;
use mint::Liabilities;
use payout::node::NodeView;
use payout::readiness;
use tokio::time::MissedTickBehavior;

use super::super::minting::Minting;
use super::super::solvency::{Assets, Melts, Owed, melts};
use super::super::solvency_report::{MeltsReport, SolvencyReport};
use super::metrics::WATCH_ERRORS;
use super::{LOOK_INTERVAL, Paying, Watching};

/// So many looks in a row must find more owed than there is.
const BREACHES: u32 = 3;

/// What one look found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked {
    at_ms: u64,
    owed: Owed,
    /// What the mint said; `None` while it is not open.
    pub(super) mint: Option<Liabilities>,
    /// `None` while the node is not up.
    assets: Option<Assets>,
    /// The last block that the node saw.
    pub(super) tip_height: Option<u32>,
}

fn tell(melts: &Melts) {
    match melts {
        Melts::Paused { missing } => {
            tracing::error!(missing_msat = %missing, "liabilities exceed assets: melts are paused until they do not");
        }
        Melts::On => tracing::info!("what is owed is covered: ecash is melted"),
        Melts::Off => {}
    }
}

impl Paying {
    pub(super) async fn keep_looking(self: Arc<Self>, minting: Arc<Minting>) {
        let mut interval = tokio::time::interval(LOOK_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            match self.totals().await {
                Ok(totals) => self.look(&totals, &minting).await,
                Err(error) => tracing::warn!(%error, "the ledger's totals cannot be read"),
            }
        }
    }

    pub(super) async fn totals(&self) -> Result<Totals, LedgerError> {
        let reader = self.ledger.reader().clone();
        tokio::task::spawn_blocking(move || reader.totals())
            .await
            .unwrap_or(Err(LedgerError::Closed))
    }

    async fn look(&self, totals: &Totals, minting: &Minting) {
        let mint = minting.liabilities().map(|(_, mint)| mint);
        let owed = Owed::new(totals, mint.as_ref());
        let view = match &self.node {
            Some(node) => node.lightning.view().await.ok(),
            None => None,
        };
        if let Some(view) = &view {
            self.book_costs(view.tip_height).await;
        }
        let assets = view
            .as_ref()
            .map(|view| Assets::new(&view.balances, view.channels.len()));
        self.look_for_gone().await;
        let before = self.melts();
        let melts = match self.node {
            None => Melts::Off,
            Some(_) => self.believe(&before, melts(&owed, assets.as_ref(), before.clone())),
        };
        if melts != before {
            tell(&melts);
        }
        if let Melts::Paused { .. } | Melts::On = melts {
            minting.pause_melts(melts.why_not()).await;
        }
        self.measure(&owed, assets.as_ref(), view.as_ref(), &melts);
        let mut known = self.known();
        if let Some(view) = &view {
            known.is_unsought = view.is_unsought;
            known.closed.clone_from(&view.closed);
        }
        known.melts = melts;
        known.looked = Some(Looked {
            at_ms: clock::now_ms(),
            owed,
            mint,
            assets,
            tip_height: view.as_ref().map(|view| view.tip_height),
        });
        drop(known);
        self.measure_closings();
    }

    /// The parts were looked at one after the other, and a payment between two of them
    /// is missing on one side only: a breach counts when it lasts.
    fn believe(&self, before: &Melts, now: Melts) -> Melts {
        let mut known = self.known();
        let is_new = matches!(now, Melts::Paused { .. }) && !matches!(before, Melts::Paused { .. });
        known.breaches = if is_new {
            known.breaches.saturating_add(1)
        } else {
            0
        };
        if is_new && known.breaches < BREACHES {
            return before.clone();
        }
        now
    }

    fn measure(
        &self,
        owed: &Owed,
        assets: Option<&Assets>,
        view: Option<&NodeView>,
        melts: &Melts,
    ) {
        let metrics = &self.metrics;
        let part = |family: &prometheus::IntGaugeVec, part: &str, msat: u128| {
            let gauge = family.with_label_values(&[part]);
            gauge.set(i64::try_from(msat).unwrap_or(i64::MAX));
        };
        let msat = |sats: accounting::Sat| u128::from(sats.get()) * u128::from(MSAT_PER_SAT);
        part(&metrics.liabilities, "carry", owed.carry);
        part(&metrics.liabilities, "suspense", owed.suspense);
        part(&metrics.liabilities, "fee", owed.fee);
        if let Some(mint) = owed.mint {
            part(&metrics.liabilities, "outstanding", msat(mint.outstanding));
            part(
                &metrics.liabilities,
                "paid_unissued",
                msat(mint.paid_unissued),
            );
            part(&metrics.liabilities, "parked", msat(mint.parked));
            part(&metrics.liabilities, "unapplied", msat(mint.unapplied));
        }
        if let Some(assets) = assets {
            part(&metrics.assets, "channels", msat(assets.channels));
            let under_way = u128::from(assets.under_way.get());
            part(&metrics.assets, "under_way", under_way);
            part(&metrics.assets, "on_chain", msat(assets.on_chain));
            part(&metrics.assets, "closing", msat(assets.closing));
        }
        metrics
            .melts_paused
            .set(i64::from(matches!(melts, Melts::Paused { .. })));
        metrics.node_up.set(i64::from(view.is_some()));
        self.measure_node(view);
        self.measure_directory(view);
        self.measure_watch();
        self.measure_sources();
    }

    fn measure_node(&self, view: Option<&NodeView>) {
        let metrics = &self.metrics;
        let channels = view.map_or(&[][..], |view| &view.channels);
        let usable = || channels.iter().filter(|channel| channel.is_usable);
        let count = |state: &str, count: usize| {
            let gauge = metrics.channels.with_label_values(&[state]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        };
        count("usable", usable().count());
        count("unusable", channels.len() - usable().count());
        let sum = |amounts: &mut dyn Iterator<Item = accounting::Msat>| {
            let sum = amounts.fold(0_u64, |sum, amount| sum.saturating_add(amount.get()));
            i64::try_from(sum / MSAT_PER_SAT).unwrap_or(i64::MAX)
        };
        let inbound = sum(&mut usable().map(|channel| channel.inbound));
        let outbound = sum(&mut usable().map(|channel| channel.outbound));
        let at_once = match (&self.node, view) {
            (Some(node), Some(view)) => readiness::most_at_once(view, &node.settings).get(),
            _ => 0,
        };
        let at_once = i64::try_from(at_once / MSAT_PER_SAT).unwrap_or(i64::MAX);
        metrics.inbound_at_once_sat.set(at_once);
        metrics.inbound_sat.set(inbound);
        metrics.outbound_sat.set(outbound);
        let peers = view.map_or(&[][..], |view| &view.peers);
        let there = peers.iter().filter(|peer| peer.is_connected).count();
        for (state, peers) in [("connected", there), ("away", peers.len() - there)] {
            let gauge = metrics.peers.with_label_values(&[state]);
            gauge.set(i64::try_from(peers).unwrap_or(i64::MAX));
        }
        if let Some(view) = view {
            metrics.node_tip.set(i64::from(view.tip_height));
            let heard = view.chain_heard_secs.unwrap_or(0);
            // The node reads our own source: while that is on another chain or stands
            // still, its word is not fresh.
            if !self.doubts_own_source() {
                metrics
                    .node_heard
                    .set(i64::try_from(heard).unwrap_or(i64::MAX));
            }
        }
    }

    /// Reasons why the node's money is not whole until its operator acts.
    fn measure_directory(&self, view: Option<&NodeView>) {
        let doubted = self.node.as_ref();
        let doubted = doubted.is_some_and(|node| node.lightning.doubts_directory().is_some());
        self.metrics.directory_doubted.set(i64::from(doubted));
        if let Some(view) = view {
            let unsought = i64::from(view.is_unsought);
            self.metrics.wallet_unsought.set(unsought);
        }
    }

    fn measure_watch(&self) {
        let Watching::Runs(health) = &self.watch else {
            return;
        };
        let health = health.borrow();
        self.measure_witnesses(&health);
        let heard = [
            ("api", health.api_heard_secs),
            ("chain", health.chain_heard_secs),
        ];
        for (source, secs) in heard {
            if let Some(secs) = secs {
                let gauge = self.metrics.heard.with_label_values(&[source]);
                gauge.set(i64::try_from(secs).unwrap_or(i64::MAX));
            }
        }
        let failures = [
            health.api_failures,
            health.chain_failures,
            health.books_failures,
        ];
        for (source, failures) in WATCH_ERRORS.into_iter().zip(failures) {
            let counter = self.metrics.watch_errors.with_label_values(&[source]);
            counter.inc_by(failures.saturating_sub(counter.get()));
        }
        if let Some(height) = health.tip_height {
            self.metrics.watched_tip.set(i64::from(height));
        }
    }

    /// For `/api/solvency`: what is owed and what is there, as of the last look.
    pub(in crate::run) fn solvency(&self) -> SolvencyReport {
        let known = self.known();
        let (melts, missing_msat) = match &known.melts {
            Melts::Off => (MeltsReport::Off, None),
            Melts::On => (MeltsReport::On, None),
            Melts::Paused { missing } => (MeltsReport::Paused, Some(missing.get().into())),
        };
        SolvencyReport {
            as_of_ms: known.looked.map(|looked| looked.at_ms),
            liabilities: known.looked.map(|looked| looked.owed.told()),
            assets: known
                .looked
                .and_then(|looked| looked.assets)
                .map(Assets::told),
            melts,
            missing_msat,
            detail: match self.node {
                Some(_) => "null: not known now. assets are the lightning node's alone",
                None => {
                    "null: not known now. This pool has no lightning node: what backs its \
                     ecash is not shown here"
                }
            },
        }
    }
}
