import { expect, test } from "vitest";
import { setMember } from "./json-edit";

const MANIFEST = `{
    "name": "chat", "runtime": "c",
    "functions": {
        "say": {"exposure": "client"},
        "idle": {}
    },
    "timers": [{"name": "t", "payload": {"seed": 12345678901234567890, "text": "a \\"}, {\\" b"}}]
}
`;

test("nothing but the member changes", () => {
  expect(setMember(MANIFEST, ["functions", "say", "exposure"], "server")).toBe(MANIFEST.replace('"client"', '"server"'));
  expect(setMember(MANIFEST, ["functions", "say", "timeout_ms"], 5)).toBe(MANIFEST.replace('"client"', '"client", "timeout_ms": 5'));
  expect(setMember(MANIFEST, ["functions", "idle", "memory_mb"], 64)).toBe(MANIFEST.replace("{}", '{\n            "memory_mb": 64\n        }'));
  expect(setMember(MANIFEST, ["env"], { A: "1" })).toBe(MANIFEST.replace('b"}}]', 'b"}}],\n    "env": {\n        "A": "1"\n    }'));
});

test("a member is taken away wherever it stands", () => {
  const object = '{"a": 1, "b": [1, {"c": 2}], "d": "}"}';
  expect(setMember(object, ["a"], undefined)).toBe('{"b": [1, {"c": 2}], "d": "}"}');
  expect(setMember(object, ["b"], undefined)).toBe('{"a": 1, "d": "}"}');
  expect(setMember(object, ["d"], undefined)).toBe('{"a": 1, "b": [1, {"c": 2}]}');
  expect(setMember(object, ["none"], undefined)).toBe(object);
  expect(setMember('{\n  "a": 1\n}\n', ["a"], undefined)).toBe("{}\n");
});

test("whatever is set stands there when it is read again", () => {
  const texts = ["{}", " { } ", '{"env":{}}', '{"env": {"A": "x"}, "z": 0}', MANIFEST, MANIFEST.replaceAll("\n", "\r\n"), MANIFEST.replaceAll("    ", "\t")];
  const values = [{ A: "\u2028 \\ \" \n", __proto__2: "" }, "text", 0, [], {}, null];
  for (const text of texts) {
    for (const value of values) {
      const before = JSON.parse(text) as object;
      const after = setMember(text, ["env"], value);
      expect(JSON.parse(after)).toEqual({ ...before, env: value });
      expect(JSON.parse(setMember(after, ["env"], undefined))).toEqual(Object.fromEntries(Object.entries(before).filter(([key]) => key !== "env")));
    }
  }
});

test("a key is what it means, not how it is written", () => {
  expect(setMember('{"en\\u0076": 1}', ["env"], 2)).toBe('{"en\\u0076": 2}');
});

test("what is no JSON, and what is not there, is refused", () => {
  expect(() => setMember('{"a": 1,}', ["a"], 2)).toThrow(SyntaxError);
  expect(() => setMember("[]", ["a"], 2)).toThrow(SyntaxError);
  expect(() => setMember("{}", ["functions", "say"], 2)).toThrow(RangeError);
});
