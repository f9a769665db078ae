// Short words at the lower edge of the page, spoken politely. The server sends them with a response:
// HX-Trigger: {"notify": {"level": "success", "text": "Saved."}}; scripts with document.dispatchEvent. A request that
// fails on the way is said here too, so that no click ends in silence.

const toasts = document.getElementById("toasts");
const STAY_MS = 6000;

function notify(text, level = "info") {
  const note = document.createElement("div");
  note.className = "notice";
  note.dataset.level = level;
  const line = document.createElement("p");
  line.textContent = text;
  note.append(line);
  toasts.replaceChildren(...[...toasts.children].slice(-2), note);
  if (level !== "error") setTimeout(() => note.remove(), STAY_MS);
  else note.addEventListener("click", () => note.remove());
}

const failed = {
  0: "The server did not answer. Nothing was changed; check the connection and try again.",
  403: "Your session has ended or this is not open to you. Load the page again.",
  409: "Somebody else changed this meanwhile. Load the page again to see how it stands.",
};

document.addEventListener("notify", (event) => notify(event.detail.text, event.detail.level));
document.addEventListener("htmx:sendError", () => notify(failed[0], "error"));
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  notify(failed[status] ?? `The server refused this request (${status}). Nothing was changed; load the page again and retry.`, "error");
});
