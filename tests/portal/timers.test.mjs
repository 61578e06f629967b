// Timers: making one with a preview, seeing it fire, pausing with a reason, many at once, two who edit one.

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

test("a timer is made while its next runs are shown, and what is wrong as it is typed", async () => {
  await page.goto(`${server.console}/timers`);
  await page.getByRole("heading", { name: "No timer" }).waitFor();
  await lookAt(page, "timers-empty");
  await page.getByRole("button", { name: "New timer" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("beat");
  await dialog.getByLabel("Function", { exact: true }).selectOption("selftest");
  await dialog.getByLabel("Expression").fill("61 * * * *");
  await dialog.locator(".error").waitFor();
  assert.equal(await dialog.getByRole("button", { name: "Create" }).isDisabled(), true);
  await dialog.getByLabel("Expression").fill("30 4 * * 1");
  await dialog.getByText(/04:30, only on Monday/).waitFor();
  await dialog.getByLabel("Time zone").fill("Asia/Shanghai");
  await dialog.getByText(/T04:30:00\+08:00/).first().waitFor();
  await lookAt(page, "timer-form");
  await dialog.getByLabel("When", { exact: true }).selectOption("every");
  await dialog.getByLabel("Seconds").fill("2");
  await dialog.getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "beat", level: 1 }).waitFor();
});

test("it fires, is paused with a reason, and resumed by ow", async () => {
  await page.getByRole("row", { name: /fired/ }).nth(1).waitFor({ timeout: 30000 });
  await lookAt(page, "timer");
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("dialog").getByLabel("Reason").fill("<b>too</b> often");
  await page.getByRole("dialog").getByRole("button", { name: "Pause" }).click();
  await page.getByText("<b>too</b> often").waitFor();
  const seen = await server.owJson("timer", "show", "chat/beat");
  assert.equal(seen.state, "paused");
  assert.equal(seen.pauseReason, "<b>too</b> often");
  await server.ow("timer", "resume", "chat/beat");
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await page.getByRole("button", { name: "Run now" }).click();
  await page.getByRole("cell", { name: "manual" }).first().waitFor();
});

test("two who edit one timer: the second gets the conflict", async () => {
  const other = await openPage(browser);
  await signIn(other, server);
  await other.goto(page.url());
  for (const each of [page, other]) {
    await each.getByRole("button", { name: "Edit" }).click();
    await each.getByRole("dialog").getByText("T").first().waitFor();
  }
  await page.getByRole("dialog").getByLabel("Seconds").fill("30");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText("every 30s").waitFor();
  await other.getByRole("dialog").getByLabel("Seconds").fill("45");
  await other.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await other.getByRole("dialog").getByText(/stale_etag/).waitFor();
  await lookAt(other, "timer-conflict");
  assert.equal((await server.owJson("timer", "show", "chat/beat")).spec.every, "30s");
  await other.context().close();
});

test("many are paused and resumed at once", async () => {
  for (const name of ["one", "two"]) await server.ow("timer", "create", "chat", name, "--function", "selftest", "--cron", "0 5 * * *");
  await page.goto(`${server.console}/timers`);
  for (const name of ["one", "two"]) await page.getByRole("checkbox", { name: `Choose ${name}` }).check();
  await lookAt(page, "timers");
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("dialog").getByLabel("Reason").fill("holidays");
  await page.getByRole("dialog").getByRole("button", { name: "Pause" }).click();
  await until("both paused", 15000, async () => (await server.owJson("timer", "list", "--state", "paused")).timers?.length === 2);
  await page.getByLabel("Status").selectOption("paused");
  await page.getByText("holidays").first().waitFor();
  assert.equal(await page.getByRole("link", { name: "beat" }).count(), 0);
});
