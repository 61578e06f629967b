// W3C trace context, held against OpenTelemetry's own propagator: what it injects the gateway goes on
// with, what it refuses the gateway refuses, and what the gateway sends it extracts.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ROOT_CONTEXT, TraceFlags, defaultTextMapGetter, defaultTextMapSetter, trace } from "@opentelemetry/api";
import { W3CTraceContextPropagator, parseTraceParent } from "@opentelemetry/core";

import { call, start } from "./server.mjs";

let server;
let player;
const propagator = new W3CTraceContextPropagator();

before(async () => {
  server = await start();
  await server.ow("vs", "deploy", process.env.ROOT + "/tests/scenario/bundle", "--publish");
  const login = await fetch(server.public + "/overworld.identity.v1.Identity/DeviceLogin", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ deviceId: "a-device-of-the-traces-test" }),
  });
  player = (await login.json()).accessToken;
});

after(() => server.stop());

async function ask(headers) {
  const reply = await fetch(server.public + "/overworld.identity.v1.Identity/WhoAmI", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${player}`, ...headers },
    body: "{}",
  });
  assert.equal(reply.status, 200);
  const carrier = { traceparent: reply.headers.get("traceparent") };
  const context = propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter);
  const span = trace.getSpanContext(context);
  assert.ok(span, `the propagator reads ${carrier.traceparent}`);
  return { span, requestId: reply.headers.get("overworld-request-id") };
}

function injected(traceFlags) {
  const carrier = {};
  const span = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags };
  propagator.inject(trace.setSpanContext(ROOT_CONTEXT, span), carrier, defaultTextMapSetter);
  return { carrier, span };
}

test("the gateway goes on with the trace that it is given", async () => {
  for (const flags of [TraceFlags.SAMPLED, TraceFlags.NONE]) {
    const { carrier, span } = injected(flags);
    const reply = await ask(carrier);
    assert.equal(reply.span.traceId, span.traceId);
    assert.notEqual(reply.span.spanId, span.spanId);
    assert.equal(reply.span.traceFlags, flags);
  }
});

test("without a trace it begins one", async () => {
  const one = await ask({});
  const other = await ask({});
  assert.notEqual(one.span.traceId, other.span.traceId);
  assert.equal(one.span.traceFlags, TraceFlags.SAMPLED);
});

const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const vectors = [
  good,
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff",
  "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-holds",
  "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
  "00-00000000000000000000000000000000-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
  "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319c0-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
  "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
  "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
  "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
  "nonsense",
];

test("it reads and refuses what the propagator does", async () => {
  for (const traceparent of vectors) {
    const theirs = parseTraceParent(traceparent);
    const ours = await ask({ traceparent });
    assert.equal(ours.span.traceId === good.slice(3, 35), theirs !== null, traceparent);
  }
});

test("the caller's span stands above the gateway's, the function's below", async () => {
  const { carrier } = injected(TraceFlags.SAMPLED);
  const reply = await fetch(`${server.public}/v1/call/lab/echo`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${player}`, ...carrier },
    body: '{"a":1}',
  });
  const requestId = reply.headers.get("overworld-request-id");
  assert.equal(reply.status, 200, await reply.text());
  let found;
  for (const end = Date.now() + 10000; Date.now() < end && !(found?.spans?.length >= 2); ) {
    const answer = await server.ow("trace", requestId, "--json").catch(() => null);
    found = answer && JSON.parse(answer.stdout);
  }
  assert.equal(found.traceId, "0af7651916cd43dd8448eb211c80319c");
  const gateway = found.spans.find((span) => span.kind === "server");
  const run = found.spans.find((span) => span.name === "lab/echo");
  assert.equal(gateway.parentSpanId, "b7ad6b7169203331");
  assert.equal(run.parentSpanId, gateway.spanId);
  const shown = (await server.ow("trace", requestId)).stdout;
  assert.match(shown, /POST \/v1\/call lab\/echo/);
  assert.match(shown, /lab\/echo/);
});
