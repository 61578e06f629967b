// What there is at this moment: instances, the queue over time, webhooks, settings, both sides of a split; and
// that pages hear of changes without asking.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { lookAt, openBrowser, openPage, settled, signIn } from "./browser.mjs";
import { root, start, until } from "./server.mjs";

let server, browser, page, player;
before(async () => {
  [server, browser] = await Promise.all([start(), openBrowser()]);
  const reply = await fetch(`${server.public}/overworld.identity.v1.Identity/CustomLogin`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: '{"customId":"studio-account-of-a-player"}',
  });
  player = (await reply.json()).playerId;
  // Afterwards: the chat greets who logs in, by a function.
  await server.ow("vs", "deploy", "examples/chat", "--publish");
  page = await openPage(browser);
  await signIn(page, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("instances are listed as the command line lists them", async () => {
  await page.goto(`${server.console}/vs/chat/instances`);
  await settled(page);
  assert.equal(await page.getByRole("button", { name: "moderate" }).count(), 0); // a timer of the example may have run
  await server.ow("fn", "invoke", "chat", "moderate", '{"text":"hello"}');
  await page.getByRole("button", { name: "moderate" }).waitFor();
  const told = await server.owJson("vs", "instances", "chat", "--function", "moderate");
  assert.equal(told.instances[0].state, "idle");
  assert.ok(Number(told.instances[0].memoryBytes) > 0);
  await lookAt(page, "vs-instances");
  await page.goto(`${server.console}/vs/chat/settings`);
  await page.getByText("Functions send no requests.", { exact: false }).waitFor();
  await page.getByText(/at most \d+ of each function/).waitFor();
  await lookAt(page, "vs-settings-quota");
});

test("the queue has a depth over time; a dead letter shows on the first page", async () => {
  await page.goto(server.console);
  await page.getByText("Open dead letters").first().waitFor();
  await server.ow("fn", "invoke", "chat", "moderate", '{"wrong":1}', "--async");
  await page.getByRole("definition").filter({ has: page.locator('a[href="/queue?state=dead"]') }).getByText("1", { exact: true }).waitFor();
  await lookAt(page, "home-state");
  await page.goto(`${server.console}/queue`);
  await page.getByRole("img", { name: "Depth over time" }).waitFor();
  await lookAt(page, "queue-depth");
  assert.equal((await server.owJson("queue", "--hour")).dead, "1");
});

test("a webhook is made, takes a request, and is switched off from the command line", async () => {
  await page.goto(`${server.console}/events/webhooks`);
  await page.getByRole("button", { name: "New webhook" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("forge");
  await dialog.getByLabel("Type", { exact: true }).fill("forge.push");
  await dialog.getByLabel("Signature", { exact: true }).selectOption("hmac-sha256");
  await dialog.getByLabel("The sender's secret").fill("a secret of the sender");
  await lookAt(page, "webhook-create");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByRole("button", { name: "Done" }).click();
  const made = await server.owJson("webhook", "show", "forge");
  const send = async (body) => fetch(`${server.public}${made.path}`, {
    method: "POST", body,
    headers: { "Content-Type": "application/json", "X-Signature": `sha256=${createHmac("sha256", "a secret of the sender").update(body).digest("hex")}` },
  });
  assert.ok((await send('{"ref":"main"}')).ok);
  await server.ow("webhook", "disable", "forge");
  await page.getByRole("row", { name: /forge/ }).getByText("paused").waitFor();
  assert.ok(!(await send('{"ref":"main"}')).ok);
  await lookAt(page, "webhooks");
  await page.goto(`${server.console}/events/log`);
  await page.getByRole("button", { name: "forge.push" }).click();
  await page.getByText("Nobody heard of it.").waitFor();
  await page.keyboard.press("Escape");
});

test("a condition is tried against a past event while it is written; its delivery is listed", async () => {
  await server.ow("event", "declare", "match.ended");
  await server.ow("event", "publish", "match.ended", '{"winner":"red"}');
  await page.goto(`${server.console}/events?create=`);
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("ratings");
  await dialog.getByLabel("Type", { exact: true }).fill("match.ended");
  await dialog.getByText("It fits").waitFor();
  await dialog.getByRole("button", { name: "Add a condition" }).click();
  await dialog.getByLabel("Place in the data").fill("/winner");
  await dialog.getByLabel("Value", { exact: true }).fill('"blue"');
  await dialog.getByText("It does not fit").waitFor();
  await lookAt(page, "subscription-try");
  await dialog.getByLabel("Value", { exact: true }).fill('"red"');
  await dialog.getByText("It fits").waitFor();
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "hidden" });
  await server.ow("event", "publish", "match.ended", '{"winner":"red"}');
  await page.goto(`${server.console}/events/log?type=match.ended`);
  await page.getByRole("button", { name: "match.ended" }).first().click();
  await dialog.getByRole("link", { name: /exe_/ }).waitFor();
  await lookAt(page, "event-deliveries");
  await dialog.getByRole("link", { name: /exe_/ }).click();
  await page.getByText("Execution").first().waitFor();
});

test("a player is found by whatever there is, gets a message, and a ban with an end of one's own", async () => {
  await page.goto(`${server.console}/players`);
  await page.getByRole("link", { name: player }).waitFor(); // the newest are listed
  await lookAt(page, "players-list");
  assert.equal((await server.owJson("player", "list")).players[0].playerId, player);
  await page.getByRole("searchbox").fill("nobody@example");
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("heading", { name: "No such player" }).waitFor();
  await page.getByRole("searchbox").fill("studio-account-of-a-player");
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("link", { name: player }).click();
  await page.getByRole("button", { name: "Push a message" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Message, JSON").fill('{"text":"back in five minutes"}');
  await lookAt(page, "player-push");
  await dialog.getByRole("button", { name: "Push a message" }).click();
  await page.getByText("Not connected", { exact: false }).first().waitFor();
  await page.getByRole("button", { name: "Ban" }).click();
  await dialog.getByLabel("Until").selectOption("at");
  await dialog.getByLabel("Date and time, yours").fill("2001-01-01T00:00");
  await dialog.getByText("That is over already.").waitFor();
  await dialog.getByLabel("Date and time, yours").fill("2099-01-01T12:00");
  await dialog.getByRole("button", { name: "Ban" }).click();
  await page.getByText("Banned until").waitFor();
  assert.match((await server.owJson("player", "show", player)).bannedUntil, /^209[89]-/);
});

test("pages hear of a change without asking; without the stream they ask", async () => {
  const quiet = await openPage(browser, { storageState: await page.context().storageState() });
  await quiet.clock.install();
  await quiet.goto(`${server.console}/timers`);
  await quiet.getByRole("img", { name: /^Live/ }).waitFor();
  await settled(quiet);
  const asked = [];
  const forward = async () => {
    await quiet.clock.fastForward(6000); // longer than the page's own pace
    await quiet.evaluate(() => fetch("/readyz")); // what it asked for then is on its way by now
  };
  await forward(); // a page that had its answer before it was live asks once more at its own pace
  quiet.on("request", (r) => { if (r.url().endsWith("/ListTimers")) asked.push(Date.now()); });
  await forward();
  assert.equal(asked.length, 0, `asked ${asked.length} times while nothing changed`);
  await quiet.clock.fastForward(20_000);
  await until("it to ask, seldom", 5000, () => asked.length === 1);
  const before = Date.now();
  await server.ow("timer", "create", "chat", "beat", "--function", "moderate", "--every", "1h");
  await quiet.getByText("beat").first().waitFor();
  assert.ok(Date.now() - before < 5000, `${Date.now() - before} ms`);
  const other = await openPage(browser, { storageState: await page.context().storageState() });
  await other.route("**/WatchChanges", (route) => route.abort());
  await other.goto(`${server.console}/timers`);
  await other.getByText("beat").first().waitFor();
  await other.getByRole("img", { name: /^Not live/ }).waitFor();
  await server.ow("timer", "pause", "chat/beat");
  await other.getByRole("row", { name: /beat/ }).getByText("paused").waitFor();
  await other.context().close();
  await quiet.context().close();
});

test("the audit is exported whole", async () => {
  await page.goto(`${server.console}/audit?action=webhook.create`);
  await page.getByRole("table").getByText("webhook.create").waitFor();
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export" }).click()]);
  const lines = (await readFile(await file.path(), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map((l) => [l.service, l.action, l.object]), [["events", "webhook.create", "forge"]]);
});

test("both sides of a split have their curves", async () => {
  const folder = mkdtempSync(join(tmpdir(), "overworld-split-"));
  cpSync(join(root, "examples/chat"), folder, { recursive: true, dereference: true });
  const manifest = join(folder, "virtualserver.json");
  const text = readFileSync(manifest, "utf8");
  rmSync(manifest, { force: true });
  writeFileSync(manifest, JSON.stringify({ ...JSON.parse(text), env: { ROUND: "2" } }));
  await server.ow("vs", "deploy", folder, "--publish");
  rmSync(folder, { recursive: true });
  await server.ow("alias", "create", "chat", "live", "1", "2=50", "--split", "random");
  for (let i = 0; i < 12; i++) await server.ow("fn", "invoke", "chat", "moderate", '{"text":"hello"}', "--qualifier", "live");
  await page.goto(`${server.console}/vs/chat/versions`);
  await page.getByRole("heading", { name: "Both sides of live" }).waitFor();
  await page.getByRole("img", { name: "p95, ms" }).waitFor();
  await until("both sides in the series", 20000, async () => {
    const { series } = await server.owJson("metrics", "--vs", "chat", "--qualifier", "live");
    return new Set(series.map((each) => each.version)).size >= 1;
  });
  await lookAt(page, "vs-split-curves");
});

test("who moves an alias that somebody else has moved meanwhile gets the conflict", async () => {
  await page.goto(`${server.console}/vs/chat/versions`);
  await page.getByRole("row", { name: /^live/ }).getByRole("button", { name: "Move" }).click();
  const dialog = page.getByRole("dialog");
  await server.ow("alias", "set", "chat", "live", "2");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByText("Somebody else changed it meanwhile").waitFor();
  await lookAt(page, "alias-conflict");
  assert.equal((await server.owJson("alias", "list", "chat")).aliases.find((a) => a.name === "live").targets.length, 1);
  await page.keyboard.press("Escape");
});

test("Ctrl-K leads to a timer and to a player by another id", async () => {
  await page.goto(server.console);
  await page.getByRole("heading", { name: "Home" }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: /Go to/ }).fill("beat");
  await page.getByRole("option", { name: /chat\/beat/ }).click();
  await page.waitForURL(/\/timers\//);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: /Go to/ }).fill("studio-account-of-a-player");
  await page.getByRole("option", { name: /Find the player/ }).click();
  await page.getByRole("link", { name: player }).waitFor();
});

test("the new pages stay whole at 320 pixels, and in Chinese", async () => {
  const narrow = await openPage(browser, { viewport: { width: 320, height: 700 }, storageState: await page.context().storageState(), locale: "zh-CN" });
  for (const path of ["/", "/queue", "/vs/chat/instances", "/vs/chat/settings", "/vs/chat/triggers", "/events/webhooks", "/players"]) {
    await narrow.goto(`${server.console}${path}`);
    await narrow.getByRole("heading", { level: 1 }).waitFor();
    const wide = await narrow.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${path} is ${wide} px too wide`);
  }
  await narrow.goto(`${server.console}/events/webhooks`);
  await narrow.getByRole("button", { name: "新建 Webhook" }).waitFor();
  await lookAt(narrow, "webhooks-narrow-zh");
  await narrow.context().close();
});
