// What every page has: the palette, both languages, narrow screens, the keyboard alone, texts as they are.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { expectAccessible, lookAt, openBrowser, openPage, picture, settled, signIn } from "./browser.mjs";
import { start } from "./server.mjs";

const PATHS = [
  "/", "/vs", "/vs/chat", "/vs/chat/code", "/vs/chat/test", "/vs/chat/versions", "/vs/chat/triggers", "/vs/chat/instances", "/vs/chat/logs", "/vs/chat/settings", "/timers",
  "/events", "/events/types", "/events/log", "/events/webhooks", "/queue", "/queue?state=dead", "/logs", "/players", "/audit", "/access", "/access/api-keys", "/access/server-keys",
];

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
  const changes = [];
  for (const name of ["Logs", "Virtual servers", "Timers", "Events", "Queue", "Players", "Audit", "Access", "Home"]) changes.push(`${name} ${await changeOfPage(name)}`);
  console.log(`page change, ms: ${changes.join(", ")}`);
});

// From the click to the next page's heading on the screen.
function changeOfPage(name) {
  return page.evaluate(async (wanted) => {
    const link = [...document.querySelectorAll("nav a")].find((each) => each.textContent.trim() === wanted);
    if (!link) throw new Error(`no ${wanted} among ${[...document.querySelectorAll("nav a")].map((each) => each.textContent)}`);
    const began = performance.now();
    link.click();
    while (document.querySelector("h1")?.textContent !== wanted) await new Promise(requestAnimationFrame);
    return Math.round(performance.now() - began);
  }, name);
}

test("the palette goes to a function, a request, and shows nothing it does not know", async () => {
  await page.goto(`${server.console}/audit`);
  await page.getByRole("heading", { name: "Audit" }).waitFor();
  await page.keyboard.press("Control+k");
  const input = page.getByRole("combobox", { name: /Go to/ });
  await input.fill("chmod");
  await page.getByRole("option", { name: /chat\/moderate/ }).waitFor();
  await lookAt(page, "palette");
  await page.keyboard.press("Enter");
  await page.getByRole("combobox", { name: "Function", exact: true }).waitFor();
  assert.ok(page.url().includes("/vs/chat/test?fn=moderate"));
  await page.keyboard.press("Control+k");
  await input.fill("zzzzqqq");
  await page.getByText("Nothing fits").waitFor();
  await page.keyboard.press("Escape");
  await input.waitFor({ state: "detached" });
});

test("in 简体中文: every page, in both themes", async () => {
  const chinese = await openPage(browser, { locale: "zh-CN", reducedMotion: "reduce" });
  await signIn(chinese, server);
  assert.equal(await chinese.evaluate(() => document.documentElement.lang), "zh-Hans");
  for (const path of PATHS) {
    await chinese.goto(server.console + path);
    await settled(chinese);
    for (const theme of ["light", "dark"]) {
      await chinese.emulateMedia({ colorScheme: theme });
      await picture(chinese, `zh${path.replaceAll("/", "-")}-${theme}`);
    }
    await expectAccessible(chinese, `${path} in Chinese`);
  }
  await chinese.getByLabel("语言").selectOption("en");
  await chinese.getByLabel("Language").waitFor();
  assert.equal(await chinese.evaluate(() => document.documentElement.lang), "en");
  assert.deepEqual(chinese.faults, []);
  await chinese.context().close();
});

test("at 320 pixels nothing is wider than the screen", async () => {
  const narrow = await openPage(browser, { viewport: { width: 320, height: 640 } });
  await narrow.goto((await server.ow("portal")).trim());
  await narrow.getByRole("button", { name: /^Sign in as / }).click();
  await narrow.getByRole("button", { name: "Open navigation" }).waitFor();
  for (const path of PATHS) {
    await narrow.goto(server.console + path);
    await settled(narrow);
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

async function tabTo(name) {
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    const here = await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
    if (here.trim() === name) return;
  }
  throw new Error(`no way to ${name} by Tab`);
}

test("by keyboard alone: past the navigation, out of the editor, by the palette to a function", async () => {
  await page.goto(`${server.console}/vs`);
  await page.getByRole("link", { name: "chat" }).waitFor();
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
  // Typed faster than the page follows, and all of it stays.
  await page.getByRole("textbox", { name: "main.c" }).focus();
  await page.keyboard.press("Control+Home");
  const line = `// ${"0123456789".repeat(6)}`;
  await page.keyboard.type(`${line}\n`);
  await page.getByRole("textbox", { name: "main.c" }).getByText(line).waitFor();
  // Out of the editor by Escape and Tab.
  await page.keyboard.press("Escape");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.closest(".cm-editor") === null), true);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: /Go to/ }).waitFor(); // it is loaded when it is wanted first
  await page.keyboard.type("keys/hello");
  await page.getByRole("option", { name: /keys\/hello/, selected: true }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/vs\/keys\/test/);
  await page.getByRole("button", { name: "Run" }).waitFor();
  await tabTo("Run");
  await page.keyboard.press("Enter");
  await page.getByText("Hello, world").waitFor();
});

test("what a role may not do is not offered", async () => {
  const link = await server.owJson("member", "add", "viewer@example.com", "--role", "viewer");
  const viewer = await openPage(browser);
  await viewer.goto(server.console);
  await viewer.getByLabel("E-mail address").fill("viewer@example.com");
  await viewer.getByLabel("Password").fill(link.password);
  await viewer.getByRole("button", { name: "Sign in" }).click();
  await viewer.getByRole("navigation", { name: "Main navigation" }).waitFor();
  const offered = /^(New |Add |Create|Subscribe|Declare|Publish|Ban|Delete|Edit|Pause|Resume|Run now|Redrive|Discard|Deploy|Save|Move|Back to|Revoke|Change|Remove)/;
  for (const path of PATHS) {
    await viewer.goto(server.console + path);
    await settled(viewer);
    const buttons = await viewer.getByRole("main").getByRole("button").evaluateAll((all) => all.map((each) => each.getAttribute("aria-label") ?? each.textContent));
    assert.deepEqual(buttons.filter((name) => offered.test(name) && !(path.endsWith("logs") && name === "Pause")), [], path);
  }
  assert.deepEqual(viewer.faults, []);
  await viewer.context().close();
});

// As when the server is killed while a page still loads its parts, or has other files since it was opened.
test("a part that does not come is told, and the page goes on", async () => {
  for (const [path, part] of [["/", "chart"], ["/timers", "timers"], ["/vs/chat/code", "vs-code"]]) {
    const unlucky = await openPage(browser);
    await signIn(unlucky, server);
    await unlucky.context().route(`**/assets/${part}-*.js`, (route) => route.abort());
    await unlucky.goto(server.console + path, { timeout: 10000 });
    await unlucky.getByText("This part did not load").waitFor({ timeout: 10000 });
    await unlucky.context().unroute(`**/assets/${part}-*.js`);
    await unlucky.getByRole("button", { name: "Try again" }).click();
    await settled(unlucky);
    await unlucky.getByText("This part did not load").waitFor({ state: "detached" });
    await unlucky.context().close();
  }
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
