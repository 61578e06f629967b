// What of virtualserver.json is changed by forms: limits of functions, environment, outgoing requests. The bounds are
// those of services/registry/manifest.h, so that mistakes show while somebody types; the server judges when it is
// deployed.

import * as v from "valibot";
import type { Key } from "./i18n";
import { setMember } from "./json-edit";

export const MANIFEST = "virtualserver.json";
export const EXPOSURES = ["client", "server", "internal"] as const;

const ENV_BYTES_MAX = 4096;
const ENTRIES_MAX = 64;
const HOST_BYTES_MAX = 253;

const number = (low: number, high: number) => v.pipe(v.string(), v.regex(/^\d{1,7}$/), v.transform(Number), v.minValue(low), v.maxValue(high));
const TIMEOUT_MS = number(1, 900_000);
const MEMORY_MB = number(64, 3072);
const NAME = v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/));
const HOST = v.pipe(v.string(), v.maxBytes(HOST_BYTES_MAX), v.regex(/^(\*\.)?[^*/@?#[\]\\]+$/));
const IPV4 = v.pipe(v.string(), v.ipv4());
const IPV6 = v.pipe(v.string(), v.ipv6());
const NETWORK = v.pipe(
  v.string(), v.transform((text) => text.split("/")),
  v.union([v.strictTuple([IPV4]), v.strictTuple([IPV6]), v.strictTuple([IPV4, number(0, 32)]), v.strictTuple([IPV6, number(0, 128)])]),
);

const problemOf = (schema: v.GenericSchema<string, unknown>, typed: string, key: Key): Key | undefined => (v.safeParse(schema, typed).success ? undefined : key);

// Numbers as they are typed.
export interface Limits {
  name: string;
  exposure: string;
  timeoutMs: string;
  memoryMb: string;
  logPayload: boolean;
}

export interface Variable {
  name: string;
  value: string;
}

// Hosts and networks one a line.
export interface Egress {
  open: boolean;
  hosts: string;
  networks: string;
  plain: boolean;
}

interface Manifest {
  functions?: Record<string, { exposure?: string; timeout_ms?: number; memory_mb?: number; log_payload?: boolean }>;
  env?: Record<string, string>;
  fetch?: { hosts?: string[]; networks?: string[]; plain?: boolean };
}

const parsed = (text: string): Manifest => JSON.parse(text) as Manifest;
const DEFAULTS = { exposure: "internal", timeout_ms: 3000, memory_mb: 128, log_payload: false } as const;

// ---- limits ----

export function limitsOf(text: string): Limits[] {
  return Object.entries(parsed(text).functions ?? {}).map(([name, given]) => {
    const all = { ...DEFAULTS, ...given };
    return { name, exposure: all.exposure, timeoutMs: String(all.timeout_ms), memoryMb: String(all.memory_mb), logPayload: all.log_payload };
  });
}

export const timeoutProblem = (typed: string): Key | undefined => problemOf(TIMEOUT_MS, typed, "settings.timeout.wrong");
export const memoryProblem = (typed: string): Key | undefined => problemOf(MEMORY_MB, typed, "settings.memory.wrong");

export function withLimits(text: string, limits: Limits[]): string {
  const before = new Map(limitsOf(text).map((each) => [each.name, each]));
  let next = text;
  for (const each of limits) {
    const was = before.get(each.name);
    const set = (key: string, isOther: boolean, value: unknown): void => {
      if (isOther) next = setMember(next, ["functions", each.name, key], value);
    };
    set("exposure", each.exposure !== was?.exposure, each.exposure);
    set("timeout_ms", Number(each.timeoutMs) !== Number(was?.timeoutMs), Number(each.timeoutMs));
    set("memory_mb", Number(each.memoryMb) !== Number(was?.memoryMb), Number(each.memoryMb));
    set("log_payload", each.logPayload !== was?.logPayload, each.logPayload);
  }
  return next;
}

// ---- environment ----

export const envOf = (text: string): Variable[] => Object.entries(parsed(text).env ?? {}).map(([name, value]) => ({ name, value }));

const size = (text: string): number => new TextEncoder().encode(text).length;
export const envBytes = (list: Variable[]): number => list.reduce((sum, each) => sum + size(each.name) + size(each.value) + 2, 0);
export const envRoom = ENV_BYTES_MAX;

// What is wrong with one of them.
export function variableProblem(list: Variable[], at: number): Key | undefined {
  const name = list[at]?.name ?? "";
  return problemOf(NAME, name, "settings.env.wrong") ?? (list.some((each, i) => i < at && each.name === name) ? "settings.env.twice" : undefined);
}

export function withEnv(text: string, list: Variable[]): string {
  return setMember(text, ["env"], list.length === 0 ? undefined : Object.fromEntries(list.map((each) => [each.name, each.value])));
}

// ---- outgoing requests ----

const lines = (typed: string): string[] => typed.split(/[\s,]+/).filter((each) => each !== "");

export function egressOf(text: string): Egress {
  const { fetch } = parsed(text);
  return { open: fetch !== undefined, hosts: (fetch?.hosts ?? []).join("\n"), networks: (fetch?.networks ?? []).join("\n"), plain: fetch?.plain ?? false };
}

// The first entry that is none, or that they are too many.
function entriesProblem(list: string[], schema: v.GenericSchema<string, unknown>, key: Key): [Key, string] | undefined {
  if (list.length > ENTRIES_MAX) return ["settings.egress.many", ""];
  const bad = list.find((each) => problemOf(schema, each, key));
  return bad === undefined ? undefined : [key, bad];
}

export function hostsProblem(typed: string): [Key, string] | undefined {
  const list = lines(typed);
  return list.length === 0 ? ["settings.egress.hosts.missing", ""] : entriesProblem(list, HOST, "settings.egress.hosts.wrong");
}

export const networksProblem = (typed: string): [Key, string] | undefined => entriesProblem(lines(typed), NETWORK, "settings.egress.networks.wrong");

export function withEgress(text: string, egress: Egress): string {
  if (!egress.open) return setMember(text, ["fetch"], undefined);
  const networks = lines(egress.networks);
  return setMember(text, ["fetch"], { hosts: lines(egress.hosts), ...(networks.length > 0 ? { networks } : {}), ...(egress.plain ? { plain: true } : {}) });
}
