// What each major version of cashu-ts does with the token and the quote of one key, which
// is typed with 02 or 03 as its public key begins. Reads one JSON object from its first
// argument and prints, for each version, the sats that it got or its error.
import { schnorrSignMessage } from "@cashu/cashu-ts";

const { url, secret, key, tokens, quote } = JSON.parse(process.argv[2]);

const open = {
  2: async (library) => {
    const wallet = new library.CashuWallet(new library.CashuMint(url), { unit: "sat" });
    await wallet.loadMint();
    return wallet;
  },
  3: async (library) => {
    const wallet = new library.Wallet(url, { unit: "sat" });
    await wallet.loadMint();
    return wallet;
  },
};
open[4] = open[3];

const packages = { 2: "cashu-ts-2", 3: "cashu-ts-3", 4: "@cashu/cashu-ts" };
const sum = (proofs) => proofs.reduce((total, proof) => total + Number(proof.amount.toString()), 0);

const got = {};
for (const [version, name] of Object.entries(packages)) {
  try {
    const wallet = await open[version](await import(name));
    got[version] = sum(await wallet.receive(tokens[version], { privkey: secret }));
  } catch (error) {
    got[version] = String(error.message);
  }
}

// Version 4 finds the quote of the key, and mints on what it found.
const info = await (await fetch(`${url}/v1/info`)).json();
const signature = schnorrSignMessage(`Cashu_MintQuoteLookup_v1${info.pubkey}${key}`, secret);
const headers = { "content-type": "application/json" };
const body = JSON.stringify({ pubkeys: [key], pubkey_signatures: [signature] });
const answer = await fetch(`${url}/v1/mint/quote/axepool/pubkey`, { method: "POST", headers, body });
const found = (await answer.json()).quotes.find((one) => one.quote === quote);
const wallet = await open[4](await import(packages[4]));
got.minted = sum(await wallet.mintProofs("axepool", Number(found.amount_paid), found, { privkey: secret }));
console.log(JSON.stringify(got));
