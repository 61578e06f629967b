import { expect, test } from "vitest";
import { bytesOf, textOf, toBase64 } from "./base64";

test("text comes back as it was, also as much as a payload has", () => {
  for (const text of ["", "a", "中文 \u{1F600}", "\u0000", "é".repeat(256 << 10)]) expect(textOf(toBase64(text))).toBe(text);
  expect(toBase64("中")).toBe(Buffer.from("中").toString("base64"));
  expect(bytesOf(undefined)).toEqual(new Uint8Array());
});
