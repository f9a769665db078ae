// The rating page: choices open after the configured reading time, and a double press never judges the item that follows.
// Keys are declared on the buttons (keys.js); sending, storing and resuming work without this file.
// `data-ready` on the form says that choices are taken.

const DOUBLE_PRESS_MS = 150;
const form = () => document.getElementById("rating-form");

function begin() {
  const current = form();
  if (!current) return;
  const seconds = Number(current.dataset.readingSeconds ?? 0);
  const buttons = current.querySelectorAll("button");
  if (seconds) for (const button of buttons) button.disabled = true;
  setTimeout(() => {
    for (const button of buttons) button.disabled = false;
    current.dataset.ready = "";
  }, Math.max(DOUBLE_PRESS_MS, seconds * 1000));
}

document.addEventListener(
  "click",
  (event) => {
    const button = event.target.closest?.("#rating-form button");
    if (!button || "ready" in form().dataset) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);

document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (detail.target.id !== "main") return;
  // What had the focus is gone; the next Tab starts at the top of the new item.
  document.getElementById("main").focus({ preventScroll: true });
  begin();
});

begin();
