// The check of a typed key, in the browser: what may be a secret is never sent.
"use strict";

(() => {
  const form = document.getElementById("check");
  const field = document.getElementById("key");
  const verdict = document.getElementById("verdict");
  const worker = document.getElementById("worker");
  const user = document.getElementById("field-user");
  if (!form || !field || !verdict) return;

  const LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

  /** The polynomial of BIP 173's checksum over values of five bits. */
  const polymod = (values) => {
    const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
    let sum = 1;
    for (const value of values) {
      const top = sum >>> 25;
      sum = ((sum & 0x1ffffff) << 5) ^ value;
      generator.forEach((part, bit) => { if ((top >>> bit) & 1) sum ^= part; });
    }
    return sum >>> 0;
  };

  /** The 32 bytes of an npub as hex; null when it is mistyped (NIP-19). */
  const readNpub = (text) => {
    if (text !== text.toLowerCase() && text !== text.toUpperCase()) return null;
    const lower = text.toLowerCase();
    const data = [...lower.slice(5)].map((letter) => LETTERS.indexOf(letter));
    if (lower.length !== 63 || data.includes(-1)) return null;
    const prefix = [..."npub"].map((letter) => letter.charCodeAt(0));
    const expanded = [...prefix.map((code) => code >> 5), 0, ...prefix.map((code) => code & 31)];
    if (polymod([...expanded, ...data]) !== 1) return null;
    let bits = 0;
    let value = 0;
    let hex = "";
    for (const five of data.slice(0, -6)) {
      value = ((value << 5) | five) & 0xfff;
      bits += 5;
      if (bits >= 8) {
        bits -= 8;
        hex += ((value >> bits) & 255).toString(16).padStart(2, "0");
      }
    }
    return hex.length === 64 ? hex : null;
  };

  // secp256k1: y² = x³ + 7 over the field of this prime.
  const P = 2n ** 256n - 2n ** 32n - 977n;
  const power = (base, exponent) => {
    let [result, square] = [1n, base % P];
    for (let rest = exponent; rest > 0n; rest >>= 1n) {
      if (rest & 1n) result = (result * square) % P;
      square = (square * square) % P;
    }
    return result;
  };

  /** Whether a point of the curve has this x coordinate. */
  const isOnCurve = (hex) => {
    const x = BigInt(`0x${hex}`);
    if (x >= P) return false;
    const right = (x * x * x + 7n) % P;
    return power(right, (P - 1n) / 2n) === 1n;
  };

  const SECRET = "This looks like a secret key. Never type or paste it into a website.";

  /** What was typed: {key} with the public key in hex, or {warn} or {alarm} in words. */
  const read = (typed) => {
    const text = typed.trim();
    if (text === "") return {};
    if (text.split(/\s+/).length >= 12) {
      return { alarm: "These look like a wallet’s words. Never type or paste them into a website." };
    }
    const key = text.replace(/^nostr:/i, "").split(".")[0];
    const lower = key.toLowerCase();
    if (lower.startsWith("nsec") || /^[0-9a-f]{64}$/.test(lower) || /^[xyztuv]prv/.test(lower)) {
      return { alarm: SECRET };
    }
    if (/^cashu[ab:]/i.test(text)) {
      return { alarm: "This is ecash: money. Receive it in your wallet; what belongs here is a public key." };
    }
    if (lower.startsWith("npub1")) {
      const x = readNpub(key);
      if (!x) return { warn: "This npub is mistyped: its checksum does not match." };
      if (!isOnCurve(x)) return { warn: "This npub is no public key: no point of the curve has it." };
      return { key: `02${x}`, typed: lower };
    }
    if (/^0[23][0-9a-f]{64}$/.test(lower)) {
      if (!isOnCurve(lower.slice(2))) {
        return { warn: "This is no public key: one of its digits is mistyped." };
      }
      return { key: `02${lower.slice(2)}`, typed: lower, hex: true };
    }
    if (/^(bc1|tb1|bcrt1|bitcoin:)/.test(lower) || /^[13][1-9A-HJ-NP-Za-km-z]{25,34}$/.test(key)) {
      return { warn: "This is a bitcoin address, and no key: ecash cannot be locked to it. Take the public key that your ecash wallet shows." };
    }
    if (text.includes("@") || /^(ln(bc|tb|o1|url)|lightning:)/.test(lower)) {
      return { warn: "This is for lightning payments, and no key. Take the public key that your ecash wallet shows." };
    }
    return { warn: "This is no public key. It has 66 hex digits and begins with 02 or 03, or it is an npub of 63 letters." };
  };

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  };

  const workerName = () => {
    const name = (worker?.value ?? "").replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 32);
    return name === "" ? "bitaxe" : name;
  };

  const show = () => {
    const found = read(field.value);
    verdict.replaceChildren();
    field.setAttribute("aria-invalid", String(Boolean(found.warn || found.alarm)));
    if (user) user.textContent = found.key ? `${found.typed}.${workerName()}` : "YOUR-KEY.bitaxe";
    if (found.alarm) {
      const note = element("div", "note alarm");
      note.append(
        element("strong", "", found.alarm),
        element("p", "", "It was not sent from this page. Clear the field. If it was pasted anywhere else, treat it as known to others: move what it guards and make a new key. What belongs here is the public key."),
      );
      verdict.append(note);
    } else if (found.warn) {
      verdict.append(element("div", "note warn", found.warn));
    } else if (found.key) {
      const note = element("div", "note good");
      note.append(element("strong", "", "This is a public key. "));
      if (user) {
        note.append("The user to type into AxeOS: ", element("div", "username", user.textContent));
      }
      if (found.hex) {
        note.append(element("p", "", "A hex key has no checksum: compare it with your wallet, digit by digit. An npub would tell a typing error."));
      }
      const link = element("a", "", "Its page");
      link.href = `/miners/${found.key}`;
      note.append(link);
      verdict.append(note);
    }
    return found;
  };

  field.addEventListener("input", show);
  worker?.addEventListener("input", show);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const found = show();
    if (found.key) {
      window.axepool?.own.set(found.key);
      location.assign(`/miners/${found.key}`);
    } else {
      field.focus();
    }
  });
  // A browser that kept what was typed.
  if (field.value !== "") show();
})();
