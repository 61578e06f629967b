import { expect, test } from "vitest";
import { moment, openFor, spanOf } from "./span";

const now = Date.parse("2026-05-04T12:00:00Z");
const [from, to] = ["2026-05-03T08:00", "2026-05-03T09:00"];

test("between two moments, of which either may be left open", () => {
  expect(spanOf({ since: "at", from, to }, now)).toEqual({ since: moment(from), until: moment(to) });
  expect(spanOf({ since: "at", from }, now)).toEqual({ since: moment(from) });
  expect(spanOf({ since: "at", to }, now)).toEqual({ until: moment(to) });
  expect(spanOf({ since: "at" }, now)).toEqual({ since: "2026-05-04T11:45:00.000Z" });
  expect(spanOf({ since: "1h", to }, now)).toEqual({ since: "2026-05-04T11:00:00.000Z" });
});

test("more comes until the end, when there is one", () => {
  expect(openFor({ since: "at", from }, now)).toBeUndefined();
  expect(openFor({ since: "1h", to }, now)).toBeUndefined();
  expect(openFor({ since: "at", to }, now)).toBe(0);
  expect(openFor({ since: "at", to: new Date(now + 5000).toISOString() }, now)).toBe(5000);
});
