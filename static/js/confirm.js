// Asks before what cannot be taken back: <button data-confirm="Cancel this run?" data-confirm-detail="The last checkpoint
// is kept." data-confirm-verb="Cancel the run">. Works for plain forms, links and htmx alike, because the question is put
// before any of them sees the click. In a live part of a page the button needs an id.

const dialog = document.getElementById("confirm-dialog");
const agreed = new WeakSet();

function ask(element) {
  const { confirm: question, confirmDetail: detail = "", confirmVerb: verb } = element.dataset;
  dialog.querySelector("#confirm-title").textContent = question;
  dialog.querySelector("#confirm-detail").textContent = detail;
  dialog.querySelector("[data-confirm-yes]").textContent = verb ?? (element.textContent.trim() || "Go on");
  dialog.returnValue = "no";
  dialog.addEventListener("close", () => answer(element), { once: true });
  dialog.showModal();
}

// While the question stood there, a live part of the page may have been drawn anew: then the button's namesake is meant.
function answer(element) {
  if (dialog.returnValue !== "yes") return;
  const target = element.isConnected ? element : element.id && document.getElementById(element.id);
  if (!target?.matches("[data-confirm]")) {
    const text = "This changed while you were asked, and nothing was done. Look at how it stands now.";
    document.dispatchEvent(new CustomEvent("notify", { detail: { level: "warning", text } }));
    return;
  }
  agreed.add(target);
  target.click();
}

if (dialog) {
  document.addEventListener(
    "click",
    (event) => {
      const element = event.target.closest("[data-confirm]");
      if (!element || agreed.delete(element)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      ask(element);
    },
    true,
  );
}
