// Searches as somebody types. The address bar says what is shown, so it can be kept and sent to others.

import { fetchPage } from "./page.js";

const form = document.querySelector("[data-search]");
const PAUSE = 250;
let timer = 0;
let under = null;

async function search() {
  under?.abort();
  under = new AbortController();
  const chosen = new URLSearchParams(new FormData(form));
  const address = chosen.get("searchTerm") || chosen.has("uploadId") ? `${form.action}?${chosen}` : form.action;
  try {
    const page = await fetchPage(address, under.signal);
    document.querySelector("[data-found]").replaceWith(page.querySelector("[data-found]"));
    history.replaceState(null, "", address);
  } catch (error) {
    if (error.name !== "AbortError") location.assign(address);
  }
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(search, PAUSE);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  search();
});
