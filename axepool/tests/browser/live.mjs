// Looks at a miner's page while its device mines, and never loads it again.

import { open, run, SIZES, until } from "./lib.mjs";

run(async (browser, { url }) => {
  const { page, heard } = await open(browser, { url, size: SIZES.narrow });
  await page.evaluate(() => { globalThis.loadedOnce = true; });
  const cell = page.locator("#workers tbody tr").first().locator("td");
  /** The device's accepted shares of the last hour. */
  const accepted = async () =>
    ((await cell.count()) > 3 ? Number((await cell.nth(3).innerText()).replace(/\D/g, "")) : 0);
  const before = await until("the device's first shares", accepted);
  const after = await until("more shares", async () => {
    const now = await accepted();
    return now > before && now;
  });
  return {
    before,
    after,
    loadedOnce: await page.evaluate(() => globalThis.loadedOnce === true),
    state: await page.locator("#live-state").innerText(),
    hashrate: await page.locator("#figures .chief dd").innerText(),
    errors: heard.errors,
    outside: heard.outside,
    pages: heard.requests.filter((request) => request === `GET ${url} `).length,
  };
});
