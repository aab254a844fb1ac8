// Shows the rows anew when something is chosen. The server draws them; the parts that depend on a choice are exchanged.

import { fetchPage } from "./page.js";

const form = document.querySelector("[data-draft]");
const PARTS = ["actions", "problem", "preview", "encodings", "sample"];
let under = null;

function hideRedraw() {
  const redraw = form.querySelector("[data-redraw]");
  if (redraw) redraw.hidden = true;
}

async function redraw() {
  under?.abort();
  under = new AbortController();
  const focused = document.activeElement?.name;
  const place = [...form.querySelectorAll(`[name="${focused}"]`)].indexOf(document.activeElement);
  form.setAttribute("aria-busy", "true");
  const chosen = new URLSearchParams(new FormData(form));
  const address = `${location.pathname}?${chosen}`;
  let page;
  try {
    page = await fetchPage(address, under.signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    form.querySelector("[data-part=problem]").textContent = "The server did not answer: the rows below are as they were. Choose again.";
    form.removeAttribute("aria-busy");
    return;
  }
  history.replaceState(null, "", address);
  for (const name of PARTS) {
    const fresh = page.querySelector(`[data-part=${name}]`);
    if (fresh) form.querySelector(`[data-part=${name}]`).replaceWith(fresh);
  }
  hideRedraw();
  form.removeAttribute("aria-busy");
  if (focused) form.querySelectorAll(`[name="${focused}"]`)[Math.max(0, place)]?.focus();
}

form.addEventListener("change", redraw);
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("input")) {
    event.preventDefault();
    redraw();
  }
});
hideRedraw();
