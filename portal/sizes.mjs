// sizes.mjs DIST: how much a browser loads, compressed, held to the budgets. One line for each file.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const KB = 1000;
const BUDGETS = { initial: 45 * KB, chunk: 200 * KB, all: 450 * KB };

const dist = process.argv[2];
const size = (path) => gzipSync(readFileSync(join(dist, path)), { level: 9 }).length;
const page = readFileSync(join(dist, "index.html"), "utf8");
const files = readdirSync(join(dist, "assets")).map((name) => `assets/${name}`);
const sizes = new Map(files.map((file) => [file, size(file)]));
const initial = files.filter((f) => f.endsWith(".js") && page.includes(f));
const sum = (list) => list.reduce((total, file) => total + sizes.get(file), 0);

const found = { initial: sum(initial), all: sum(files) };
const over = files.filter((file) => sizes.get(file) > BUDGETS.chunk);
for (const [file, bytes] of [...sizes].sort((a, b) => b[1] - a[1])) console.log(bytes, file);
console.log(found.initial, "initial JavaScript, budget", BUDGETS.initial);
console.log(found.all, "all, budget", BUDGETS.all);
if (over.length || found.initial > BUDGETS.initial || found.all > BUDGETS.all) {
  console.error(`portal: larger than its budget: ${over.join(" ")} ${JSON.stringify(found)}`);
  process.exit(1);
}
