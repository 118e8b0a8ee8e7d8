// Keeps a miner's page as it is now: the parts that change come as server-sent events.
"use strict";

(() => {
  const page = document.querySelector("[data-live]");
  const state = document.getElementById("live-state");
  if (!page) {
    // A key without a share has no stream: its page is asked for again while it is seen.
    setInterval(() => { if (!document.hidden) location.reload(); }, 30000);
    return;
  }
  if (!window.EventSource) return;

  const say = (text) => { if (state && state.textContent !== text) state.textContent = text; };

  /** Puts a part in its place, and leaves open what the reader opened. */
  const put = (id, html) => {
    const place = document.getElementById(id);
    if (!place || place.dataset.html === html) return;
    const open = [...place.querySelectorAll("details")].map((details) => details.open);
    const scrolled = [...place.querySelectorAll(".table")].map((table) => table.scrollLeft);
    place.innerHTML = html;
    place.dataset.html = html;
    place.querySelectorAll("details").forEach((details, at) => { details.open = open[at] ?? false; });
    place.querySelectorAll(".table").forEach((table, at) => { table.scrollLeft = scrolled[at] ?? 0; });
  };

  let source = null;
  const start = () => {
    if (source) return;
    source = new EventSource(page.dataset.live);
    source.addEventListener("parts", (event) => {
      const parts = JSON.parse(event.data);
      for (const [id, html] of Object.entries(parts)) put(id, html);
      page.dataset.updates = String(Number(page.dataset.updates ?? 0) + 1);
      say("live");
    });
    source.addEventListener("error", () => {
      if (!source) return;
      say("not live: trying again");
      // A refusal ends it for good; a lost connection is tried again by the browser.
      if (source.readyState === EventSource.CLOSED) {
        stop();
        setTimeout(start, 20000);
      }
    });
  };
  const stop = () => {
    source?.close();
    source = null;
  };
  // A page that nobody looks at takes nobody's place.
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  if (!document.hidden) start();
})();
