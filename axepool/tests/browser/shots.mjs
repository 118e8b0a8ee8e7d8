// Screenshots of each page for the documentation, small: 256 colours are more than the
// pages have.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PNG } from "pngjs";
import upng from "upng-js";
import { open, run, SIZES } from "./lib.mjs";

/** Taller pages are cut: it is their look that is shown. */
const TALLEST = 2400;

/** The same picture, indexed. */
const small = (picture) => {
  const { width, height, data } = PNG.sync.read(picture);
  const pixels = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
  return Buffer.from(upng.encode([pixels], width, height, 256));
};

/** The pages to show: an epoch that was paid, and the miner who did most of it. */
const shown = async ({ url, operator }) => {
  const answer = async (path) => (await fetch(`${url}${path}`)).json();
  const { epochs } = await answer("/api/epochs");
  const paid = epochs.find(({ totals, account }) => totals.miners > 0 && account?.received > 0);
  const { miners } = await answer(`/api/epochs/${paid.id}`);
  const pages = [
    { name: "set-up", url: `${url}/` },
    { name: "miner", url: `${url}/miners/${miners[0].miner}` },
    { name: "epochs", url: `${url}/epochs` },
    { name: "epoch", url: `${url}/epochs/${paid.id}` },
  ];
  return operator ? [...pages, { name: "operator", url: operator }] : pages;
};

run(async (browser, asked) => {
  const report = [];
  for (const { name, url } of await shown(asked)) {
    for (const width of ["narrow", "wide"]) {
      const size = SIZES[width];
      for (const dark of [false, true]) {
        const { page, context, heard, status } = await open(browser, { url, size, dark });
        if (status !== 200) throw new Error(`${url} answers ${status}`);
        const { height } = await page.locator("html").boundingBox();
        const clip = { x: 0, y: 0, width: size.width, height: Math.min(Math.ceil(height), TALLEST) };
        const picture = small(await page.screenshot({ fullPage: true, clip, animations: "disabled" }));
        const file = `${name}-${width}${dark ? "-dark" : ""}.png`;
        writeFileSync(join(asked.into, file), picture);
        report.push({ file, bytes: picture.length, complaints: [...heard.errors, ...heard.outside] });
        await context.close();
      }
    }
  }
  return report;
});
