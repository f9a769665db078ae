// A button that fills in a field: <button data-fill="item_limit" value="384">. Without script it sends the form, which comes
// back with the value in it; with script the form stays as it is. One of type "button" is hidden where there is no script.

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-fill]");
  const field = button?.form?.elements[button.dataset.fill];
  if (!field) return;
  event.preventDefault();
  field.closest("details")?.setAttribute("open", "");
  field.value = button.value;
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});
