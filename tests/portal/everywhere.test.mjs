// What every page has: the palette, both languages, narrow screens, the keyboard alone, texts as they are.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { lookAt, openBrowser, openPage, picture, signIn } from "./browser.mjs";
import { start } from "./server.mjs";

let server, browser, page;
before(async () => {
  [server, browser] = await Promise.all([start(), openBrowser()]);
  await server.ow("vs", "deploy", "examples/chat", "--publish");
  for (let i = 0; i < 20; i++) await server.ow("fn", "invoke", "chat", "moderate", '{"text":"hello"}');
  page = await openPage(browser);
  await signIn(page, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("home answers whether all is well", async () => {
  await page.goto(server.console);
  await page.getByText("all well").waitFor();
  // Reported, not asserted.
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  console.log(`first contentful paint: ${Math.round(paint)} ms`);
  await page.getByRole("link", { name: "chat/moderate" }).waitFor({ timeout: 20000 });
  await page.getByRole("img", { name: "Traffic" }).locator("canvas").waitFor();
  await lookAt(page, "home");
});

test("the palette goes to a function, a request, and shows nothing it does not know", async () => {
  await page.goto(`${server.console}/audit`);
  await page.getByRole("heading", { name: "Audit" }).waitFor();
  await page.keyboard.press("Control+k");
  const input = page.getByRole("combobox", { name: /Go to/ });
  await input.fill("chmod");
  await page.getByRole("option", { name: /chat\/moderate/ }).waitFor();
  await lookAt(page, "palette");
  await page.keyboard.press("Enter");
  await page.getByLabel("Function").waitFor();
  assert.ok(page.url().includes("/vs/chat/test?fn=moderate"));
  await page.keyboard.press("Control+k");
  await input.fill("zzzzqqq");
  await page.getByText("Nothing fits").waitFor();
  await page.keyboard.press("Escape");
  await input.waitFor({ state: "detached" });
});

test("in 简体中文: every page of the main path", async () => {
  await page.goto(server.console);
  await page.getByLabel("Language").selectOption("zh");
  await page.getByRole("heading", { name: "首页" }).waitFor();
  await page.getByText("一切正常").waitFor();
  await lookAt(page, "zh-home");
  for (const [path, heading] of [["/vs", "虚拟服务器"], ["/logs", "日志"], ["/players", "玩家"], ["/audit", "审计"], ["/access", "访问权限"]]) {
    await page.goto(server.console + path);
    await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
    await page.waitForLoadState("networkidle").catch(() => {});
    await picture(page, `zh${path.replace("/", "-")}`);
  }
  await page.goto(`${server.console}/vs?create=`);
  await page.getByLabel("名称").fill("zhongwen");
  await page.getByRole("button", { name: "创建" }).click();
  await page.getByRole("textbox", { name: "main.c" }).waitFor({ timeout: 20000 });
  await lookAt(page, "zh-vs-code");
  await page.goto(`${server.console}/vs/zhongwen/test`);
  await page.getByRole("button", { name: "运行" }).click();
  await page.getByText("Hello, world").waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-Hans");
  await page.getByLabel("语言").selectOption("en");
  await page.getByRole("button", { name: "Run" }).waitFor();
  assert.deepEqual(page.faults, []);
});

test("at 320 pixels nothing is wider than the screen", async () => {
  const narrow = await openPage(browser, { viewport: { width: 320, height: 640 } });
  await narrow.goto((await server.ow("portal")).trim());
  await narrow.getByRole("button", { name: /^Sign in as / }).click();
  await narrow.getByRole("button", { name: "Open navigation" }).waitFor();
  for (const path of ["/", "/vs", "/vs/chat", "/vs/chat/code", "/vs/chat/test", "/vs/chat/versions", "/vs/chat/settings", "/logs", "/players", "/audit", "/access"]) {
    await narrow.goto(server.console + path);
    await narrow.getByRole("heading", { level: 1 }).waitFor();
    await narrow.waitForLoadState("networkidle").catch(() => {});
    const [wide, seen] = await narrow.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= seen, `${path} is ${wide} wide`);
    await picture(narrow, `narrow${path.replaceAll("/", "-")}`);
  }
  await narrow.getByRole("button", { name: "Open navigation" }).click();
  await narrow.getByRole("link", { name: "Players" }).click();
  await narrow.getByRole("heading", { name: "Players", level: 1 }).waitFor();
  assert.deepEqual(narrow.faults, []);
  await narrow.context().close();
});

test("by keyboard alone: create, run, sign out", async () => {
  await page.goto(`${server.console}/vs`);
  await page.getByRole("link", { name: "chat" }).waitFor();
  const tabTo = async (name) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      const here = await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
      if (here.trim() === name) return;
    }
    throw new Error(`no way to ${name} by Tab`);
  };
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
  await tabTo("New virtual server");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.type("keys");
  await page.keyboard.press("Enter");
  await page.getByRole("textbox", { name: "main.c" }).waitFor({ timeout: 20000 });
  // Out of the editor by Escape and Tab.
  await page.getByRole("textbox", { name: "main.c" }).focus();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.closest(".cm-editor") === null), true);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("keys/hello");
  await page.getByRole("option", { name: /keys\/hello/, selected: true }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/vs\/keys\/test/);
  await page.getByRole("button", { name: "Run" }).waitFor();
  await tabTo("Run");
  await page.keyboard.press("Enter");
  await page.getByText("Hello, world").waitFor();
});

test("an address that is nowhere, and a server that is away", async () => {
  await page.goto(`${server.console}/nowhere`);
  await page.getByRole("heading", { name: "There is nothing here" }).waitFor();
  await page.goto(`${server.console}/vs/none`);
  await page.getByRole("alert").waitFor();
  await lookAt(page, "error");
  await page.goto(`${server.console}/requests/req_01NOTHING`);
  await page.getByRole("heading", { name: "Nothing is recorded of this request" }).waitFor();
});
