// The break: counts down, and says when it is over. Going on is the server's to allow, with or without this file.

const place = document.querySelector("[data-rest]");
const button = document.querySelector("[data-rest-button]");

if (place) {
  const end = performance.now() + Number(place.dataset.rest) * 1000;
  button.disabled = true;
  const tick = setInterval(() => {
    const left = Math.ceil((end - performance.now()) / 1000);
    place.textContent = left > 60 ? `${Math.ceil(left / 60)} min` : `${Math.max(left, 0)} s`;
    if (left > 0) return;
    clearInterval(tick);
    button.disabled = false;
    button.focus();
  }, 1000);
}
