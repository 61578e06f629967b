import { expect, test } from "vitest";
import { curveOf, minutesOf, quantile, type Window } from "./series";

const since = 1_000_000_000_000;
const window: Window = {
  stepS: 10, since, until: since + 180_000,
  series: [
    { qualifier: "live", version: "1", points: [
      { timeUs: String((since + 10_000) * 1000), calls: "3", errors: "0", coldStarts: "1", durations: ["3"] },
      { timeUs: String((since + 20_000) * 1000), calls: "1", errors: "1", durations: ["0", "0", "1"] },
      { timeUs: String((since + 130_000) * 1000), calls: "2", errors: "0", durations: ["0", "2"] },
    ] },
    { qualifier: "live", version: "2", points: [{ timeUs: String((since + 70_000) * 1000), calls: "2", errors: "2", durations: ["2"] }] },
  ],
};

test("each half has its own curve, with gaps where nothing was called", () => {
  expect(curveOf(window, (s) => s.version === "1")).toEqual({ calls: [4, 0, 2], cold: [1, 0, 0], errors: [25, null, 0], p50: [0.1, null, 0.2], p95: [0.4, null, 0.2] });
  expect(curveOf(window, (s) => s.version === "2")).toMatchObject({ errors: [null, 100, null], p95: [null, 0.1, null] });
  expect(minutesOf(window)).toEqual([since / 1000, since / 1000 + 60, since / 1000 + 120]);
});

test("a quantile is the bound of its bucket", () => {
  expect(quantile([], 0.5)).toBeUndefined();
  expect(quantile([1, 0, 1], 0.5)).toBe(100);
  expect(quantile([1, 0, 1], 0.95)).toBe(400);
});
