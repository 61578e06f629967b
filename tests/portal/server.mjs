// A running Overworld for these tests: one process, a data folder of its own, loopback only.

import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export const root = process.env.ROOT;
const run = promisify(execFile);

// Asks until the answer is truthy.
export async function until(what, ms, probe) {
  const end = Date.now() + ms;
  let last;
  while (Date.now() < end) {
    try {
      const found = await probe();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((done) => setTimeout(done, 25));
  }
  throw new Error(`${what} did not happen within ${ms} ms${last ? `: ${last}` : ""}`);
}

async function launch(folder, flags) {
  const child = spawn(
    join(root, "services/overworld/overworld"),
    // Pages are opened as fast as the machine can; people are slower than the limit.
    ["up", `--data=${folder}`, "--gateway.public_port=0", "--gateway.address_requests=0", ...flags],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  const ended = new Promise((done) => child.on("exit", done));
  const addresses = await until("start", 30000, async () => {
    const found = JSON.parse(readFileSync(join(folder, "run/gateway.json"), "utf8"));
    return (await fetch(found.console + "/readyz")).ok && found;
  });
  return { child, ended, addresses };
}

export async function start(...flags) {
  const folder = mkdtempSync(join(tmpdir(), "overworld-portal-"));
  let life = await launch(folder, ["--gateway.console_port=0", ...flags]);
  const end = async (signal) => {
    life.child.kill(signal);
    await life.ended;
  };
  const again = async () => {
    life = await launch(folder, [`--gateway.console_port=${new URL(server.console).port}`, ...flags]);
    Object.assign(server, life.addresses);
  };
  const server = {
    folder,
    ...life.addresses,
    token: readFileSync(join(folder, "operator.token"), "utf8").trim(),
    // The output of `ow ...`.
    ow: async (...args) => (await run(join(root, "cli/ow"), [...args, "--data", folder], { cwd: root })).stdout,
    owJson: async (...args) => JSON.parse(await server.ow(...args, "--json")),
    // A method or a function of the public API, as the first operator.
    ask: (path, body) => fetch(server.console + path, {
      method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${server.token}` }, body: JSON.stringify(body),
    }),
    // Kills it and starts it again at the same address.
    restart: async () => {
      await end("SIGKILL");
      await again();
    },
    // Ends it, does something with its folder, and starts it again.
    between: async (work) => {
      await end("SIGTERM");
      await work();
      await again();
    },
    stop: async () => {
      await end("SIGTERM");
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return server;
}
