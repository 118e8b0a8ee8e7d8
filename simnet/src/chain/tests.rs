use bitcoin::{Address, Amount, Network, OutPoint, ScriptBuf, WPubkeyHash, hashes::Hash as _};
use serde_json::json;

use super::*;

const NOW: u32 = 1_790_000_000;

fn somebody(byte: u8) -> Address {
    let script = ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array([byte; 20]));
    Address::from_script(&script, Network::Regtest).unwrap()
}

fn paid(chain: &Chain, to: &Address) -> Amount {
    chain
        .coins
        .of_script(&to.script_pubkey())
        .map(|(_, coin)| coin.output.value)
        .sum()
}

#[test]
fn the_faucet_pays_and_the_next_block_confirms_it() {
    let mut chain = Chain::with_faucet(NOW);
    assert_eq!(chain.height(), COINBASE_MATURITY + 1);
    let amount = Amount::from_sat(1_234_567);
    let id = chain.faucet(&somebody(1), amount, NOW).unwrap();
    assert_eq!(chain.mempool(), [id]);
    assert_eq!(paid(&chain, &somebody(1)), Amount::ZERO);
    chain.mine_to_faucet(1, NOW);
    assert_eq!(chain.mempool(), []);
    assert_eq!(paid(&chain, &somebody(1)), amount);
    let last = chain.block(chain.height()).unwrap();
    assert!(last.check_merkle_root() && last.check_witness_commitment());
    assert_eq!(last.bip34_block_height(), Ok(u64::from(chain.height())));
}

#[test]
fn what_cannot_be_spent_is_refused() {
    let mut chain = Chain::with_faucet(NOW);
    let too_much = Amount::from_sat(50 * 100_000_000);
    assert_eq!(
        chain.faucet(&somebody(1), too_much, NOW),
        Err(ChainError::FaucetEmpty(too_much))
    );
    // One coinbase is mature; a second payment spends the first one's change.
    chain
        .faucet(&somebody(1), Amount::from_sat(5_000), NOW)
        .unwrap();
    chain.mine_to_faucet(1, NOW);
    let id = chain
        .faucet(&somebody(2), Amount::from_sat(5_000), NOW)
        .unwrap();
    let spend = chain.transactions[&id].clone();
    let coin = spend.input[0].previous_output;
    let young = chain.block(chain.height()).unwrap().txdata[0].compute_txid();
    let pay = |from: OutPoint, value: u64, chain: &mut Chain| {
        let mut transaction = spend.clone();
        transaction.input[0].previous_output = from;
        transaction.output.truncate(1);
        transaction.output[0].value = Amount::from_sat(value);
        chain.accept(transaction, NOW)
    };
    assert_eq!(
        pay(OutPoint::new(young, 0), 1, &mut chain),
        Err(ChainError::PrematureCoinbaseSpend)
    );
    assert_eq!(
        pay(OutPoint::null(), 1, &mut chain),
        Err(ChainError::MissingOrSpent)
    );
    assert_eq!(
        pay(coin, u64::MAX / 4, &mut chain),
        Err(ChainError::InBelowOut)
    );
    // It pays the same fee as the one that it would replace, then all of it as fee.
    let value: u64 = spend
        .output
        .iter()
        .map(|output| output.value.to_sat())
        .sum();
    assert_eq!(
        pay(coin, value, &mut chain),
        Err(ChainError::InsufficientFee(id))
    );
    let replacement = pay(coin, 1, &mut chain).unwrap();
    assert_eq!(chain.mempool(), [replacement]);
}

#[test]
fn an_orphaned_payment_comes_back_to_the_mempool() {
    let mut chain = Chain::with_faucet(NOW);
    let id = chain
        .faucet(&somebody(3), Amount::from_sat(777), NOW)
        .unwrap();
    chain.mine_to_faucet(2, NOW);
    let (tip, height) = (chain.tip(), chain.height());
    let orphaned = chain.orphan(2, NOW);
    assert_eq!(orphaned.last(), Some(&tip));
    assert_eq!(chain.height_of(&tip), None);
    assert_eq!(chain.mempool(), [id]);
    assert_eq!(paid(&chain, &somebody(3)), Amount::ZERO);
    chain.mine_to_faucet(3, NOW + 5);
    assert_eq!(chain.height(), height + 1);
    assert_ne!(chain.block(height).unwrap().block_hash(), tip);
    assert_eq!(paid(&chain, &somebody(3)), Amount::from_sat(777));
}

#[test]
fn a_block_that_does_not_fit_is_refused() {
    let mut chain = Chain::with_faucet(NOW);
    let mut block = chain.assemble(&faucet_script(), <&PushBytes>::from(&[]), NOW);
    assemble::solve(&mut block);
    let mut changed = block.clone();
    changed.txdata[0].output[0].value += Amount::from_sat(1);
    assert!(matches!(
        chain.submit(changed),
        Err(ChainError::BadBlock(_))
    ));
    chain.submit(block.clone()).unwrap();
    assert_eq!(
        chain.submit(block.clone()),
        Err(ChainError::NotOnTip(block.header.prev_blockhash))
    );
}

#[track_caller]
fn rpc_error(chain: &mut Chain, method: &str, params: serde_json::Value, code: i32) {
    let error = rpc::call(chain, method, params.as_array().unwrap(), NOW).unwrap_err();
    assert_eq!(error.code, code, "{error}");
}

#[test]
fn rpc_answers_as_core_does() {
    let mut chain = Chain::with_faucet(NOW);
    let tip = chain.tip();
    let call = |chain: &mut Chain, method: &str, params: serde_json::Value| {
        rpc::call(chain, method, params.as_array().unwrap(), NOW).unwrap()
    };
    assert_eq!(call(&mut chain, "getblockcount", json!([])), json!(101));
    assert_eq!(call(&mut chain, "getblockhash", json!([101])), json!(tip));
    let header = call(&mut chain, "getblockheader", json!([tip]));
    assert_eq!(header["height"], json!(101));
    assert_eq!(header["confirmations"], json!(1));
    assert!(header["previousblockhash"].is_string());
    let block = call(&mut chain, "getblock", json!([tip, 0]));
    let block: Block =
        bitcoin::consensus::encode::deserialize_hex(block.as_str().unwrap()).unwrap();
    assert_eq!(block.block_hash(), tip);
    let id = chain
        .faucet(&somebody(4), Amount::from_sat(9_000), NOW)
        .unwrap();
    assert_eq!(call(&mut chain, "getrawmempool", json!([])), json!([id]));
    assert_eq!(
        call(&mut chain, "getmempoolentry", json!([id]))["time"],
        json!(NOW)
    );
    let raw = call(&mut chain, "getrawtransaction", json!([id]));
    assert_eq!(
        call(&mut chain, "sendrawtransaction", json!([raw])),
        json!(id)
    );
    chain.mine_to_faucet(1, NOW);
    let out = call(&mut chain, "gettxout", json!([id, 0]));
    assert_eq!(
        (&out["confirmations"], &out["value"]),
        (&json!(1), &json!(0.00009))
    );
    assert!(call(&mut chain, "gettxout", json!([id, 7])).is_null());
    rpc_error(&mut chain, "getblockhash", json!([9_999]), -8);
    rpc_error(&mut chain, "getblock", json!(["00".repeat(32)]), -5);
    rpc_error(
        &mut chain,
        "getrawtransaction",
        json!(["00".repeat(32)]),
        -5,
    );
    rpc_error(&mut chain, "getmempoolentry", json!([id]), -5);
    rpc_error(&mut chain, "sendrawtransaction", json!(["zz"]), -22);
    rpc_error(&mut chain, "stop", json!([]), -32601);
}
