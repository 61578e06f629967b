// curl, as the README has it and in the forms that it has of its own.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { start } from "./server.mjs";

const run = promisify(execFile);
let server, bearer;

async function curl(...args) {
  const { stdout } = await run("curl", ["-sS", "--max-time", "20", ...args]);
  return stdout;
}

const echo = (...args) => curl(`${server.public}/v1/call/lab/echo`, "-H", bearer, ...args);
const json = ["-H", "Content-Type: application/json"];

before(async () => {
  server = await start();
  await server.ow("vs", "deploy", "tests/scenario/bundle", "--publish");
  const login = JSON.parse(
    await curl(`${server.public}/overworld.identity.v1.Identity/DeviceLogin`, ...json,
      "-d", '{"deviceId": "my-laptop-01"}'),
  );
  bearer = `Authorization: Bearer ${login.accessToken}`;
});

after(() => server.stop());

test("a player calls a function", async () => {
  const reply = await echo("-i", ...json, "-d", '{"name": "Ada"}');
  assert.match(reply, /^HTTP\/1\.1 200 /);
  assert.match(reply, /\r\nOverworld-Request-Id: req_[0-9A-Z]{26}\r\n/i);
  assert.deepEqual(JSON.parse(reply.split("\r\n\r\n")[1]), { name: "Ada" });
});

test("without a token it fails as curl's -f understands it", async () => {
  await assert.rejects(curl("-f", `${server.public}/v1/call/lab/echo`, "-d", "1"), (error) => {
    assert.equal(error.code, 22);
    assert.match(error.stderr, /401/);
    return true;
  });
});

test("a body in chunks is the same body", async () => {
  const file = join(server.folder, "body");
  writeFileSync(file, JSON.stringify("x".repeat(200000)));
  const whole = await echo(...json, "--data-binary", `@${file}`);
  const chunked = await echo(...json, "-H", "Transfer-Encoding: chunked", "--data-binary", `@${file}`);
  assert.equal(chunked, whole);
  assert.equal(JSON.parse(chunked).length, 200000);
});

test("it waits for 100 Continue", async () => {
  const told = await echo("-v", "--stderr", "-", ...json, "-H", "Expect: 100-continue", "-d", "[1]");
  assert.match(told, /< HTTP\/1\.1 100 Continue/);
  assert.match(told, /\[1\]/);
});

test("one connection carries several requests", async () => {
  const url = `${server.public}/healthz`;
  const counts = await curl(url, url, url, "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null",
    "-w", "%{http_code} %{num_connects}\n");
  assert.deepEqual(counts.trim().split("\n"), ["200 1", "200 0", "200 0"]);
});

test("HEAD and HTTP/1.0 are understood", async () => {
  assert.match(await curl("-I", `${server.public}/healthz`), /^HTTP\/1\.1 200 /);
  const old = await echo("-i", "--http1.0", ...json, "-d", "[2]");
  assert.match(old, /^HTTP\/1\.[01] 200 /);
  assert.match(old, /\[2\]/);
});
