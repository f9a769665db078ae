// What was read: whether both answers were seen to their end, and for how many seconds the page was hidden or another
// window had the focus. It goes with the judgement and is only ever shown to people; nothing that is written is recorded.

const main = () => document.getElementById("main");
let seen = new Set();
let away = 0; // milliseconds
let since = null; // when the page was left
let watcher = null;

const isAway = () => document.hidden || !document.hasFocus();

function note() {
  const now = performance.now();
  if (since !== null) away += now - since;
  since = isAway() ? now : null;
}

function begin() {
  watcher?.disconnect();
  seen = new Set();
  away = 0;
  since = isAway() ? performance.now() : null;
  watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting && !document.hidden) seen.add(target);
  });
  for (const end of main().querySelectorAll(".answers .its-end")) watcher.observe(end);
}

for (const event of ["visibilitychange", "blur", "focus"]) addEventListener(event, note, true);
document.addEventListener("rating:show", begin);
document.addEventListener("formdata", ({ target, formData }) => {
  if (target.id !== "rating-form") return;
  note();
  formData.set("scrolled", seen.size >= 2 ? "1" : "0");
  formData.set("hidden_seconds", (away / 1000).toFixed(1));
});
begin();
