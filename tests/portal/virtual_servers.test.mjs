// Virtual servers, from a template to a published version: editing, what the compiler says, deploying, calling by hand,
// finding the request, aliases, settings, and two operators on the same code.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
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

test("from an empty list to a function of a template that answers, in under a minute", async () => {
  await page.goto(`${server.console}/vs`);
  await page.getByRole("heading", { name: "No virtual server yet" }).waitFor();
  await lookAt(page, "vs-empty");
  const began = performance.now();
  await page.getByRole("button", { name: "New virtual server" }).last().click();
  // At the pace of somebody who types, not pasted.
  await page.getByLabel("Name").pressSequentially("first", { delay: 100 });
  await page.getByRole("radio", { name: /A greeting/ }).check();
  await page.getByRole("button", { name: "Create" }).click();
  await editor(page).waitFor({ timeout: 20000 });
  assert.match(await server.ow("fn", "invoke", "first", "hello", '{"name":"Ann"}'), /Hello, Ann/);
  const took = performance.now() - began;
  console.log(`from the empty list to the first answer: ${(took / 1000).toFixed(1)} s`);
  assert.ok(took < 60_000, `${took} ms`);
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

test("a payload is kept, for oneself or for all, and chosen again; what ow keeps is there as well", async () => {
  await page.goto(`${server.console}/vs/first/test?fn=hello&at=1`);
  await page.getByRole("button", { name: "Save the payload" }).waitFor();
  const payload = editor(page, "Payload");
  await write(page, '{"name":"<i>Eve</i>"}', "Payload");
  await page.getByRole("button", { name: "Save the payload" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("eve");
  await dialog.getByLabel("Share it").check();
  await dialog.getByText("ow fn save first hello eve").waitFor();
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "hidden" });
  const [kept] = (await server.owJson("fn", "saved", "first", "hello")).events;
  assert.deepEqual([kept.name, kept.shared, atob(kept.payload)], ["eve", true, '{"name":"<i>Eve</i>"}']);
  await server.ow("fn", "save", "first", "hello", "bob", '{"name":"Bob"}');
  await page.getByLabel("Saved payloads").selectOption("mine/bob");
  await payload.getByText('{"name":"Bob"}').waitFor();
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByLabel("Result", { exact: true }).getByText("Hello, Bob").waitFor();
  await page.getByLabel("Saved payloads").selectOption("shared/eve");
  await payload.getByText("<i>Eve</i>").waitFor();
  await page.getByRole("button", { name: "Forget eve" }).click();
  await until("it to be forgotten", 10000, async () => (await server.owJson("fn", "saved", "first", "hello")).events.length === 1);
});

test("called as a player", async () => {
  await page.goto(`${server.console}/vs/first/test?fn=hello`);
  await page.getByLabel("As whom").selectOption("player");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("Hello, Bob").waitFor();
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

const edit = (what) => page.getByRole("button", { name: `Edit: ${what}` });

// A form of the settings: filled in, with something wrong first, and saved.
async function configure(what, fill) {
  await edit(what).click();
  const dialog = page.getByRole("dialog");
  const save = dialog.getByRole("button", { name: "Save" });
  await fill(dialog, async () => assert.equal(await save.isDisabled(), true));
  await lookAt(page, `vs-settings-${what.split(" ")[0].toLowerCase()}`);
  await save.click();
  await dialog.waitFor({ state: "hidden" });
}

// As the page says it is done at the command line, with a variable of the environment.
async function deployByOw(mode) {
  const folder = join(mkdtempSync(join(tmpdir(), "overworld-settings-")), "first");
  await server.ow("vs", "pull", "first", folder);
  const file = join(folder, "virtualserver.json");
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  manifest.functions.hello.timeout_ms = 2500;
  manifest.env.MODE = mode;
  manifest.fetch.hosts.push(`${mode}.example.com`);
  writeFileSync(file, JSON.stringify(manifest));
  await server.ow("vs", "deploy", folder);
  rmSync(dirname(folder), { recursive: true });
}

test("limits, environment and outgoing requests are changed here and seen by ow, and the other way round", async () => {
  await page.goto(`${server.console}/vs/first/settings`);
  const latest = async () => (await server.owJson("vs", "show", "first")).latest;
  const code = await server.ow("vs", "cat", "first", "main.c");
  await configure("Limits of the functions", async (dialog, expectDisabled) => {
    await dialog.getByLabel("Timeout, ms").fill("900001");
    await dialog.getByText("from 1 to 900,000").waitFor();
    await expectDisabled();
    await dialog.getByLabel("Timeout, ms").fill("1500");
    await dialog.getByLabel("Memory, MB").fill("256");
    await dialog.getByLabel("Who may call").selectOption("server");
  });
  const [hello] = (await latest()).functions;
  assert.deepEqual([hello.timeoutMs, hello.memoryMb, hello.exposure], [1500, 256, "server"]);
  await configure("Environment", async (dialog, expectDisabled) => {
    await dialog.getByRole("button", { name: "Add a variable" }).click();
    await dialog.getByLabel("Name", { exact: true }).fill("1st");
    await dialog.getByText("no digit first").waitFor();
    await expectDisabled();
    await dialog.getByLabel("Name", { exact: true }).fill("MODE");
    await dialog.getByLabel("Value", { exact: true }).fill("<b>strict</b>");
  });
  assert.deepEqual((await latest()).env, [{ name: "MODE", value: "<b>strict</b>" }]);
  await configure("Outgoing requests", async (dialog, expectDisabled) => {
    await dialog.getByLabel("Functions may send requests").check();
    await dialog.getByLabel("Hosts", { exact: true }).fill("https://api.example.com/");
    await dialog.getByText("https://api.example.com/ is no host.").waitFor();
    await expectDisabled();
    await dialog.getByLabel("Hosts", { exact: true }).fill("api.example.com\n*.example.org");
    await dialog.getByLabel("Networks that are not public").fill("10.1.0.0/16");
  });
  assert.deepEqual((await latest()).fetch, { hosts: ["api.example.com", "*.example.org"], networks: ["10.1.0.0/16"] });
  assert.equal(await server.ow("vs", "cat", "first", "main.c"), code);

  await deployByOw("lenient");
  await page.getByRole("cell", { name: "lenient", exact: true }).waitFor();
  await page.getByRole("cell", { name: "2.50 s", exact: true }).waitFor();
  await page.getByText("lenient.example.com").waitFor();

  await edit("Environment").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Value", { exact: true }).fill("mine");
  await deployByOw("theirs");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByText("Somebody else changed it meanwhile").waitFor();
  assert.equal((await latest()).env[0].value, "theirs");
  assert.equal(await dialog.getByLabel("Value", { exact: true }).inputValue(), "mine");
  await page.keyboard.press("Escape");

  // Saved and put in force in one go.
  await configure("Environment", async (form) => {
    await form.getByLabel("Value", { exact: true }).fill("live");
    await form.getByLabel("Publish it").check();
    await form.getByText("not published yet").waitFor();
  });
  const { aliases, latestVersion } = await server.owJson("vs", "show", "first");
  assert.equal(aliases.find((a) => a.name === "$DEFAULT").targets[0].version, latestVersion);
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

test("a name is checked while it is typed; without a template there is no code yet, and ow sees it", async () => {
  await page.goto(`${server.console}/vs?create=`);
  const name = page.getByLabel("Name");
  await name.fill("1st");
  await page.getByText("Begin with a letter").waitFor();
  assert.equal(await page.getByRole("button", { name: "Create" }).isDisabled(), true);
  await name.fill("shop");
  await page.getByRole("radio", { name: /Nothing/ }).check();
  await page.getByText("ow vs create shop").waitFor();
  await page.getByLabel("Description").fill("<img src=x onerror=alert(1)>\"'&</script><script>alert(2)</script>");
  await lookAt(page, "vs-create");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("heading", { name: "shop", level: 1 }).waitFor();
  await editor(page).waitFor();
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
  const dialog = page.getByRole("dialog");
  await dialog.getByText("ow route disable chat room-history", { exact: true }).waitFor();
  await dialog.getByRole("button", { name: "Pause" }).click();
  await row.getByText("paused").waitFor();
  await row.getByText(/switched by opr_/).waitFor();
  assert.equal((await state()).disabled, true);
  await lookAt(page, "vs-routes");
  await server.ow("route", "enable", "chat", "room-history");
  await row.getByText("active").waitFor({ timeout: 20000 });
});
