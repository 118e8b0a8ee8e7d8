// Moves a token's QR code, and says when the token was redeemed.
"use strict";

(() => {
  const page = document.querySelector("[data-token]");
  const moving = document.getElementById("moving");
  const still = document.getElementById("still");
  const toggle = document.getElementById("toggle");
  const help = document.getElementById("moving-help");
  const none = document.getElementById("still-none");

  /** How long a frame is shown: five a second is what phones follow. */
  const FRAME_MS = 200;

  if (moving && toggle) {
    const frames = moving.dataset.frames.split("\n");
    const path = moving.querySelector("path");
    let at = 0;
    let timer = null;
    const step = () => {
      path.setAttribute("d", frames[at]);
      moving.dataset.frame = String(at);
      at = (at + 1) % frames.length;
    };
    const show = (moves) => {
      clearInterval(timer);
      timer = null;
      moving.hidden = !moves;
      if (help) help.hidden = !moves;
      if (none) none.hidden = moves;
      if (still) still.hidden = moves;
      toggle.textContent = moves ? "Show as one still code" : "Show as a moving code";
      if (moves) {
        step();
        timer = setInterval(step, FRAME_MS);
      }
    };
    // Who wants less motion starts it by the button.
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches && still;
    toggle.hidden = !still;
    show(!calm);
    toggle.addEventListener("click", () => show(moving.hidden));
  }

  const state = document.getElementById("token-state");
  if (!page || !state || state.textContent.trim() === "redeemed") return;
  /** How often is asked, and for how long. */
  const ASK_MS = 5000;
  const MOST_ASKED = 120;
  let asked = 0;
  const ask = async () => {
    asked += 1;
    try {
      const answer = await fetch(page.dataset.tokens);
      if (answer.ok) {
        const { tokens } = await answer.json();
        const own = tokens.find((token) => String(token.number) === page.dataset.token);
        if (own?.state === "spent") {
          state.textContent = "redeemed";
          state.className = "badge good";
          return;
        }
      }
    } catch { /* Asked again. */ }
    if (asked < MOST_ASKED) setTimeout(ask, ASK_MS);
  };
  setTimeout(ask, ASK_MS);
})();
