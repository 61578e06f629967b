// W3C trace context, held against OpenTelemetry's own propagator: what it injects the gateway goes on
// with, what it refuses the gateway refuses, and what the gateway sends it extracts.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { ROOT_CONTEXT, TraceFlags, defaultTextMapGetter, defaultTextMapSetter, trace } from "@opentelemetry/api";
import { TraceState, W3CTraceContextPropagator, parseTraceParent } from "@opentelemetry/core";

import { call, start } from "./server.mjs";

let server;
let player;
let collector;
const spans = []; // that the collector got
const propagator = new W3CTraceContextPropagator();

before(async () => {
  collector = createServer(async (request, reply) => {
    let body = "";
    for await (const part of request) body += part;
    for (const resource of JSON.parse(body).resourceSpans)
      for (const scope of resource.scopeSpans) spans.push(...scope.spans);
    reply.setHeader("Content-Type", "application/json");
    reply.end("{}");
  });
  await new Promise((done) => collector.listen(0, "127.0.0.1", done));
  server = await start(
    `--telemetry.otlp_endpoint=http://127.0.0.1:${collector.address().port}`,
    "--server.egress_networks=127.0.0.1",
    "--server.egress_plain=true",
  );
  await server.ow("vs", "deploy", process.env.ROOT + "/tests/scenario/bundle", "--publish");
  const login = await fetch(server.public + "/overworld.identity.v1.Identity/DeviceLogin", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ deviceId: "a-device-of-the-traces-test" }),
  });
  player = (await login.json()).accessToken;
});

after(async () => {
  await server.stop();
  collector.close();
});

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

// The spans of a trace that the collector got, once there are as many.
async function collected(traceId, count) {
  for (const end = Date.now() + 20000; Date.now() < end; ) {
    const found = spans.filter((span) => span.traceId === traceId);
    if (found.length >= count) return found;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`no ${count} spans of ${traceId} came`);
}

const states = [
  "foo=1",
  "foo=bar,baz=qux",
  "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
  " foo=1 , bar=2 ,\tbaz=3",
  "foo=1,,bar=2",
  "fw529a3039@dt=FfAAAAAAAAAAA,0tenant@sys=1",
  "Foo=1,bar=2",
  "foo bar=1,bar=2",
  "foo=1=2,bar=2",
  "foo,bar=2",
  "=1,bar=2",
  "9foo=1,bar=2",
  "foo@=1,bar=2",
  "foo@bar@baz=1,bar=2",
  `${"a".repeat(256)}=1`,
  `${"a".repeat(257)}=1,bar=2`,
  `foo=${"v".repeat(256)}`,
  `foo=${"v".repeat(257)},bar=2`,
  `foo=${"v".repeat(255)},bar=${"w".repeat(249)}`, // 512 characters and more
  `foo=${"v".repeat(255)},bar=${"w".repeat(255)}`,
  Array.from({ length: 32 }, (_, i) => `k${i}=${i}`).join(","),
];

test("tracestate goes on as the propagator reads it", async () => {
  for (const [number, tracestate] of states.entries()) {
    const traceId = `0af7651916cd43dd8448eb211c81${number.toString(16).padStart(4, "0")}`;
    await ask({ traceparent: `00-${traceId}-b7ad6b7169203331-01`, tracestate });
    const wanted = new TraceState(tracestate.trim()).serialize();
    for (const span of await collected(traceId, 1)) assert.equal(span.traceState ?? "", wanted, tracestate);
  }
});

test("it goes with every call that a request makes, and not without a traceparent", async () => {
  const traceId = "0af7651916cd43dd8448eb211c82ffff";
  const tracestate = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";
  for (const traceparent of [`00-${traceId}-b7ad6b7169203331-01`, undefined]) {
    const reply = await fetch(`${server.public}/v1/call/lab/nested`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Authorization: `Bearer ${player}`,
        tracestate,
        ...(traceparent && { traceparent }),
      },
      body: "{}",
    });
    assert.equal(reply.status, 200, await reply.text());
    // The request, both runs with their waits, and the call between them.
    const found = await collected(reply.headers.get("traceparent").slice(3, 35), 4);
    assert.ok(found.some((span) => span.name === "lab/inner"));
    for (const span of found) assert.equal(span.traceState ?? "", traceparent ? tracestate : "", span.name);
  }
});
