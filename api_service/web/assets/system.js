// Asks how the system is every few seconds, and draws how deep each queue was since this tab was opened, up to an hour.

import { fetchPage } from "./page.js";

const PAUSE = 5000;
const HOUR = 720;
const KEY = "depths";
const depths = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");

function note() {
  for (const chart of document.querySelectorAll("[data-depth]")) {
    const shown = chart.closest("tr").querySelector("[data-label=Messages]").textContent;
    const seen = (depths[chart.dataset.depth] ??= []);
    seen.push(Number(shown.replaceAll(",", "")) || 0);
    if (seen.length > HOUR) seen.shift();
    const most = Math.max(1, ...seen);
    const step = 120 / Math.max(1, seen.length - 1);
    chart.querySelector("polyline").setAttribute("points", seen.map((depth, at) => `${at * step},${23 - (22 * depth) / most}`).join(" "));
  }
  sessionStorage.setItem(KEY, JSON.stringify(depths));
}

async function look() {
  if (!document.hidden) {
    try {
      const page = await fetchPage(location.href);
      const fresh = page.querySelector("[data-status]");
      if (fresh) document.querySelector("[data-status]").replaceWith(fresh);
      note();
    } catch {
      // The service is away; what is shown is the last that it said.
    }
  }
  setTimeout(look, PAUSE);
}

note();
setTimeout(look, PAUSE);
