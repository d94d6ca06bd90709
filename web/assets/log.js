// The viewer of a log: draws the lines in sight and lets go of those that are far, so that a log of any length scrolls.
// Lines come in parts, from an address of their own. The page works without this file, some hundred lines at a time.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const view = byId("viewer");
  if (!view) return;
  const box = byId("log"), tools = byId("log-tools"), end = byId("to-end"), told = byId("log-told");
  const form = document.querySelector("form.search"), hits = byId("hits"), keys = byId("log-keys");
  const base = view.dataset.parts, began = Number(view.dataset.began), PART = Number(view.dataset.part);
  // Browsers cannot scroll further than some ten million pixels; longer logs are squeezed where they are not drawn.
  const MOST_PIXELS = 12e6, KEPT_PARTS = 40, AT_ONCE = 3, MOST_HITS = 100000;
  let total = Number(view.dataset.total);
  const facts = (name) => byId("facts")?.dataset[name] === "true";
  const isOpen = () => facts("open");

  const kept = (name, usual) => { try { return localStorage.getItem(name) || usual; } catch { return usual; } };
  const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* it then lasts as long as the page */ } };
  let wraps = kept("log-wrap", "yes") === "yes", times = kept("log-times", "offset");

  async function get(path) {
    const answer = await fetch(base + path, { credentials: "same-origin" });
    if (answer.redirected && new URL(answer.url).pathname === "/login") location.assign(answer.url);
    if (!answer.ok) throw new Error(String(answer.status));
    return answer;
  }

  // Lines and parts. A part is known by its place; what of it is here stands in `cache`.
  const cache = new Map(), loading = new Map();
  let folds = [], groups = [], shown = [], drawn = [0, -1], scale = 1, lineHeight = 19, rowHeight = 19, dress = 0;
  const lineOf = (row) => Number(row.id.slice(1));
  const partOf = (line) => Math.floor((line - 1) / PART);
  const firstOf = (part) => part * PART + 1;
  const linesIn = (part) => Math.min(PART, total - part * PART);
  const foldOf = (line) => folds.find(([first, last]) => line >= first && line <= last);
  function count() {
    shown = Array.from({ length: Math.ceil(total / PART) }, (_, part) => linesIn(part));
    for (const [first, last] of folds) {
      for (let part = partOf(first); part <= partOf(Math.min(last, total)); part++) {
        shown[part] -= Math.min(last, total, firstOf(part) + PART - 1) - Math.max(first, firstOf(part)) + 1;
      }
    }
    scale = Math.min(1, MOST_PIXELS / Math.max(1, shown.reduce((sum, lines) => sum + lines * rowHeight, 0)));
  }
  function entry(part) {
    let found = cache.get(part);
    if (!found) {
      found = { element: document.createElement("div"), count: 0, height: 0, dress: -1 };
      found.element.className = "part";
      cache.set(part, found);
    }
    return found;
  }
  const tall = (part) => (wraps && cache.get(part)?.height) || shown[part] * rowHeight;
  const height = (part) => (part >= drawn[0] && part <= drawn[1] ? tall(part) : tall(part) * scale);
  function heightOf(from, to) {
    let sum = 0;
    for (let part = from; part < to; part++) sum += height(part);
    return sum;
  }
  // A place is a part and a share of its height: it stays where it is when the heights of others become known.
  function placeAt(top) {
    let part = 0;
    for (; part < shown.length - 1; part++) {
      if (top < height(part)) break;
      top -= height(part);
    }
    return { part, share: Math.max(0, top) / (height(part) || 1) };
  }
  const topOf = (place) => heightOf(0, place.part) + place.share * (height(place.part) || 0);

  const before = document.createElement("div"), behind = document.createElement("div");
  let follow = false, asked = 0, lastTop = 0;
  const soon = () => { asked ||= requestAnimationFrame(() => draw()); };
  const atEnd = () => box.scrollTop + box.clientHeight >= box.scrollHeight - 24;
  const atLast = () => ({ part: Math.max(0, shown.length - 1), share: 1 });

  function draw(place = follow ? atLast() : placeAt(box.scrollTop)) {
    cancelAnimationFrame(asked);
    asked = 0;
    if (!shown.length) return;
    const room = innerHeight;
    let [first, last] = [place.part, place.part];
    let above = place.share * tall(first), below = tall(last) - above;
    while (first > 0 && above < 2 * room) above += tall(--first);
    while (last < shown.length - 1 && below < 2 * room) below += tall(++last);
    drawn = [first, last];
    for (const element of [...box.querySelectorAll(".part")]) {
      if (!(element.part >= first && element.part <= last)) element.remove();
    }
    let next = before.nextSibling;
    for (let part = first; part <= last; part++) {
      const known = entry(part), { element } = known;
      element.part = part;
      if (element === next) next = next.nextSibling;
      else box.insertBefore(element, next);
      const isWhole = known.count >= linesIn(part);
      element.style.minHeight = isWhole ? "" : `${shown[part] * lineHeight}px`;
      if (known.dress !== dress) { known.dress = dress; known.height = 0; [...element.children].forEach(dressed); }
      if (isWhole && !known.height && wraps) known.height = element.getBoundingClientRect().height;
    }
    if (wraps) {
      let [lines, pixels] = [0, 0];
      for (const [part, known] of cache) if (known.height) { lines += shown[part]; pixels += known.height; }
      if (lines) rowHeight = Math.max(lineHeight, pixels / lines);
    } else rowHeight = lineHeight;
    before.style.height = `${heightOf(0, first)}px`;
    behind.style.height = `${heightOf(last + 1, shown.length)}px`;
    const top = follow ? box.scrollHeight - box.clientHeight : topOf(place);
    if (Math.abs(box.scrollTop - top) > 1) box.scrollTop = top;
    lastTop = box.scrollTop;
    for (const part of cache.keys()) {
      if (cache.size <= KEPT_PARTS) break;
      if (part < first || part > last) cache.delete(part);
    }
    fetchMissing(place.part);
    paint();
    buttons();
  }
  function fetchMissing(near) {
    const missing = [];
    for (let part = drawn[0]; part <= drawn[1]; part++) {
      if (shown[part] && entry(part).count < linesIn(part) && !loading.has(part)) missing.push(part);
    }
    missing.sort((a, b) => Math.abs(a - near) - Math.abs(b - near));
    missing.slice(0, Math.max(0, AT_ONCE - loading.size)).forEach(load);
  }
  function load(part) {
    const loaded = loading.get(part) || get(`/lines/${part}`).then(async (answer) => {
      take(part, rowsOf(await answer.text()));
      loading.delete(part);
      soon();
    }).catch(() => { setTimeout(() => { loading.delete(part); soon(); }, 3000); });
    loading.set(part, loaded);
    return loaded;
  }
  function rowsOf(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return [...template.content.children];
  }
  function take(part, rows) {
    const known = entry(part);
    if (rows.length <= known.count) return;
    known.element.replaceChildren(...rows);
    known.count = rows.length;
    known.dress = -1;
  }

  // How a row looks: its time, whether it is folded away, picked, or was looked for.
  function clock(offset) {
    const parts = offset.split(":").map(Number);
    const at = new Date(began + parts.reduce((sum, part) => sum * 60 + part, 0) * 1000);
    return [at.getHours(), at.getMinutes(), at.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
  }
  function dressed(row) {
    const line = lineOf(row), time = row.children[1];
    time.dataset.offset ??= time.textContent;
    time.textContent = times === "clock" ? clock(time.dataset.offset) : time.dataset.offset;
    row.hidden = Boolean(foldOf(line));
    row.classList.toggle("picked", line >= picked[0] && line <= picked[1]);
    row.classList.toggle("hit", search.lines.has(line));
    row.classList.toggle("now", line === search.now);
    const group = row.classList.contains("group") && groups.find((one) => one.head === line && one.last > line);
    if (!group) return;
    const title = row.children[2], isShut = Boolean(foldOf(line + 1));
    title.role = "button";
    title.tabIndex = 0;
    title.ariaExpanded = String(!isShut);
    row.classList.toggle("shut", isShut);
    title.dataset.lines = `${Math.min(group.last, total) - line} lines`;
  }
  const redress = () => { dress++; count(); soon(); };
  // What a search found is marked within its rows, without touching them.
  function paint() {
    if (!window.Highlight || !CSS.highlights) return;
    const ranges = [], needle = search.anyCase ? search.text.toLowerCase() : search.text;
    if (needle) {
      for (const row of box.querySelectorAll(".hit")) {
        const walker = document.createTreeWalker(row.children[2], NodeFilter.SHOW_TEXT), nodes = [];
        let text = "";
        while (walker.nextNode()) { nodes.push([text.length, walker.currentNode]); text += walker.currentNode.data; }
        const where = search.anyCase ? text.toLowerCase() : text;
        if (where.length !== text.length) continue;
        const point = (at) => { const [start, node] = nodes.findLast(([begin]) => begin <= at); return [node, at - start]; };
        for (let at = where.indexOf(needle); at >= 0; at = where.indexOf(needle, at + needle.length)) {
          const range = new Range();
          range.setStart(...point(at));
          const [node, last] = point(at + needle.length - 1);
          range.setEnd(node, last + 1);
          ranges.push(range);
        }
      }
    }
    CSS.highlights.set("found", new Highlight(...ranges));
  }

  // Going somewhere.
  async function goTo(line) {
    line = Math.min(Math.max(1, line), total);
    if (!line) return;
    follow = false;
    if (foldOf(line)) { folds = folds.filter((fold) => fold !== foldOf(line)); redress(); }
    const part = partOf(line), third = box.clientHeight / 3;
    const share = (line - firstOf(part)) / Math.max(1, linesIn(part));
    draw(placeAt(Math.max(0, topOf({ part, share }) - third)));
    if (entry(part).count < linesIn(part)) await load(part);
    draw();
    const row = byId(`L${line}`);
    if (!row) return;
    box.scrollTop += row.getBoundingClientRect().top - box.getBoundingClientRect().top - third;
    draw();
    box.scrollIntoView({ block: "nearest" });
  }
  function goToEnd() {
    follow = isOpen();
    missed = 0;
    draw(atLast());
    box.scrollTop = box.scrollHeight;
    box.scrollIntoView({ block: "nearest" });
    soon();
  }
  function goToBegin() {
    follow = false;
    draw({ part: 0, share: 0 });
  }

  // Lines that are linked to: #L7, or #L7-L12.
  let picked = [0, -1];
  const inHash = () => /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(location.hash);
  function pick(first, last) {
    picked = [Math.min(first, last), Math.max(first, last)];
    redress();
  }
  function followHash() {
    const found = inHash();
    if (!found) return;
    pick(Number(found[1]), Number(found[2] || found[1]));
    goTo(picked[0]);
  }
  box.addEventListener("click", (event) => {
    const number = event.target.closest(".part p>a"), title = event.target.closest(".group>span");
    if (number) {
      event.preventDefault();
      const line = lineOf(number.parentElement);
      if (event.shiftKey && picked[0] > 0) pick(picked[0], line);
      else pick(line, line);
      history.replaceState(null, "", picked[0] === picked[1] ? `#L${line}` : `#L${picked[0]}-L${picked[1]}`);
    } else if (title && !String(getSelection())) toggle(lineOf(title.parentElement));
  });
  box.addEventListener("keydown", (event) => {
    const title = event.target.closest(".group>span");
    if (!title || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    toggle(lineOf(title.parentElement));
  });
  async function copy() {
    let text = "";
    try { text = await (await get(`/text?from=${picked[0]}&to=${picked[1]}`)).text(); } catch { tell("Too many lines to copy: download the log."); return; }
    await window.slipway.copyText(text);
    tell("Copied.");
  }

  // Folds. A group that went wrong stays open when all are folded.
  let marks = [], marksUpTo = 0;
  function group() {
    groups = [];
    let open = null;
    const close = (last, isBad) => { if (open && last > open.line) groups.push({ head: open.line, last, isBad }); open = null; };
    for (const mark of marks) {
      close(mark.begins ? mark.line - 1 : mark.line, mark.badly);
      if (mark.begins) open = mark;
    }
    close(Infinity, facts("failed"));
  }
  const isFoldable = () => groups.some((one) => !one.isBad);
  const setFolds = (next) => { folds = next.sort((a, b) => a[0] - b[0]); redress(); };
  function toggle(line) {
    const found = groups.find((one) => one.head === line), row = byId(`L${line}`), was = row?.getBoundingClientRect().top;
    if (!found) return;
    const open = folds.filter(([first]) => first !== line + 1);
    follow = false;
    setFolds(open.length < folds.length ? open : [...folds, [line + 1, found.last]]);
    draw();
    // What was clicked on stays under the pointer.
    if (row) { box.scrollTop += row.getBoundingClientRect().top - was; draw(); }
  }
  function foldAll() {
    if (!groups.length) return;
    const line = firstInSight();
    setFolds(folds.length ? [] : groups.filter((one) => !one.isBad).map((one) => [one.head + 1, one.last]));
    const fold = foldOf(line);
    goTo(fold ? fold[0] - 1 : line);
  }
  async function findGroups() {
    try {
      for (let from = 1; from !== null && from <= total;) {
        const found = await (await get(`/groups?from=${from}`)).json();
        marks.push(...found.marks);
        from = found.next;
      }
      marks = [...new Map(marks.map((mark) => [mark.line, mark])).values()].sort((a, b) => a.line - b.line);
      if (marks.length) { group(); redress(); }
    } catch { /* then nothing folds */ }
  }

  // Lines that come while one looks.
  let missed = 0;
  function add(news) {
    const was = total, isNear = follow || drawn[1] >= partOf(Math.max(1, was));
    total = Math.max(total, news.total);
    const rows = rowsOf(news.html).filter((row) => lineOf(row) > was || isNear);
    let hasMarks = false;
    for (const row of rows) {
      const line = lineOf(row), part = partOf(line), known = cache.get(part) || (isNear && line === firstOf(part) && entry(part));
      if (row.matches(".group,.endgroup") && line > was) {
        marks.push({ line, begins: row.classList.contains("group"), badly: / ERROR: /.test(row.textContent) });
        hasMarks = true;
      }
      if (!known || known.count !== line - firstOf(part)) continue;
      known.element.append(row);
      known.count++;
      known.height = 0;
      dressed(row);
    }
    if (!follow) missed += total - was;
    if (hasMarks) { group(); dress++; }
    const lines = byId("total"), none = byId("no-lines");
    if (lines) lines.textContent = String(total);
    if (none) none.hidden = true;
    count();
    soon();
  }
  view.addEventListener("lines", (event) => add(event.detail));

  // Search. The server looks, a stretch of the log at a time; the lines that it names are gone to in their place.
  const search = { text: "", anyCase: false, lines: new Set(), list: [], now: 0, isOver: true, run: 0 };
  function firstInSight() {
    const top = box.getBoundingClientRect().top;
    const row = [...box.querySelectorAll(".part p:not([hidden])")].find((one) => one.getBoundingClientRect().bottom > top + 1);
    return row ? lineOf(row) : 1;
  }
  async function find(text, anyCase) {
    const run = search.run + 1, from = firstInSight();
    Object.assign(search, { text, anyCase, lines: new Set(), list: [], now: 0, isOver: !text, run });
    hits.hidden = !text;
    redress();
    for (let next = 1; text && next !== null && search.list.length < MOST_HITS;) {
      let found;
      try {
        found = await (await get(`/search?text=${encodeURIComponent(text)}&any_case=${anyCase}&from=${next}`)).json();
      } catch { byId("found-now").textContent = "The search failed; try again."; return; }
      if (run !== search.run) return;
      search.list.push(...found.lines);
      found.lines.forEach((line) => search.lines.add(line));
      next = found.next;
      search.isOver = next === null;
      const first = search.list.find((line) => line >= from) || (search.isOver && search.list[0]);
      if (!search.now && first) hit(first);
      dress++;
      soon();
    }
  }
  function hit(line) {
    search.now = line;
    redress();
    goTo(line);
  }
  function another(step) {
    const { list, now } = search;
    if (!list.length) return;
    const at = list.indexOf(now);
    hit(list[(at + step + list.length) % list.length]);
  }
  if (form) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = form.elements.search.value, anyCase = form.elements.any_case.checked;
      if (text && text === search.text && anyCase === search.anyCase && search.list.length) another(1);
      else find(text, anyCase);
    });
    form.elements.search.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      form.elements.search.value = "";
      find("", false);
      box.focus({ preventScroll: true });
    });
    form.elements.search.addEventListener("input", () => { if (!form.elements.search.value) find("", false); });
  }

  // Buttons and keys.
  let telling = 0;
  function tell(text) {
    told.textContent = text;
    clearTimeout(telling);
    telling = setTimeout(() => { told.textContent = ""; }, 4000);
  }
  const does = {
    times: () => { times = { offset: "clock", clock: "off", off: "offset" }[times] || "offset"; keep("log-times", times); redress(); },
    wrap: () => {
      const place = placeAt(box.scrollTop);
      wraps = !wraps;
      keep("log-wrap", wraps ? "yes" : "no");
      rowHeight = lineHeight;
      dress++;
      count();
      buttons();
      draw(follow ? atLast() : place);
    },
    follow: () => { if (follow) { follow = false; buttons(); } else goToEnd(); },
    fold: foldAll,
    copy,
    keys: () => { if (keys.open) keys.close(); else keys.showModal(); },
    next: () => another(1),
    before: () => another(-1),
    end: goToEnd,
  };
  const setText = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
  function buttons() {
    const button = (name) => tools.querySelector(`[data-do=${name}]`);
    view.classList.toggle("wraps", wraps);
    view.classList.toggle("clock", times === "clock");
    view.classList.toggle("timeless", times === "off");
    setText(button("times"), { offset: "Times: since the start", clock: "Times: of day", off: "Times: off" }[times]);
    button("wrap").ariaPressed = String(wraps);
    button("fold").hidden = !isFoldable();
    setText(button("fold"), folds.length ? "Unfold all" : "Fold all");
    button("follow").hidden = !isOpen();
    button("follow").ariaPressed = String(follow);
    button("copy").hidden = picked[0] < 1;
    setText(button("copy"), picked[0] === picked[1] ? `Copy line ${picked[0]}` : `Copy lines ${picked[0]}–${picked[1]}`);
    end.hidden = follow || atEnd() || !shown.length;
    setText(end, missed ? `${missed} new line${missed === 1 ? "" : "s"}` : "To the end");
    const at = search.list.indexOf(search.now) + 1, of = search.list.length + (search.isOver ? "" : "+");
    setText(byId("found-now"), search.list.length ? `${at} of ${of}` : search.isOver ? "No line holds it" : "Looking");
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) does[button.dataset.do]();
  });
  const pressed = { w: does.wrap, t: does.times, f: does.fold, n: does.next, N: does.before, g: goToBegin, G: goToEnd, "?": does.keys };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input,textarea,select,[contenteditable]")) return;
    if (event.key === "/" && form) { form.elements.search.focus(); form.elements.search.select(); } else if (Object.hasOwn(pressed, event.key)) pressed[event.key]();
    else return;
    event.preventDefault();
  });
  box.addEventListener("scroll", () => {
    if (follow && box.scrollTop < lastTop - 1 && !atEnd()) follow = false;
    else if (!follow && isOpen() && box.scrollTop > lastTop && atEnd()) { follow = true; missed = 0; }
    lastTop = box.scrollTop;
    soon();
  }, { passive: true });
  addEventListener("hashchange", followHash);
  // The step may have ended since the page was made.
  document.addEventListener("refreshed", () => {
    if (follow && !isOpen()) follow = false;
    group();
    redress();
  });

  // The rows that came with the page become parts, as far as they are whole.
  function begin() {
    const rows = [...box.children], parts = new Map();
    for (const row of rows) parts.set(partOf(lineOf(row)), [...(parts.get(partOf(lineOf(row))) || []), row]);
    const asked = Number(new URLSearchParams(location.search).get("line"));
    count();
    box.replaceChildren(before, behind);
    for (const [part, found] of parts) if (found.length === linesIn(part)) take(part, found);
    view.classList.add("on");
    tools.hidden = false;
    lineHeight = rowHeight = parseFloat(getComputedStyle(box).lineHeight) || 19;
    count();
    buttons();
    follow = isOpen() && !inHash() && !asked;
    if (inHash()) followHash();
    else if (asked) goTo(asked);
    else { draw(atLast()); box.scrollTop = box.scrollHeight; draw(); }
    let width = box.clientWidth;
    new ResizeObserver(() => { if (box.clientWidth !== width) { width = box.clientWidth; dress++; } soon(); }).observe(box);
    findGroups();
  }
  begin();
})();
