import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { asText, pack, sameFiles, type Files } from "./bundle";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("packs what tar packs", () => {
  const files: Files = new Map([
    ["virtualserver.json", bytes("{}")],
    ["main.c", bytes("int x;\n".repeat(100))],
    ["data/words.txt", bytes("")],
    ["data/中文.txt", bytes("中文")],
    ["B.c", new Uint8Array(512)],
  ]);
  const folder = mkdtempSync(join(tmpdir(), "bundle-"));
  for (const [path, content] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  const names = [...files.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const tar = execFileSync("tar", ["--format=ustar", "--mode=0644", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "-b1", "-cf", "-", ...names], { cwd: folder });
  rmSync(folder, { recursive: true });
  const hash = (b: Uint8Array): string => createHash("sha256").update(b).digest("hex");
  expect(hash(pack(files))).toBe(hash(tar));
});

test("splits a long path", () => {
  const path = `${"a".repeat(60)}/${"b".repeat(60)}/c.txt`;
  const archive = pack(new Map([[path, bytes("x")]]));
  expect(new TextDecoder().decode(archive.subarray(345, 405))).toBe("a".repeat(60));
  expect(new TextDecoder().decode(archive.subarray(0, 66))).toBe(`${"b".repeat(60)}/c.txt`);
});

test("knows text from other bytes, and equal files from different ones", () => {
  expect(asText(bytes("héllo"))).toBe("héllo");
  expect(asText(new Uint8Array([0xff, 0xfe]))).toBeUndefined();
  expect(asText(new Uint8Array([65, 0]))).toBeUndefined();
  expect(sameFiles(new Map([["a", bytes("1")]]), new Map([["a", bytes("1")]]))).toBe(true);
  expect(sameFiles(new Map([["a", bytes("1")]]), new Map([["a", bytes("2")]]))).toBe(false);
  expect(sameFiles(new Map([["a", bytes("1")]]), new Map())).toBe(false);
});
