// A form that leads to another page is sent once: a second press while the first is on its way would make a second study,
// import or dataset. htmx has its own guard, and downloads (GET) may be repeated. After a while a stuck form opens again.

const AGAIN_MS = 10_000;
const sent = new Map(); // form -> when

document.addEventListener("submit", (event) => {
  const form = event.target;
  const method = event.submitter?.getAttribute("formmethod") ?? form.method;
  if (event.defaultPrevented || method !== "post") return;
  if (event.timeStamp - (sent.get(form) ?? -AGAIN_MS) < AGAIN_MS) event.preventDefault();
  else sent.set(form, event.timeStamp);
});
window.addEventListener("pageshow", () => sent.clear());
