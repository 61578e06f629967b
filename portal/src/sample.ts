// An example of what a JSON Schema describes, to begin with.

const DEPTH_MAX = 8;

type Schema = Record<string, unknown>;

const isSchema = (value: unknown): value is Schema => typeof value === "object" && value !== null && !Array.isArray(value);
const first = (value: unknown): unknown => (Array.isArray(value) ? value[0] : undefined);

function given(schema: Schema): unknown {
  return schema["const"] ?? first(schema["enum"]) ?? schema["default"] ?? first(schema["examples"]);
}

const BY_TYPE: Record<string, (schema: Schema, depth: number) => unknown> = {
  object: (schema, depth) => {
    const properties = isSchema(schema["properties"]) ? schema["properties"] : {};
    const required = Array.isArray(schema["required"]) ? schema["required"].filter((name): name is string => typeof name === "string") : [];
    const names = [...new Set([...Object.keys(properties), ...required])];
    return Object.fromEntries(names.map((name) => [name, sampleOf(properties[name], depth + 1)]));
  },
  array: (schema, depth) => Array.from({ length: Math.min(Number(schema["minItems"] ?? 1), DEPTH_MAX) }, () => sampleOf(schema["items"], depth + 1)),
  string: (schema) => "text".padEnd(Math.min(Number(schema["minLength"] ?? 0), 100), "."),
  number: (schema) => Number(schema["minimum"] ?? schema["maximum"] ?? 0),
  integer: (schema) => Math.ceil(Number(schema["minimum"] ?? schema["maximum"] ?? 0)),
  boolean: () => true,
  null: () => null,
};

export function sampleOf(schema: unknown, depth = 0): unknown {
  if (!isSchema(schema) || depth > DEPTH_MAX) return null;
  const value = given(schema);
  if (value !== undefined) return value;
  const other = first(schema["anyOf"]) ?? first(schema["oneOf"]) ?? first(schema["allOf"]);
  if (other !== undefined) return sampleOf(other, depth + 1);
  const type = Array.isArray(schema["type"]) ? first(schema["type"]) : schema["type"];
  return BY_TYPE[String(type ?? (schema["properties"] ? "object" : "null"))]?.(schema, depth) ?? null;
}

// As text; {} when the schema says nothing.
export function sampleText(schemaJson: string | undefined): string {
  try {
    return JSON.stringify(sampleOf(JSON.parse(schemaJson ?? "")) ?? {}, null, 2);
  } catch {
    return "{}";
  }
}
