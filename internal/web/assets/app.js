// What a page does beyond its forms and links: it takes up what changes in the fleet, and keeps times up to date. Everything works
// without it, after a reload.
"use strict";

const base = document.body.dataset.base;
const wants = document.body.dataset.stream;
const main = document.querySelector("main");
const byId = (id) => document.getElementById(id);

let source = null; // the open stream
let seq = document.body.dataset.seq; // the newest event of which the effect is on the page
const held = new Map(); // rows that could not be replaced, by id; null for one that is gone
let order = null; // the newest order of the rows that was not taken up

// dirty reports whether a person has typed or chosen something in an element.
function dirty(el) {
  for (const f of el.querySelectorAll("input:not([type=hidden]), textarea, select")) {
    if (f.type === "checkbox" || f.type === "radio" ? f.checked !== f.defaultChecked : f.tagName !== "SELECT" && f.value !== f.defaultValue) return true;
  }
  return false;
}

// typing reports whether a person is inside a field.
function typing() {
  const at = document.activeElement;
  return !!at && at !== document.body && main.contains(at) && at.matches("input, textarea, select");
}

// busy reports whether a person is at work in an element, so that it must not be replaced under the hand.
function busy(el) {
  const mark = getSelection();
  return el.contains(document.activeElement) || dirty(el) || !!el.querySelector("details[open]") || (!!mark && !mark.isCollapsed && mark.containsNode(el, true));
}

function element(html) {
  const t = document.createElement("template");
  t.innerHTML = "<table>" + html + "</table>"; // the server has escaped every text in it
  return t.content.querySelector("tbody");
}

// replace takes up all rows that are held and nobody is at work in.
function replace() {
  const hold = typing();
  for (const [id, html] of held) {
    const old = byId(id);
    if (old && (hold || busy(old))) {
      if (busy(old)) old.classList.add("stale");
      continue;
    }
    if (!old && hold) continue;
    held.delete(id);
    if (html === null) {
      if (old) old.remove();
      continue;
    }
    const row = element(html);
    if (old) old.replaceWith(row);
    else byId("g-needs_you").querySelector("table").append(row); // arrange puts it into its place
  }
  if (!hold && order) arrange();
  times();
}

// arrange puts the rows into the newest order. A row in which a person is at work stays where it is.
function arrange() {
  for (const [group, ids] of Object.entries(order.groups)) {
    const table = byId("g-" + group).querySelector("table");
    let before = table.tHead;
    for (const id of ids) {
      const row = byId(id);
      if (!row) continue;
      if (before.nextElementSibling !== row && !row.contains(document.activeElement)) before.after(row);
      if (row.parentElement === table) before = row;
    }
  }
  for (const section of document.querySelectorAll(".group")) {
    const g = section.id.slice(2);
    section.querySelector(".count").textContent = order.n[g] || 0;
    section.hidden = !section.querySelector("tbody");
  }
  byId("empty").hidden = !!document.querySelector(".group tbody");
  order = null;
}

let said = 0;
let toSay = "";
let saying = 0;

// say tells a person who does not see the page, at most every five seconds.
function say(text) {
  if (!text) return;
  toSay = text;
  if (saying) return;
  saying = setTimeout(() => {
    saying = 0;
    said = Date.now();
    byId("live").textContent = toSay;
  }, Math.max(0, said + 5000 - Date.now()));
}

const takers = {
  tasks(u) {
    if (u.whole) {
      const listed = new Set((u.rows || []).map((r) => r.id));
      for (const row of document.querySelectorAll(".group tbody")) if (!listed.has(row.id)) held.set(row.id, null);
    }
    for (const row of u.rows || []) held.set(row.id, row.html);
    for (const id of u.gone || []) held.set(id, null);
    if (u.groups) order = { groups: u.groups, n: u.n };
    byId("counts").innerHTML = u.counts;
    if (byId("trouble").innerHTML !== u.trouble) byId("trouble").innerHTML = u.trouble;
    document.title = u.title;
    say(u.say);
    replace();
  },
  head(h) {
    const el = byId("head");
    if (!busy(el)) el.innerHTML = h.html;
    if (h.was !== el.dataset.was) {
      const note = byId("stale");
      if (note.hidden) {
        const link = document.createElement("a");
        link.href = location.pathname + location.search;
        link.textContent = "Load it again";
        note.replaceChildren("The task has changed since this page was made. ", link);
        note.hidden = false;
      }
    }
    times();
  },
  screen(html) {
    const el = byId("screen");
    if (el) el.innerHTML = html;
  },
};

function link(text) {
  byId("link").textContent = text;
  document.body.dataset.live = text;
}

function open() {
  if (source || !wants || document.hidden) return;
  source = new EventSource(base + "/events?" + wants + "&from=" + encodeURIComponent(seq));
  source.onopen = () => link("live");
  source.onerror = () => {
    if (source && source.readyState === EventSource.CLOSED) {
      source = null;
      link("live updates are off: too many pages are open in this browser, or you are not signed in any more");
    } else {
      link("connecting");
    }
  };
  for (const [name, take] of Object.entries(takers)) {
    source.addEventListener(name, (e) => {
      seq = e.lastEventId || seq;
      take(JSON.parse(e.data));
    });
  }
}

function close() {
  if (source) source.close();
  source = null;
}

// A browser opens six connections to a server, so a page that nobody sees must not hold one.
addEventListener("pagehide", close);
addEventListener("pageshow", open);
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
document.addEventListener("focusout", () => setTimeout(replace, 0));
document.addEventListener("toggle", () => setTimeout(replace, 0), true);

// duration is words.Duration.
function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return s + "s";
  const m = Math.floor(s / 60);
  if (m < 60) return m + "m";
  const h = Math.floor(m / 60);
  if (h < 24) return h + "h" + String(m % 60).padStart(2, "0") + "m";
  return Math.floor(h / 24) + "d";
}

function times() {
  const now = Date.now();
  for (const t of document.querySelectorAll("time[data-ago], time[data-left]")) {
    const at = (Date.parse(t.dateTime) - now) / 1000;
    const text = "left" in t.dataset ? duration(at) + " left" : duration(-at);
    if (t.textContent !== text) t.textContent = text;
  }
}
setInterval(times, 10000);

// n goes to the next task that asks, j and k to the next task and the one before.
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.altKey || e.metaKey || (document.activeElement && document.activeElement.matches("input, textarea, select"))) return;
  const go = (all, back) => {
    const list = [...all].filter((el) => el.offsetParent !== null);
    if (list.length === 0) return;
    const row = document.activeElement.closest("tbody");
    const at = list.findIndex((el) => row && row.contains(el));
    const next = list[(at + (back ? list.length - (at < 0 ? 0 : 1) : 1)) % list.length];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  if (e.key === "n") go(document.querySelectorAll("tr.ask"+" button:first-of-type, tr.ask a"), false);
  else if (e.key === "j") go(document.querySelectorAll(".c-task a"), false);
  else if (e.key === "k") go(document.querySelectorAll(".c-task a"), true);
  else return;
  e.preventDefault();
});

open();
