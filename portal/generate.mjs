// generate.mjs SET OUT: writes types and calls of the API from a FileDescriptorSet, one file for each
// .proto. JSON as proto3 defines it: 64-bit integers, bytes and times are strings; what has its
// default is left out, so every field may be missing.

import { createFileRegistry, fromBinary, getOption } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const [set, out] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(set)));
const access = registry.getExtension("overworld.api.access");
const callers = registry.getEnum("overworld.api.Caller");

const INTEGER_64 = new Set([3, 4, 6, 16, 18]);
const SCALARS = { 1: "number", 2: "number", 8: "boolean", 9: "string", 12: "string" };
const scalar = (type) => (INTEGER_64.has(type) ? "string" : (SCALARS[type] ?? "number"));

const own = (file) => file.name.startsWith("overworld/") && file.name !== "overworld/api/access";
const stem = (file) => file.name.split("/").at(-1);
const lower = (name) => name[0].toLowerCase() + name.slice(1);

// A nested declaration carries the name of what it stands in.
const title = (type) => (type.parent ? title(type.parent) : "") + type.name;
const nested = (message) => [message, ...message.nestedMessages.flatMap(nested)];

// What a file calls a type: one of another file whose name it has itself gets that file's in front.
const capital = (name) => name[0].toUpperCase() + name.slice(1);
const localName = (type, file) =>
  type.file !== file && file.messages.some((own) => own.name === title(type))
    ? capital(stem(type.file)) + title(type)
    : title(type);

function typeOf(field, uses, file) {
  const one = (message, enumeration, type) => {
    if (/^google\.protobuf\.(Timestamp|Duration)$/.test(message?.typeName ?? "")) return "string";
    if (message?.typeName.startsWith("google.")) return "unknown";
    const named = message ?? enumeration;
    if (!named) return scalar(type);
    uses.set(localName(named, file), named);
    return localName(named, file);
  };
  if (field.fieldKind === "list") return `${one(field.message, field.enum, field.scalar)}[]`;
  return one(field.message, field.enum, field.scalar);
}

function operatorRule(method) {
  const rule = getOption(method, access);
  const names = rule.allow.map((number) => callers.values.find((v) => v.number === number).name);
  const role = ["VIEWER", "DEVELOPER", "ADMIN"].find((name) => names.includes(name));
  const external = role !== undefined || names.some((name) => name !== "SERVICE");
  return external && { role: role ? `"${role.toLowerCase()}"` : "null", every: rule.everyTitle };
}

function write(file) {
  const uses = new Map();
  const body = [];
  const messages = file.messages.flatMap(nested).filter((m) => !m.proto.options?.mapEntry);
  for (const each of [...file.enums, ...messages.flatMap((m) => m.nestedEnums)]) {
    body.push(`export type ${title(each)} = ${each.values.map((v) => `"${v.name}"`).join(" | ")};\n`);
  }
  for (const message of messages) {
    const fields = message.fields.map((f) => `  ${f.jsonName}?: ${typeOf(f, uses, file)};\n`).join("");
    body.push(`export interface ${title(message)} {\n${fields}}\n`);
  }
  for (const service of file.services) {
    for (const method of service.methods) {
      const rule = operatorRule(method);
      if (!rule) continue;
      for (const type of [method.input, method.output]) uses.set(localName(type, file), type);
      const stream = method.methodKind === "server_streaming";
      body.push(
        `export const ${lower(method.name)} = /* @__PURE__ */ ${stream ? "streaming" : "method"}<` +
          `${localName(method.input, file)}, ${localName(method.output, file)}>(\n  "/${service.typeName}/${method.name}", ` +
          `${rule.role}, ${rule.every},\n);\n`,
      );
    }
  }
  const imports = [...uses]
    .filter(([, type]) => type.file !== file)
    .map(([name, type]) => {
      const theirs = title(type) === name ? name : `${title(type)} as ${name}`;
      return `import type { ${theirs} } from "./${stem(type.file)}";\n`;
    });
  const kinds = ["method", "streaming"].filter((k) => body.some((b) => b.includes(`*/ ${k}<`)));
  const calls = kinds.length ? `import { ${kinds.join(", ")} } from "../api/method";\n` : "";
  const text = `// Made from proto/${file.name}.proto by generate.mjs.\n${calls}${imports.join("")}\n`;
  writeFileSync(`${out}/${stem(file)}.ts`, text + body.join("\n"));
}

mkdirSync(out, { recursive: true });
for (const file of registry.files) if (own(file)) write(file);
