// A running Overworld for these tests: one process, a data folder of its own, loopback only.

import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const root = process.env.ROOT;
const run = promisify(execFile);

async function until(what, ms, probe) {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    try {
      const found = await probe();
      if (found) return found;
    } catch {
      // not yet
    }
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error(`${what} did not happen within ${ms} ms`);
}

// More flags of the server may be given.
export async function start(...flags) {
  const folder = mkdtempSync(join(tmpdir(), "overworld-clients-"));
  const child = spawn(
    join(root, "services/overworld/overworld"),
    [
      "up", `--data=${folder}`, "--gateway.public_port=0", "--gateway.console_port=0",
      // One player sends whole lists of texts.
      "--gateway.player_calls=0", "--gateway.player_function_calls=0", ...flags,
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  const ended = new Promise((done) => child.on("exit", done));
  const addresses = await until("start", 30000, async () => {
    const found = JSON.parse(readFileSync(join(folder, "run/gateway.json"), "utf8"));
    const ready = await fetch(found.console + "/readyz");
    return ready.ok && found;
  });
  return {
    ...addresses,
    folder,
    token: readFileSync(join(folder, "operator.token"), "utf8").trim(),
    ow: (...args) => run(join(root, "cli/ow"), [...args, "--data", folder], { cwd: root }),
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

// Calls /v1/call as a client without any SDK would.
export async function call(server, token, vs, fn, payload) {
  const reply = await fetch(`${server.public}/v1/call/${vs}/${fn}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify(payload),
  });
  return { status: reply.status, headers: reply.headers, body: await reply.json() };
}
