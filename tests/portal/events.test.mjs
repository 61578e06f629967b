// Events: a subscription with a condition, tried and heard, by hand and by a player's login.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { lookAt, openBrowser, openPage, signIn } from "./browser.mjs";
import { start, until } from "./server.mjs";

let server, browser, page;
before(async () => {
  [server, browser] = await Promise.all([start(), openBrowser()]);
  await server.ow("vs", "deploy", "tests/portal/quiet", "--publish");
  page = await openPage(browser);
  await signIn(page, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a subscription with a condition is made and found by ow", async () => {
  await page.goto(`${server.console}/events`);
  await page.getByRole("heading", { name: "No subscription" }).waitFor();
  await lookAt(page, "events-empty");
  await page.getByRole("button", { name: "Subscribe" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("linux_logins");
  await dialog.getByLabel("Type", { exact: true }).fill("player.login");
  await dialog.getByLabel("Function", { exact: true }).selectOption("selftest");
  await dialog.getByRole("button", { name: "Add a condition" }).click();
  await dialog.getByLabel("Place in the data").fill("/platform");
  await dialog.getByLabel("Value", { exact: true }).fill('"linux"');
  await lookAt(page, "subscription-form");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByText('/platform eq "linux"').waitFor();
  await lookAt(page, "events");
  const [made] = (await server.owJson("sub", "list")).subscriptions;
  assert.deepEqual(made.declared.any, [{ all: [{ pointer: "/platform", operator: "eq", value: '"linux"' }] }]);
});

test("exactly the login that fits runs the function", async () => {
  const logIn = (deviceId, platform) => fetch(`${server.public}/overworld.identity.v1.Identity/DeviceLogin`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ deviceId, platform }),
  });
  await logIn("device-on-windows", "windows");
  await logIn("device-on-linux", "linux");
  await page.goto(`${server.console}/events/log?type=player.login`);
  await page.getByRole("button", { name: "player.login" }).nth(1).waitFor({ timeout: 30000 });
  await lookAt(page, "events-log");
  const heard = async () => (await server.owJson("event", "list", "--type", "player.login")).occurrences.map((o) => o.matched ?? 0).sort();
  await until("both to be spread", 20000, async () => (await heard()).includes(1));
  assert.deepEqual(await heard(), [0, 1]);
  await page.goto(`${server.console}/events`);
  await page.getByRole("button", { name: "Try" }).click();
  await page.getByText(/It fits|It does not fit/).waitFor();
  await lookAt(page, "subscription-try");
});

test("a type is declared, and published by hand", async () => {
  await page.goto(`${server.console}/events/types`);
  await page.getByRole("button", { name: "Declare a type" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("game.finished");
  await dialog.getByLabel("Description").fill("a round is over");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByRole("link", { name: "game.finished" }).waitFor();
  await lookAt(page, "event-types");
  await page.getByRole("button", { name: "Publish" }).click();
  await dialog.getByLabel("Type", { exact: true }).fill("game.finished");
  await dialog.getByLabel("Data").fill('{"winner":"<script>alert(1)</script>"}');
  await dialog.getByRole("button", { name: "Publish" }).click();
  await page.goto(`${server.console}/events/log`);
  await page.getByRole("button", { name: "game.finished" }).click();
  await page.getByText('{"winner":"<script>alert(1)</script>"}').waitFor();
  assert.equal((await server.owJson("event", "list", "--type", "game.finished")).occurrences.length, 1);
  await page.keyboard.press("Escape");
  // What ow publishes appears here.
  await server.ow("event", "publish", "game.finished", '{"winner":"ow"}');
  await page.getByRole("button", { name: "game.finished" }).nth(1).waitFor();
});
