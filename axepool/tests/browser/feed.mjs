// Reads a feed with the browser's own XML parser, and what RFC 4287 says it must have.

import { open, run, until } from "./lib.mjs";

run(async (browser, { url, feed }) => {
  const { page } = await open(browser, { url });
  return until("an entry in the feed", async () => {
    const read = await page.evaluate(async (path) => {
      const answer = await fetch(path, { cache: "no-store" });
      const xml = new DOMParser().parseFromString(await answer.text(), "application/xml");
      const wrong = xml.querySelector("parsererror")?.textContent ?? null;
      const texts = (element, names) => Object.fromEntries(names.map((name) => {
        const own = [...element.children].filter((child) => child.localName === name);
        return [name, own.map((child) => child.textContent)];
      }));
      return {
        type: answer.headers.get("content-type"),
        wrong,
        namespace: xml.documentElement.namespaceURI,
        feed: texts(xml.documentElement, ["id", "title", "updated", "author"]),
        entries: [...xml.getElementsByTagName("entry")].map((entry) =>
          texts(entry, ["id", "title", "updated", "content"])),
      };
    }, feed);
    return (read.wrong || read.entries.length > 0) && read;
  });
});
