// What the pages say, from their own tables: a test that walks a path in any language asks for the words by key.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./server.mjs";

function read(language) {
  const source = readFileSync(join(root, `portal/src/i18n/${language}.ts`), "utf8");
  return new Map([...source.matchAll(/^\s*"([a-z0-9_.]+)": ("(?:[^"\\]|\\.)*"),?$/gm)].map(([, key, text]) => [key, JSON.parse(text)]));
}

// The function that gives the text of a key; {name} in it is replaced.
export function wordsOf(language) {
  const words = read(language);
  return (key, values = {}) => {
    const text = words.get(key);
    if (text === undefined) throw new Error(`${language} has no ${key}`);
    return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
  };
}
