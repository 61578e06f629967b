// Many of everything: the server pages and filters, the page keeps what is seen, and the tail has a bound. Times are
// reported; that they stay far from a person's patience is asserted.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBrowser, openPage, settled, signIn } from "./browser.mjs";
import { start } from "./server.mjs";

const SERVERS = 990; // a title has at most 1,000
const TIMERS = 100000;
const PLAYERS = 20000;
const AT_ONCE = 64;
const PATIENCE = 3000;

let server, browser, page;
before(async () => {
  [server, browser] = await Promise.all([start(), openBrowser()]);
  await server.ow("vs", "deploy", "examples/chat", "--publish");
  page = await openPage(browser);
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

async function timed(what, act) {
  const began = performance.now();
  await act();
  const ms = Math.round(performance.now() - began);
  console.log(`${what}: ${ms} ms`);
  assert.ok(ms < PATIENCE, `${what}: ${ms} ms`);
}

const name = (i) => `server_${String(i).padStart(5, "0")}`;

test("as many virtual servers as a title may have are paged and found by name", async () => {
  console.log(`made in ${await many(SERVERS, (i) => server.ask("/overworld.registry.v1.Registry/CreateVirtualServer", { name: name(i), runtime: "c" }))} ms`);
  await timed("the list", async () => {
    await page.goto(`${server.console}/vs`);
    await page.getByRole("link", { name: name(0) }).waitFor();
  });
  assert.equal(await page.locator("tbody tr").count(), 100);
  await timed("its filter", async () => {
    await page.getByRole("searchbox").fill("SERVER_00987");
    await page.getByRole("link", { name: name(987) }).waitFor();
  });
  assert.equal(await page.locator("tbody tr").count(), 1);
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("type")), "search");
  await timed("the palette", async () => {
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: /Go to/ }).fill("server_00734");
    await page.getByRole("option", { name: name(734) }).waitFor();
  });
  await page.keyboard.press("Escape");
});

test("100,000 timers", async () => {
  const spec = (i) => ({ name: `t${i}`, function: "selftest", cron: `${i % 60} ${i % 24} 1 1 *`, timeZone: "UTC" });
  console.log(`made in ${await many(TIMERS, (i) => server.ask("/overworld.timers.v1.Timers/CreateTimer", { virtualServer: "chat", spec: spec(i) }))} ms`);
  await timed("the list", async () => {
    await page.goto(`${server.console}/timers`);
    await page.locator("tbody tr").nth(50).waitFor();
  });
  assert.ok((await page.locator("tbody tr").count()) <= 200);
  await timed("those that are paused", async () => {
    await page.getByLabel("Status").selectOption("paused");
    await page.getByRole("heading", { name: "No timer" }).waitFor();
  });
});

test(`${PLAYERS} players: each is found`, async () => {
  const logIn = (i) => fetch(`${server.public}/overworld.identity.v1.Identity/DeviceLogin`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ deviceId: `device-number-${i}` }),
  });
  console.log(`made in ${await many(PLAYERS, logIn)} ms`);
  await timed("one of them", async () => {
    await page.goto(`${server.console}/players?by=device&q=device-number-${PLAYERS - 1}`);
    await page.getByRole("link", { name: /plr_/ }).waitFor();
  });
});

test("a flood of lines: the tail stays bounded and the page usable", async () => {
  await page.goto(`${server.console}/logs?vs=chat`);
  await settled(page);
  await page.getByText("live", { exact: true }).waitFor();
  const scripting = async () => (await (await page.context().newCDPSession(page)).send("Performance.getMetrics")).metrics.find((m) => m.name === "ScriptDuration").value;
  await (await page.context().newCDPSession(page)).send("Performance.enable");
  const before = await scripting();
  const ms = await many(20000, () => server.ask("/v1/call/chat/moderate", { text: "you idiot" }));
  console.log(`20000 calls in ${ms} ms; scripting in the page meanwhile: ${Math.round((await scripting() - before) * 1000)} ms`);
  await timed("scrolling through what is kept", () => page.locator(".tall-log").evaluate(async (box) => {
    for (let i = 0; i < 20; i++) {
      box.scrollTo(0, (box.scrollHeight * i) / 20);
      await new Promise(requestAnimationFrame);
    }
  }));
  const kept = Number((await page.getByText(/\d+ entries/).textContent()).replace(/\D/g, ""));
  console.log(`${kept} entries are kept, ${await page.locator(".log-line").count()} lines are in the page`);
  assert.ok(kept <= 5000);
  assert.ok((await page.locator(".log-line").count()) < 120);
  await timed("a filter", async () => {
    await page.getByLabel("Level").selectOption("error");
    await page.getByRole("heading", { name: "Nothing yet" }).waitFor();
  });
  assert.deepEqual(page.faults, []);
});
