// Keeps a page as true as the server: listens to its stream, fetches it anew when it changed, adds log lines as they come.
// Every page works without this file.
"use strict";
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  let theme = null;
  try { theme = localStorage.getItem("theme"); } catch { /* storage may be closed to us */ }
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

  function themeButton() {
    const button = byId("theme");
    if (!button) return;
    button.hidden = false;
    button.onclick = () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* it then lasts as long as the page */ }
    };
  }

  // Times.
  const pad = (n) => String(n).padStart(2, "0");
  function duration(ms) {
    const s = Math.floor(Math.max(ms, 0) / 1000);
    if (s < 60) return `${s}.${Math.floor((Math.max(ms, 0) % 1000) / 100)} s`;
    if (s < 3600) return `${Math.floor(s / 60)}:${pad(s % 60)} min`;
    return `${Math.floor(s / 3600)}:${pad(Math.floor((s % 3600) / 60))} h`;
  }
  function age(ms) {
    const s = Math.floor(ms / 1000);
    if (s < -60 || s >= 1209600) return null;
    if (s < 5) return "just now";
    if (s < 60) return `${s} s ago`;
    if (s < 3600) return `${Math.floor(s / 60)} min ago`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
    return `${Math.floor(s / 86400)} d ago`;
  }
  const setText = (element, text) => { if (text !== null && element.textContent !== text) element.textContent = text; };
  let drawn = Date.now();
  function tick() {
    const now = Date.now();
    // Bars of steps that run grow even while nothing else happens.
    if (now - drawn > 10000 && !document.hidden && document.querySelector(".steps [data-since]")) refresh();
    document.querySelectorAll("[data-since]").forEach((e) => setText(e, duration(now - Number(e.dataset.since))));
    document.querySelectorAll("time[data-at]").forEach((e) => setText(e, age(now - Number(e.dataset.at))));
  }

  // Brings `from` to what `to` says, touching only what differs, so that focus, selection and scrolling stay.
  const alike = (a, b) => a && b && a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
  function morph(from, to) {
    if (from.nodeType !== 1) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    if ("keep" in from.dataset && "keep" in to.dataset) return;
    const opened = from.nodeName === "DETAILS";
    for (const { name } of [...from.attributes]) {
      if (!to.hasAttribute(name) && !(opened && name === "open" && from.touched)) from.removeAttribute(name);
    }
    for (const { name, value } of [...to.attributes]) {
      if (opened && name === "open" && from.touched) continue;
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    let child = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      if (!alike(child, wanted)) {
        const known = wanted.id && [...from.children].find((e) => alike(e, wanted));
        if (known) from.insertBefore(known, child);
        else from.insertBefore(document.importNode(wanted, true), child);
        if (known) morph(known, wanted);
        continue;
      }
      morph(child, wanted);
      child = child.nextSibling;
    }
    while (child) {
      const next = child.nextSibling;
      if (!(child.nodeType === 1 && "keep" in child.dataset)) child.remove();
      child = next;
    }
  }

  async function fetchPage(address) {
    const answer = await fetch(address, { credentials: "same-origin" });
    // The session is over: nothing here can be true any more.
    if (answer.redirected && new URL(answer.url).pathname === "/login") {
      location.assign(answer.url);
      throw new Error("logged out");
    }
    if (!answer.ok) throw new Error(String(answer.status));
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  let fetching = false, again = false;
  async function refresh() {
    if (fetching) { again = true; return; }
    fetching = true;
    drawn = Date.now();
    try {
      const page = await fetchPage(location.href);
      morph(byId("main"), page.getElementById("main"));
      document.title = page.title;
      const icon = page.querySelector("link[rel=icon]"), mine = document.querySelector("link[rel=icon]");
      if (icon && mine && icon.getAttribute("href") !== mine.getAttribute("href")) mine.replaceWith(document.importNode(icon));
      prepare();
      document.dispatchEvent(new Event("refreshed"));
      const waited = early;
      early = [];
      waited.forEach(addLines);
    } catch { /* the stream tells again when the server is back */ }
    fetching = false;
    // A page that takes long to make is not asked for all the time.
    rested = Date.now() + Math.max(500, 10 * (Date.now() - drawn));
    if (again) { again = false; soon(); }
  }
  let waiting = 0, rested = 0;
  function soon() {
    if (waiting) return;
    waiting = setTimeout(() => { waiting = 0; refresh(); }, Math.max(60, rested - Date.now()));
  }

  // Logs.
  const atEnd = (box) => box.scrollTop + box.clientHeight >= box.scrollHeight - 20;
  const toEnd = (box) => { box.scrollTop = box.scrollHeight; };
  function boxFor(step) {
    const details = byId(`log-${step}`);
    if (!details) return null;
    let box = byId(`tail-${step}`);
    if (!box) {
      box = document.createElement("div");
      box.className = "log";
      box.id = `tail-${step}`;
      box.dataset.keep = "";
      box.tabIndex = 0;
      details.querySelector(".inside").append(box);
      if (!details.touched) details.open = true;
    }
    return box;
  }
  const number = (line) => Number(line.id.slice(line.id.lastIndexOf("L") + 1));
  let early = [];
  function addLines(news) {
    // A log's own page draws it by itself.
    const viewer = byId("viewer");
    if (viewer) { viewer.dispatchEvent(new CustomEvent("lines", { detail: news })); return; }
    const box = boxFor(news.step);
    // The step is not on the page yet: its lines wait until the page was drawn anew.
    if (!box) { early.push(news); return; }
    const follow = atEnd(box), lines = document.createElement("template");
    let last = box.lastElementChild ? number(box.lastElementChild) : 0;
    lines.innerHTML = news.html;
    for (const line of [...lines.content.children]) {
      if (number(line) <= last) continue;
      last = number(line);
      box.append(line);
    }
    // A page that follows for hours keeps its newest lines; the server has the others.
    while (box.children.length > 5000) box.firstElementChild.remove();
    if (follow) toEnd(box);
  }
  async function openLog(details) {
    const inside = details.querySelector(".inside"), index = details.id.slice(4);
    if (!inside || byId(`tail-${index}`)) return;
    try {
      const page = await fetchPage(`${details.dataset.log}?tail=200`);
      const log = page.getElementById("log");
      if (!log || !log.children.length || byId(`tail-${index}`)) return;
      log.className = "log";
      log.id = `tail-${index}`;
      for (const line of log.children) {
        line.firstElementChild.setAttribute("href", `${details.dataset.log}?line=${line.id.slice(1)}#${line.id}`);
        line.id = `s${index}-${line.id}`;
      }
      inside.append(document.importNode(log, true));
      toEnd(byId(log.id));
    } catch { /* the link to the log's page is still there */ }
  }
  async function copyText(text) {
    try { await navigator.clipboard.writeText(text); } catch {
      // Over plain http browsers offer nothing but this.
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
  }
  window.slipway = { copyText };
  async function copy(button) {
    await copyText(button.dataset.copy);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }
  function prepare() {
    document.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = false; button.onclick = () => copy(button); });
    document.querySelectorAll("details").forEach((details) => {
      if (details.prepared) return;
      details.prepared = true;
      const summary = details.querySelector("summary");
      summary.addEventListener("click", () => { details.touched = true; });
      if (details.dataset.log) details.addEventListener("toggle", () => { if (details.open) openLog(details); });
    });
    document.querySelectorAll(".log:not(.whole)").forEach((box) => {
      if (!box.prepared) { box.prepared = true; toEnd(box); }
    });
    // A button beside a text that somebody is to carry elsewhere.
    document.querySelectorAll("button[data-copy]").forEach((button) => {
      button.hidden = false;
      button.onclick = () => {
        const text = byId(button.dataset.copy);
        if (text.select) text.select();
        else getSelection().selectAllChildren(text);
        // Works without https too, where browsers have no clipboard for pages.
        if (document.execCommand("copy")) setText(button, "Copied");
      };
    });
    tick();
  }

  // A question opens above the page that it was asked from; without this file it is a page of its own.
  async function ask(link) {
    const found = (await fetchPage(link.href)).getElementById("ask");
    if (!found) { location.assign(link.href); return; }
    const dialog = document.createElement("dialog"), question = document.importNode(found, true), not = document.createElement("button");
    not.type = "button";
    not.textContent = "Not now";
    not.onclick = () => dialog.close();
    (question.querySelector("form") || question).append(not);
    dialog.append(question);
    dialog.setAttribute("aria-labelledby", "ask-title");
    dialog.onclose = () => { dialog.remove(); link.focus(); };
    document.body.append(dialog);
    dialog.showModal();
  }
  function onClick(event) {
    const link = event.target.closest("a[data-dialog]");
    if (!link || !window.HTMLDialogElement || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    ask(link).catch(() => location.assign(link.href));
  }

  function listen() {
    const address = document.body.dataset.stream;
    if (!address || !window.EventSource) return;
    let source = null, cursor = null;
    const close = () => { if (source) source.close(); source = null; };
    const open = () => {
      if (source) return;
      source = new EventSource(cursor ? address.replace(/from=[^&]*/, `from=${encodeURIComponent(cursor)}`) : address);
      source.addEventListener("changed", (e) => {
        cursor = e.lastEventId || cursor;
        soon();
      });
      source.addEventListener("lines", (e) => {
        cursor = e.lastEventId || cursor;
        addLines(JSON.parse(e.data));
      });
      source.onopen = () => { root.dataset.live = "yes"; };
      source.onerror = () => {
        delete root.dataset.live;
        // A browser comes again by itself after a broken connection, but not after a refusal.
        if (source && source.readyState === EventSource.CLOSED) { close(); setTimeout(look, 5000); }
      };
    };
    const look = () => { if (document.hidden) close(); else open(); };
    look();
    // A page out of sight holds no connection, of which a browser has few; back in sight it goes on where it was.
    addEventListener("visibilitychange", look);
    addEventListener("pagehide", close);
    addEventListener("pageshow", (e) => { if (e.persisted) { refresh(); look(); } });
  }

  addEventListener("DOMContentLoaded", () => {
    themeButton();
    prepare();
    setInterval(tick, 1000);
    // What waits for something that no event tells of looks again by itself.
    setInterval(() => { if (!document.hidden && document.querySelector("[data-poll]")) soon(); }, 3000);
    listen();
    document.addEventListener("click", onClick);
  });
})();
