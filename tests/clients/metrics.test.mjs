// What Prometheus makes of the metrics: of functions by version and by alias, beside all others.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";

import { call, start } from "./server.mjs";

const PROMTOOL = "/usr/bin/promtool"; // of Debian's package prometheus; without it there is nobody to ask

let server;
let player;

before(async () => {
  server = await start();
  await server.ow("vs", "deploy", process.env.ROOT + "/tests/scenario/bundle", "--publish");
  await server.ow("alias", "create", "lab", "live", "1", "--public");
  const login = await fetch(server.public + "/overworld.identity.v1.Identity/DeviceLogin", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ deviceId: "a-device-of-the-metrics-test" }),
  });
  player = (await login.json()).accessToken;
});

after(() => server.stop());

function labelled(text, name, labels) {
  return text.split("\n").find(
    (line) => line.startsWith(name + "{") && Object.entries(labels).every(([k, v]) => line.includes(`${k}="${v}"`)),
  );
}

test("promtool is content with functions by version and alias", async (t) => {
  for (const alias of ["$DEFAULT", "live"]) {
    for (const name of ["echo", "fail"]) {
      await fetch(`${server.public}/v1/call/lab/${name}`, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          Authorization: `Bearer ${player}`,
          "Overworld-Qualifier": alias,
        },
        body: "{}",
      });
    }
  }
  assert.equal((await call(server, player, "lab", "echo", {})).status, 200);
  const text = await (await fetch(server.console + "/metrics")).text();
  for (const alias of ["$DEFAULT", "live"]) {
    const side = { virtual_server: "lab", function: "echo", version: "1", alias };
    assert.ok(labelled(text, "overworld_function_calls_total", side), `calls as ${alias}`);
    assert.ok(labelled(text, "overworld_function_duration_seconds_bucket", side), `durations as ${alias}`);
    assert.ok(
      labelled(text, "overworld_function_errors_total", { ...side, function: "fail", reason: "user_error" }),
      `errors as ${alias}`,
    );
  }
  const level = { virtual_server: "lab", function: "echo", version: "1" };
  for (const name of ["instances", "instances_peak", "waiting", "waiting_peak"]) {
    assert.ok(labelled(text, `overworld_function_${name}`, level), name);
  }
  if (!existsSync(PROMTOOL)) {
    t.skip("promtool is not here");
    return;
  }
  const checked = spawnSync(PROMTOOL, ["check", "metrics"], { input: text, encoding: "utf8" });
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);
});
