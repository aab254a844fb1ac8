// Sends a file that was chosen or dropped, and says how much of it has gone. Without it the form sends it by itself.

import { number } from "./page.js";

const form = document.querySelector("[data-send-file]");
const input = form.querySelector("input[type=file]");
const sending = form.querySelector("[data-sending]");
const sent = form.querySelector("[data-sent]");
const refused = form.querySelector("[data-refused]");
const bar = form.querySelector("progress");
let request = null;

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}

function refuse(title, ...lines) {
  sending.hidden = true;
  refused.hidden = false;
  const strong = document.createElement("strong");
  strong.textContent = title;
  refused.replaceChildren(strong, ...lines.filter(Boolean).map((line) => {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    return paragraph;
  }));
}

function answered() {
  let answer = null;
  try {
    answer = JSON.parse(request.responseText);
  } catch {
    // What stands between us may answer with something else.
  }
  if (request.status >= 200 && request.status < 300 && answer) {
    // What has an address in the API has its page under the same one.
    location.assign(request.getResponseHeader("Location").replace(/^\/v1/, ""));
  } else if (answer) {
    refuse(answer.title, answer.detail, ...(answer.errors ?? []).map((each) => `${each.field ?? each.location}: ${each.detail}`));
  } else {
    refuse("The file was not taken", `The server answered ${request.status}. Nothing was kept: try again.`);
  }
}

function send(file) {
  request?.abort();
  refused.hidden = true;
  sending.hidden = false;
  bar.value = 0;
  sent.textContent = `Sending ${file.name}`;
  form.closest("details")?.setAttribute("open", "");
  const body = new FormData(form);
  body.set(input.name, file, file.name);
  request = new XMLHttpRequest();
  let said = 0;
  request.upload.onprogress = (event) => {
    const share = event.total ? event.loaded / event.total : 0;
    bar.value = share;
    // A reader aloud is told every tenth, not every block.
    if (share === 1) {
      sent.textContent = "All of it is there. Looking at it …";
    } else if (share - said >= 0.1 || !said) {
      said = share;
      sent.textContent = `${megabytes(event.loaded)} of ${megabytes(event.total)} MB · ${number.format(100 * share)}%`;
    }
  };
  request.onload = answered;
  request.onerror = () => refuse("The connection was lost", "Nothing was kept. Check the network, and send the file again.");
  request.open("POST", form.dataset.sendFile);
  request.send(body);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (input.files.length) send(input.files[0]);
});
form.querySelector("[data-stop]").addEventListener("click", () => {
  request?.abort();
  refuse("Stopped", "Nothing was kept of the file.");
});

form.querySelector("[data-drop-hint]").hidden = false;
addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("dropping");
});
addEventListener("drop", (event) => {
  document.body.classList.remove("dropping");
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  if (event.dataTransfer.files.length > 1) {
    refuse("One file at a time", "Each file becomes an upload of its own: drop them one after the other.");
  } else {
    send(event.dataTransfer.files[0]);
  }
});
