// embed.mjs DIST OUT.c: the built files as one C table (see table.h). Documents as they are, since the
// server writes a nonce into them; everything else compressed.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { extname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";

const [dist, out] = process.argv.slice(2);
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => "/" + relative(dist, join(entry.parentPath, entry.name)))
  .sort();

let arrays = '#include "portal/table.h"\n';
let table = "\nconst ow_portal_asset ow_portal_assets[] = {\n";
files.forEach((path, i) => {
  const type = TYPES[extname(path)];
  if (!type) throw new Error(`${path}: of what type is this?`);
  const isPage = extname(path) === ".html";
  const raw = readFileSync(join(dist, path));
  const bytes = isPage ? raw : gzipSync(raw, { level: 9 });
  arrays += `\nstatic const uint8_t file_${i}[] = {${Array.from(bytes).join(",")}};\n`;
  table += `    {"${path}", "${type}", file_${i}, ${bytes.length}, ${isPage}},\n`;
});
writeFileSync(out, `${arrays}${table}    {0},\n};\n`);
