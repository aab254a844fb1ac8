// Asks every few seconds for what moves on a page. The server draws it, so it is there at once and after a reload.

import { fetchPage } from "./page.js";

const PAUSE = 5000;

function isUsed(shown) {
  // Somebody is at a link in it, or copies from it: neither may go away under them.
  const { isCollapsed, anchorNode } = getSelection();
  return shown.querySelector(":focus-visible") !== null || (!isCollapsed && shown.contains(anchorNode));
}

async function look() {
  let goesOn = true;
  const shown = document.querySelector("[data-fresh]");
  if (!document.hidden && !isUsed(shown)) {
    try {
      const page = await fetchPage(location.href);
      shown.replaceWith(page.querySelector("[data-fresh]"));
      // A page on which nothing moves any more comes without this script.
      goesOn = page.querySelector("script[src$='fresh.js']") !== null;
    } catch {
      // The service is away; what is shown is the last that it said.
    }
  }
  if (goesOn) setTimeout(look, PAUSE);
}

setTimeout(look, PAUSE);
