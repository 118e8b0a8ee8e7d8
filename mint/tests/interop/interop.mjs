// What a cashu-ts wallet does with this mint: finds, checks, mints and spends the
// quotes of a key, and receives its token. Reads one JSON object from its first
// argument, says on standard output what came of it; a failed check ends it with 1.
import assert from "node:assert/strict";
import { MintOperationError, Wallet, getEncodedToken, schnorrSignMessage, sumProofs } from "@cashu/cashu-ts";

const METHOD = "axepool";
const { url, secret, key, second, third, stranger } = JSON.parse(process.argv[2]);

async function json(path, body) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url + path, body && { method: "POST", headers, body: JSON.stringify(body) });
  const value = await answer.json();
  assert.equal(answer.status, 200, `${path}: ${JSON.stringify(value)}`);
  return value;
}

async function open() {
  const wallet = new Wallet(url, { unit: "sat" });
  await wallet.loadMint();
  return wallet;
}

async function refused(code, what, attempt) {
  await assert.rejects(attempt, (error) => {
    if (code === undefined) return true;
    assert.ok(error instanceof MintOperationError, `${what}: ${error}`);
    assert.equal(error.code, code, what);
    return true;
  });
}

const total = (proofs) => Number(sumProofs(proofs).toString());
const paid = (quote) => Number(quote.amount_paid) - Number(quote.amount_issued);

const wallet = await open();
const info = await json("/v1/info");
const signature = schnorrSignMessage(`Cashu_MintQuoteLookup_v1${info.pubkey}${key}`, secret);
const found = await json(`/v1/mint/quote/${METHOD}/pubkey`, { pubkeys: [key], pubkey_signatures: [signature] });
const ids = found.quotes.filter((quote) => paid(quote) > 0).map((quote) => quote.quote);
assert.equal(ids.length, 4);

const quotes = await wallet.checkMintQuoteBatch(METHOD, ids);
assert.deepEqual(quotes.map((quote) => quote.quote), ids);
assert.deepEqual(quotes.map((quote) => quote.expiry), ids.map(() => null));

// The state of a quote is told at once, as an object.
await wallet.mint.connectWebSocket();
const told = await new Promise((resolve, reject) =>
  wallet.mint.webSocketConnection.createSubscription(
    { kind: `${METHOD}_mint_quote`, filters: [ids[0]] }, resolve, reject));
assert.equal(told.quote, ids[0]);
assert.equal(told.expiry, null);
assert.equal(paid(told), paid(quotes[0]));

// One alone, with the key and without.
const [one, ...rest] = quotes;
await refused(20008, "no signature", () => wallet.mintProofs(METHOD, paid(one), { quote: one.quote }));
await refused(20008, "another key", () => wallet.mintProofs(METHOD, paid(one), { quote: one.quote }, { privkey: stranger }));
await refused(11005, "over-issue", () => wallet.mintProofs(METHOD, paid(one) + 1, { quote: one.quote }, { privkey: secret }));
const unknown = "f7b0e94b-f2f0-8a92-9c12-3c8c0a5a4a5a";
await refused(50000, "unknown quote", () => wallet.mintProofs(METHOD, 1, { quote: unknown }, { privkey: secret }));
const single = await wallet.mintProofs(METHOD, paid(one), { quote: one.quote }, { privkey: secret });
await refused(20002, "double mint", () => wallet.mintProofs(METHOD, paid(one), { quote: one.quote }, { privkey: secret }));

// The others in one batch.
const entries = rest.map((quote) => ({ amount: paid(quote), quote }));
const spoiled = [...entries, { amount: paid(one), quote: one }];
await refused(20002, "a batch with an issued quote", async () =>
  wallet.completeBatchMint(await wallet.prepareBatchMint(METHOD, spoiled, { privkey: secret })));
const preview = await wallet.prepareBatchMint(METHOD, entries, { privkey: secret });
const batch = await wallet.completeBatchMint(preview);
// The same request again is no second issue: the answer comes from the cache (NUT-19).
const replayed = await wallet.completeBatchMint(preview);
assert.deepEqual(replayed.map((proof) => proof.C), batch.map((proof) => proof.C));

// Spent: sent on to somebody else, who is left with ecash of their own.
const minted = [...single, ...batch];
const { keep, send } = await wallet.send(total(single) + 1, minted);
const friend = await open();
const received = await friend.receive(getEncodedToken({ mint: url, proofs: send, unit: "sat" }));
assert.equal(total(received) + total(keep), total(minted));
const unspent = await new Promise((resolve, reject) => friend.on.proofStateUpdates(received, resolve, reject));
assert.equal(unspent.state, "UNSPENT");

// What is paid to another key that the same person has comes as a token.
const claim = await json(`/api/miners/${second.key}/token`, {});
await refused(undefined, "a token without the key", async () => (await open()).receive(claim.token));
await refused(undefined, "a token with another key", async () => (await open()).receive(claim.token, { privkey: stranger }));
const token = await wallet.receive(claim.token, { privkey: second.secret, requireDleq: true });
assert.equal(total(token), claim.amount);

// A sweep and a claim for one key at once: one of them gets it, the other is told so.
const raced = await json(`/v1/mint/quote/${METHOD}/pubkey`, {
  pubkeys: [third.key],
  pubkey_signatures: [schnorrSignMessage(`Cashu_MintQuoteLookup_v1${info.pubkey}${third.key}`, third.secret)],
});
const racing = raced.quotes.map((quote) => ({ amount: paid(quote), quote }));
const sweep = await wallet.prepareBatchMint(METHOD, racing, { privkey: third.secret });
const [swept, claimed] = await Promise.all([
  wallet.completeBatchMint(sweep).then(total, (error) => {
    assert.ok(error instanceof MintOperationError, String(error));
    assert.ok([20001, 20002].includes(error.code), `lost the race: ${error.code}`);
    return 0;
  }),
  json(`/api/miners/${third.key}/token`, {}).then((answer) => answer.amount ?? 0),
]);
assert.ok((swept === 0) !== (claimed === 0), `${swept} swept, ${claimed} claimed`);
assert.equal(swept + claimed, racing.reduce((sum, entry) => sum + entry.amount, 0));

wallet.mint.disconnectWebSocket();
friend.mint.disconnectWebSocket();
console.log(JSON.stringify({ single: total(single), batch: total(batch), token: total(token) }));
