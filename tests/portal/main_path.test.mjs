// The main path, from the first start to the audit of all of it, on the real server with real functions: in both
// themes, and in both languages.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { guide, openBrowser, openPage, picture, signIn } from "./browser.mjs";
import { editor, write } from "./editor.mjs";
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
  constructor(page, t, name, pictures) {
    Object.assign(this, { page, t, name, pictures });
  }

  button(key, values, at = this.page) {
    return at.getByRole("button", { name: this.t(key, values), exact: true });
  }

  field(key, at = this.page.getByRole("dialog")) {
    return at.getByLabel(this.t(key), { exact: true });
  }

  async look(what) {
    await picture(this.page, `path-${this.pictures}-${what}`);
    if (this.pictures === "light-en") await guide(this.page, what);
  }

  async create() {
    const { page } = this;
    await page.getByRole("link", { name: this.t("nav.vs"), exact: true }).first().click();
    await this.button("vs.create").first().click();
    await this.field("name").fill(this.name);
    await this.look("create");
    await this.button("create", {}, page.getByRole("dialog")).click();
    await editor(page).waitFor();
    await this.look("code");
  }

  async breakAndMend() {
    const { page, name } = this;
    await write(page, code("said hello", REPLIES).replace(");\n    return", ")\n    return"));
    await this.button("code.deploy").click();
    await page.getByText(this.t("code.failed")).waitFor();
    await page.getByRole("button", { name: /^main\.c:[45]:/ }).first().waitFor();
    await page.locator(".cm-lint-marker-error").first().waitFor();
    await this.look("mistake");
    assert.match(await server.ow("fn", "invoke", name, "hello", '{"name":"Ann"}'), /Hello, Ann/);
    await this.deploy(code("said hello", REPLIES), 2);
  }

  async deploy(text, version) {
    const { page, t } = this;
    await write(page, text);
    await this.button("code.publish").click();
    await page.getByText(t("code.published", { n: version })).first().waitFor();
  }

  async callByHand() {
    const { page, t } = this;
    await page.getByRole("link", { name: t("vs.tab.test"), exact: true }).click();
    await this.button("test.run").click();
    await page.getByLabel(t("test.result"), { exact: true }).getByText("well met").waitFor();
    await page.getByText("said hello").first().waitFor();
    await this.look("test");
  }

  async time() {
    const { page, t, name } = this;
    await page.getByRole("link", { name: t("timers"), exact: true }).first().click();
    await this.button("timers.create").first().click();
    const dialog = page.getByRole("dialog");
    await this.field("name").fill("beat");
    await this.field("vs").selectOption(name);
    await this.field("timers.kind_of").selectOption("every");
    await this.field("timers.seconds").fill("2");
    await page.waitForFunction(() => {
      const [first, second] = [...document.querySelectorAll("dialog time")].map((each) => Date.parse(each.dateTime));
      return second - first === 2000;
    });
    await this.look("timer-form");
    await this.button("create", {}, dialog).click();
    await page.getByRole("heading", { name: "beat", level: 1 }).waitFor();
    await page.getByRole("row", { name: /fired/ }).nth(1).waitFor();
    await this.button("timers.pause").click();
    await this.field("reason").fill(`${name} has seen it`);
    await this.button("timers.pause", {}, dialog).click();
    await page.getByText(`${name} has seen it`).waitFor();
    await this.look("timer");
    const timer = await server.owJson("timer", "show", `${name}/beat`);
    this.timer = timer.timerId;
    assert.equal(timer.state, "paused");
    assert.equal(timer.pauseReason, `${name} has seen it`);
  }

  async subscribe() {
    const { page, t, name } = this;
    await page.getByRole("link", { name: t("events"), exact: true }).first().click();
    await this.button("events.subscribe").first().click();
    const dialog = page.getByRole("dialog");
    await this.field("name").fill("welcome");
    await this.field("events.type").fill("player.login");
    await this.field("vs").selectOption(name);
    await this.button("events.add", {}, dialog).click();
    await this.field("events.pointer").fill("/platform");
    await this.field("value").fill('"sample"');
    await this.look("subscribe");
    await this.button("save", {}, dialog).click();
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
    await page.getByRole("link", { name: /exe_/ }).click();
    await page.getByText("broken on purpose").first().waitFor();
    await this.look("dead-letter");
    const execution = page.url().split("/").at(-1);
    await page.goto(`${server.console}/vs/${name}/code`);
    await editor(page).waitFor();
    await this.deploy(code("is mended", REPLIES), 4);
    await page.goto(`${server.console}/queue/${execution}`);
    await this.button("queue.redrive").click();
    await page.getByText(t("queue.done"), { exact: true }).first().waitFor();
    assert.equal((await server.owJson("exec", "show", execution)).state, "done");
    return execution;
  }

  // The login, what failed because of it, and what went well at last.
  async followOneRequest() {
    const { page } = this;
    await page.getByRole("link", { name: /^req_/ }).click();
    for (const text of [/Identity/, "will fail", "refused", "is mended"]) await page.getByText(text).first().waitFor();
    // Nothing hangs below a span that is not there.
    const indents = await page.locator(".span-name").evaluateAll((all) => all.map((each) => Number.parseInt(each.style.paddingLeft || "0", 10)));
    assert.ok(Math.max(...indents) <= 3 * 14, String(indents));
    await this.look("request");
    const told = await server.ow("logs", "--request", page.url().split("/").at(-1));
    for (const text of ["will fail", "is mended"]) assert.ok(told.includes(text), text);
  }

  async audit(execution) {
    const { page, t, name } = this;
    await page.getByRole("link", { name: t("audit"), exact: true }).first().click();
    const steps = [["virtual_server.create", name], ["virtual_server.deploy", name], ["timer.create", this.timer], ["timer.pause", this.timer], ["subscription.create", this.subscription], ["execution.redrive", execution]];
    for (const [action, about] of steps) await page.getByRole("row").filter({ hasText: action }).filter({ hasText: about }).first().waitFor();
    await this.look("audit");
  }
}

const RUNS = [["light", "en"], ["dark", "en"], ["dark", "zh"]];

for (const [theme, language] of RUNS) {
  test(`the main path, ${theme}, ${language}`, async () => {
    const page = await openPage(browser, { colorScheme: theme, locale: language === "zh" ? "zh-CN" : "en-GB", reducedMotion: "reduce" });
    const walk = new Walk(page, wordsOf(language), `path_${theme}_${language}`, `${theme}-${language}`);
    await signIn(page, server);
    await page.getByText(walk.t("home.well")).waitFor();
    await walk.look("home");
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
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
}
