// The queue: an execution that is given up, why, its payload mended, and begun anew.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { lookAt, openBrowser, openPage, signIn } from "./browser.mjs";
import { start, until } from "./server.mjs";

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

test("what is done is listed; a refusal becomes a dead letter", async () => {
  await page.goto(`${server.console}/queue?state=dead`);
  await page.getByRole("heading", { name: "No dead letter" }).waitFor();
  await lookAt(page, "queue-empty");
  await server.ow("fn", "invoke", "chat", "moderate", '{"text":"hello"}', "--async");
  // Refused by the function: trying again would not help.
  await server.ow("fn", "invoke", "chat", "moderate", '{"wrong":"<i>text</i>"}', "--async");
  await page.getByRole("link", { name: /exe_/ }).waitFor({ timeout: 30000 });
  await lookAt(page, "queue-dead");
  await page.goto(`${server.console}/queue`);
  await page.getByRole("row", { name: /done/ }).first().waitFor();
  await lookAt(page, "queue");
});

test("the dead letter says why; mended and redriven, it is done", async () => {
  await page.goto(`${server.console}/queue?state=dead`);
  await page.getByRole("link", { name: /exe_/ }).click();
  await page.getByText('{"wrong":"<i>text</i>"}').waitFor();
  const id = page.url().split("/").at(-1);
  await lookAt(page, "dead-letter");
  await page.getByRole("button", { name: "Change the payload" }).click();
  await page.getByRole("dialog").getByLabel("Payload").fill('{"text":"mended"}');
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByText('{"text":"mended"}').waitFor();
  await page.getByRole("button", { name: "Redrive" }).click();
  await page.getByText("done", { exact: true }).waitFor({ timeout: 30000 });
  assert.equal((await server.owJson("exec", "show", id)).state, "done");
  await page.getByRole("link", { name: /req_/ }).click();
  await page.getByRole("heading", { name: "Request" }).waitFor();
});

test("all that fit are redriven, one is discarded with a reason", async () => {
  for (let i = 0; i < 3; i++) await server.ow("fn", "invoke", "chat", "moderate", `{"wrong":${i}}`, "--async");
  await until("three dead", 30000, async () => (await server.owJson("dead", "list")).executions?.length === 3);
  await page.goto(`${server.console}/queue?state=dead&fn=moderate`);
  await page.getByRole("row", { name: /exe_/ }).nth(2).waitFor();
  await page.getByRole("checkbox").first().check();
  await page.getByRole("button", { name: "Discard 1" }).click();
  const dialog = page.getByRole("dialog");
  assert.equal(await dialog.getByRole("button", { name: "Discard" }).isDisabled(), true);
  await dialog.getByRole("textbox", { name: "Reason" }).fill("of a test");
  await dialog.getByRole("button", { name: "Discard" }).click();
  await until("two dead", 15000, async () => (await server.owJson("dead", "list")).executions?.length === 2);
  await page.getByRole("button", { name: "Redrive all that fit" }).click();
  await dialog.getByRole("button", { name: "Redrive" }).click();
  await page.getByText("2 begin anew").first().waitFor();
});
