// Light, dark or as the system says. Loaded before the style sheets and without `defer`, so that the first paint is
// already in the chosen theme; the switch itself (partials/account.html) is wired when the page is there.
"use strict";
(() => {
  const root = document.documentElement;

  const stored = () => {
    try {
      return localStorage.getItem("theme") ?? "system";
    } catch {
      return "system"; // storage is switched off: the system decides
    }
  };

  const apply = (theme) => {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    root.dispatchEvent(new CustomEvent("theme:change", { bubbles: true }));
  };

  const choose = (theme) => {
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // The choice then holds for this page alone.
    }
    apply(theme);
  };

  apply(stored());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(stored()));
  addEventListener("storage", (event) => event.key === "theme" && apply(stored()));

  document.addEventListener("DOMContentLoaded", () => {
    for (const group of document.querySelectorAll("[data-theme-switch]")) {
      group.hidden = false;
      for (const radio of group.querySelectorAll("input")) radio.checked = radio.value === stored();
      group.addEventListener("change", (event) => choose(event.target.value));
    }
  });
})();
