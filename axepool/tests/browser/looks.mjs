// Each page in each look: what the browser and axe complain about.

import { cut, faults, open, overflow, run, SIZES, small } from "./lib.mjs";

const LOOKS = [
  { name: "small", size: SIZES.small },
  { name: "tablet", size: SIZES.tablet },
  { name: "narrow light", size: SIZES.narrow },
  { name: "narrow dark", size: SIZES.narrow, dark: true },
  { name: "wide light", size: SIZES.wide },
  { name: "wide dark", size: SIZES.wide, dark: true },
  { name: "without script", size: SIZES.narrow, script: false },
];

/** Sends the password that a page asks for, and gives the status of the page behind it. What was
 * heard of the page that asked, which is a refusal, is forgotten. */
const enter = async (page, heard, password) => {
  await page.locator("#password").fill(password);
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.request().method() === "POST"),
    page.locator("main form button").click(),
  ]);
  await page.waitForLoadState("load");
  for (const list of [heard.errors, heard.outside, heard.failed]) list.length = 0;
  return answer.status();
};

run(async (browser, { urls, password }) => {
  const report = [];
  for (const url of urls) {
    for (const look of LOOKS) {
      const opened = await open(browser, { url, ...look });
      const { page, context, heard } = opened;
      const status = password ? await enter(page, heard, password) : opened.status;
      // A page that is live goes on asking; the first look is what counts here.
      await page.waitForTimeout(250);
      report.push({
        url,
        look: look.name,
        status,
        title: await page.title(),
        heading: await page.locator("h1").first().innerText(),
        text: (await page.locator("main").innerText()).length,
        overflow: look.script === false ? 0 : await overflow(page),
        cut: await cut(page),
        small: look.script === false ? [] : await small(page),
        faults: look.script === false ? [] : await faults(page),
        errors: heard.errors,
        outside: heard.outside,
        failed: heard.failed,
      });
      await context.close();
    }
  }
  return report;
});
