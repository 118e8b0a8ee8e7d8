//! What the mint is told at its start: the settings of `[mint]`, and the other stores.

use std::path::Path;
use std::sync::Arc;

use accounting::{OutboxId, Sat};
use ledger::Ledger;
use mint::MintConfig;

use crate::config::{Config, PublicUrl};
use crate::data_dir;
use crate::run::paying::is_operators;
use crate::stores::Stores;

/// The settings of the mint; `None` when it is switched off.
pub(super) fn of(
    config: &Config,
    public_url: &PublicUrl,
    ledger: &Ledger,
    stores: &Arc<Stores>,
) -> Option<MintConfig> {
    let settings = &config.mint;
    let no_tokens = config.http.no_tokens(config.network);
    settings.enabled.then(|| {
        let lineage = ledger.reader().lineage().clone();
        let dir = data_dir::mint(&config.data_dir);
        let mut mint = MintConfig::new(dir, lineage, public_url.to_string());
        mint.mnemonic_file.clone_from(&settings.mnemonic_file);
        mint.name.clone_from(&settings.name);
        mint.description.clone_from(&settings.description);
        mint.motd.clone_from(&settings.motd);
        mint.max_requests = settings.max_requests;
        mint.no_tokens = no_tokens.map(str::to_owned);
        follow_stores(&mut mint, config, ledger, stores);
        mint
    })
}

/// What the mint is told of the other stores.
fn follow_stores(mint: &mut MintConfig, config: &Config, ledger: &Ledger, stores: &Arc<Stores>) {
    let next = ledger.reader().outbox_end();
    let next = next.borrow().get();
    mint.outbox_end = OutboxId::new(next.saturating_sub(1));
    mint.ledger = stores.ledger_mark();
    mint.witness = Some(Arc::clone(stores) as _);
    mint.had_store = stores.had_mint_store();
    if let Some(cause) = stores.waits_for().first() {
        cause.in_words().clone_into(&mut mint.restored_because);
    }
    if mint.lineage.was_restored()
        && let Some(node) = &config.income.node
    {
        mint.paid_melts = paid_melts(&node.settings.storage_dir);
    }
}

/// What was melted by the node's journal. One that does not read is told of: without it the
/// bound is too high by what was melted since.
fn paid_melts(node: &Path) -> Vec<(String, Sat)> {
    match payout::outgoing::left(node) {
        Ok(left) => {
            let melts = left.into_iter();
            melts.filter(|(id, _)| !is_operators(id)).collect()
        }
        Err(error) => {
            tracing::error!(%error, "the melts since the restore cannot be read from the node's journal");
            Vec::new()
        }
    }
}
