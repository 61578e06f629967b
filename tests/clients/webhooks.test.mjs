// Webhooks of alarms, verified by the reference library of Standard Webhooks.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { Webhook, WebhookVerificationError } from "standardwebhooks";

import { start } from "./server.mjs";

let server;
let target;
const received = [];

before(async () => {
  target = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => (body += piece));
    request.on("end", () => {
      received.push({ headers: request.headers, body });
      response.writeHead(204).end();
    });
  });
  await new Promise((done) => target.listen(0, "127.0.0.1", done));
  server = await start("--server.egress_networks=127.0.0.1", "--server.egress_plain=true");
});

after(async () => {
  await server.stop();
  target.close();
});

test("a notice is signed as standardwebhooks verifies it", async () => {
  const url = `http://127.0.0.1:${target.address().port}/hook`;
  const made = JSON.parse(
    (await server.ow("alarm", "create", "busy", "calls", "--above", "1000", "--webhook", url, "--json")).stdout,
  );
  await server.ow("alarm", "test", made.alarmId);
  for (const end = Date.now() + 10000; received.length === 0 && Date.now() < end; ) {
    await new Promise((done) => setTimeout(done, 20));
  }
  const { headers, body } = received[0];
  const payload = new Webhook(made.webhookSecret).verify(body, headers);
  assert.equal(payload.type, "alarm.test");
  assert.equal(payload.data.name, "busy");
  const other = new Webhook("whsec_" + Buffer.alloc(24, 1).toString("base64"));
  assert.throws(() => other.verify(body, headers), WebhookVerificationError);
  assert.throws(() => new Webhook(made.webhookSecret).verify(body + " ", headers), WebhookVerificationError);
});
