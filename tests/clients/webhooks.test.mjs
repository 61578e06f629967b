// What goes out to a URL, alarms' notices and events, verified by the reference library of Standard Webhooks and, where it
// is a CloudEvent, read by the SDK of the CNCF.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { HTTP } from "cloudevents";
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
      received.push({ path: request.url, headers: request.headers, body });
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

// What was sent to a path.
async function comes(path) {
  for (const end = Date.now() + 10000; Date.now() < end; ) {
    const found = received.find((each) => each.path === path);
    if (found) return found;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`nothing came to ${path}`);
}

const ask = async (method, request) => {
  const reply = await fetch(`${server.console}/overworld.events.v1.Events/${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${server.token}` },
    body: JSON.stringify(request),
  });
  const body = await reply.json();
  assert.equal(reply.status, 200, JSON.stringify(body));
  return body;
};

test("a notice is signed as standardwebhooks verifies it", async () => {
  const url = `http://127.0.0.1:${target.address().port}/hook`;
  const made = JSON.parse(
    (await server.ow("alarm", "create", "busy", "calls", "--above", "1000", "--webhook", url, "--json")).stdout,
  );
  await server.ow("alarm", "test", made.alarmId);
  const { headers, body } = await comes("/hook");
  const payload = new Webhook(made.webhookSecret).verify(body, headers);
  assert.equal(payload.type, "alarm.test");
  assert.equal(payload.data.name, "busy");
  const other = new Webhook("whsec_" + Buffer.alloc(24, 1).toString("base64"));
  assert.throws(() => other.verify(body, headers), WebhookVerificationError);
  assert.throws(() => new Webhook(made.webhookSecret).verify(body + " ", headers), WebhookVerificationError);
});

test("an event goes out signed, in each format", async () => {
  const formats = ["envelope", "cloudevents", "cloudevents-binary", "cloudevents-batch"];
  await server.ow("event", "declare", "shop.paid");
  const secrets = {};
  for (const format of formats) {
    const batch = format === "cloudevents-batch";
    const made = await ask("CreateSubscription", {
      subscription: {
        name: format,
        eventType: "shop.paid",
        url: `http://127.0.0.1:${target.address().port}/${format}`,
        format: batch ? "cloudevents" : format,
        ...(batch ? { batchSize: 2, batchWait: "5s" } : {}),
      },
    });
    secrets[format] = made.urlSecret;
  }
  const events = ["order-1", "order-2"].map((id) => ({
    id,
    type: "shop.paid",
    source: "/shop/1",
    subject: "order",
    extensions: [{ name: "roomname", value: "red" }],
    data: Buffer.from(JSON.stringify({ sum: 5 })).toString("base64"),
  }));
  await ask("Publish", { events });
  for (const format of formats) {
    const { headers, body } = await comes(`/${format}`);
    new Webhook(secrets[format]).verify(body, headers);
    if (format === "envelope") {
      assert.equal(JSON.parse(body).event_name, "shop.paid");
      continue;
    }
    const got = HTTP.toEvent({ headers, body });
    const first = format === "cloudevents-batch" ? got[0] : got;
    assert.match(first.id, /^order-[12]$/, format);
    assert.equal(first.source, "/shop/1");
    assert.equal(first.subject, "order");
    assert.equal(first.roomname, "red");
    assert.deepEqual(first.data, { sum: 5 });
    assert.equal(format === "cloudevents-batch" ? got.length : 2, 2);
  }
});
