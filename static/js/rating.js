// The rating page: one key judges and brings the next item at once, which was fetched ahead; the judgement is sent in the
// background, and who judged too early or into the void is taken back to the item with everything as they left it.
// Keys are declared on the buttons (keys.js). Sending, storing and resuming work without this file, by plain forms; with
// it, training items are sent that way too, because their feedback comes first.
//
// A job is a judgement on its way: {element: its item's <main>, address, fields, tries, words}. There are at most two: the
// second comes from somebody who is quicker than the connection, and waits for the answer to the first.

const DOUBLE_PRESS_MS = 150; // a second press of the same key must not judge the item that follows
const OTHER_CHOICES_MS = 1000; // ... and longer where the same key means something else there
const AGAIN_MS = [500, 1500, 4000, 10_000];
const RETREAT_AFTER = 2; // failed tries until the item is shown again

const main = () => document.getElementById("main");
const status = () => document.getElementById("rating-status");
const form = (element) => element.querySelector("#rating-form");
const choices = (element) => form(element).querySelectorAll("[name=choice]");
let ahead = null;
let jobs = [];
let sending = false;
let ready = false;
let leaving = ""; // where to go once everything is sent
let opening = 0; // the timer after which the choices are open

// --- What one browser remembers until it is sent: drafts, and judgements that did not arrive ---

const kept = {
  read(name) {
    try {
      return JSON.parse(sessionStorage.getItem(`rating:${name}`));
    } catch {
      return null;
    }
  },
  write(name, value) {
    try {
      if (value) sessionStorage.setItem(`rating:${name}`, JSON.stringify(value));
      else sessionStorage.removeItem(`rating:${name}`);
    } catch {
      // Storage is switched off or full: the page itself still holds everything.
    }
  },
};

function keepUnsent() {
  kept.write("unsent", jobs.length ? jobs.map(({ address, fields }) => ({ address, fields: [...fields] })) : null);
}

const writtenIn = (element) => [...element.querySelectorAll("[form=rating-form]")];

function keepDraft(element) {
  const written = writtenIn(element).map((field) => (field.type === "checkbox" ? field.checked : field.value));
  kept.write(element.dataset.item, written.some(Boolean) ? written : null);
}

function takeUpDraft(element) {
  const written = kept.read(element.dataset.item) ?? [];
  for (const [place, field] of writtenIn(element).entries()) {
    if (!written[place]) continue;
    if (field.type === "checkbox") field.checked = true;
    else field.value ||= written[place];
    if (field.name === "note") field.closest("details").open = true;
  }
}

document.addEventListener("input", ({ target }) => target.getAttribute?.("form") === "rating-form" && keepDraft(main()));

// --- Showing ---

function show(element) {
  const before = main();
  const other = before.dataset.choices !== element.dataset.choices;
  before.replaceWith(element);
  history.replaceState(null, "", element.dataset.address);
  document.dispatchEvent(new CustomEvent("rating:show"));
  // What had the focus is gone. From the prompt the arrow and page keys scroll the answers, and Tab comes to the choices.
  (element.querySelector("[autofocus]") ?? element).focus({ preventScroll: true });
  if (other) note(element, "This task has other choices. Look at the buttons first.");
  close(element);
  // The server counts the reading time from when it hears that the item is shown: `confirm` opens the choices then.
  if (!element.dataset.readingSeconds) openIn(element, other ? OTHER_CHOICES_MS : DOUBLE_PRESS_MS);
}

function close(element) {
  ready = false;
  clearTimeout(opening);
  if (element.dataset.readingSeconds) for (const button of choices(element)) button.disabled = true;
}

function confirm(element) {
  const seconds = Number(element.dataset.readingSeconds ?? 0);
  if (!seconds) return;
  openIn(element, seconds * 1000);
  countDown(element, performance.now() + seconds * 1000);
}

function openIn(element, milliseconds) {
  clearTimeout(opening);
  opening = setTimeout(open, milliseconds, element);
}

function open(element) {
  if (element !== main()) return;
  for (const button of choices(element)) button.disabled = false;
  delete element.dataset.readingSeconds;
  ready = true;
  if (element.querySelector(".saved[data-waits]")) saved(element, "");
}

function countDown(element, end) {
  const left = Math.ceil((end - performance.now()) / 1000);
  if (element !== main() || left < 1 || !choices(element)[0].disabled) return;
  saved(element, `Choices open in ${left} s`, true);
  setTimeout(countDown, 250, element, end);
}

// Nothing was fetched ahead: the judged item stays until the answer comes.
function wait(element) {
  ready = false;
  element.setAttribute("aria-busy", "true");
  for (const button of choices(element)) button.disabled = true;
  saved(element, "Saving…", true);
}

function saved(element, text, waits = false) {
  const place = element.querySelector(".saved");
  place.textContent = text;
  place.toggleAttribute("data-waits", waits);
}

// Said once the new item has been read out, and the choices take a key again.
function announce(text) {
  status().textContent = "";
  setTimeout(() => (status().textContent = text), DOUBLE_PRESS_MS);
}

function note(element, text) {
  const place = element.querySelector(".notices");
  const notice = document.createElement("div");
  notice.className = "notice";
  notice.dataset.level = "warning";
  const line = document.createElement("p");
  line.textContent = text;
  notice.append(line);
  place.replaceChildren(notice);
}

function read(html) {
  return new DOMParser().parseFromString(html, "text/html").querySelector("main");
}

// --- Judging ---

document.addEventListener(
  "submit",
  (event) => {
    const element = main();
    if (event.target.id === "undo-form") return undo(event);
    if (event.target !== form(element) || "training" in element.dataset || !element.dataset.item) return;
    event.preventDefault();
    if (ready) judge(element, event.submitter);
  },
  true, // before once.js, which would take a second try for a double one
);

// A press that comes too early for the item is no press, also where the browser itself would send the form.
document.addEventListener(
  "click",
  (event) => {
    if (ready || !event.target.closest?.("#rating-form button")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);

function judge(element, button) {
  const job = { element, address: form(element).action, fields: new FormData(form(element), button), tries: 0, words: button.dataset.keyLabel };
  for (const other of choices(element)) other.toggleAttribute("aria-pressed", false);
  button.setAttribute("aria-pressed", "true");
  element.querySelector(".notices").replaceChildren();
  const again = jobs.findIndex((waiting) => waiting.element === element);
  if (again < 0) jobs.push(job);
  else jobs[again] = job;
  keepUnsent();
  if (ahead && jobs.length === 1 && again < 0) {
    const next = ahead;
    ahead = null;
    show(next);
    saved(next, "Saving…", true);
  } else {
    wait(element);
  }
  send();
}

async function send() {
  if (sending || !jobs.length) return;
  const job = jobs[0];
  sending = true;
  const reply = await post(job.address, [...job.fields], main() === job.element ? "" : main().dataset.item);
  sending = false;
  if (job !== jobs[0]) send(); // judged anew meanwhile
  else if (reply.away) location.assign(job.element.dataset.address); // logged out: the item's address leads through the log-in
  else if (reply.failed) tryAgain(job);
  else take(job, reply);
}

async function post(address, fields, showing) {
  const body = new URLSearchParams(fields.filter(([name]) => name !== "csrfmiddlewaretoken"));
  body.set("csrfmiddlewaretoken", form(main()).querySelector("[name=csrfmiddlewaretoken]").value);
  if (showing) body.set("showing", showing);
  try {
    const answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" }, keepalive: true });
    if (answer.redirected || answer.status === 403) return { away: true };
    if (answer.status === 404) return { good: false, sentence: "That item is gone.", go: "/rate/" };
    if (!answer.ok && answer.status !== 422) return { failed: true };
    return await answer.json();
  } catch {
    return { failed: true };
  }
}

function tryAgain(job) {
  const pause = AGAIN_MS[Math.min(job.tries, AGAIN_MS.length - 1)];
  job.tries += 1;
  if (job.tries === RETREAT_AFTER) {
    retreat(job, `The server does not answer. Your judgement “${job.words}” is kept here and sent again by itself. You may also press a key again.`);
  }
  setTimeout(send, pause);
}
addEventListener("online", send);

// What became of the first job.
function take(job, reply) {
  jobs.shift();
  keepUnsent();
  if (reply.keeps) {
    jobs = [];
    keepUnsent();
    if (reply.go) return location.assign(reply.go);
    return retreat(job, reply.sentence, reply.wait);
  }
  kept.write(job.element.dataset.item, null);
  leaving ||= reply.go ?? "";
  if (leaving && !jobs.length) return location.assign(leaving);
  if (reply.item) takeItem(read(reply.item));
  else if (reply.ahead) ahead = read(reply.ahead);
  const waits = main() === job.element || main() === jobs[0]?.element;
  if (waits && ahead && !reply.item) {
    const next = ahead;
    ahead = null;
    show(next);
  }
  tell(reply);
  confirm(main());
  send();
}

// An item that the server wants shown now: it may be the one that was fetched ahead, with what was written beside it.
function takeItem(element) {
  const same = ahead?.dataset.item === element.dataset.item;
  show(same ? ahead : element);
  ahead = null;
  fetchAhead();
}

function tell(reply) {
  const element = main();
  saved(element, reply.good ? reply.sentence : "");
  if (!reply.good) note(element, reply.sentence);
  if (reply.progress) {
    const { judged, total, text } = reply.progress;
    const bar = element.querySelector("progress");
    bar.max = total;
    bar.value = judged;
    element.querySelector("[data-progress]").textContent = text;
    announce(`${reply.sentence} ${judged} of ${total} judged.`);
  }
  const back = element.querySelector("#undo-form");
  back.hidden = !reply.undo;
  if (reply.undo) {
    back.action = reply.undo.url;
    back.elements.revision.value = reply.undo.revision;
  }
}

// Back to an item whose judgement did not stand: the choice stays marked, the words and reasons are as they were.
function retreat(job, sentence, seconds = 0) {
  const current = main();
  if (current !== job.element) {
    ahead = current;
    current.removeAttribute("aria-busy");
    show(job.element);
  }
  job.element.removeAttribute("aria-busy");
  saved(job.element, "");
  note(job.element, sentence);
  announce(sentence);
  if (seconds) job.element.dataset.readingSeconds = seconds;
  close(job.element);
  if (seconds) confirm(job.element);
  else openIn(job.element, DOUBLE_PRESS_MS);
}

async function fetchAhead() {
  const element = main();
  if ("training" in element.dataset) return;
  const reply = await post(`${element.dataset.address}ahead/`, [], "");
  if (!reply.ahead || main() !== element || ahead || jobs.length) return;
  ahead = read(reply.ahead);
}

// --- Taking back, notes, leaving ---

// Undo is about the judgement that was sent last, so everything is sent first.
function undo(event) {
  if (!jobs.length) return;
  event.preventDefault();
  const again = setInterval(() => {
    if (jobs.length) return;
    clearInterval(again);
    main().querySelector("#undo-form").requestSubmit();
  }, 50);
}

document.addEventListener("click", (event) => {
  const details = event.target.closest?.("summary")?.closest(".note");
  if (details) {
    // At once, so that the first letter that is typed after the key is written and not taken for a key itself.
    event.preventDefault();
    details.open = !details.open;
    if (details.open) details.querySelector("textarea").focus();
  }
  if (event.target.closest?.("[data-reasons]")) main().querySelector("[name=reasons]").focus();
});

addEventListener("beforeunload", (event) => {
  if (jobs.some((job) => job.tries)) event.preventDefault(); // kept for this tab alone
});
addEventListener("pageshow", (event) => event.persisted && location.reload());

// Judgements that did not arrive before the page was loaded anew; sent twice they are stored once. Returns whether the
// page's item is still to be judged.
async function sendUnsent() {
  const unsent = kept.read("unsent") ?? [];
  kept.write("unsent", null);
  let stays = true;
  for (const { address, fields } of unsent) {
    const reply = await post(address, fields, "");
    const isThis = address === form(main()).action;
    if (reply.failed || reply.away) note(main(), "A judgement that you made before did not arrive. Judge that item again.");
    else if (reply.keeps && isThis) note(main(), reply.sentence);
    else if (isThis) {
      stays = false;
      location.assign(reply.go ?? read(reply.item).dataset.address);
    }
  }
  return stays;
}

function begin() {
  const element = main();
  takeUpDraft(element);
  close(element);
  if (element.dataset.readingSeconds) confirm(element);
  else open(element);
  status().textContent = element.dataset.status;
  fetchAhead();
}

if (kept.read("unsent")) sendUnsent().then((stays) => stays && begin());
else begin();
