// What functions remember of a player: seen, and changed only as it was seen.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { lookAt, openBrowser, openPage, signIn } from "./browser.mjs";
import { start } from "./server.mjs";

let server, browser, page, player;
before(async () => {
  [server, browser] = await Promise.all([start(), openBrowser()]);
  const reply = await fetch(`${server.public}/overworld.identity.v1.Identity/DeviceLogin`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: '{"deviceId":"device-with-data"}',
  });
  player = (await reply.json()).playerId;
  page = await openPage(browser);
  await signIn(page, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a key is made, changed, and not overwritten when somebody else was faster", async () => {
  await page.goto(`${server.console}/players/${player}`);
  await page.getByRole("heading", { name: "Nothing is stored" }).waitFor();
  await page.getByRole("button", { name: "Add a key" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Key", { exact: true }).fill("level");
  await dialog.getByLabel("Value", { exact: true }).fill("<b>7</b>");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByRole("cell", { name: "level", exact: true }).waitFor();
  assert.match(await server.ow("kv", "get", "level", "--player", player), /<b>7<\/b>/);
  await lookAt(page, "player-data");
  await page.getByRole("row", { name: /level/ }).getByRole("button", { name: "Edit" }).click();
  await server.ow("kv", "set", "level", "8", "--player", player);
  await dialog.getByLabel("Value", { exact: true }).fill("9");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByRole("alert").waitFor();
  await lookAt(page, "player-data-conflict");
  assert.match(await server.ow("kv", "get", "level", "--player", player), /8/);
  await page.keyboard.press("Escape");
  await page.getByRole("cell", { name: "8 1 B", exact: true }).waitFor();
});
