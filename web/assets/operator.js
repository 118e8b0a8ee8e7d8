// Keeps the operator's page as things are: its content is fetched anew, where a reload
// would lose the reader's place.
"use strict";

(() => {
  const EVERY_MS = 15000;
  const PARTS = ["#main", "header .soft"];

  const renew = async () => {
    // A page that nobody looks at asks nothing.
    if (document.hidden) return;
    const answer = await fetch("/");
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of PARTS) {
      const [old, now] = [document, fresh].map((page) => page.querySelector(part));
      if (old && now && old.innerHTML !== now.innerHTML) old.replaceChildren(...now.childNodes);
    }
  };
  // While the pool is away the page stays as it was, with its time on it.
  setInterval(() => { renew().catch(() => {}); }, EVERY_MS);
})();
