// Renews the page when something happens, and says so when it cannot. Without it
// every page works, and says after a while that it is old.
"use strict";
(() => {
  const path = document.body.dataset.events;
  if (!path) return;
  const lost = document.getElementById("lost");
  const soon = 1000; // after the first news: a run has many at once
  const often = 20000; // also without news: ages, and whether the server is there
  let timer = 0, due = 0, busy = false, streaming = true;

  const say = (text) => {
    if (lost.textContent !== text) lost.textContent = text;
    lost.hidden = text === "";
    document.body.classList.toggle("lost", text !== "");
  };
  const since = () => document.querySelector("#fresh .asof time").textContent;
  const wait = (ms) => { // what is due earlier stays
    const at = Date.now() + ms;
    if (timer && due <= at) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(() => { timer = 0; renew(); }, ms);
  };

  // renew takes the page anew, and puts it in place of the old one. What is
  // selected, typed or opened stays.
  async function renew() {
    if (busy) {
      wait(soon);
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(15000) });
      if (!answer.ok) throw new Error("status " + answer.status);
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = next.getElementById("fresh"), old = document.getElementById("fresh");
      if (!fresh) throw new Error("no page");
      const typing = old.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
      if (!typing && getSelection().isCollapsed) {
        const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
        for (const open of old.querySelectorAll("details[open][id]")) {
          const same = fresh.querySelector("#" + CSS.escape(open.id));
          if (same) same.open = true;
        }
        old.replaceWith(fresh);
        document.title = next.title;
        if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
        if (!next.body.dataset.events && streaming) stream.close();
      }
      if (streaming) say("");
      wait(often);
    } catch {
      say("The server does not answer. This page shows what was so at " + since() + ", which may no longer be so.");
      wait(5000);
    } finally {
      busy = false;
    }
  }

  const stream = new EventSource(path);
  stream.onopen = () => { streaming = true; wait(0); };
  stream.onerror = () => {
    streaming = false;
    say("The stream of news is lost. This page shows what was so at " + since() + ", which may no longer be so.");
  };
  stream.addEventListener("news", () => wait(soon));
  wait(often);
})();
