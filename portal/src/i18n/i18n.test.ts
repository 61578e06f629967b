import { expect, test } from "vitest";
import { en } from "./en";
import { zh } from "./zh";

const places = (text: string): string[] => [...text.matchAll(/\{\w+\}/g)].map((m) => m[0]).sort();

test("every text is there in every language, with the same places to fill", () => {
  expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    expect(places(zh[key as keyof typeof en]), key).toEqual(places(text));
    expect(zh[key as keyof typeof en].trim(), key).not.toBe("");
  }
});
