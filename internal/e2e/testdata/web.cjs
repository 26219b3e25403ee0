// The page of muster web in a real browser. TestThePageInABrowser starts it, with what it needs in SETTINGS.
"use strict";

const { execFileSync } = require("node:child_process");
const { createServer } = require("node:http");
const { readFileSync } = require("node:fs");
const assert = require("node:assert/strict");
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const set = JSON.parse(process.env.SETTINGS);
const muster = (...args) => execFileSync(set.muster, args, { cwd: set.repo, env: { ...process.env, HOME: set.home }, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
const state = (id) => JSON.parse(muster("show", id, "--json")).state;
const dispatch = (name, script) => muster("dispatch", "--agent", "sim", "--name", name, name + "\n\n```sim\n" + script + "\n```\n");

const begun = Date.now();
const step = (name) => console.log(((Date.now() - begun) / 1000).toFixed(1) + "s " + name);
const problems = [];

function watch(page) {
  page.on("pageerror", (e) => problems.push("an error in the script: " + e.message));
  page.on("console", (m) => {
    if (m.type() === "error" && !/status of (400|401|403|409|503)/.test(m.text())) problems.push(page.url() + " console: " + m.text());
  });
  page.setDefaultTimeout(60_000);
  return page;
}

async function until(what, ok) {
  const end = Date.now() + 60_000;
  while (!(await ok())) {
    if (Date.now() > end) throw new Error("never: " + what);
    await new Promise((r) => setTimeout(r, 100));
  }
}

// fine checks what every page must have: no overflow, no finding of axe, and on a phone targets that a thumb can hit.
async function fine(page, name, width, all = true) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) problems.push(`${name} at ${width}: ${over} pixels too wide`);
  if (width < 500) {
    const small = await page.evaluate(() =>
      [...document.querySelectorAll("button, .button, summary, nav a, textarea, select, input:not([type=hidden]):not([type=radio]):not([type=checkbox])")]
        .filter((e) => e.offsetParent !== null && e.getBoundingClientRect().height < 43.5)
        .map((e) => e.outerHTML.slice(0, 80)));
    if (small.length > 0) problems.push(`${name}: too small for a thumb: ${small}`);
  }
  if (!all) return; // axe takes its time
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run());
  for (const v of found.violations) problems.push(`${name} at ${width}: axe ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" ")}`);
  if (found.passes.length < 10) problems.push(`${name}: axe looked at nothing`);
}

async function main() {
  const browser = await chromium.launch({
    executablePath: set.chromium,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = watch(await context.newPage());
  const goes = () => page.waitForFunction(() => document.body.dataset.live === "live");

  step("the link signs in, once");
  await page.goto(set.link, { waitUntil: "commit" }); // the page goes on by itself, which would interrupt a longer wait
  await page.waitForURL("**/m/**");
  const home = page.url();
  const again = await context.newPage();
  assert.equal((await again.goto(set.link)).status(), 401);
  await again.close();
  await goes();

  step("every page at two widths");
  const { asks, permits, late, done, works, fails } = set.tasks;
  for (const [name, path] of [
    ["tasks", ""], ["permission", "tasks/" + permits], ["question", "tasks/" + asks], ["diff", `tasks/${done}/diff`], ["sides", `tasks/${done}/diff?round=2&from=1&view=split`], ["checks", `tasks/${fails}/checks`],
    ["log", `tasks/${done}/log?check=test&round=1`], ["search", `tasks/${works}/log?q=SCHEMA`], ["why", `tasks/${done}/why`], ["screen", `tasks/${works}/screen`], ["words", `tasks/${done}/words`], ["remove", `tasks/${done}/rm`], ["night", "night"],
    ["report", "report"], ["dispatch", "dispatch"],
  ]) {
    for (const [width, height, colorScheme] of [[1280, 800, "light"], [390, 844, "dark"]]) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      const answer = await page.goto(home + path);
      if (answer.status() !== 200) problems.push(`${name}: ${answer.status()}`);
      await fine(page, name, width, width > 500 || ["tasks", "permission", "diff", "remove", "night", "dispatch"].includes(name));
      if (name === "sides") {
        const [old, fresh] = await page.evaluate(() => ["del", "add"].map((c) => document.querySelector(`.pair .${c}`).getBoundingClientRect().toJSON()));
        assert.equal(width > 500, old.right <= fresh.left && Math.abs(old.top - fresh.top) < 2, "side by side at " + width);
        assert.equal(width > 500, old.bottom > fresh.top, "below each other at " + width);
      }
      if (name === "search") assert.equal(await page.textContent("mark"), "schema");
      const shot = (set.shots || {})[name + "-" + width];
      if (shot) await page.screenshot({ path: shot });
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });

  step("a row that changes is replaced, and nothing moves under the hand");
  await page.goto(home);
  await goes();
  await page.evaluate((id) => (document.getElementById(id).untouched = true), asks);
  const field = page.locator(`#${asks} input[name=words]`);
  await field.fill("half a sentence");
  const fresh = dispatch("late riser", "write late.txt <<x\\n\ndone");
  await until("the other task is done", () => state(fresh) === "done");
  await page.waitForFunction(() => /2 done/.test(document.querySelector("#counts").textContent));
  assert.equal(await page.locator("#g-done #" + fresh).count(), 0);
  assert.equal(await field.inputValue(), "half a sentence");
  assert.equal(await page.evaluate((id) => document.activeElement.name === "words" && document.getElementById(id).untouched, asks), true);
  await field.fill("");
  await page.evaluate(() => document.activeElement.blur());
  await page.waitForSelector(`#g-done #${fresh}`);
  assert.match(await page.textContent(`#${fresh}`), /late riser/);

  step("a question is answered by a button");
  await page.click(`#${asks} button:has-text("right")`);
  await page.waitForURL("**did=answer**");
  await until("it goes on", () => state(asks) === "done");

  step("a permission is allowed");
  await page.click(`#${permits} button:has-text("Allow")`);
  await page.waitForURL("**did=answer**");
  await until("it goes on", () => state(permits) === "done");

  step("a stale answer is a conflict, and the words are kept");
  await page.goto(home + "tasks/" + late);
  await page.fill(".deny input[name=reason]", "use the other one");
  muster("answer", late, "deny", "--reason", "no");
  await until("it is answered", () => state(late) === "working");
  await page.evaluate(() => document.querySelector(".deny").requestSubmit(document.querySelector(".deny button")));
  await page.waitForSelector(".notice.bad");
  assert.match(await page.textContent(".notice.bad"), /Nothing was done/);
  assert.match(await page.content(), /use the other one/);
  await fine(page, "conflict", 1280);

  step("the screen of an agent, words for it, and its end");
  await page.goto(home + `tasks/${works}/screen`);
  assert.match(await page.textContent("#screen"), /reading the schema/);
  await page.goto(home + "tasks/" + works);
  await page.fill("textarea", "mind the <b>gap</b>");
  await page.click('form[action$="/send"] button');
  await page.waitForURL("**did=send**");
  await page.goto(home + `tasks/${works}/words`);
  assert.match(await page.textContent("main"), /mind the <b>gap<\/b>/);
  await page.goto(home + "tasks/" + works);
  await page.click('summary:has-text("Stop")');
  await page.click('button:has-text("Stop it")');
  await page.waitForURL("**did=stop**");
  await until("it is stopped", () => state(works) === "cancelled");

  step("what it left is removed, once its name is typed");
  await page.goto(home + "tasks/" + works);
  await page.click('a:has-text("Remove…")');
  await page.waitForURL("**/rm");
  await page.fill("#typed", "t0");
  await page.click('button:has-text("Remove it")');
  await page.waitForSelector(".notice.bad");
  assert.match(await page.textContent(".notice.bad"), /was not typed/);
  await page.fill("#typed", works);
  await page.click('button:has-text("Remove it")');
  await page.waitForURL("**did=rm**");
  assert.match(await page.textContent(".notice"), new RegExp(works + " is removed"));

  step("a task is queued by the form, and one is marked as looked at");
  await page.goto(home + "dispatch");
  await page.fill("#prompt", "by a form\n\n```sim\nwrite form.txt <<x\\n\ndone\n```\n");
  await page.click('summary:has-text("More")');
  await page.fill("#name", "by a form");
  await page.fill("#agent", "sim");
  await page.click('button:has-text("Queue it")');
  await page.waitForURL("**did=dispatch**");
  assert.match(await page.textContent("main"), /by a form/);
  await page.goto(home + "tasks/" + done);
  await page.click('button:has-text("I have looked at it")');
  await page.waitForURL("**did=seen**");
  assert.equal(await page.locator(`#${done} .new`).count(), 0);
  await goes();

  step("a fifth page has no stream, and a seventh opens");
  const tabs = [];
  const settled = (tab) => tab.waitForFunction(() => /^(live$|live updates are off: )/.test(document.querySelector("#link").textContent));
  for (let i = 0; i < 6; i++) {
    const tab = watch(await context.newPage());
    await tab.goto(home);
    await settled(tab);
    tabs.push(tab);
  }
  const links = await Promise.all([page, ...tabs].map((t) => t.textContent("#link")));
  assert.deepEqual(links.map((s) => s === "live"), [true, true, true, true, false, false, false]);
  assert.match(links[6], /too many pages/);
  await tabs[0].evaluate(() => dispatchEvent(new Event("pagehide")));
  await until("there is room again", async () => {
    await tabs[5].reload();
    await settled(tabs[5]);
    return (await tabs[5].textContent("#link")) === "live";
  });
  for (const t of tabs) await t.close();

  step("the supervisor is killed, and the page goes on");
  await page.goto(home);
  await goes();
  process.kill(JSON.parse(muster("status", "--json")).supervisor.pid, "SIGKILL");
  const after = dispatch("after the kill", "write after.txt <<x\\n\ndone");
  await page.waitForSelector(`#g-done #${after}`);

  step("another port of this machine gets no cookie, and changes nothing");
  let cookies = "";
  const other = createServer((q, a) => {
    cookies += q.headers.cookie || "";
    a.setHeader("Content-Type", "text/html");
    a.end(`<form method="post" action="${home}tasks/${fails}/retry"><button>x</button></form>`);
  });
  await new Promise((ok) => other.listen(0, "127.0.0.1", ok));
  const evil = await context.newPage();
  await evil.goto(`http://127.0.0.1:${other.address().port}/`);
  const [attack] = await Promise.all([evil.waitForResponse((r) => r.url().endsWith("/retry")), evil.click("button")]);
  assert.equal(attack.status(), 403);
  assert.equal(cookies, "");
  assert.equal(state(fails), "parked");
  await evil.close();
  other.closeAllConnections();
  other.close();

  step("without a script");
  const plain = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 390, height: 844 } });
  const still = await plain.newPage();
  await still.goto(muster("web", "--link"), { waitUntil: "commit" });
  await still.waitForURL("**/m/**");
  assert.match(await still.textContent("main"), /after the kill/);
  await still.goto(home + "tasks/" + fails);
  await still.fill("textarea", "go on");
  await still.click('form[action$="/send"] button');
  await still.waitForURL("**did=send**");

  step("signed out");
  await page.click('button:has-text("Sign out")');
  await page.waitForSelector("h1:has-text('signed out')");
  assert.equal((await page.goto(home)).status(), 401);
  await browser.close();
  assert.deepEqual(problems, []);
  step("over");
}

main().then(() => process.exit(0), (e) => {
  console.log(problems.join("\n"));
  console.log(e.stack);
  process.exit(1);
});
