// Shortcut keys, and filters that need no button. Every page also works without this file.
"use strict";

const typing = (element) => element.matches("input:not([type=checkbox]), textarea, select");

document.querySelectorAll("form[data-submits] select, form[data-submits] [type=checkbox]").forEach(
  (field) => field.addEventListener("change", () => field.form.requestSubmit()),
);

// Leave empty fields out, which keeps addresses short.
document.querySelectorAll("form[data-submits]").forEach((form) =>
  form.addEventListener("submit", () => {
    form.querySelectorAll("input, select").forEach((field) => {
      if (field.value === "") field.disabled = true;
    });
  }),
);
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-submits] [disabled]").forEach((field) => {
    if (field.value === "") field.disabled = false;
  });
});

const step = (event, tiles) => {
  const position = tiles.indexOf(document.activeElement.closest(".tile")?.querySelector("[data-tile]"));
  const top = (tile) => tile.getBoundingClientRect().top;
  const inRow = tiles.filter((tile) => Math.abs(top(tile) - top(tiles[0])) < 2).length;
  const offset = { ArrowRight: 1, l: 1, ArrowLeft: -1, h: -1, ArrowDown: inRow, ArrowUp: -inRow }[event.key];
  if (offset === undefined) return false;
  const next = position < 0 ? 0 : position + offset;
  if (tiles[next]) tiles[next].focus();
  return true;
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && document.activeElement.matches("select#relabel")) {
    document.querySelector("[data-relabels]").click();
  }
  if (event.key === "Escape" && typing(document.activeElement)) document.activeElement.blur();
  if (typing(document.activeElement)) return;
  const focus = document.querySelector(`[data-focus="${CSS.escape(event.key)}"]`);
  if (focus) {
    event.preventDefault();
    focus.focus();
    return;
  }
  const tiles = [...document.querySelectorAll("[data-tile]")];
  if (tiles.length && step(event, tiles)) {
    event.preventDefault();
    return;
  }
  const within = document.activeElement.closest(".tile");
  const key = `[data-key="${CSS.escape(event.key)}"]`;
  const target = within?.querySelector(key) ??
    [...document.querySelectorAll(key)].find((element) => !element.closest(".tile"));
  if (target) {
    event.preventDefault();
    target.click();
  }
});
