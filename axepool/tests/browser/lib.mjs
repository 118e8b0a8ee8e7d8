// What every script here stands on: a browser of the machine, pages that are listened
// to, and a report as one line of JSON.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);

/** How long anything may take before a script gives up, in milliseconds: generous, for
 * loaded machines. */
export const PATIENCE = 60_000;

/** A phone and a desk. */
export const SIZES = {
  small: { width: 360, height: 740 },
  narrow: { width: 390, height: 844 },
  tablet: { width: 768, height: 1024 },
  wide: { width: 1280, height: 900 },
};

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Runs `script` with what the first argument says, and prints what it returns. */
export const run = async (script) => {
  const asked = JSON.parse(process.argv[2]);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ARGS,
  });
  try {
    const report = await script(browser, asked);
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await browser.close();
  }
};

/** A page of its own profile, and what was heard of it: `requests` as URLs with bodies,
 * `errors` of its console and its script, `outside` what it asked of others, `failed`
 * what was answered with an error. */
export const open = async (browser, { url, size = SIZES.wide, scale = 1, dark = false, script = true }) => {
  const context = await browser.newContext({
    viewport: size,
    colorScheme: dark ? "dark" : "light",
    javaScriptEnabled: script,
    deviceScaleFactor: scale,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const heard = { requests: [], errors: [], outside: [], failed: [] };
  const { host } = new URL(url);
  page.on("request", (request) => {
    heard.requests.push(`${request.method()} ${request.url()} ${request.postData() ?? ""}`);
    const to = new URL(request.url());
    if (!["data:", "blob:", "about:"].includes(to.protocol) && to.host !== host) {
      heard.outside.push(request.url());
    }
  });
  page.on("response", (response) => {
    if (response.status() >= 400) heard.failed.push(`${response.status()} ${response.url()}`);
  });
  page.on("console", (message) => {
    if (message.type() === "error") heard.errors.push(message.text());
  });
  page.on("pageerror", (error) => heard.errors.push(String(error)));
  const answer = await page.goto(url, { waitUntil: "load", timeout: PATIENCE });
  return { page, context, heard, status: answer.status() };
};

/** What axe calls less than serious, and readers of a screen miss all the same. */
const LANDMARKS = ["region", "landmark-unique", "landmark-one-main", "page-has-heading-one", "heading-order"];

/** What axe finds on a page: its serious and critical faults, each with where it is. */
export const faults = async (page) => {
  // The page's own policy allows no script from elsewhere; what the browser is told to
  // evaluate is not of the page.
  await page.evaluate(readFileSync(require.resolve("axe-core/axe.min.js"), "utf8"));
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const grave = found.violations.filter(({ id, impact }) =>
    ["serious", "critical"].includes(impact) || LANDMARKS.includes(id));
  return grave.map(({ id, help, nodes }) =>
    `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.target.join(" ")).join("; ")}`);
};

/** How far a page is wider than its window, in CSS pixels: a phone would scroll
 * sideways. */
export const overflow = (page) => page.evaluate(
  () => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** The tables of a page whose ends are off a phone's screen. */
export const cut = (page) => page.evaluate(
  () => [...document.querySelectorAll(".table")]
    .filter((table) => table.scrollWidth > table.clientWidth)
    .map((table) => table.textContent.trim().slice(0, 80)));

/** Links and buttons that a finger misses: lower or narrower than 24 CSS pixels (WCAG 2.5.8).
 * Links in a sentence are as high as their line. */
export const small = (page) => page.evaluate(
  () => [...document.querySelectorAll("a, button, summary, input")]
    .filter((target) => target.checkVisibility() && !target.matches(".skip"))
    .filter((target) => !target.closest("p:not(footer p), li, small, caption"))
    .map((target) => [target, target.getBoundingClientRect()])
    .filter(([, box]) => box.width < 24 || box.height < 24)
    .map(([target, box]) => `${target.outerHTML.slice(0, 80)}: ${box.width} x ${box.height}`));

/** Waits until `look` answers something true, and gives that. */
export const until = async (what, look) => {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited ${PATIENCE} ms for ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
};
