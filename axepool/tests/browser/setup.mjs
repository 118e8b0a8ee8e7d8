// Types into the set-up check what people type, and listens whether anything of it leaves
// the browser.

import { open, run, SIZES } from "./lib.mjs";

/** What the page sent; the browser asks for the site's icon by itself, when it likes. */
const sent = (requests) => requests.filter((line) => !line.includes("/assets/icon.svg"));

run(async (browser, { url, typed }) => {
  const report = [];
  for (const text of typed) {
    const { page, context, heard } = await open(browser, { url, size: SIZES.narrow });
    const before = heard.requests.length;
    await page.locator("#key").fill(text);
    const note = page.locator("#verdict .note");
    const said = { style: await note.getAttribute("class"), words: await note.innerText() };
    const user = (await page.locator("#field-user").innerText()).trim();
    await page.locator('[data-copy="field-user"]').click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    const typedOnly = sent(heard.requests.slice(before));
    // Whoever presses the button all the same: a good key leads to its page, and
    // everything else nowhere.
    await page.locator("#key").press("Enter");
    if (said.style.includes("good")) await page.waitForURL(/\/miners\/02/);
    await page.waitForLoadState("load");
    report.push({
      typed: text,
      ...said,
      user,
      copied: copied.trim(),
      typedOnly,
      at: new URL(page.url()).pathname,
      sent: sent(heard.requests.slice(before)),
      errors: heard.errors,
      outside: heard.outside,
    });
    await context.close();
  }
  return report;
});
