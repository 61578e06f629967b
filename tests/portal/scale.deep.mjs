// Many of everything: the server pages and filters, the page keeps what is seen, and the tail has a bound. How long
// each took, and how much of that the page's scripts, is reported; that it stays far from a person's patience is asserted.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { openBrowser, openPage, settled, signIn } from "./browser.mjs";
import { root, start } from "./server.mjs";

const SERVERS = 2000;
const TIMERS = 100_000;
const PLAYERS = 1_000_000;
const LINES_A_CALL = 100;
const CALLS_A_SECOND = 110; // 11,000 lines
const FLOOD_S = 15;
const AT_ONCE = 64;
const PATIENCE_MS = 10_000;
const SCRIPTING_MS = 500; // the aim is 100

let server, browser, page, cdp;
before(async () => {
  [server, browser] = await Promise.all([start(), openBrowser()]);
  await server.ow("vs", "deploy", "examples/chat", "--publish");
  await server.ow("vs", "deploy", "tests/portal/flood", "--publish");
  page = await openPage(browser);
  cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  await signIn(page, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function many(count, ask) {
  const began = performance.now();
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < count) {
      const reply = await ask(next++);
      assert.equal(reply.status, 200, reply.status === 200 ? "" : await reply.clone().text());
      await reply.arrayBuffer();
    }
  }));
  return Math.round(performance.now() - began);
}

// What the page's scripts took since it was loaded, ms.
async function scripting() {
  const { metrics } = await cdp.send("Performance.getMetrics");
  return metrics.find((m) => m.name === "ScriptDuration").value * 1000;
}

async function timed(what, act, loads = false) {
  const [began, before] = [performance.now(), loads ? 0 : await scripting()];
  await act();
  const [ms, script] = [Math.round(performance.now() - began), Math.round(await scripting() - before)];
  console.log(`${what}: ${ms} ms, of that scripting ${script} ms`);
  assert.ok(ms < PATIENCE_MS, `${what}: ${ms} ms`);
  assert.ok(script < SCRIPTING_MS, `${what}: ${script} ms of scripting`);
}

const rows = () => page.locator("tbody tr");
const name = (i) => `server_${String(i).padStart(5, "0")}`;
const open = async (path) => page.goto(`${server.console}${path}`);
const opened = (what, path, seen) => timed(what, async () => {
  await open(path);
  await seen().waitFor();
}, true);

async function scroll(box) {
  await box.evaluate(async (element) => {
    for (let i = 0; i <= 20; i++) {
      element.scrollTo(0, (element.scrollHeight * i) / 20);
      await new Promise(requestAnimationFrame);
    }
  });
}

async function fromPalette(typed, found) {
  await timed(`the palette, ${typed}`, async () => {
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: /Go to/ }).fill(typed);
    await page.getByRole("option", { name: found }).first().waitFor();
  });
  await page.keyboard.press("Escape");
}

test(`${SERVERS} virtual servers are paged and found by name`, async () => {
  console.log(`made in ${await many(SERVERS, (i) => server.ask("/overworld.registry.v1.Registry/CreateVirtualServer", { name: name(i), runtime: "c" }))} ms`);
  await opened("virtual servers: the list", "/vs", () => page.getByRole("link", { name: name(0) }));
  assert.equal(await rows().count(), 100);
  await timed("virtual servers: more", async () => {
    await page.getByRole("button", { name: "More" }).click();
    await rows().nth(150).waitFor();
  });
  await timed("virtual servers: scrolled", () => scroll(page.locator("html")));
  await timed("virtual servers: a filter", async () => {
    await page.getByRole("searchbox").fill("SERVER_01987");
    await page.getByRole("link", { name: name(1987) }).waitFor();
    while ((await rows().count()) !== 1) await new Promise((done) => setTimeout(done, 10));
  });
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("type")), "search");
  await fromPalette("server_01734", name(1734));
  // Far behind the first page.
  await fromPalette("pour_lin", "zz_flood/pour_lines");
  await opened("home", "/", () => page.getByRole("heading", { name: "Latest deploys" }));
});

test(`${TIMERS} timers are paged, filtered and found by a part of their names`, async () => {
  const spec = (i) => ({ name: `t${i}`, function: "selftest", cron: `${i % 60} ${i % 24} 1 1 *`, timeZone: "UTC" });
  console.log(`made in ${await many(TIMERS, (i) => server.ask("/overworld.timers.v1.Timers/CreateTimer", { virtualServer: "chat", spec: spec(i) }))} ms`);
  await opened("timers: the list", "/timers", () => rows().nth(50));
  assert.ok((await rows().count()) <= 200);
  await timed("timers: more", async () => {
    await page.getByRole("button", { name: "More" }).click();
    await rows().nth(150).waitFor();
  });
  await timed("timers: scrolled", () => scroll(page.locator("html")));
  await timed("timers: by a part of the name", async () => {
    await page.getByRole("textbox", { name: "Name" }).fill("99999");
    await page.keyboard.press("Enter");
    await page.getByRole("link", { name: "t99999" }).waitFor();
    while ((await rows().count()) !== 1) await new Promise((done) => setTimeout(done, 10));
  });
  await open("/timers");
  await rows().nth(50).waitFor();
  await timed("timers: those that are paused", async () => {
    await page.getByLabel("Status").selectOption("paused");
    await page.getByRole("heading", { name: "No timer" }).waitFor();
  });
  await fromPalette("t77777", "chat/t77777");
  await opened("audit: the list", "/audit", () => rows().nth(20));
  await timed("audit: a filter that few fit", async () => {
    await page.getByRole("textbox", { name: "Action" }).fill("virtual_server.deploy");
    await page.keyboard.press("Enter");
    while ((await rows().count()) !== 2) await new Promise((done) => setTimeout(done, 10));
  });
});

test(`${PLAYERS} players: each is found`, async () => {
  const began = performance.now();
  const { titles } = await (await server.ask("/overworld.registry.v1.Registry/ListTitles", {})).json();
  await server.between(() => promisify(execFile)("python3", [join(root, "tests/portal/seed_players.py"), server.folder, titles[0].titleId, String(PLAYERS)]));
  console.log(`made, between an end and a start of the server, in ${Math.round(performance.now() - began)} ms`);
  await opened("players: the list", "/players", () => rows().nth(40));
  await timed("players: more", async () => {
    await page.getByRole("button", { name: "More" }).click();
    await rows().nth(90).waitFor();
  });
  await timed("players: scrolled", () => scroll(page.locator("html")));
  const ask = async (q, found) => timed(`players: ${q}`, async () => {
    await page.getByRole("searchbox").fill(q);
    await page.keyboard.press("Enter");
    await page.getByText(found).first().waitFor();
  });
  await ask(`device-number-${PLAYERS - 1}`, /plr_01HSEED000000/);
  await ask("player0777", "player0777000@example.com");
  await ask("player0999990@example.com", "player0999990@example.com");
  await ask("nobody-of-this-name", "No such player");
});

// Calls at a steady rate, whatever each takes; answers how many lines a second that were.
async function flood(seconds) {
  const began = performance.now();
  const calls = [];
  let due = 0;
  while (due < seconds * CALLS_A_SECOND) {
    const late = performance.now() - began;
    for (; due < Math.min((late / 1000) * CALLS_A_SECOND, seconds * CALLS_A_SECOND); due++) {
      calls.push(server.ask("/v1/call/zz_flood/pour_lines", {}).then((reply) => reply.status));
    }
    await new Promise((done) => setTimeout(done, 5));
  }
  const well = (await Promise.all(calls)).filter((status) => status === 200).length;
  return Math.round((well * LINES_A_CALL * 1000) / (performance.now() - began));
}

test("10,000 lines a second: the tail stays bounded and the page usable", async () => {
  await open("/logs?vs=zz_flood");
  await settled(page);
  await page.getByText("live", { exact: true }).waitFor();
  const [before, began] = [await scripting(), performance.now()];
  const pouring = flood(FLOOD_S);
  const log = page.locator(".tall-log");
  await log.waitFor();
  await new Promise((done) => setTimeout(done, 5000));
  await timed("log, while lines come: scrolled", () => scroll(log));
  const rate = await pouring;
  const share = Math.round(((await scripting() - before) / (performance.now() - began)) * 1000);
  console.log(`${rate} lines a second; scripting in the page meanwhile: ${share} ms a second`);
  assert.ok(rate >= 10_000, `${rate} lines a second`);
  await timed("log: scrolled", () => scroll(log));
  const kept = Number((await page.getByText(/\d+ entries/).textContent()).replace(/\D/g, ""));
  console.log(`${kept} entries are kept, ${await page.locator(".log-line").count()} lines are in the page; ${(await page.locator(".notice").allTextContents()).join(" ")}`);
  assert.ok(kept > 0 && kept <= 5000);
  assert.ok((await page.locator(".log-line").count()) < 120);
  await timed("log: a filter", async () => {
    await page.getByLabel("Level").selectOption("error");
    await page.getByRole("heading", { name: "Nothing yet" }).waitFor();
  });
  await open("/logs?vs=zz_flood&live=0");
  await log.waitFor();
  await timed("log: a text", async () => {
    await page.getByRole("searchbox").fill("step 42: player 10");
    await page.keyboard.press("Enter");
    await page.locator(".log-line").first().getByText("step 42").waitFor();
  });
  assert.deepEqual(page.faults, []);
});
