// gRPC's own Node library, its health check and two reflection clients at the socket of a service that
// runs in a process of its own (as in a split deployment). They bring none of our metadata.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import grpc from "@grpc/grpc-js";
import health from "grpc-health-check";
import reflection from "grpc-js-reflection-client";
import reflectionJs from "grpc-reflection-js";

const root = process.env.ROOT;
const identity = "overworld.identity.v1.Identity";
const insecure = grpc.credentials.createInsecure();
const HealthClient = grpc.makeGenericClientConstructor(health.service, "Health");

let folder;
let target;
let child;
let ended;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "overworld-grpc-"));
  child = spawn(
    join(root, "services/overworld/overworld"),
    ["up", `--data=${folder}`, "--target=identity"],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  ended = new Promise((done) => child.on("exit", done));
  const socket = join(folder, "run/identity.sock");
  const end = Date.now() + 30000;
  while (!existsSync(socket)) {
    assert.ok(Date.now() < end, "the service did not start");
    await new Promise((done) => setTimeout(done, 10));
  }
  target = `unix:${socket}`;
});

after(async () => {
  child.kill("SIGTERM");
  await ended;
  rmSync(folder, { recursive: true, force: true });
});

const inSeconds = (seconds) => ({ deadline: Date.now() + seconds * 1000 });

// Sends an empty message to a method and gives the code that it ends with.
function codeOf(client, path) {
  const nothing = (bytes) => bytes;
  return new Promise((done) =>
    client.makeUnaryRequest(path, nothing, nothing, Buffer.alloc(0), inSeconds(10), (error) =>
      done(error ? error.code : grpc.status.OK),
    ),
  );
}

test("health answers for the process and for each service", async () => {
  const client = new HealthClient(target, insecure);
  const check = (service) =>
    new Promise((done, failed) =>
      client.check({ service }, inSeconds(10), (error, reply) =>
        error ? failed(error) : done(reply.status),
      ),
    );
  assert.equal(await check(""), "SERVING");
  assert.equal(await check(identity), "SERVING");
  await assert.rejects(check("no.such.Service"), { code: grpc.status.NOT_FOUND });
  client.close();
});

for (const version of ["v1", "v1alpha"]) {
  test(`reflection ${version} describes what is there`, async () => {
    const client = new reflection.GrpcReflection(target, insecure, {}, version);
    const services = await client.listServices();
    assert.deepEqual(services.sort(), [
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      identity,
    ]);
    const methods = await client.listMethods(identity);
    const login = methods.find((method) => method.name === "DeviceLogin");
    assert.equal(login.definition.path, `/${identity}/DeviceLogin`);
    const watch = methods.find((method) => method.name === "WatchVerification");
    assert.equal(watch.definition.responseStream, true);
    await assert.rejects(client.listMethods("no.such.Service"));
  });
}

test("another reflection client resolves all imports", async () => {
  const client = new reflectionJs.Client(target, insecure);
  // It fills one request object for all imports of a file, so that some are asked for twice and others
  // not at all; it keeps what came, and each turn brings at least one more.
  let found;
  for (let turn = 0; found === undefined; turn++) {
    found = await client.fileContainingSymbol(identity).catch((error) => {
      if (turn === 8) {
        throw error;
      }
    });
  }
  assert.ok(found.lookupType("overworld.identity.v1.DeviceLoginRequest").fields.device_id);
  assert.ok(found.lookupType("google.protobuf.Timestamp").fields.nanos);
  client.grpcClient.close();
});

test("strangers reach nothing else", async () => {
  const client = new grpc.Client(target, insecure);
  assert.equal(await codeOf(client, `/${identity}/WhoAmI`), grpc.status.UNAUTHENTICATED);
  assert.equal(await codeOf(client, `/${identity}/DeviceLogin`), grpc.status.UNAUTHENTICATED);
  const begun = Date.now();
  assert.equal(await codeOf(client, `/${identity}/Nothing`), grpc.status.UNIMPLEMENTED);
  assert.ok(Date.now() - begun < 5000, "an unknown method was not answered at once");
  client.close();
});

test("a watcher of the health is told when the process stops", async () => {
  const client = new HealthClient(target, insecure);
  const watch = client.watch({ service: identity }, inSeconds(30));
  const seen = [];
  const end = new Promise((done) => watch.on("error", done));
  await new Promise((done) =>
    watch.on("data", (reply) => {
      seen.push(reply.status);
      done();
    }),
  );
  assert.deepEqual(seen, ["SERVING"]);
  child.kill("SIGTERM");
  assert.equal((await end).code, grpc.status.UNAVAILABLE);
  assert.deepEqual(seen.slice(1).filter((status) => status !== "NOT_SERVING"), []);
  assert.equal(await ended, 0);
  client.close();
});
