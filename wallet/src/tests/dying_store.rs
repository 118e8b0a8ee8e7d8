//! A store that dies at a chosen write, as a process does: nothing after it happens.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bitcoin::bip32::DerivationPath;
use cdk::cdk_database::WalletDatabase;
use cdk_common::database::Error;
use cdk_common::mint_url::MintUrl;
use cdk_common::nuts::{
    CurrencyUnit, Id, KeySet, KeySetInfo, Keys, MintInfo, PublicKey, SpendingConditions, State,
};
use cdk_common::wallet::{
    MeltQuote, MintQuote, P2PKSigningKey, ProofInfo, Transaction, TransactionDirection,
    TransactionId, WalletSaga,
};

use crate::purse::Store;

/// Lets so many writes through, then nothing.
#[derive(Clone, Debug)]
pub(super) struct DyingStore {
    inner: Store,
    left: Arc<AtomicU64>,
}

impl DyingStore {
    pub(super) fn over(inner: Store, writes: u64) -> DyingStore {
        DyingStore {
            inner,
            left: Arc::new(AtomicU64::new(writes)),
        }
    }

    pub(super) fn left(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.left)
    }

    fn read(&self) -> Result<(), Error> {
        match self.left.load(Ordering::SeqCst) {
            0 => Err(Error::Internal("the process is dead".to_owned())),
            _ => Ok(()),
        }
    }

    fn write(&self) -> Result<(), Error> {
        self.read()?;
        self.left.fetch_sub(1, Ordering::SeqCst);
        self.read()
    }
}

macro_rules! delegate {
    ($($gate:ident $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        #[async_trait]
        impl WalletDatabase<Error> for DyingStore {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$ret, Error> {
                self.$gate()?;
                self.inner.$name($($arg),*).await
            })*
        }
    };
}

delegate! {
    read get_mint(mint_url: MintUrl) -> Option<MintInfo>;
    read get_mints() -> HashMap<MintUrl, Option<MintInfo>>;
    read get_mint_keysets(mint_url: MintUrl) -> Option<Vec<KeySetInfo>>;
    read get_keyset_by_id(keyset_id: &Id) -> Option<KeySetInfo>;
    read get_mint_quote(quote_id: &str) -> Option<MintQuote>;
    read get_mint_quotes() -> Vec<MintQuote>;
    read get_unissued_mint_quotes() -> Vec<MintQuote>;
    read get_melt_quote(quote_id: &str) -> Option<MeltQuote>;
    read get_melt_quotes() -> Vec<MeltQuote>;
    read get_keys(id: &Id) -> Option<Keys>;
    read get_proofs(mint_url: Option<MintUrl>, unit: Option<CurrencyUnit>, state: Option<Vec<State>>, spending_conditions: Option<Vec<SpendingConditions>>) -> Vec<ProofInfo>;
    read get_proofs_by_ys(ys: Vec<PublicKey>) -> Vec<ProofInfo>;
    read get_balance(mint_url: Option<MintUrl>, unit: Option<CurrencyUnit>, state: Option<Vec<State>>) -> u64;
    read get_transaction(transaction_id: TransactionId) -> Option<Transaction>;
    read list_transactions(mint_url: Option<MintUrl>, direction: Option<TransactionDirection>, unit: Option<CurrencyUnit>) -> Vec<Transaction>;
    write update_proofs(added: Vec<ProofInfo>, removed_ys: Vec<PublicKey>) -> ();
    write update_proofs_state(ys: Vec<PublicKey>, state: State) -> ();
    write add_transaction(transaction: Transaction) -> ();
    write update_mint_url(old_mint_url: MintUrl, new_mint_url: MintUrl) -> ();
    write increment_keyset_counter(keyset_id: &Id, count: u32) -> u32;
    write increment_derivation_counter(namespace: &str, count: u32) -> u32;
    write add_mint(mint_url: MintUrl, mint_info: Option<MintInfo>) -> ();
    write remove_mint(mint_url: MintUrl) -> ();
    write add_mint_keysets(mint_url: MintUrl, keysets: Vec<KeySetInfo>) -> ();
    write add_mint_quote(quote: MintQuote) -> ();
    write remove_mint_quote(quote_id: &str) -> ();
    write add_melt_quote(quote: MeltQuote) -> ();
    write remove_melt_quote(quote_id: &str) -> ();
    write add_keys(keyset: KeySet) -> ();
    write remove_keys(id: &Id) -> ();
    write remove_transaction(transaction_id: TransactionId) -> ();
    write add_saga(saga: WalletSaga) -> ();
    read get_saga(id: &uuid::Uuid) -> Option<WalletSaga>;
    write update_saga(saga: WalletSaga) -> bool;
    write delete_saga(id: &uuid::Uuid) -> ();
    read get_incomplete_sagas() -> Vec<WalletSaga>;
    write reserve_proofs(ys: Vec<PublicKey>, operation_id: &uuid::Uuid) -> ();
    write release_proofs(operation_id: &uuid::Uuid) -> ();
    read get_reserved_proofs(operation_id: &uuid::Uuid) -> Vec<ProofInfo>;
    write reserve_melt_quote(quote_id: &str, operation_id: &uuid::Uuid) -> ();
    write release_melt_quote(operation_id: &uuid::Uuid) -> ();
    write reserve_mint_quote(quote_id: &str, operation_id: &uuid::Uuid) -> ();
    write release_mint_quote(operation_id: &uuid::Uuid) -> ();
    read kv_read(primary_namespace: &str, secondary_namespace: &str, key: &str) -> Option<Vec<u8>>;
    read kv_list(primary_namespace: &str, secondary_namespace: &str) -> Vec<String>;
    write kv_write(primary_namespace: &str, secondary_namespace: &str, key: &str, value: &[u8]) -> ();
    write kv_remove(primary_namespace: &str, secondary_namespace: &str, key: &str) -> ();
    write add_p2pk_key(pubkey: &PublicKey, derivation_path: DerivationPath, derivation_index: u32) -> ();
    read get_p2pk_key(pubkey: &PublicKey) -> Option<P2PKSigningKey>;
    read list_p2pk_keys() -> Vec<P2PKSigningKey>;
    read latest_p2pk() -> Option<P2PKSigningKey>;
}
