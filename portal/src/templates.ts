// What a new virtual server begins with.

import type { Files } from "./bundle";
import type { Key } from "./i18n";

export interface Template {
  id: string;
  name: Key;
  text: Key;
  functions: Record<string, { exposure: string; timeout_ms?: number }>;
  files: Record<string, string>;
}

const hello = `#include <overworld.h>

#include <stdio.h>

// {"name": "..."}  ->  {"greeting": "Hello, ..."}
int hello(ow_ctx *ctx) {
    const char *name = ow_json_string(ow_payload_json(ctx), "name", "world");
    cJSON *reply = cJSON_CreateObject();
    char greeting[200];
    snprintf(greeting, sizeof greeting, "Hello, %.150s", name);
    cJSON_AddStringToObject(reply, "greeting", greeting);
    ow_log(ctx, OW_INFO, "greeted %s", name);
    return ow_reply_json(ctx, reply);
}
`;

const rules = `#include <overworld.h>

// Checks a result that a game client sends before anything believes it.
//   {"score": 120, "seconds": 31.5}  ->  {"accepted": true}
int submit(ow_ctx *ctx) {
    const cJSON *payload = ow_payload_json(ctx);
    const cJSON *score = cJSON_GetObjectItemCaseSensitive(payload, "score");
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(payload, "seconds");
    if (!cJSON_IsNumber(score) || !cJSON_IsNumber(seconds)) {
        return ow_refuse(ctx, "bad_result", "send score and seconds as numbers", NULL);
    }
    if (seconds->valuedouble <= 0 || score->valuedouble / seconds->valuedouble > 50) {
        ow_log(ctx, OW_WARN, "%.0f points in %.1f s are not possible", score->valuedouble,
               seconds->valuedouble);
        return ow_refuse(ctx, "impossible", "nobody is that fast", NULL);
    }
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddBoolToObject(reply, "accepted", 1);
    return ow_reply_json(ctx, reply);
}
`;

const heartbeat = `#include <overworld.h>

// Meant for a timer: says what it was called with.
int tick(ow_ctx *ctx) {
    size_t size;
    const char *payload = ow_payload(ctx, &size);
    ow_log(ctx, OW_INFO, "tick %.*s", (int)size, payload);
    return ow_reply_json(ctx, cJSON_CreateObject());
}
`;

export const templates: Template[] = [
  { id: "hello", name: "template.hello", text: "template.hello.text", functions: { hello: { exposure: "client" } }, files: { "main.c": hello } },
  { id: "rules", name: "template.rules", text: "template.rules.text", functions: { submit: { exposure: "client", timeout_ms: 1000 } }, files: { "main.c": rules } },
  { id: "timer", name: "template.timer", text: "template.timer.text", functions: { tick: { exposure: "internal" } }, files: { "main.c": heartbeat } },
];

export function filesOf(template: Template, name: string): Files {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const manifest = JSON.stringify({ name, runtime: "c", functions: template.functions }, null, 2);
  return new Map([
    ...Object.entries(template.files).map(([path, text]): [string, Uint8Array] => [path, bytes(text)]),
    ["virtualserver.json", bytes(`${manifest}\n`)],
  ]);
}
