// Virtual servers and their functions.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { lookAt, openBrowser, openPage, signIn } from "./browser.mjs";
import { start, until } from "./server.mjs";

let server, browser, page;
before(async () => {
  [server, browser] = await Promise.all([start(), openBrowser()]);
  page = await openPage(browser);
  await signIn(page, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("from nothing to a virtual server, seen by ow", async () => {
  await page.goto(`${server.console}/vs`);
  await page.getByRole("heading", { name: "No virtual server yet" }).waitFor();
  await lookAt(page, "vs-empty");
  await page.getByRole("button", { name: "New virtual server" }).first().click();
  const name = page.getByLabel("Name");
  await name.fill("1st");
  await page.getByText("Begin with a letter").waitFor();
  assert.equal(await page.getByRole("button", { name: "Create" }).isDisabled(), true);
  await name.fill("shop");
  await page.getByLabel("Description").fill("<img src=x onerror=alert(1)>\"'&</script><script>alert(2)</script>");
  await lookAt(page, "vs-create");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "shop", level: 1 }).waitFor();
  const seen = await server.owJson("vs", "show", "shop");
  assert.equal(seen.name, "shop");
  await lookAt(page, "vs-without-code");
});

test("what ow deploys and calls appears by itself", async () => {
  await page.goto(`${server.console}/vs`);
  await page.getByRole("link", { name: "shop" }).waitFor();
  await server.ow("vs", "deploy", "examples/chat", "--publish");
  for (let i = 0; i < 5; i++) await server.ow("fn", "invoke", "chat", "moderate", '{"text":"hello"}');
  await page.getByRole("link", { name: "chat" }).waitFor({ timeout: 20000 });
  await until("the health of chat", 30000, async () => (await page.getByRole("row", { name: /chat/ }).textContent()).includes("well"));
  await page.getByRole("searchbox").fill("cha");
  assert.equal(await page.getByRole("link", { name: "shop" }).count(), 0);
  assert.ok(page.url().includes("q=cha"));
  await lookAt(page, "vs-list");
  await page.getByRole("link", { name: "chat" }).click();
  await page.getByText("moderate").waitFor();
  await page.getByText("$DEFAULT").waitFor();
  await lookAt(page, "vs-overview");
});

test("a route is switched off in the page and on by ow", async () => {
  const state = async () => (await server.owJson("route", "list", "chat")).routes.find((r) => r.declared.name === "room-history");
  await page.goto(`${server.console}/vs/chat/triggers`);
  const row = page.getByRole("row", { name: /room-history/ });
  await row.getByRole("button", { name: "Pause" }).click();
  await row.getByText("paused").waitFor();
  assert.equal((await state()).disabled, true);
  await lookAt(page, "vs-routes");
  await server.ow("route", "enable", "chat", "room-history");
  await row.getByText("active").waitFor({ timeout: 20000 });
});
