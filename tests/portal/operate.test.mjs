// Players, the audit, members and keys.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { lookAt, openBrowser, openPage, signIn } from "./browser.mjs";
import { start, until } from "./server.mjs";

let server, browser, page, player;

async function logIn(deviceId) {
  const reply = await fetch(`${server.public}/overworld.identity.v1.Identity/DeviceLogin`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ deviceId, platform: "linux" }),
  });
  return { status: reply.status, body: await reply.json() };
}

before(async () => {
  [server, browser] = await Promise.all([start(), openBrowser()]);
  await server.ow("vs", "deploy", "examples/chat", "--publish");
  player = (await logIn("device-of-a-player")).body;
  await fetch(`${server.public}/v1/call/chat/moderate`, {
    method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${player.accessToken}` }, body: '{"text":"hi"}',
  });
  page = await openPage(browser);
  await signIn(page, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a player is found, banned with a reason, and let in again", async () => {
  await page.goto(`${server.console}/players`);
  await page.getByRole("heading", { name: "Find a player" }).waitFor();
  await lookAt(page, "players-empty");
  await page.getByLabel("Search by").selectOption("device");
  await page.getByRole("searchbox").fill("no-such-device");
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("heading", { name: "No such player" }).waitFor();
  await page.getByRole("searchbox").fill("device-of-a-player");
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("link", { name: player.playerId }).click();
  await page.getByText("POST /v1/call chat/moderate").waitFor();
  await page.getByRole("button", { name: "Ban" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("<script>alert(1)</script> spam");
  await lookAt(page, "player-ban");
  await dialog.getByRole("button", { name: "Ban" }).click();
  await page.getByText("Banned until").waitFor();
  await lookAt(page, "player-banned");
  const refused = await logIn("device-of-a-player");
  assert.equal(refused.status, 403);
  assert.ok(JSON.stringify(refused.body).includes("spam"));
  assert.equal((await server.owJson("player", "show", player.playerId)).banReason, "<script>alert(1)</script> spam");
  // What ow changes appears here.
  await server.ow("player", "unban", player.playerId);
  await page.getByText("in good standing").waitFor({ timeout: 15000 });
  assert.equal((await logIn("device-of-a-player")).status, 200);
});

test("a member gets a password, a role, and loses it", async () => {
  await page.goto(`${server.console}/access`);
  await page.getByRole("button", { name: "Add a member" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("E-mail address").fill("bob@example.com");
  await dialog.getByLabel("Role", { exact: true }).selectOption("viewer");
  await dialog.getByRole("button", { name: "Add a member" }).click();
  await dialog.getByText("The password is shown this once").waitFor();
  await lookAt(page, "member-password");
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByRole("row", { name: /bob@example.com/ }).getByRole("button", { name: "Change role" }).click();
  await dialog.getByLabel("Role", { exact: true }).selectOption("developer");
  await dialog.getByRole("button", { name: "Save" }).click();
  await until("the role", 10000, async () => (await server.owJson("member", "list")).members.some((m) => m.email === "bob@example.com" && m.role === "developer"));
  await lookAt(page, "members");
  await page.getByRole("button", { name: "Remove bob@example.com" }).click();
  await dialog.getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByRole("row", { name: /bob@example.com/ }).waitFor({ state: "hidden" });
  await server.ow("member", "add", "carol@example.com", "--role", "viewer");
  await page.getByText("carol@example.com").waitFor({ timeout: 15000 });
});

test("keys are shown once", async () => {
  for (const [tab, label] of [["api-keys", "API keys"], ["server-keys", "Server keys"]]) {
    await page.goto(`${server.console}/access/${tab}`);
    await page.getByRole("heading", { name: "No key" }).waitFor();
    await page.getByRole("button", { name: "New key" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name", { exact: true }).fill("build-machine");
    await dialog.getByRole("button", { name: "Create" }).click();
    await dialog.getByText("The secret is shown this once.").waitFor();
    await dialog.getByRole("button", { name: "Done" }).click();
    await page.getByText("build-machine").waitFor();
    await lookAt(page, tab);
    assert.ok(label);
  }
  assert.equal((await server.owJson("apikey", "list")).keys[0].name, "build-machine");
  assert.equal((await server.owJson("key", "list")).keys[0].name, "build-machine");
  await page.goto(`${server.console}/access/api-keys`);
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("heading", { name: "No key" }).waitFor();
});

test("the audit shows each step, filtered and verified", async () => {
  await page.goto(`${server.console}/audit`);
  for (const action of ["player.ban", "member.add", "api_key.create", "virtual_server.deploy"]) await page.getByText(action).first().waitFor();
  await page.getByText("<script>alert(1)</script> spam").first().waitFor();
  await page.getByRole("button", { name: "Verify" }).click();
  await page.getByText(/\d+ entries are sound/).waitFor();
  await lookAt(page, "audit");
  await page.getByRole("textbox", { name: "Action" }).fill("player.ban");
  await page.getByRole("textbox", { name: "Action" }).press("Enter");
  await page.getByText("member.add").waitFor({ state: "hidden" });
  // While the next page of entries is on its way the table is gone.
  await page.getByRole("table").getByText("player.ban").first().waitFor();
  assert.ok(page.url().includes("action=player.ban"));
  const shown = await page.getByRole("table").getByRole("row").count();
  const told = await server.owJson("audit", "list", "--action", "player.ban");
  assert.equal(shown, 1 + told.entries.length);
  // What ow does appears here.
  await server.ow("player", "ban", player.playerId, "--reason", "by ow");
  await page.getByRole("table").getByText("by ow").first().waitFor();
});
