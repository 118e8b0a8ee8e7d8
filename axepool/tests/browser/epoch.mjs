// Finds an epoch in the list, fetches its audit file by the page's button, and copies
// the lines that check it.

import { join } from "node:path";
import { open, run } from "./lib.mjs";

run(async (browser, { url, epoch, into }) => {
  const { page, heard } = await open(browser, { url: `${url}/epochs` });
  await page.getByRole("link", { name: String(epoch), exact: true }).click();
  await page.waitForURL(`${url}/epochs/${epoch}`);
  const link = page.getByRole("link", { name: "Audit file (JSON)" }).first();
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  const path = join(into, download.suggestedFilename());
  await download.saveAs(path);
  // What the button copies is what is shown.
  const shown = await page.locator("#commands").innerText();
  await page.getByRole("button", { name: "Copy" }).first().click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  return { path, shown: shown.trim(), copied: copied.trim(), errors: heard.errors, outside: heard.outside };
});
