// What cashu-ts does with a mint that has no place for its requests for a while: prints the
// sats that each version received, or its error with the HTTP status. Reads one JSON object
// from its first argument.
const { url, secret, tokens } = JSON.parse(process.argv[2]);

const packages = { 3: "cashu-ts-3", 4: "@cashu/cashu-ts" };
const sum = (proofs) => proofs.reduce((total, proof) => total + Number(proof.amount.toString()), 0);

const receive = async (version) => {
  const { Wallet } = await import(packages[version]);
  const wallet = new Wallet(url, { unit: "sat" });
  await wallet.loadMint();
  try {
    return sum(await wallet.receive(tokens[version], { privkey: secret }));
  } catch (error) {
    return { status: error.status, says: error.message, code: error.code };
  }
};

const [third, fourth] = await Promise.all([receive(3), receive(4)]);
console.log(JSON.stringify({ 3: third, 4: fourth }));
