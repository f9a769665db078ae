// "3 minutes ago" for <time datetime="…" data-relative>, with the exact time on hover. Without script the server's text stays.

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

function relative(when, now) {
  const seconds = (when - now) / 1000;
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return unit === "second" ? (seconds > 0 ? "in a moment" : "just now") : words.format(Math.round(seconds / length), unit);
}

function show(element, now) {
  const when = new Date(element.dateTime);
  if (Number.isNaN(when.getTime())) return;
  element.textContent = relative(when, now);
  element.title = exact.format(when);
}

function showAll() {
  const now = new Date();
  for (const element of document.querySelectorAll("time[data-relative]")) show(element, now);
}

showAll();
setInterval(showAll, 30_000);
for (const event of ["htmx:load", "live:update"]) document.addEventListener(event, showAll);
