// How texts are looked at: as plain text (remembered by this browser, for both sides and all items), with the words marked
// that differ, and, where the answers scroll in boxes of their own, whether they scroll together. Without this file the
// buttons load the page anew; the server knows the remembered view by its cookie.

const YEAR_S = 31_536_000;
const main = () => document.getElementById("main");
const boxes = () => [...main().querySelectorAll(".answers > .card")];
const scrolls = (box) => box.scrollHeight > box.clientHeight + 1 && getComputedStyle(box).overflowY === "auto";

const plain = () => document.cookie.split("; ").includes("rating_view=plain");
const together = {
  read() {
    try {
      return localStorage.getItem("rating-together") !== "off";
    } catch {
      return true;
    }
  },
  write(on) {
    try {
      localStorage.setItem("rating-together", on ? "on" : "off");
    } catch {
      // It then holds for this page alone.
    }
  },
};
let inStep = together.read();

function press(button, on, value) {
  button.setAttribute("aria-pressed", String(on));
  if (value) button.value = value;
}

function setPlain(on) {
  main().toggleAttribute("data-plain", on);
  press(main().querySelector("[name=view][data-key=t]"), on, on ? "formatted" : "plain");
}

async function setDifferences(button, on) {
  const element = main();
  if (on && !element.querySelector(".compared") && !(await fetchDifferences(element))) return;
  element.toggleAttribute("data-differences", on && Boolean(element.querySelector(".compared")));
  press(button, element.hasAttribute("data-differences"), element.hasAttribute("data-differences") ? "same" : "differences");
  settle();
}

// The server compares, because a long comparison takes its time and must look the same for everybody.
async function fetchDifferences(element) {
  const answer = await fetch(`${element.dataset.address}?view=differences`).catch(() => null);
  if (!answer?.ok || answer.redirected) return tell("The differences could not be loaded. Try again in a moment.", "error");
  const found = new DOMParser().parseFromString(await answer.text(), "text/html");
  const note = found.querySelector("[data-note]");
  if (note) return tell(note.textContent, "info");
  for (const [place, text] of [...found.querySelectorAll(".answers .compared")].entries()) {
    boxes()[place].querySelector(".its-end").before(text);
  }
  return element === main();
}

function tell(text, level) {
  document.dispatchEvent(new CustomEvent("notify", { detail: { level, text } }));
  return false;
}

document.addEventListener(
  "submit",
  (event) => {
    if (!event.target.matches(".views")) return;
    event.preventDefault();
    const button = event.submitter;
    const on = button.getAttribute("aria-pressed") !== "true";
    if (button.dataset.key === "d") return void setDifferences(button, on);
    document.cookie = `rating_view=${on ? "plain" : "formatted"}; path=/rate/; max-age=${YEAR_S}; samesite=lax`;
    setPlain(on);
    settle();
  },
  true,
);

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-together]");
  if (!button) return;
  inStep = !inStep;
  together.write(inStep);
  press(button, inStep);
});

// --- Scrolling ---

let driven = null; // the box that follows, whose own scroll event must not drive the other back

document.addEventListener(
  "scroll",
  ({ target }) => {
    if (!inStep || !target.matches?.(".answers > .card")) return;
    if (target === driven) {
      driven = null;
      return;
    }
    const other = boxes().find((box) => box !== target);
    if (!other || !scrolls(other) || !scrolls(target)) return;
    // In step by the share that was read, so that both come to their end at once.
    const share = target.scrollTop / (target.scrollHeight - target.clientHeight);
    const top = Math.round(share * (other.scrollHeight - other.clientHeight));
    if (Math.abs(top - other.scrollTop) < 1) return;
    driven = other;
    other.scrollTop = top;
  },
  true,
);

// The keys for scrolling move the answers, unless what has the focus scrolls itself; a long prompt goes first.
const STEPS = { PageDown: 0.85, PageUp: -0.85, " ": 0.85, ArrowDown: 48, ArrowUp: -48, Home: -Infinity, End: Infinity };
const canMove = (box, down) => (down ? box.scrollTop + box.clientHeight < box.scrollHeight - 1 : box.scrollTop > 0);

document.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  if (!step || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, summary, a, button, pre, .formatted div, .answers > .card, dialog, [popover]")) return;
  if (event.target.matches?.(".prompt") && canMove(event.target, step > 0 !== event.shiftKey)) return;
  const moving = boxes().filter(scrolls);
  const places = moving.length ? moving : [main().querySelector(".rating-body")];
  event.preventDefault();
  for (const place of inStep ? places.slice(0, 1) : places) {
    const by = Math.abs(step) < 1 ? step * place.clientHeight : step;
    place.scrollTop = Math.min(Math.max(place.scrollTop + (event.shiftKey ? -by : by), 0), place.scrollHeight);
  }
});

// --- Each item ---

// Of a long conversation the end is what the answers reply to.
function showTheLastTurn() {
  const prompt = main().querySelector(".prompt:has(.conversation)");
  if (prompt) prompt.scrollTop = prompt.scrollHeight;
}

function settle() {
  const button = main().querySelector("[data-together]");
  if (!button) return;
  button.hidden = boxes().filter(scrolls).length < 2;
  press(button, inStep);
}

addEventListener("resize", settle);
document.addEventListener("rating:show", () => {
  setPlain(plain());
  settle();
  showTheLastTurn();
});
settle();
showTheLastTurn();
