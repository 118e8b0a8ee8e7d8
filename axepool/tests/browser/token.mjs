// Presses the button, and reads the code off the screen.

import { open, run, SIZES } from "./lib.mjs";
import { read } from "./qr.mjs";

run(async (browser, { url }) => {
  const { page, heard } = await open(browser, { url, size: SIZES.narrow });
  await page.getByRole("button", { name: /get my sats/i }).click();
  const code = page.locator("[data-token-code]").first();
  await code.waitFor({ state: "visible" });
  await code.scrollIntoViewIfNeeded();
  const scanned = await read(code);
  const text = page.locator("[data-token-text]").first();
  const shown = await text.evaluate((element) => (element.value ?? element.textContent).trim());
  return { ...scanned, shown, errors: heard.errors, outside: heard.outside };
});
