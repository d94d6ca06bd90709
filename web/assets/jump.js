// The command palette: Ctrl K, or the button in the head, leads to any page by a few letters. Without this file the button leads to a page that does the same.
"use strict";
(() => {
  let dialog = null, asking = null;

  function open() {
    if (dialog) return;
    dialog = document.createElement("dialog");
    dialog.className = "palette";
    dialog.setAttribute("aria-label", "Jump to");
    const field = document.createElement("input"), list = document.createElement("div");
    Object.assign(field, { type: "search", placeholder: "Jump to…", autocomplete: "off", spellcheck: false, maxLength: 200 });
    field.setAttribute("role", "combobox");
    field.setAttribute("aria-expanded", "true");
    field.setAttribute("aria-controls", "palette-goals");
    field.setAttribute("aria-label", "A few letters of a name");
    list.id = "palette-goals";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Pages");
    dialog.append(field, list);
    field.addEventListener("input", () => find(field, list));
    field.addEventListener("keydown", (e) => onKey(e, field, list));
    dialog.addEventListener("close", () => { dialog.remove(); dialog = null; });
    dialog.addEventListener("click", (e) => { if (e.target === dialog) dialog.close(); });
    document.body.append(dialog);
    dialog.showModal();
    find(field, list);
  }

  async function find(field, list) {
    if (asking) asking.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(`/jump?q=${encodeURIComponent(field.value)}`, { credentials: "same-origin", signal: asking.signal });
      if (answer.redirected) { location.assign(answer.url); return; }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const goals = [...page.querySelectorAll("#goals a")].map((a) => document.importNode(a, true));
      goals.forEach((a, i) => { a.id = `goal-${i}`; a.tabIndex = -1; a.setAttribute("role", "option"); });
      list.replaceChildren(...goals);
      if (!goals.length) {
        const none = document.createElement("p");
        none.className = "calm";
        none.textContent = "Nothing is called so.";
        list.append(none);
      }
      choose(field, list, 0);
    } catch { /* a newer question is under way, or the server is away: the list stays as it was */ }
  }

  function choose(field, list, index) {
    const goals = [...list.querySelectorAll("a")];
    if (!goals.length) { field.removeAttribute("aria-activedescendant"); return; }
    const at = (index + goals.length) % goals.length;
    goals.forEach((a, i) => a.setAttribute("aria-selected", String(i === at)));
    field.setAttribute("aria-activedescendant", goals[at].id);
    goals[at].scrollIntoView({ block: "nearest" });
  }

  function onKey(e, field, list) {
    const goals = [...list.querySelectorAll("a")], at = goals.findIndex((a) => a.getAttribute("aria-selected") === "true");
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      choose(field, list, at + (e.key === "ArrowDown" ? 1 : -1));
    } else if (e.key === "Enter" && goals[at]) {
      e.preventDefault();
      location.assign(goals[at].href);
    }
  }

  addEventListener("keydown", (e) => {
    if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === "k") {
      e.preventDefault();
      open();
    }
  });
  document.addEventListener("click", (e) => {
    const link = e.target.closest("a[data-jump]");
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    open();
  });
})();
