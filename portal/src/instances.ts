// Instances, added up.

import type { Instance } from "./gen/runner";
import { num } from "./number";

export const version = (i: Instance): string => (num(i.version) > 0 ? `v${i.version}` : "$LATEST");

export interface Group {
  name: string;
  version: string;
  count: number;
  busy: number;
  memory: number;
}

// By function and version, by name.
export function groupsOf(instances: Instance[]): Group[] {
  const groups = new Map<string, Group>();
  for (const i of instances) {
    const key = `${i.function} ${version(i)}`;
    const group = groups.get(key) ?? { name: i.function ?? "", version: version(i), count: 0, busy: 0, memory: 0 };
    groups.set(key, { ...group, count: group.count + 1, busy: group.busy + (i.state === "busy" ? 1 : 0), memory: group.memory + num(i.memoryBytes) });
  }
  return [...groups.values()].sort((a, b) => a.name.localeCompare(b.name) || a.version.localeCompare(b.version));
}
