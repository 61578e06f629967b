// missing.mjs FOLDER: names the native packages of FOLDER's lock file that belong on this system and are not there.
// They are optional, and npm takes one that it could not fetch for one that is not wanted: it reports success.
import { existsSync, readFileSync } from "node:fs";

const folder = process.argv[2];
const allows = (list, value) => list === undefined || list.includes(value);
const { packages } = JSON.parse(readFileSync(`${folder}/package-lock.json`, "utf8"));
const missing = Object.entries(packages).filter(
  ([path, wanted]) =>
    wanted.cpu !== undefined &&
    allows(wanted.os, process.platform) &&
    allows(wanted.cpu, process.arch) &&
    allows(wanted.libc, "glibc") &&
    !existsSync(`${folder}/${path}`),
);
for (const [path] of missing) {
  console.log(path);
}
