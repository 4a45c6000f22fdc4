"use strict";
// Filters, the theme, copying.  Without scripts everything is shown, in the theme that the system asks for.
(() => {
  const root = document.documentElement;
  const form = document.getElementById("filters");
  const count = document.getElementById("count");
  const rows = [...document.querySelectorAll("[data-claim]")];
  const scenes = [...document.querySelectorAll("[data-scene]")];
  const sections = [...document.querySelectorAll("[data-section]")];
  const boxes = [...form.querySelectorAll("input[name=verdict]")];

  // The state is in the address, after '#': theorem=...&verdict=...,...&data=...&text=...
  const read = () => new URLSearchParams(location.hash.slice(1));

  // What the address points to, if it is no state.  Anything may stand in an address.
  const target = () => {
    const raw = location.hash.slice(1);
    try {
      return document.getElementById(raw) || document.getElementById(decodeURIComponent(raw));
    } catch {
      return null;
    }
  };

  const chosen = () => {
    const state = new URLSearchParams();
    const verdicts = boxes.filter((box) => box.checked).map((box) => box.value);
    if (form.theorem.value) state.set("theorem", form.theorem.value);
    if (verdicts.length) state.set("verdict", verdicts.join(","));
    if (form.data.value) state.set("data", form.data.value);
    if (form.text.value.trim()) state.set("text", form.text.value.trim());
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
    form.text.value = state.get("text") || "";
  };

  // What is searched: what a claim says of itself, not its tables; read once, when somebody searches.
  let said;
  const says = (claim) => {
    said ??= new Map(
      rows
        .filter((row) => row.localName === "article")
        .map((row) => {
          const parts = [row.closest("section").querySelector("h2"), ...row.querySelectorAll("h3, p, dd, figcaption, .findings > li")];
          return [row.dataset.claim, parts.map((part) => part.textContent).join(" ").toLowerCase()];
        }),
    );
    return said.get(claim) || "";
  };

  // Claims have the numbers of their data, whose names may be anything.
  const number = () => form.data.selectedOptions[0].dataset.number;

  const shows = (element, state) => {
    const verdicts = (state.get("verdict") || "").split(",").filter(Boolean);
    const of = element.dataset;
    if (state.get("theorem") && of.theorem !== state.get("theorem")) return false;
    if (verdicts.length && !verdicts.some((one) => one === of.verdict || (one === "unexpected" && of.off))) return false;
    if (form.data.value && !of.data.split(" ").includes(number())) return false;
    const words = (state.get("text") || "").toLowerCase().split(/\s+/).filter(Boolean);
    return words.every((word) => says(of.claim).includes(word));
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
    const found = target();
    if (!found) {
      write(read());
      apply();
      return;
    }
    // A link to what a filter hides takes the filter away.
    if (found.closest("[hidden]")) {
      write(new URLSearchParams());
      apply();
    }
    reveal(found);
  };

  // Not at "change": a field that is left by following a link would overwrite the link.
  form.addEventListener("input", () => {
    apply();
    try {
      history.replaceState(null, "", `#${chosen()}`);
    } catch {
      // Browsers allow so many changes a second; the next one tells.
    }
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
  const theme = document.getElementById("theme");
  const themes = theme.querySelector("select");
  const wear = (name) => {
    if (name === "system") delete root.dataset.theme;
    else root.dataset.theme = name;
    themes.value = name;
  };
  themes.addEventListener("change", () => {
    wear(themes.value);
    try {
      localStorage.setItem("advntk-theme", themes.value);
    } catch {
      // Not kept, then.
    }
  });
  try {
    const kept = localStorage.getItem("advntk-theme");
    if (["light", "dark"].includes(kept)) wear(kept);
  } catch {
    // The system's, then.
  }

  // A button beside each command that can be seen; those that are folded get theirs when they are opened.
  const announce = document.getElementById("said");
  const copy = async (command, button) => {
    let done;
    try {
      await navigator.clipboard.writeText(command.textContent);
      done = true;
    } catch {
      // A file may not have a clipboard.  What stays selected can be copied by hand.
      getSelection().selectAllChildren(command);
      done = document.execCommand("copy");
    }
    button.textContent = announce.textContent = done ? "Copied" : "Selected: press Ctrl+C";
    setTimeout(() => {
      button.textContent = "Copy";
      announce.textContent = "";
    }, 2000);
  };
  const offer = (place) => {
    for (const command of place.querySelectorAll(".command:not(.offered)")) {
      if (command.closest("details:not([open])")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.setAttribute("aria-label", "Copy the command");
      button.addEventListener("click", () => copy(command, button));
      command.classList.add("offered");
      command.after(button);
    }
  };
  document.addEventListener("toggle", (event) => offer(event.target), true);

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
  theme.hidden = false;
  offer(document);
  apply();
  if (location.hash.length > 1) follow();
})();
