import { expect, test } from "vitest";
import { groupsOf } from "./instances";

test("instances are added up by function and version", () => {
  const each = (fn: string, version: string, state: string, memoryBytes: string) => ({ function: fn, version, state, memoryBytes });
  expect(groupsOf([each("b", "2", "busy", "10"), each("a", "0", "idle", "5"), each("b", "2", "idle", "7"), each("b", "1", "dying", "1")])).toEqual([
    { name: "a", version: "$LATEST", count: 1, busy: 0, memory: 5 },
    { name: "b", version: "v1", count: 1, busy: 0, memory: 1 },
    { name: "b", version: "v2", count: 2, busy: 1, memory: 17 },
  ]);
  expect(groupsOf([])).toEqual([]);
});
