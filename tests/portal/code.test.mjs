// From a template to a published version: editing, what the compiler says, deploying, calling by hand,
// finding the request, aliases, and two operators on the same code.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { lookAt, openBrowser, openPage, signIn } from "./browser.mjs";
import { editor, write } from "./editor.mjs";
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

const GOOD = `#include <overworld.h>

int hello(ow_ctx *ctx) {
    ow_log(ctx, OW_WARN, "said hello <b>boldly</b>");
    return ow_reply_text(ctx, "\\"hello again\\"");
}
`;

test("a template is deployed in one go", async () => {
  await page.goto(`${server.console}/vs?create=`);
  await page.getByLabel("Name").fill("first");
  await page.getByRole("radio", { name: /A greeting/ }).check();
  await page.getByRole("button", { name: "Create" }).click();
  await editor(page).waitFor({ timeout: 20000 });
  assert.match(await server.ow("fn", "invoke", "first", "hello", '{"name":"Ann"}'), /Hello, Ann/);
  await lookAt(page, "vs-code");
});

test("a mistake is shown at its line, and the old code keeps serving", async () => {
  await write(page, GOOD.replace('again\\"");', 'again\\"")'));
  await page.getByRole("button", { name: "Save to $LATEST" }).click();
  await page.getByText("It does not compile").waitFor({ timeout: 20000 });
  await page.getByRole("button", { name: "main.c:5:" }).waitFor();
  await page.locator(".cm-lint-marker-error").waitFor();
  await lookAt(page, "vs-code-broken");
  assert.match(await server.ow("fn", "invoke", "first", "hello", '{"name":"Ann"}'), /Hello, Ann/);
});

test("mended, it is $LATEST; compared with the version that runs", async () => {
  await write(page, GOOD);
  await page.keyboard.press("Control+s");
  await page.getByText("As deployed").waitFor({ timeout: 20000 });
  assert.match(await server.ow("fn", "invoke", "first", "hello", "--qualifier", "$LATEST"), /hello again/);
  assert.equal(await server.ow("vs", "cat", "first", "main.c"), GOOD);
  await page.getByRole("button", { name: "Compare with v1" }).click();
  await page.locator(".cm-deletedChunk").first().waitFor();
  await lookAt(page, "vs-code-diff");
});

test("called by hand: the result, its lines and its trace", async () => {
  await page.goto(`${server.console}/vs/first/test?fn=hello&at=$LATEST`);
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText('"hello again"').waitFor();
  await page.getByText("said hello <b>boldly</b>").waitFor();
  await page.getByRole("table", { name: "Trace" }).waitFor();
  await lookAt(page, "vs-test");
  await page.getByRole("link", { name: "Whole request" }).click();
  await page.getByRole("heading", { name: "Request" }).waitFor();
  await page.getByText("POST /v1/call").first().waitFor();
  const id = page.url().split("/").at(-1);
  assert.match(await server.ow("logs", "--request", id), /said hello/);
  await lookAt(page, "request");
});

test("called as a player", async () => {
  await page.goto(`${server.console}/vs/first/test?fn=hello`);
  await page.getByLabel("As whom").selectOption("player");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("Hello, world").waitFor();
  await page.getByRole("link", { name: "Whole request" }).click();
  await page.getByText("player:plr_").waitFor();
});

test("publishing, a split by a slider, and back", async () => {
  await page.goto(`${server.console}/vs/first/versions`);
  await page.getByRole("button", { name: "Publish $LATEST" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Description").fill("says it again");
  await dialog.getByLabel("Move $DEFAULT to it").uncheck();
  await dialog.getByRole("button", { name: "Publish $LATEST" }).click();
  await page.getByRole("cell", { name: "v2" }).waitFor();
  await page.getByRole("button", { name: "Move", exact: true }).click();
  await dialog.getByLabel("Second version").selectOption("2");
  await dialog.getByRole("slider").fill("25");
  await dialog.getByText("v2 gets 25 %").waitFor();
  await lookAt(page, "vs-alias-slider");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByText("25 %", { exact: true }).waitFor();
  const alias = (await server.owJson("vs", "show", "first")).aliases.find((a) => a.name === "$DEFAULT");
  assert.deepEqual(alias.targets, [{ version: "1", weight: 7500 }, { version: "2", weight: 2500 }]);
  await lookAt(page, "vs-versions");
  // What ow changes appears here.
  await server.ow("alias", "set", "first", "$DEFAULT", "2");
  await page.getByText("25 %", { exact: true }).waitFor({ state: "hidden", timeout: 20000 });
  await page.getByRole("button", { name: "Back to v1" }).click();
  await until("the way back", 10000, async () => (await server.owJson("vs", "show", "first")).aliases[0].targets[0].version === "1");
  await page.getByRole("row", { name: /^v1/ }).getByRole("button", { name: "Compare" }).click();
  await page.getByRole("dialog").locator(".cm-content").waitFor();
  await lookAt(page, "vs-compare");
});

test("two operators deploy: the second gets the conflict and loses nothing", async () => {
  const other = await openPage(browser);
  await signIn(other, server);
  await other.goto(`${server.console}/vs/first/code`);
  await editor(other).waitFor();
  await page.goto(`${server.console}/vs/first/code`);
  await write(page, GOOD.replace("again", "from one"));
  await page.getByRole("button", { name: "Save to $LATEST" }).click();
  await page.getByText("As deployed").waitFor({ timeout: 20000 });
  await write(other, GOOD.replace("again", "from two"));
  await other.getByRole("button", { name: "Save to $LATEST" }).click();
  await other.getByText("Somebody else deployed meanwhile").waitFor({ timeout: 20000 });
  assert.match(await server.ow("vs", "cat", "first", "main.c"), /from one/);
  await lookAt(other, "vs-code-conflict");
  await other.getByRole("button", { name: "Deploy mine over it" }).click();
  await other.getByText("As deployed").waitFor({ timeout: 20000 });
  assert.match(await server.ow("vs", "cat", "first", "main.c"), /from two/);
  await other.context().close();
});

test("secrets are written here and never shown", async () => {
  await page.goto(`${server.console}/vs/first/settings`);
  await page.getByRole("button", { name: "Add a secret" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("api_key");
  await dialog.getByLabel("Value").fill("hunter2-hunter2");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByRole("cell", { name: "api_key", exact: true }).waitFor();
  assert.equal((await server.owJson("secret", "list", "first")).secrets[0].name, "api_key");
  assert.ok(!(await page.content()).includes("hunter2"));
  await lookAt(page, "vs-settings");
});
