// The rows of a version. A row's link opens it in place (with a modifier key, or without this file, on a page of its own);
// the keys are declared on buttons (keys.js): next row, row before, tag it. Whether differences are marked is remembered.

const rows = () => [...document.querySelectorAll("[data-row]")];
const link = (row) => row.querySelector("[data-open-row]");
const current = () => document.activeElement?.closest?.("[data-row]") ?? document.getElementById(document.activeElement?.closest?.(".opened")?.id.replace("open", "row"));

async function load(row, place) {
  const address = new URL(link(row).href);
  address.searchParams.set("part", "1");
  const answer = await fetch(address, { headers: { "X-Requested-With": "fetch" } });
  if (answer.redirected || !answer.ok) throw new Error(`status ${answer.status}`);
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  place.replaceChildren(...parsed.body.childNodes);
  for (const field of place.querySelectorAll("[name=next]")) field.value = location.pathname + location.search + `#row-${row.dataset.row}`;
  window.htmx?.process(place);
  mark(place);
}

function below(row) {
  const line = document.createElement("tr");
  line.className = "opened";
  line.id = `open-${row.dataset.row}`;
  line.insertCell().colSpan = row.cells.length;
  row.after(line);
  return line;
}

async function open(row, wanted = true) {
  const line = document.getElementById(`open-${row.dataset.row}`) ?? below(row);
  line.hidden = !wanted;
  row.classList.toggle("is-open", wanted);
  link(row).setAttribute("aria-expanded", String(wanted));
  const place = line.firstElementChild;
  if (!wanted || place.childElementCount) return;
  try {
    await load(row, place);
  } catch {
    location.assign(link(row).href); // the page itself says what is wrong
  }
}

function move(step) {
  const all = rows();
  const at = all.indexOf(current());
  const next = at < 0 ? all.at(step > 0 ? 0 : -1) : all[at + step];
  if (!next) return;
  link(next).focus();
  next.scrollIntoView({ block: "nearest" });
}

async function tag() {
  const row = current() ?? rows()[0];
  if (!row) return;
  await open(row);
  document.getElementById(`tag-${row.dataset.row}`)?.focus();
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const opener = event.target.closest("[data-open-row]");
  const mover = event.target.closest("[data-move]");
  if (opener) {
    event.preventDefault();
    const row = opener.closest("[data-row]");
    open(row, !row.classList.contains("is-open"));
  } else if (mover) {
    move(Number(mover.dataset.move));
  } else if (event.target.closest("[data-tag-row]")) {
    tag();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const row = current();
  if (!row?.classList.contains("is-open")) return;
  open(row, false);
  link(row).focus();
});

const marked = () => {
  try {
    return localStorage.getItem("mark-differences") !== "off";
  } catch {
    return true;
  }
};
function mark(place) {
  for (const box of place.querySelectorAll(".mark-differences")) box.checked = marked();
}
document.addEventListener("change", (event) => {
  if (!event.target.matches(".mark-differences")) return;
  try {
    localStorage.setItem("mark-differences", event.target.checked ? "on" : "off");
  } catch {
    return; // the box still acts on this row
  }
  mark(document);
});

// Fields that say nothing make addresses long.
document.addEventListener("submit", (event) => {
  if (!event.target.matches(".pairs-filter")) return;
  const empty = [...event.target.elements].filter((field) => field.name && !field.value && !["low", "high"].includes(field.name));
  const [low, high] = event.target.querySelectorAll(".bounds-fields input");
  if (!low.value && !high.value) empty.push(low, high, event.target.querySelector(".bounds-fields select"));
  for (const field of empty) field.disabled = true;
  setTimeout(() => empty.forEach((field) => (field.disabled = false)));
});

// The index has been made while the page waited: show the rows.
document.addEventListener("live:update", ({ detail }) => {
  if (detail.done && document.querySelector("[data-reload]")) location.reload();
});

for (const keys of document.querySelectorAll(".pair-keys")) keys.hidden = false;
mark(document);
if (location.hash.startsWith("#row-")) {
  const row = document.querySelector(CSS.escape ? `#${CSS.escape(location.hash.slice(1))}` : location.hash);
  if (row) open(row).then(() => link(row).focus());
}
