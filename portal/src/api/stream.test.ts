import { expect, test } from "vitest";
import { Frames } from "./stream";

const frame = (flags: number, text: string): number[] => [flags, 0, 0, 0, text.length, ...new TextEncoder().encode(text)];

test("messages are whole however they are cut", () => {
  const bytes = new Uint8Array([...frame(0, '{"a":1}'), ...frame(0, ""), ...frame(2, "{}")]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const frames = new Frames();
    const found = [...frames.push(bytes.slice(0, cut)), ...frames.push(bytes.slice(cut))];
    expect(found).toEqual([{ flags: 0, text: '{"a":1}' }, { flags: 0, text: "" }, { flags: 2, text: "{}" }]);
  }
});
