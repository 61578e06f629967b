import { expect, test } from "vitest";
import { sampleOf, sampleText } from "./sample";

test("a sample has what the schema names", () => {
  expect(sampleOf({
    type: "object", required: ["winner", "extra"],
    properties: {
      winner: { enum: ["red", "blue"] }, score: { type: "integer", minimum: 1.5 }, names: { type: "array", items: { type: "string", minLength: 6 } },
      at: { type: ["string", "null"], default: "now" }, either: { anyOf: [{ type: "boolean" }, { type: "number" }] },
    },
  })).toEqual({ winner: "red", score: 2, names: ["text.."], at: "now", either: true, extra: null });
});

test("what is no schema gives something to begin with", () => {
  expect(sampleText(undefined)).toBe("{}");
  expect(sampleText("no json")).toBe("{}");
  expect(sampleText("true")).toBe("{}");
  const deep: Record<string, unknown> = { type: "array" };
  deep["items"] = deep;
  expect(JSON.stringify(sampleOf(deep)).length).toBeLessThan(100);
});
