// A bundle: files of a virtual server as one archive with exactly one form, whose hash names it (see
// core/archive/archive.h: POSIX ustar, sorted by the bytes of the path, mode 0644, times and ids 0).

import { call, headers, send } from "./api/client";
import { bytesOf } from "./base64";
import { getFile, getRevision, type GetRevisionResponse } from "./gen/registry";

export type Files = Map<string, Uint8Array>;

const BLOCK = 512;
const encoder = new TextEncoder();

const compare = (a: Uint8Array, b: Uint8Array): number => {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
};

// Paths longer than 100 bytes are split at the first '/' that lets the rest fit.
function splitPath(path: Uint8Array): [Uint8Array, Uint8Array] {
  if (path.length <= 100) return [path.subarray(0, 0), path];
  for (let i = 0; i < path.length; i++) {
    if (path[i] === 0x2f && path.length - i - 1 <= 100 && i <= 155) return [path.subarray(0, i), path.subarray(i + 1)];
  }
  throw new Error("path too long");
}

function head(path: Uint8Array, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string): void => block.set(encoder.encode(text), at);
  const [prefix, name] = splitPath(path);
  block.set(name, 0);
  put(100, "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${size.toString(8).padStart(11, "0")}\0`);
  put(136, "00000000000\0");
  put(148, "        ");
  put(156, "0");
  put(257, "ustar\0" + "00");
  put(329, "0000000\0");
  put(337, "0000000\0");
  block.set(prefix, 345);
  const sum = block.reduce((a, b) => a + b, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

export function pack(files: Files): Uint8Array<ArrayBuffer> {
  const entries = [...files].map(([path, bytes]) => ({ path: encoder.encode(path), bytes })).sort((a, b) => compare(a.path, b.path));
  const padded = (n: number): number => Math.ceil(n / BLOCK) * BLOCK;
  const total = entries.reduce((sum, e) => sum + BLOCK + padded(e.bytes.length), 2 * BLOCK);
  const out = new Uint8Array(total);
  let at = 0;
  for (const entry of entries) {
    out.set(head(entry.path, entry.bytes.length), at);
    out.set(entry.bytes, at + BLOCK);
    at += BLOCK + padded(entry.bytes.length);
  }
  return out;
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((b) => b.toString(16).padStart(2, "0")).join("");
}

// Uploads an archive and gives its hash.
export async function upload(archive: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = await sha256(archive);
  await send(`/v1/bundles/${hash}`, { method: "PUT", headers: headers({ "Content-Type": "application/octet-stream" }), body: archive });
  return hash;
}

export async function readFile(virtualServer: string, version: string, path: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let offset = 0;
  let total = 0;
  do {
    const piece = await call(getFile, { virtualServer, version, path, offset: String(offset) });
    const bytes = bytesOf(piece.data);
    pieces.push(bytes);
    offset += bytes.length;
    total = Number(piece.totalSize ?? 0);
    if (bytes.length === 0) break;
  } while (offset < total);
  const all = new Uint8Array(offset);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

export async function readVersion(virtualServer: string, version: string): Promise<{ about: GetRevisionResponse; files: Files }> {
  const about = await call(getRevision, { virtualServer, version });
  const files: Files = new Map();
  for (const file of about.files ?? []) files.set(file.path ?? "", await readFile(virtualServer, version, file.path ?? ""));
  return { about, files };
}

// The text of a file; undefined when it is none.
export function asText(bytes: Uint8Array): string | undefined {
  if (bytes.length > 1 << 20 || bytes.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

export function sameFiles(a: Files, b: Files): boolean {
  return a.size === b.size && [...a].every(([path, bytes]) => {
    const other = b.get(path);
    return other !== undefined && compare(bytes, other) === 0;
  });
}
