// npm's ws, as the other side of the gateway's WebSocket.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import WebSocket from "ws";

import { start } from "./server.mjs";

let server;

before(async () => {
  server = await start("--gateway.push_ping=1s", "--gateway.address_requests=0");
});

after(() => server.stop());

async function ask(base, token, method, body) {
  const reply = await fetch(`${base}/${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  const answer = await reply.json();
  assert.equal(reply.status, 200, JSON.stringify(answer));
  return answer;
}

const login = (device) =>
  ask(server.public, null, "overworld.identity.v1.Identity/DeviceLogin", { deviceId: device });

const push = (playerIds, payload, topic = "test") =>
  ask(server.console, server.token, "overworld.push.v1.Push/Send", {
    playerIds,
    topic,
    payloadJson: JSON.stringify(payload),
  });

// A socket whose messages can be awaited one by one.
function open(ticket, cursor = "", options = {}) {
  const socket = new WebSocket(server.public.replace("http", "ws") + "/v1/push", options);
  const heard = [];
  const waiting = [];
  socket.on("message", (data, isBinary) => {
    assert.equal(isBinary, false);
    const message = JSON.parse(data.toString());
    if (waiting.length > 0) waiting.shift()(message);
    else heard.push(message);
  });
  socket.on("open", () => ticket && socket.send(JSON.stringify({ ticket, cursor })));
  socket.next = () =>
    heard.length > 0 ? Promise.resolve(heard.shift()) : new Promise((done) => waiting.push(done));
  socket.closed = new Promise((done) =>
    socket.on("close", (code, reason) => done({ code, reason: reason.toString() })),
  );
  return socket;
}

test("a message comes as it was pushed", async () => {
  const player = await login("ws-first-device");
  const socket = open(player.accessToken);
  assert.equal((await socket.next()).type, "ready");
  const payload = { text: "grüße, 世界 😀", list: [1, null, { deep: true }], large: "x".repeat(15000) };
  const { messageId } = await push([player.playerId], payload, "chat.room:1");
  const message = await socket.next();
  assert.deepEqual(message.payload, payload);
  assert.equal(message.topic, "chat.room:1");
  assert.equal(message.id, messageId);
  socket.close(1000);
  assert.equal((await socket.closed).code, 1000);
});

test("hundreds of messages come in order, over several pings", async () => {
  const player = await login("ws-order-device");
  const socket = open(player.accessToken);
  let pings = 0;
  socket.on("ping", () => pings++);
  await socket.next();
  for (let i = 0; i < 300; i++) {
    await push([player.playerId], i);
    const message = await socket.next();
    assert.equal(message.payload, i);
    socket.send(JSON.stringify({ ack: message.cursor }));
  }
  while (pings < 2) await new Promise((done) => setTimeout(done, 50));
  assert.equal(socket.readyState, WebSocket.OPEN);
  socket.close();
  await socket.closed;
});

test("a room of players", async () => {
  const players = await Promise.all([...Array(20).keys()].map((i) => login(`ws-room-device-${i}`)));
  const sockets = players.map((player) => open(player.accessToken));
  await Promise.all(sockets.map((socket) => socket.next()));
  const sent = await push(players.map((player) => player.playerId), "to all");
  assert.equal(sent.sent, 20);
  for (const message of await Promise.all(sockets.map((socket) => socket.next()))) {
    assert.equal(message.payload, "to all");
  }
  for (const socket of sockets) socket.terminate();
});

test("who comes back with a cursor misses nothing", async () => {
  const player = await login("ws-resume-device");
  const first = open(player.accessToken);
  const { cursor } = await first.next();
  first.terminate();
  await push([player.playerId], "while away");
  const second = open(player.accessToken, cursor);
  const ready = await second.next();
  assert.equal(ready.lost, false);
  assert.equal((await second.next()).payload, "while away");
  second.terminate();
});

test("extensions and compression are not spoken, and said so", async () => {
  const player = await login("ws-deflate-device");
  const socket = open(player.accessToken, "", { perMessageDeflate: true });
  assert.equal((await socket.next()).type, "ready");
  assert.equal(socket.extensions, "");
  socket.terminate();
});

test("the client's pings are answered", async () => {
  const player = await login("ws-ping-device");
  const socket = open(player.accessToken);
  await socket.next();
  const pong = new Promise((done) => socket.on("pong", (data) => done(data.toString())));
  socket.ping("are you there");
  assert.equal(await pong, "are you there");
  socket.terminate();
});

test("a message that is too long closes with 1009, a binary one with 4000", async () => {
  const long = open("x".repeat(5000));
  assert.equal((await long.closed).code, 1009);
  const binary = open(null);
  binary.on("open", () => binary.send(Buffer.from([1, 2, 3])));
  assert.equal((await binary.closed).code, 4000);
});

test("a wrong ticket closes with 4001 and says why", async () => {
  const { code, reason } = await open("a.b.c").closed;
  assert.equal(code, 4001);
  assert.equal(reason, "bad_token");
});

test("plain HTTP is answered 426", async () => {
  const reply = await fetch(`${server.public}/v1/push`);
  assert.equal(reply.status, 426);
  assert.equal(reply.headers.get("sec-websocket-version"), "13");
  assert.equal((await reply.json()).reason, "upgrade_required");
});
