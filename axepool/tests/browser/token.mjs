// Presses the button on a miner's page, and reads the codes off the screen.

import { open, run, SIZES } from "./lib.mjs";
import { read } from "./qr.mjs";

run(async (browser, { url }) => {
  // A phone has three of its pixels for one of the page's.
  const { page, heard } = await open(browser, { url, size: SIZES.narrow, scale: 3 });
  await page.getByRole("button", { name: "Get my sats" }).click();
  await page.waitForURL(/\/tokens\/\d+$/);
  const [moving, still] = [page.locator("#moving"), page.locator("#still")];
  const scanned = {};
  if (await moving.count()) {
    await moving.scrollIntoViewIfNeeded();
    scanned.moving = await read(moving);
  }
  // Where a code moves it is because a still one is too dense for cameras as this one.
  if (!scanned.moving) {
    await still.scrollIntoViewIfNeeded();
    scanned.still = await read(still);
  }
  return {
    scanned,
    shown: await page.locator("#token").inputValue(),
    errors: heard.errors,
    outside: heard.outside,
  };
});
