// The grid of refused rows: cells are written into, Enter goes to the next fault, and what was changed is sent row by row.

import { number } from "./page.js";

const grid = document.querySelector("[data-grid]");
const button = document.querySelector("[data-send]");
const said = document.querySelector("[data-grid-said]");
const AT_ONCE = 4;
let marked = 0;
const DONE = { inserted: "✓ inserted", updated: "✓ updated", duplicate: "✓ duplicate of another row" };

const inputsOf = (row) => [...row.querySelectorAll("input[data-cell]")];
const isChanged = (row) => !row.dataset.done && inputsOf(row).some((input) => input.value !== input.dataset.was);
const changedRows = () => [...grid.querySelectorAll("tr[data-row]")].filter(isChanged);

function open() {
  const titles = [...grid.querySelectorAll("thead th")].slice(2);
  for (const row of grid.querySelectorAll("tr[data-row]:not([data-settled])")) {
    row.querySelectorAll("span[data-cell]").forEach((cell, at) => {
      const input = document.createElement("input");
      input.dataset.cell = "";
      input.value = input.dataset.was = cell.textContent;
      input.setAttribute("aria-label", `${titles[at].textContent} of row ${row.dataset.row}`);
      input.autocomplete = "off";
      input.spellcheck = false;
      cell.replaceWith(input);
      mark(input, [...input.parentElement.querySelectorAll(".why")]);
    });
  }
}

function mark(input, reasons) {
  input.parentElement.classList.toggle("fault", reasons.length > 0);
  if (!reasons.length) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
    return;
  }
  reasons[0].id ||= `why-${(marked += 1)}`;
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", reasons[0].id);
}

function count() {
  const rows = changedRows();
  for (const row of grid.querySelectorAll("tr[data-row]")) row.classList.toggle("changed", rows.includes(row));
  button.disabled = rows.length === 0;
  button.textContent = rows.length ? `Send ${number.format(rows.length)} corrected ${rows.length === 1 ? "row" : "rows"}` : "Nothing corrected yet";
}

function nextFault(input) {
  const faults = [...grid.querySelectorAll("td.fault input[data-cell], input[data-cell][aria-invalid]")];
  return faults.find((each) => input.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING) ?? null;
}

function paste(event) {
  const text = event.clipboardData.getData("text/plain").replace(/\r?\n$/, "");
  if (!/[\t\n]/.test(text)) return;
  event.preventDefault();
  const first = event.target.closest("tr");
  const at = inputsOf(first).indexOf(event.target);
  let row = first;
  for (const line of text.split(/\r?\n/)) {
    while (row && (!row.dataset.row || !inputsOf(row).length)) row = row.nextElementSibling;
    if (!row) break;
    const inputs = inputsOf(row);
    line.split("\t").forEach((cell, right) => {
      if (inputs[at + right]) inputs[at + right].value = cell;
    });
    row = row.nextElementSibling;
  }
  count();
}

function why(text) {
  const line = document.createElement("span");
  line.className = "why";
  line.textContent = `▲ ${text}`;
  return line;
}

function showFaults(row, faults) {
  const fields = JSON.parse(grid.dataset.fields);
  for (const old of row.querySelectorAll(".why")) old.remove();
  const inputs = inputsOf(row);
  inputs.forEach((input) => mark(input, []));
  for (const fault of faults) {
    const input = inputs[(fields[fault.field] ?? [])[0]];
    const place = input ? input.parentElement : row.querySelector("[data-result]");
    const line = why(fault.message);
    place.append(line);
    if (input) mark(input, [line]);
  }
}

function cellsOf(row) {
  const cells = inputsOf(row).map((input) => input.value);
  // What stood beyond the file's columns is gone when it was emptied.
  while (cells.length > Number(grid.dataset.width) && cells.at(-1) === "") cells.pop();
  return cells;
}

async function send(row) {
  const result = row.querySelector("[data-result]");
  result.textContent = "…";
  let answer, document;
  try {
    answer = await fetch(`${grid.dataset.grid}/${row.dataset.row}`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ cells: cellsOf(row), attempt: Number(row.dataset.attempt) }),
    });
    document = await answer.json();
  } catch {
    result.textContent = "not sent: the connection was lost";
    return false;
  }
  if (document.code === "still_rejected") {
    result.textContent = "";
    showFaults(row, document.faults);
    return false;
  }
  if (!answer.ok) {
    result.textContent = document.detail;
    return false;
  }
  if (document.reject) {
    row.dataset.attempt = document.reject.attempt;
    result.textContent = "refused again";
    showFaults(row, document.reject.faults);
    inputsOf(row).forEach((input) => (input.dataset.was = input.value));
    return false;
  }
  showFaults(row, []);
  row.dataset.done = "true";
  row.classList.add("done");
  inputsOf(row).forEach((input) => (input.readOnly = true));
  result.textContent = DONE[document.outcome] ?? "on its way";
  return true;
}

async function sendAll() {
  const rows = changedRows();
  const all = rows.length;
  button.disabled = true;
  let sent = 0;
  const work = async () => {
    for (let row = rows.shift(); row; row = rows.shift()) {
      if (await send(row)) sent += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  said.textContent = `${number.format(sent)} of ${number.format(all)} corrected rows are in.`;
  count();
  const left = grid.querySelector("td.fault input[data-cell]:not([readonly])");
  if (left) left.focus();
  else said.append(" ", Object.assign(document.createElement("a"), { href: location.href, textContent: "Show what is left" }));
}

function changeMany() {
  const at = Number(document.querySelector("[data-bulk-column]").value);
  const find = document.querySelector("[data-bulk-find]").value;
  const replacement = document.querySelector("[data-bulk-replace]").value;
  for (const row of grid.querySelectorAll("tr[data-row]:not([data-settled], [data-done])")) {
    const input = inputsOf(row)[at];
    if (input) input.value = find ? input.value.replaceAll(find, () => replacement) : replacement;
  }
  count();
}

if (grid) {
  open();
  grid.addEventListener("input", count);
  grid.addEventListener("paste", paste);
  grid.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("input[data-cell]")) {
      event.preventDefault();
      (nextFault(event.target) ?? button).focus();
    } else if (event.key === "Escape" && event.target.matches("input[data-cell]")) {
      event.target.value = event.target.dataset.was;
      count();
    }
  });
  button.hidden = false;
  button.addEventListener("click", sendAll);
  document.querySelector("[data-bulk]").hidden = false;
  document.querySelector("[data-grid-hint]").hidden = false;
  document.querySelector("[data-bulk-apply]").addEventListener("click", changeMany);
  addEventListener("beforeunload", (event) => {
    if (changedRows().length) event.preventDefault();
  });
}
