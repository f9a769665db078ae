// A search that narrows a list of boxes: <input data-narrows="id of the list">. Boxes that are ticked stay in sight, so
// that nothing is sent unseen. Without script the whole list is there and the search is not.

for (const search of document.querySelectorAll("[data-narrows]")) {
  const boxes = [...document.getElementById(search.dataset.narrows).querySelectorAll("label")];
  const place = search.closest("[data-narrow-search]");
  place.hidden = false;
  search.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  search.addEventListener("input", () => {
    const words = search.value.trim().toLowerCase();
    let found = 0;
    for (const label of boxes) {
      const matches = label.textContent.toLowerCase().includes(words);
      label.hidden = !matches && !label.querySelector("input").checked;
      found += matches;
    }
    place.querySelector("[data-narrowed]").textContent = words ? `${found} of ${boxes.length}` : "";
  });
}
