// The rating page: choices open after the configured reading time, a double press never judges the item that follows, and
// what happened is told politely once the choices are open. Keys are declared on the buttons (keys.js); sending, storing
// and resuming work without this file.

const DOUBLE_PRESS_MS = 150;
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
  status().textContent = document.getElementById("main").dataset.status;
}

document.addEventListener(
  "click",
  (event) => {
    if (ready || !event.target.closest?.("#rating-form button")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id !== "main" || !detail.shouldSwap) return;
  ready = false;
  status().textContent = "";
});

document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (detail.target.id !== "main") return;
  // What had the focus is gone; the next Tab starts at the top of the new item.
  document.getElementById("main").focus({ preventScroll: true });
  begin(DOUBLE_PRESS_MS);
});

begin(0);
