// Keeps a part of a page up to date: <section data-live-url="/runs/7/live/" data-live-every="2">. The answer is HTML whose
// elements carry ids; each takes the place of its namesake, and only if it differs, so that focus, selection and open
// details survive. Polling ends when the answer has an element with data-live-done. While the connection is
// lost, [data-live-note] says so; the next try comes later each time, up to half a minute.

const SLOWEST_MS = 30_000;
const shown = new Map(); // id -> the HTML last put there

function put(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html").body;
  const done = Boolean(parsed.querySelector("[data-live-done]")); // asked first: what is put into the page leaves `parsed`
  for (const fresh of parsed.querySelectorAll(":scope > [id]")) {
    const old = document.getElementById(fresh.id);
    const source = fresh.outerHTML;
    if (!old || (shown.get(fresh.id) ?? old.outerHTML) === source) continue;
    shown.set(fresh.id, source);
    replace(old, fresh);
  }
  return done;
}

// What the person opened, focused or scrolled to stays as it was; a log that was read at its end stays at its end.
function replace(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const atEnd = old.scrollHeight - old.scrollTop - old.clientHeight < 8;
  const { scrollTop } = old;
  for (const details of old.querySelectorAll("details[id]")) {
    const twin = fresh.querySelector(`#${CSS.escape(details.id)}`);
    if (twin) twin.open = details.open;
  }
  old.replaceWith(fresh);
  fresh.scrollTop = atEnd && fresh.matches("[data-live-follow]") ? fresh.scrollHeight : scrollTop;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  window.htmx?.process(fresh);
}

function say(region, text) {
  for (const note of region.querySelectorAll("[data-live-note]")) if (note.textContent !== text) note.textContent = text;
}

async function poll(region) {
  const answer = await fetch(region.dataset.liveUrl, { headers: { "X-Requested-With": "fetch" }, cache: "no-store" });
  if (answer.redirected) throw new Error("The session has ended. Load the page again.");
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  const done = put(await answer.text());
  region.dispatchEvent(new CustomEvent("live:update", { bubbles: true, detail: { done } }));
  return done;
}

async function follow(region) {
  const every = 1000 * Number(region.dataset.liveEvery ?? 3);
  let pause = every;
  while (region.isConnected) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (document.hidden) await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
    try {
      if (await poll(region)) return;
      pause = every;
      say(region, "");
    } catch (error) {
      pause = Math.min(pause * 2, SLOWEST_MS);
      const reason = error instanceof TypeError ? "No connection." : error.message;
      say(region, `${reason} Reconnecting in ${Math.round(pause / 1000)} s; what you see is from before.`);
    }
  }
}

for (const region of document.querySelectorAll("[data-live-url]")) follow(region);
