// Asks how the system is every few seconds; the charts are the server's, so they are there at once and after a reload.

import { fetchPage } from "./page.js";

const PAUSE = 5000;

async function look() {
  if (!document.hidden) {
    try {
      const page = await fetchPage(location.href);
      const fresh = page.querySelector("[data-status]");
      if (fresh) document.querySelector("[data-status]").replaceWith(fresh);
    } catch {
      // The service is away; what is shown is the last that it said.
    }
  }
  setTimeout(look, PAUSE);
}

setTimeout(look, PAUSE);
