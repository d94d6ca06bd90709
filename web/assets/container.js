// Follows the log of a container: asks the page for what was written since the last line, while somebody looks at it.
// The page works without this file.
"use strict";
(() => {
  const EVERY = 3000, MOST = 5000;
  const byId = (id) => document.getElementById(id);
  const box = byId("container-log"), says = byId("following");
  if (!box) return;
  const atEnd = () => box.scrollTop + box.clientHeight >= box.scrollHeight - 20;
  let lost = false;

  function say() {
    const words = lost ? "The server does not answer; trying again." : byId("said").children.length ? "Trying again." : atEnd() ? "Following." : "Not following: scroll to the end to go on.";
    says.hidden = false;
    if (says.textContent !== words) says.textContent = words;
  }

  async function more() {
    const address = new URL(location.href);
    address.search = "";
    // While it is followed, as much as there is may come at once.
    address.searchParams.set("lines", box.dataset.cursor ? "1000" : box.dataset.lines);
    if (box.dataset.cursor) address.searchParams.set("since", box.dataset.cursor);
    const answer = await fetch(address, { credentials: "same-origin" });
    if (answer.redirected && new URL(answer.url).pathname === "/login") { location.assign(answer.url); return; }
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html"), news = page.getElementById("container-log");
    if (!news) throw new Error("no log");
    for (const id of ["facts", "said", "put-right"]) {
      const mine = byId(id), theirs = page.getElementById(id);
      if (mine && theirs && mine.innerHTML !== theirs.innerHTML) mine.replaceWith(document.importNode(theirs, true));
    }
    const follows = atEnd();
    box.append(...[...news.children].map((line) => document.importNode(line, true)));
    while (box.children.length > MOST) box.firstElementChild.remove();
    if (news.dataset.cursor) box.dataset.cursor = news.dataset.cursor;
    const none = byId("no-lines");
    if (none) none.hidden = box.children.length > 0;
    if (follows) box.scrollTop = box.scrollHeight;
  }

  async function look() {
    if (!document.hidden && atEnd()) {
      try { await more(); lost = false; } catch { lost = true; }
    }
    say();
    setTimeout(look, EVERY);
  }

  box.addEventListener("scroll", say, { passive: true });
  say();
  setTimeout(look, EVERY);
})();
