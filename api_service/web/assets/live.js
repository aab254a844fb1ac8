// Follows an upload: its counts move as they do, and its end brings the page as it is then. The browser comes back by itself
// when the connection is lost, and the server tells it what it missed.

import { fetchPage, number } from "./page.js";

const PARTS = ["inserted", "updated", "duplicates", "rejected", "unprocessed"];
const RATE_SECONDS = 5;
const LOOK_MS = 3000;
const view = document.querySelector("[data-live]");
const seen = [];
let said = -1;

function seconds(value) {
  return value < 90 ? `about ${Math.max(1, Math.round(value))} s left` : `about ${Math.round(value / 60)} min left`;
}

function show(upload) {
  for (const each of view.querySelectorAll("[data-count]")) {
    each.textContent = number.format(upload[each.dataset.count] ?? 0);
  }
  const whole = upload.progress ? Math.max(upload.rowsDone / upload.progress, upload.rowsRead, 1) : Math.max(upload.rowsRead, 1);
  let x = 0;
  for (const name of PARTS) {
    const part = view.querySelector(`rect[data-part=${name}]`);
    const width = Math.min((100 * (upload[name] ?? 0)) / whole, 100 - x);
    part.setAttribute("x", x);
    part.setAttribute("width", width);
    x += width;
  }
  view.querySelector("[data-percent]").textContent = `${Math.floor(100 * upload.progress)}%`;
  showRate(upload);
  const tenth = Math.floor(10 * upload.progress);
  if (tenth !== said) {
    said = tenth;
    view.querySelector("[data-said]").textContent = `${10 * tenth}%, ${number.format(upload.rejected)} rows refused`;
  }
}

function showRate(upload) {
  const now = performance.now() / 1000;
  seen.push({ now, rows: upload.rowsDone, progress: upload.progress });
  while (seen.length > 2 && now - seen[0].now > RATE_SECONDS) seen.shift();
  const first = seen[0];
  const spent = now - first.now;
  if (spent < 0.5 || upload.progress <= first.progress) return;
  view.querySelector("[data-rate]").textContent = `${number.format((upload.rowsDone - first.rows) / spent)}/s`;
  view.querySelector("[data-left]").textContent = seconds(((1 - upload.progress) * spent) / (upload.progress - first.progress));
}

async function replaceAll() {
  try {
    const page = await fetchPage(location.href);
    document.querySelector("main").replaceChildren(...page.querySelector("main").childNodes);
  } catch {
    // The service went away as the upload ended, or the upload did.
    setTimeout(lookAgain, LOOK_MS);
  }
}

// Without a stream the page is asked for anew: too many look just now, or the upload was deleted.
async function lookAgain() {
  const answer = await fetch(location.href).catch(() => null);
  if (answer && answer.status < 500) location.reload();
  else setTimeout(lookAgain, LOOK_MS);
}

const events = new EventSource(view.dataset.live);
events.addEventListener("progress", (event) => {
  const upload = JSON.parse(event.data);
  // It may have moved on before the first event came, so it is held against what the page says.
  if (upload.status === view.dataset.status) show(view.dataset.of ? upload[view.dataset.of] ?? upload : upload);
  else location.reload();
});
events.addEventListener("error", () => {
  // Lost connections the browser brings back by itself; an answer that is no stream it does not ask for again.
  if (events.readyState === EventSource.CLOSED) setTimeout(lookAgain, LOOK_MS);
});
events.addEventListener("finished", () => {
  events.close();
  replaceAll();
});
