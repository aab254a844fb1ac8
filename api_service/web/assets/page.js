// What every page has: times as the reader's clock says them, and the keys.

const near = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export function sayLocalTimes(root = document) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    time.textContent = near.format(moment);
    time.title = `${exact.format(moment)} (${time.dateTime})`;
  }
}

// The same page as the server makes it now, or another state of it; only what has changed is put in.
export async function fetchPage(address, signal) {
  const answer = await fetch(address, { signal, headers: { Accept: "text/html" } });
  // Whose session is over is at the door, and comes back from there to this page.
  if (answer.redirected && new URL(answer.url).pathname === "/sign-in") location.reload();
  // What says that something is wrong has none of the parts that are looked for.
  if (!answer.ok) throw new Error(`${address} was answered ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  sayLocalTimes(page);
  return page;
}

export const number = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

function isWriting(element) {
  return element.closest("input, textarea, select, [contenteditable]") !== null;
}

addEventListener("keydown", (event) => {
  if (event.key === "/" && !isWriting(event.target)) {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  } else if (event.key === "Escape") {
    document.activeElement?.closest("details[open]")?.removeAttribute("open");
  }
});

sayLocalTimes();
