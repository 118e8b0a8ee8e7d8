// What every page does: copy buttons, and the way to one's own miner.
"use strict";

(() => {
  /** Copies the text of what `data-copy` names, and says so on the button. */
  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    const text = source.value ?? source.textContent.trim();
    const before = button.dataset.label ?? button.textContent;
    button.dataset.label = before;
    try {
      if (navigator.clipboard) {
        await navigator.clipboard.writeText(text);
      } else {
        copyBySelection(source, text);
      }
      button.textContent = "Copied";
    } catch {
      select(source);
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = before; }, 2000);
  };

  const select = (element) => {
    if (element.select) {
      element.select();
      return;
    }
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };

  /** Pages over plain http have no clipboard of the newer kind: pools at home. */
  const copyBySelection = (source, text) => {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "visually-hidden";
    source.after(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (!done) throw new Error("not copied");
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-copy]");
    if (button) copy(button);
  });
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
  }

  // The last miner whose page was opened as one's own: a public key, kept in this
  // browser alone.
  const KEY = "axepool.miner";
  const own = {
    get: () => { try { return localStorage.getItem(KEY); } catch { return null; } },
    set: (key) => { try { localStorage.setItem(KEY, key); } catch { /* not kept then */ } },
  };
  const here = document.body.querySelector("[data-miner]")?.dataset.miner;
  if (here && !own.get()) own.set(here);
  const key = own.get();
  if (key && /^02[0-9a-f]{64}$/.test(key)) {
    const link = document.querySelector("[data-own-miner]");
    if (link) link.href = `/miners/${key}`;
  }
  window.axepool = { own };
})();
