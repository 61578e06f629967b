// The main path, from the first start to the audit of all of it, on the real server with real functions: in both
// themes, in both languages, and by keyboard alone.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { COLOURS, expectAccessible, guide, openBrowser, openPage, picture, signIn } from "./browser.mjs";
import { editor } from "./editor.mjs";
import { KEYS, MOUSE } from "./keyboard.mjs";
import { root, start, until } from "./server.mjs";
import { wordsOf } from "./words.mjs";

let server, browser, home;
before(async () => {
  home = mkdtempSync(join(tmpdir(), "overworld-player-"));
  [server, browser] = await Promise.all([start(), openBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(home, { recursive: true, force: true });
});

const code = (says, body) => `#include <overworld.h>

int hello(ow_ctx *ctx) {
    ow_log(ctx, OW_INFO, "${says}");
    ${body}
}
`;
const REPLIES = 'return ow_reply_text(ctx, "\\"well met\\"");';
const REFUSES = 'return ow_refuse(ctx, "not_today", "broken on purpose", NULL);';

// The sample game client, which is written with the C SDK. It keeps its device in its home.
async function logInByTheSdk() {
  await promisify(execFile)(join(root, "examples/client/client"), [server.public, "hello"], { env: { ...process.env, HOME: home } });
}

// Somebody whose platform is another one.
async function logInElsewhere(device) {
  const reply = await fetch(`${server.public}/overworld.identity.v1.Identity/DeviceLogin`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ deviceId: device, platform: "elsewhere" }),
  });
  assert.equal(reply.status, 200);
}

class Walk {
  constructor(page, t, { name, hands, rules }) {
    Object.assign(this, { page, t, name, hands, rules });
  }

  press(at) {
    return this.hands.press(this.page, at);
  }

  fill(at, text) {
    return this.hands.fill(this.page, at, text);
  }

  choose(at, value) {
    return this.hands.choose(this.page, at, value);
  }

  link(key) {
    return this.page.getByRole("link", { name: this.t(key), exact: true }).first();
  }

  button(key, values, at = this.page) {
    return at.getByRole("button", { name: this.t(key, values), exact: true });
  }

  field(key, at = this.page.getByRole("dialog")) {
    return at.getByLabel(this.t(key), { exact: true });
  }

  async look(what) {
    await picture(this.page, `${this.name}-${what}`);
    if (this.rules) await expectAccessible(this.page, `${this.name}, ${what}`, this.rules);
    if (this.name === "path_light_en") await guide(this.page, what);
  }

  async create() {
    const { page } = this;
    await this.press(this.link("nav.vs"));
    await this.press(this.button("vs.create").first());
    await this.fill(this.field("name"), this.name);
    await this.look("create");
    await this.press(this.button("create", {}, page.getByRole("dialog")));
    await editor(page).waitFor();
    await this.look("code");
  }

  async breakAndMend() {
    const { page, name } = this;
    await this.hands.write(page, code("said hello", REPLIES).replace(");\n    return", ")\n    return"));
    await this.press(this.button("code.deploy"));
    await page.getByText(this.t("code.failed")).waitFor();
    await page.getByRole("button", { name: /^main\.c:[45]:/ }).first().waitFor();
    await page.locator(".cm-lint-marker-error").first().waitFor();
    await this.look("mistake");
    assert.match(await server.ow("fn", "invoke", name, "hello", '{"name":"Ann"}'), /Hello, Ann/);
    await this.deploy(code("said hello", REPLIES), 2);
  }

  async deploy(text, version) {
    const { page, t } = this;
    await this.hands.write(page, text);
    await this.press(this.button("code.publish"));
    await page.getByText(t("code.published", { n: version })).first().waitFor();
  }

  async callByHand() {
    const { page, t } = this;
    await this.press(this.link("vs.tab.test"));
    await this.press(this.button("test.run"));
    await page.getByLabel(t("test.result"), { exact: true }).getByText("well met").waitFor();
    await page.getByText("said hello").first().waitFor();
    await this.look("test");
  }

  async time() {
    const { page, t, name } = this;
    await this.press(this.link("timers"));
    await this.press(this.button("timers.create").first());
    const dialog = page.getByRole("dialog");
    await this.fill(this.field("name"), "beat");
    await this.choose(this.field("vs"), name);
    await this.choose(this.field("timers.kind_of"), "every");
    await this.fill(this.field("timers.seconds"), "2");
    await page.waitForFunction(() => {
      const [first, second] = [...document.querySelectorAll("dialog time")].map((each) => Date.parse(each.dateTime));
      return second - first === 2000;
    });
    await this.look("timer-form");
    await this.press(this.button("create", {}, dialog));
    await page.getByRole("heading", { name: "beat", level: 1 }).waitFor();
    await page.getByRole("row", { name: /fired/ }).nth(1).waitFor();
    await this.press(this.button("timers.pause"));
    await this.fill(this.field("reason"), `${name} has seen it`);
    await this.press(this.button("timers.pause", {}, dialog));
    await page.getByText(`${name} has seen it`).waitFor();
    await this.look("timer");
    const timer = await server.owJson("timer", "show", `${name}/beat`);
    this.timer = timer.timerId;
    assert.equal(timer.state, "paused");
    assert.equal(timer.pauseReason, `${name} has seen it`);
  }

  async subscribe() {
    const { page, t, name } = this;
    await this.press(this.link("events"));
    await this.press(this.button("events.subscribe").first());
    const dialog = page.getByRole("dialog");
    await this.fill(this.field("name"), "welcome");
    await this.fill(this.field("events.type"), "player.login");
    await this.choose(this.field("vs"), name);
    await this.press(this.button("events.add", {}, dialog));
    await this.fill(this.field("events.pointer"), "/platform");
    await this.fill(this.field("value"), '"sample"');
    await this.look("subscribe");
    await this.press(this.button("save", {}, dialog));
    await page.getByRole("row").filter({ hasText: name }).getByText('/platform eq "sample"').waitFor();
    await logInElsewhere(`device-of-${name}`);
    await logInByTheSdk();
    this.subscription = (await server.owJson("sub", "list", "--vs", name)).subscriptions[0].subscriptionId;
    const heard = async () => (await server.owJson("exec", "list", "--vs", name, "--source", "event")).executions ?? [];
    await until("the login to be heard", 20000, async () => (await heard()).some((e) => e.state === "done"));
    assert.equal((await heard()).length, 1);
    await page.goto(`${server.console}/queue?vs=${name}&source=event`);
    await page.getByRole("link", { name: /exe_/ }).waitFor();
    assert.equal(await page.getByRole("link", { name: /exe_/ }).count(), 1);
    await this.look("queue");
  }

  // The same login again, heard by a function that fails by now.
  async fail() {
    const { page, t, name } = this;
    await page.goto(`${server.console}/vs/${name}/code`);
    await editor(page).waitFor();
    await this.deploy(code("will fail", REFUSES), 3);
    await logInByTheSdk();
    await page.goto(`${server.console}/queue?vs=${name}&state=dead`);
    await this.press(page.getByRole("link", { name: /exe_/ }));
    await page.getByText("broken on purpose").first().waitFor();
    await this.look("dead-letter");
    const execution = page.url().split("/").at(-1);
    await page.goto(`${server.console}/vs/${name}/code`);
    await editor(page).waitFor();
    await this.deploy(code("is mended", REPLIES), 4);
    await page.goto(`${server.console}/queue/${execution}`);
    await this.press(this.button("queue.redrive"));
    await page.getByText(t("queue.done"), { exact: true }).first().waitFor();
    assert.equal((await server.owJson("exec", "show", execution)).state, "done");
    return execution;
  }

  // The login, what failed because of it, and what went well at last.
  async followOneRequest() {
    const { page } = this;
    await this.press(page.getByRole("link", { name: /^req_/ }));
    for (const text of [/Identity/, "will fail", "refused", "is mended"]) await page.getByText(text).first().waitFor();
    // Nothing hangs below a span that is not there.
    const indents = await page.locator(".span-name").evaluateAll((all) => all.map((each) => Number.parseInt(each.style.paddingLeft || "0", 10)));
    assert.ok(Math.max(...indents) <= 3 * 14, String(indents));
    await this.look("request");
    const told = await server.ow("logs", "--request", page.url().split("/").at(-1));
    for (const text of ["will fail", "is mended"]) assert.ok(told.includes(text), text);
  }

  // What all of it looks like from the first page.
  async home() {
    await this.press(this.link("nav.home"));
    await this.page.getByRole("row").filter({ hasText: `${this.name}/hello` }).first().waitFor();
    await this.page.getByRole("img", { name: this.t("home.traffic") }).locator("canvas").waitFor();
    await this.look("home");
  }

  async audit(execution) {
    const { page, t, name } = this;
    await this.press(this.link("audit"));
    const steps = [["virtual_server.create", name], ["virtual_server.deploy", name], ["timer.create", this.timer], ["timer.pause", this.timer], ["subscription.create", this.subscription], ["execution.redrive", execution]];
    for (const [action, about] of steps) await page.getByRole("row").filter({ hasText: action }).filter({ hasText: about }).first().waitFor();
    await this.look("audit");
  }
}

// Structure is the same in every run; colours are looked at in the other theme as well.
const RUNS = [
  { theme: "light", language: "en", hands: MOUSE, rules: [] },
  { theme: "dark", language: "en", hands: KEYS },
  { theme: "dark", language: "zh", hands: MOUSE, rules: COLOURS },
];

for (const { theme, language, hands, rules } of RUNS) {
  test(`the main path, ${theme}, ${language}${hands === KEYS ? ", by keyboard alone" : ""}`, async () => {
    const page = await openPage(browser, { colorScheme: theme, locale: language === "zh" ? "zh-CN" : "en-GB", reducedMotion: "reduce" });
    const walk = new Walk(page, wordsOf(language), { name: `path_${theme}_${language}`, hands, rules });
    await signIn(page, server, hands.press);
    await page.getByText(walk.t("home.well")).waitFor();
    await walk.create();
    await walk.breakAndMend();
    await walk.callByHand();
    await walk.time();
    // The sample client talks to this one.
    await server.ow("vs", "deploy", "examples/chat", "--publish");
    await walk.subscribe();
    const execution = await walk.fail();
    await walk.followOneRequest();
    await walk.audit(execution);
    await walk.home();
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
}
