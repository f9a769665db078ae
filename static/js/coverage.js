// The map of a version's prompts: a topic chosen on the map, in the list or in the table is shown beside the map without
// loading the page again. On the map the arrow keys go from topic to topic in the table's order, Home and End to its ends.

const root = document.querySelector("[data-coverage]");

function mark(number) {
  for (const link of document.querySelectorAll("a[data-topic]")) {
    const chosen = link.dataset.topic === number;
    if (chosen) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    link.closest("tr")?.classList.toggle("current", chosen);
  }
  const dots = root.querySelector(`.dots[data-topic="${CSS.escape(number)}"]`);
  if (dots) hold(dots);
}

// One stop for the Tab key; the arrows move it.
function hold(dots) {
  for (const other of root.querySelectorAll(".dots")) other.setAttribute("tabindex", other === dots ? "0" : "-1");
}

async function show(number, { push = true, reveal = true } = {}) {
  const address = number ? `${root.dataset.coverageUrl}?cluster=${number}` : root.dataset.coverageUrl;
  await window.htmx.ajax("GET", address, { target: "#topic", swap: "outerHTML" });
  mark(number);
  if (push) history.pushState({ topic: number }, "", address);
  const panel = document.getElementById("topic");
  if (reveal) panel.scrollIntoView({ block: "nearest" });
}

if (root && window.htmx) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-topic]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const onMap = root.querySelector("svg").contains(link);
    show(link.dataset.topic).then(() => onMap || document.getElementById("topic").focus());
  });

  root.querySelector("svg").addEventListener("keydown", (event) => {
    const all = [...root.querySelectorAll(".dots")];
    const here = all.indexOf(event.target.closest(".dots"));
    const last = all.length - 1;
    const step = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: last };
    if (here < 0 || !(event.key in step)) return;
    event.preventDefault();
    const next = all[Math.min(Math.max(step[event.key], 0), last)];
    hold(next);
    next.focus();
  });

  window.addEventListener("popstate", () => {
    const number = new URL(location).searchParams.get("cluster") ?? "";
    show(number, { push: false, reveal: false });
  });
}
