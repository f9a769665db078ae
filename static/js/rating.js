// The rating page: choices open after the configured reading time, a double press never acts on the item that follows, and
// what happened is told politely once the choices are open. Keys are declared on the buttons (keys.js); sending, storing
// and resuming work without this file.

const DOUBLE_PRESS_MS = 150;
const main = () => document.getElementById("main");
const status = () => document.getElementById("rating-status");
let ready = false;

function begin(wait) {
  const form = document.getElementById("rating-form");
  if (!form) return;
  const seconds = Number(form.dataset.readingSeconds ?? 0);
  const buttons = form.querySelectorAll("button");
  if (seconds) for (const button of buttons) button.disabled = true;
  setTimeout(open, Math.max(wait, seconds * 1000), buttons);
}

function open(buttons) {
  for (const button of buttons) button.disabled = false;
  ready = true;
  status().textContent = main().dataset.status;
}

document.addEventListener(
  "click",
  (event) => {
    if (ready || !event.target.closest?.("#main form button")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);

document.addEventListener("click", ({ target }) => {
  const note = target.closest?.("summary")?.closest(".note");
  // The browser opens it after this event.
  if (note) setTimeout(() => note.open && note.querySelector("textarea").focus());
});

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id !== "main" || !detail.shouldSwap) return;
  const arrived = new URL(detail.xhr.responseURL);
  if (arrived.pathname.startsWith("/rate/")) {
    ready = false;
    status().textContent = "";
  } else {
    // The session has ended: the log-in page is another layout, so it is loaded whole.
    detail.shouldSwap = false;
    location.assign(arrived);
  }
});

document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (detail.target.id !== "main") return;
  // What had the focus is gone. From the prompt the arrow and page keys scroll the answers, and Tab comes to the choices.
  (main().querySelector("[autofocus]") ?? main()).focus({ preventScroll: true });
  begin(DOUBLE_PRESS_MS);
});

begin(0);
