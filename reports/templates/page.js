"use strict";
// Filters and the theme.  Without scripts everything is shown, in the theme that the system asks for.
(() => {
  const root = document.documentElement;
  const form = document.getElementById("filters");
  const count = document.getElementById("count");
  const names = ["theorem", "verdict", "data"];
  const rows = [...document.querySelectorAll("[data-claim]")];
  const scenes = [...document.querySelectorAll("[data-scene]")];
  const sections = [...document.querySelectorAll("[data-section]")];
  const boxes = [...form.querySelectorAll("input[name=verdict]")];

  // The state is in the address, after '#': theorem=...&verdict=...,...&data=...  Anchors have no '='.
  const read = () => new URLSearchParams(location.hash.slice(1));
  const isState = () => location.hash.includes("=") || location.hash.length < 2;

  const chosen = () => {
    const state = new URLSearchParams();
    const verdicts = boxes.filter((box) => box.checked).map((box) => box.value);
    if (form.theorem.value) state.set("theorem", form.theorem.value);
    if (verdicts.length) state.set("verdict", verdicts.join(","));
    if (form.data.value) state.set("data", form.data.value);
    return state;
  };

  const write = (state) => {
    // What is not offered is no choice.
    const offered = (select, value) => [...select.options].some((one) => one.value === value);
    for (const name of ["theorem", "data"]) {
      const value = state.get(name) || "";
      form[name].value = offered(form[name], value) ? value : "";
    }
    const verdicts = (state.get("verdict") || "").split(",");
    for (const box of boxes) box.checked = verdicts.includes(box.value);
  };

  // Claims have the numbers of their data, whose names may be anything.
  const number = () => form.data.selectedOptions[0].dataset.number;

  const shows = (element, state) => {
    const verdicts = (state.get("verdict") || "").split(",").filter(Boolean);
    const of = element.dataset;
    if (state.get("theorem") && of.theorem !== state.get("theorem")) return false;
    if (verdicts.length && !verdicts.some((one) => one === of.verdict || (one === "unexpected" && of.off))) return false;
    return !form.data.value || of.data.split(" ").includes(number());
  };

  const apply = () => {
    const state = chosen();
    for (const row of rows) row.hidden = !shows(row, state);
    for (const row of scenes) row.hidden = Boolean(form.data.value) && row.dataset.scene !== number();
    for (const section of sections) {
      const mine = rows.filter((row) => row.dataset.theorem === section.dataset.section);
      section.hidden = mine.length ? mine.every((row) => row.hidden) : state.size > 0;
    }
    const articles = rows.filter((row) => row.localName === "article");
    const left = articles.filter((row) => !row.hidden).length;
    count.textContent = `${left} of ${articles.length} claims shown`;
  };

  const reveal = (element) => {
    for (let at = element; at; at = at.parentElement) if (at.localName === "details") at.open = true;
    element.scrollIntoView();
  };

  const follow = () => {
    if (isState()) {
      write(read());
      apply();
      return;
    }
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    // A link to what a filter hides takes the filter away.
    if (target.closest("[hidden]")) {
      write(new URLSearchParams());
      apply();
    }
    reveal(target);
  };

  form.addEventListener("change", () => {
    apply();
    history.replaceState(null, "", `#${chosen()}`);
  });
  form.addEventListener("reset", () => {
    setTimeout(() => {
      write(new URLSearchParams());
      apply();
      history.replaceState(null, "", "#");
    });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", follow);

  // The theme: the system's until somebody chooses; kept where the browser lets a file keep things.
  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const name = () => {
    button.textContent = isDark() ? "Light theme" : "Dark theme";
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("advntk-theme", root.dataset.theme);
    } catch {
      // Not kept, then.
    }
    name();
  });
  dark.addEventListener("change", name);
  try {
    const kept = localStorage.getItem("advntk-theme");
    if (["light", "dark"].includes(kept)) root.dataset.theme = kept;
  } catch {
    // The system's, then.
  }

  // Paper has no summaries to click on.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details.print:not([open])")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });

  // A table of contents that stands beside the text is open, one above it is not.
  if (matchMedia("(min-width: 72rem)").matches) document.getElementById("contents").open = true;
  form.hidden = false;
  button.hidden = false;
  name();
  apply();
  if (location.hash.length > 1) follow();
})();
