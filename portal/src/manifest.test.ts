import { expect, test } from "vitest";
import { egressOf, envBytes, envOf, hostsProblem, limitsOf, memoryProblem, networksProblem, timeoutProblem, variableProblem, withEgress, withEnv, withLimits } from "./manifest";

const TEXT = `{
  "name": "chat",
  "runtime": "c",
  "functions": {
    "say": { "exposure": "client", "timeout_ms": 1000 },
    "idle": {}
  },
  "env": { "B": "2", "A": "1" }
}
`;

test("limits are read with their defaults, and only what is changed is written", () => {
  const [say, idle] = limitsOf(TEXT);
  expect(say).toEqual({ name: "say", exposure: "client", timeoutMs: "1000", memoryMb: "128", logPayload: false });
  expect(idle).toEqual({ name: "idle", exposure: "internal", timeoutMs: "3000", memoryMb: "128", logPayload: false });
  expect(withLimits(TEXT, [say!, idle!])).toBe(TEXT);
  const next = withLimits(TEXT, [{ ...say!, timeoutMs: "2000" }, { ...idle!, memoryMb: "64", logPayload: true, exposure: "server" }]);
  expect(JSON.parse(next).functions).toEqual({ say: { exposure: "client", timeout_ms: 2000 }, idle: { exposure: "server", memory_mb: 64, log_payload: true } });
});

test("numbers out of bounds are told", () => {
  for (const good of ["1", "900000"]) expect(timeoutProblem(good)).toBeUndefined();
  for (const bad of ["", "0", "900001", "1.5", "-1", "1e3", "０", "12345678901"]) expect(timeoutProblem(bad)).toBe("settings.timeout.wrong");
  for (const good of ["64", "3072"]) expect(memoryProblem(good)).toBeUndefined();
  for (const bad of ["63", "3073", "128 MB"]) expect(memoryProblem(bad)).toBe("settings.memory.wrong");
});

test("the environment keeps its order, loses what is removed, and counts as the server counts", () => {
  expect(envOf(TEXT)).toEqual([{ name: "B", value: "2" }, { name: "A", value: "1" }]);
  expect(withEnv(TEXT, envOf(TEXT))).toBe(TEXT);
  expect(withEnv(TEXT, [...envOf(TEXT), { name: "C", value: "3" }])).toBe(TEXT.replace('{ "B": "2", "A": "1" }', '{\n    "B": "2",\n    "A": "1",\n    "C": "3"\n  }'));
  expect(withEnv(TEXT, [])).not.toContain("env");
  expect(envBytes([{ name: "A", value: "中" }])).toBe(1 + 3 + 2);
  const list = [{ name: "__proto__", value: "x" }, { name: "2A", value: "" }, { name: "__proto__", value: "y" }];
  expect([0, 1, 2].map((at) => variableProblem(list, at))).toEqual([undefined, "settings.env.wrong", "settings.env.twice"]);
  expect(envOf(withEnv(TEXT, list.slice(0, 1)))).toEqual(list.slice(0, 1));
});

test("rules of outgoing requests: what is wrong is named, what is empty is not written", () => {
  expect(egressOf(TEXT)).toEqual({ open: false, hosts: "", networks: "", plain: false });
  const open = { open: true, hosts: "api.example.com\n *.example.org, ", networks: "", plain: false };
  expect(JSON.parse(withEgress(TEXT, open)).fetch).toEqual({ hosts: ["api.example.com", "*.example.org"] });
  const all = { open: true, hosts: "a.example", networks: "10.1.0.0/16\nfd00::1", plain: true };
  expect(egressOf(withEgress(TEXT, all))).toEqual(all);
  expect(withEgress(withEgress(TEXT, all), { ...all, open: false })).toBe(TEXT);
  expect(hostsProblem(" ")).toEqual(["settings.egress.hosts.missing", ""]);
  for (const bad of ["https://a.example", "*", "a.*", "a@b", "*."]) expect(hostsProblem(`good.example ${bad}`)).toEqual(["settings.egress.hosts.wrong", bad]);
  for (const bad of ["10.0.0.256", "10.0.0.0/33", "a.example", "10.0.0.0/8/8", "fd00::/129", "/8"]) expect(networksProblem(bad)).toEqual(["settings.egress.networks.wrong", bad]);
  expect(networksProblem("0.0.0.0/0 ::/0 10.1.0.0/16")).toBeUndefined();
  expect(hostsProblem(Array.from({ length: 65 }, (_, i) => `h${i}`).join(" "))).toEqual(["settings.egress.many", ""]);
});
