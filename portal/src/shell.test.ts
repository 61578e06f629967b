import { expect, test } from "vitest";
import { flags, jsonWord, word } from "./shell";

test("a word reaches the command as it is", () => {
  expect(word("chat/trim")).toBe("chat/trim");
  expect(word("$LATEST")).toBe("'$LATEST'");
  expect(word("it's; rm -r *")).toBe("'it'\\''s; rm -r *'");
  expect(word("")).toBe("''");
  expect(word("a\nb")).toBe("'a\nb'");
});

test("flags without a value are left out", () => {
  expect(flags({ vs: "chat", function: undefined, reason: "", because: "of a test" })).toBe(" --vs chat --because 'of a test'");
});

test("JSON stands on one line", () => {
  expect(jsonWord('{\n  "name": "O\'Neil"\n}')).toBe("'{ \"name\": \"O'\\''Neil\" }'");
});
