// Keys, declared where they act: <button data-key="1" data-key-label="A is better">. Alternatives are separated by commas
// ("1,ArrowLeft"), keys after one another by a space ("g r"). A key clicks its element, or focuses it when it is a text
// field. Keys are ignored while writing, with a modifier, when held down, and while something lies over the page; the `?`
// dialog lists them and can switch the single keys off (WCAG 2.1.4).

const WRITING = "input:not([type=radio], [type=checkbox], [type=range], [type=button], [type=submit]), textarea, select, [contenteditable]";
const SECOND_KEY_MS = 1200;
let first = { key: "", at: 0 };

const switchedOn = () => {
  try {
    return localStorage.getItem("keys") !== "off";
  } catch {
    return true;
  }
};

const keysOf = (element) => element.dataset.key.split(",").map((key) => key.trim());
const usable = (element) => !element.disabled && element.checkVisibility({ visibilityProperty: true });
const find = (key) => [...document.querySelectorAll("[data-key]")].find((element) => usable(element) && keysOf(element).includes(key));
const startsAPair = (key) => [...document.querySelectorAll("[data-key]")].some((element) => usable(element) && keysOf(element).some((own) => own.startsWith(`${key} `)));

function press(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest?.(WRITING) || document.querySelector("dialog[open], .dialog:popover-open")) return;
  if (!switchedOn() && event.key !== "?") return;
  // What has the focus is what Enter and the space bar act on.
  if (["Enter", " "].includes(event.key) && event.target.closest?.("a[href], button, summary, input, label")) return;

  const pair = event.timeStamp - first.at < SECOND_KEY_MS ? `${first.key} ${event.key}` : "";
  first = { key: "", at: 0 };
  const element = (pair && find(pair)) || find(event.key);
  if (element) {
    event.preventDefault();
    if (event.repeat) return; // a key held down acts once
    if (element.matches(WRITING)) element.focus();
    else element.click();
  } else if (startsAPair(event.key)) {
    first = { key: event.key, at: event.timeStamp };
  }
}

function term(keys) {
  const cell = document.createElement("dt");
  for (const [place, key] of keys.entries()) {
    if (place) cell.append("or ");
    for (const part of key.split(" ")) {
      const cap = document.createElement("kbd");
      cap.textContent = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", " ": "Space" }[part] ?? part;
      cell.append(cap, " ");
    }
  }
  return cell;
}

function list(target) {
  target.replaceChildren();
  for (const element of document.querySelectorAll("[data-key]")) {
    if (!usable(element)) continue;
    const label = document.createElement("dd");
    label.textContent = element.dataset.keyLabel ?? element.getAttribute("aria-label") ?? element.textContent.trim();
    target.append(term(keysOf(element)), label);
  }
}

document.addEventListener("keydown", press);
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open-dialog]");
  if (!opener) return;
  const dialog = document.getElementById(opener.dataset.openDialog);
  for (const target of dialog.querySelectorAll("[data-key-list]")) list(target);
  dialog.showModal();
});

for (const box of document.querySelectorAll("[data-keys-switch]")) {
  box.checked = switchedOn();
  box.addEventListener("change", () => {
    try {
      localStorage.setItem("keys", box.checked ? "on" : "off");
    } catch {
      box.checked = true; // cannot be remembered, so it is not pretended
    }
  });
}
