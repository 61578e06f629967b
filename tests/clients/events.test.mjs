// CloudEvents in and out, made and read by the SDK of the CNCF; webhooks that come in, signed by the reference
// library of Standard Webhooks.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CloudEvent, HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";

import { start } from "./server.mjs";

let server;

before(async () => {
  server = await start();
  await server.ow("event", "declare", "shop.paid");
});

after(() => server.stop());

const auth = () => ({ Authorization: `Bearer ${server.token}` });

async function post(message) {
  const reply = await fetch(server.console + "/v1/events", {
    method: "POST",
    headers: { ...message.headers, ...auth() },
    body: message.body,
  });
  return { status: reply.status, body: await reply.json() };
}

async function get(path) {
  const reply = await fetch(server.console + path, { headers: auth() });
  assert.equal(reply.status, 200);
  return { headers: Object.fromEntries(reply.headers), body: await reply.text() };
}

const event = (id) =>
  new CloudEvent({
    id,
    type: "shop.paid",
    source: "/shop/1",
    subject: "order-7",
    time: "2026-11-27T11:00:00.000Z",
    datacontenttype: "application/json",
    roomname: "red",
    data: { sum: 5, currency: "EUR" },
  });

function assertSame(got, wanted) {
  for (const name of ["id", "type", "source", "subject", "datacontenttype", "roomname"]) {
    assert.equal(got[name], wanted[name], name);
  }
  assert.equal(Date.parse(got.time), Date.parse(wanted.time));
  assert.deepEqual(got.data, wanted.data);
}

test("binary mode comes in and the event goes out structured", async () => {
  const sent = event("bin-1");
  const reply = await post(HTTP.binary(sent));
  assert.equal(reply.status, 202, JSON.stringify(reply.body));
  const { headers, body } = await get("/v1/events/" + reply.body.events[0].trigger_id);
  assertSame(HTTP.toEvent({ headers, body }), sent);
});

test("structured mode comes in, once", async () => {
  const sent = event("str-1");
  const first = await post(HTTP.structured(sent));
  assert.equal(first.status, 202, JSON.stringify(first.body));
  const second = await post(HTTP.structured(sent));
  assert.equal(second.body.events[0].duplicate, true);
  assert.equal(second.body.events[0].trigger_id, first.body.events[0].trigger_id);
});

test("a batch comes in and goes out", async () => {
  const sent = ["bat-1", "bat-2", "bat-3"].map(event);
  const reply = await post({
    headers: { "content-type": "application/cloudevents-batch+json" },
    body: JSON.stringify(sent),
  });
  assert.equal(reply.status, 202, JSON.stringify(reply.body));
  assert.equal(reply.body.events.length, 3);
  const { headers, body } = await get("/v1/events?type=shop.paid&limit=3");
  const got = HTTP.toEvent({ headers, body }); // newest first
  assert.equal(got.length, 3);
  assertSame(got[2], sent[0]);
  assertSame(got[0], sent[2]);
});

// The SDK of the CNCF has nothing for it: the handshake of the webhook specification as it stands.
test("who may deliver is told before", async () => {
  const ask = (headers) => fetch(server.console + "/v1/events", { method: "OPTIONS", headers });
  const allowed = await ask({ ...auth(), "WebHook-Request-Origin": "emitter.example", "WebHook-Request-Rate": "120" });
  assert.equal(allowed.status, 200);
  assert.equal(allowed.headers.get("webhook-allowed-origin"), "emitter.example");
  assert.equal(allowed.headers.get("webhook-allowed-rate"), "*");
  const nobody = await ask({ "WebHook-Request-Origin": "emitter.example" });
  assert.equal(nobody.status, 401);
  assert.equal(nobody.headers.get("webhook-allowed-origin"), null);
  const sent = event("handshake-1");
  assert.equal((await post(HTTP.binary(sent))).status, 202);
});

test("what is no event is refused", async () => {
  const bad = await post({ headers: { "content-type": "application/cloudevents+json" }, body: "{}" });
  assert.equal(bad.status, 400);
  assert.equal(bad.body.code, "bad_event");
  const avro = await post({ headers: { "content-type": "application/cloudevents+avro" }, body: "x" });
  assert.equal(avro.status, 415);
  const unknown = await post(HTTP.structured(event("x").cloneWith({ type: "not.declared" })));
  assert.equal(unknown.status, 404);
});

test("a webhook signed by standardwebhooks becomes an event", async () => {
  const made = await fetch(server.console + "/overworld.events.v1.Events/CreateWebhook", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...auth() },
    body: JSON.stringify({
      webhook: { name: "shop", eventType: "shop.paid", verification: "standard" },
    }),
  }).then((reply) => reply.json());
  const body = JSON.stringify({ sum: 9 });
  const at = new Date();
  const hook = (secret, text) =>
    fetch(server.public + made.webhook.path, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
        "webhook-signature": new Webhook(secret).sign("msg_1", at, body),
      },
      body: text,
    });
  const taken = await hook(made.secret, body);
  assert.equal(taken.status, 202);
  const { trigger_id } = await taken.json();
  const { headers, body: stored } = await get("/v1/events/" + trigger_id);
  const got = HTTP.toEvent({ headers, body: stored });
  assert.equal(got.id, "msg_1");
  assert.equal(got.source, "/hooks/shop");
  assert.deepEqual(got.data, { sum: 9 });
  assert.equal((await hook(made.secret, body + " ")).status, 401);
  const other = "whsec_" + Buffer.alloc(24, 1).toString("base64");
  assert.equal((await hook(other, body)).status, 401);
});
