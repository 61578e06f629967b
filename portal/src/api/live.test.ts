import { expect, test } from "vitest";
import { concerns, serviceOf } from "./live";

const asked = (...services: string[]): Set<string> => new Set(services);

test("a service is the part of a path behind the product", () => {
  expect(serviceOf("/overworld.timers.v1.Timers/PauseTimer")).toBe("timers");
  expect(serviceOf("nonsense")).toBe("");
});

test("what a person changed is asked for now, what runs may have changed soon, the rest not at all", () => {
  const paused = { methods: ["/overworld.timers.v1.Timers/PauseTimer"] };
  expect(concerns(asked("timers"), paused)).toBe("now");
  expect(concerns(asked("identity"), paused)).toBeUndefined();
  expect(concerns(asked("timers"), { methods: ["/overworld.registry.v1.Registry/Deploy"] })).toBe("now");
  expect(concerns(asked("telemetry"), { virtualServers: ["chat"] })).toBe("soon");
  expect(concerns(asked("identity"), { virtualServers: ["chat"] })).toBeUndefined();
  expect(concerns(asked("timers"), { ...paused, virtualServers: ["chat"] })).toBe("now");
  expect(concerns(asked("identity"), { more: true })).toBe("soon");
  expect(concerns(asked("timers"), {})).toBeUndefined();
});
