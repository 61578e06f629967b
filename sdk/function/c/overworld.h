#ifndef OVERWORLD_H
#define OVERWORLD_H

/* What an Overworld function in C includes. A function is a plain C symbol, named in the manifest:
 *
 *     #include <overworld.h>
 *
 *     int greet(ow_ctx *ctx)
 *     {
 *         cJSON *request = ow_payload_json(ctx);
 *         const char *name = ow_json_string(request, "name", NULL);
 *         if (!name) {
 *             return ow_refuse(ctx, "no_name", "say who you are", NULL);
 *         }
 *         cJSON *reply = cJSON_CreateObject();
 *         cJSON_AddStringToObject(reply, "hello", name);
 *         return ow_reply_json(ctx, reply);
 *     }
 *
 * Every call must end with exactly one of ow_reply, ow_reply_json, ow_refuse or ow_user_error; returning
 * anything but 0 fails the call as `user_error` when it was not settled before. An instance serves
 * one call at a time, in one thread. Globals live as long as the instance does: use them as a
 * cache, never as a store. There are no sockets and no files to open; what you need from outside comes
 * by calls of the platform, each of which waits for its answer:
 *
 *     ow_file, ow_env, ow_config, ow_secret   what the bundle and its operators give
 *     ow_call, ow_call_json, ow_spawn         other functions, at once or later
 *     ow_publish, ow_push, ow_push_all        events; messages to connected players
 *     ow_kv_...                               keys and values that are kept (overworld_kv.h)
 *     ow_fetch                                other people's servers (overworld_fetch.h)
 *
 * C11, libc, libm, cJSON and this header.
 *
 * Memory: strings and bytes that ctx hands out belong to Overworld and are valid until the function
 * returns, unless a comment says otherwise. What you malloc, you free. cJSON trees that
 * ow_payload_json and ow_call_json return are freed by Overworld when the function returns. */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ow_ctx ow_ctx;

/* Optional, once per instance before its first call: compile tables, read ow_file. Not 0 = the
 * instance is not used and waiting calls fail as `init_failed`. */
int ow_init(ow_ctx *ctx);

/* ---- the call ---------------------------------------------------------------------------- */

/* The raw request body. Never NULL; not NUL-terminated. */
const void *ow_payload(ow_ctx *ctx, size_t *length);

/* The body as JSON; NULL when it is none. The same tree at every use within a call. */
cJSON *ow_payload_json(ow_ctx *ctx);

/* Content type of the request. */
const char *ow_content_type(ow_ctx *ctx);

/* The id to search logs by: shared by everything one outside request causes. */
const char *ow_request_id(ow_ctx *ctx);

/* The id of this one run. */
const char *ow_invocation_id(ow_ctx *ctx);

/* W3C trace context of this run. */
const char *ow_traceparent(ow_ctx *ctx);

/* What drove the call: "client", "server", "manual", "timer", "event", "http", "function",
 * "webhook". */
const char *ow_source(ow_ctx *ctx);

/* The player on whose behalf this runs; "" when there is none (server keys, operators, timers). */
const char *ow_player(ow_ctx *ctx);

/* Who calls, as JSON text: {"kind":"player","id":"plr_..."}. */
const char *ow_principal(ow_ctx *ctx);

const char *ow_virtual_server(ow_ctx *ctx);
const char *ow_function(ow_ctx *ctx);

/* The version that runs: "$LATEST" or a number. */
const char *ow_version(ow_ctx *ctx);

/* When the queue runs it (timers, events, webhooks, asynchronous calls): the execution, the same over all
 * its attempts, so a thing that is to happen once is remembered by it; and which attempt this is, from 1.
 * "" and 0 for a call that somebody waits for. */
const char *ow_execution_id(ow_ctx *ctx);
int ow_attempt(ow_ctx *ctx);

/* Milliseconds until the caller gives up; 0 when that has passed. */
int64_t ow_deadline_left_ms(ow_ctx *ctx);

/* The platform's time, in microseconds since 1970. */
int64_t ow_now_us(ow_ctx *ctx);

/* ---- the answer: exactly one --------------------------------------------------------------- */

/* Replies with these bytes (copied, at most 6 MB). Returns 0, or not 0 when the reply is too large
 * or not the first; the call then fails as `reply_too_large` or `protocol`. */
int ow_reply(ow_ctx *ctx, const void *data, size_t length);

/* Replies with a NUL-terminated text. */
int ow_reply_text(ow_ctx *ctx, const char *text);

/* Replies with JSON and deletes the tree, whatever happens. */
int ow_reply_json(ow_ctx *ctx, cJSON *tree);

/* Content type of the reply; "application/json" unless set. Visible ASCII, at most 95 bytes.
 * Returns 0 when it was taken. */
int ow_set_content_type(ow_ctx *ctx, const char *type);

/* Refuses by your own rules: the caller sees code (1 to 60 bytes), message and details (JSON text
 * or NULL) unchanged. Not counted as an error. Returns 0, so that a function can end with it. */
int ow_refuse(ow_ctx *ctx, const char *code, const char *message, const char *details);

/* Fails the call as `user_error` with a formatted message. Returns 1. */
int ow_user_error(ow_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- logging ------------------------------------------------------------------------------- */

enum { OW_DEBUG = 0, OW_INFO = 1, OW_WARN = 2, OW_ERROR = 3 };

/* A line in the call's log, found by its request id. printf and fprintf(stderr) work as well and
 * become info lines. 64 KB are kept a call, 4,000 bytes a line. */
void ow_log(ow_ctx *ctx, int level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with fields behind the message, as key=value: pairs of texts, then NULL. A field's key is a
 * word; a NULL value is written as empty.
 *
 *     ow_log_fields(ctx, OW_INFO, "match over", "match", id, "winner", winner, NULL); */
void ow_log_fields(ow_ctx *ctx, int level, const char *message, ...) __attribute__((sentinel));

/* ---- other functions ----------------------------------------------------------------------- */

typedef enum ow_outcome {
    OW_CALL_OK = 0,
    OW_CALL_REFUSED = 1, /* code is the callee's */
    OW_CALL_FAILED = 2,  /* code is Overworld's: "timeout", "crashed", "throttled", ... */
} ow_outcome;

/* What came back. Valid until the next ow_call or the end of this call; nothing to free. */
typedef struct ow_result {
    ow_outcome outcome;
    const char *code; /* "" when OK */
    const void *data; /* the reply, or the message when not OK; not NUL-terminated */
    size_t length;
} ow_result;

/* Calls another function of this title, "function" of this virtual server or
 * "virtual_server/function", and waits, at most until the caller's deadline. Request id, trace and
 * principal go along. Returns 0 when result->outcome is OW_CALL_OK. */
int ow_call(ow_ctx *ctx, const char *function, const void *data, size_t length, ow_result *result);

/* The same with JSON both ways: deletes `request`, returns the reply or NULL (`result`, when not
 * NULL, says why). The reply is freed by Overworld when the function returns. */
cJSON *ow_call_json(ow_ctx *ctx, const char *function, cJSON *request, ow_result *result);

/* ---- the platform ------------------------------------------------------------------------- */

/* How a call of the platform ended. */
typedef enum ow_status {
    OW_DONE = 0,
    OW_NOTHING,  /* there is no such thing */
    OW_CONFLICT, /* somebody else was faster: read again, then try again */
    OW_FULL,     /* a quota does not allow it */
    OW_DENIED,   /* not for this function, or not behind this caller */
    OW_INVALID,  /* what you gave cannot be */
    OW_AWAY,     /* the platform could not do it now, or did not answer: it may have been done */
} ow_status;

/* Of the last call of the platform in this call of the function that did not end with OW_DONE: a
 * stable word ("stale_version", "kv_full") and a sentence. "" when there was none. */
const char *ow_error_reason(ow_ctx *ctx);
const char *ow_error_message(ow_ctx *ctx);

/* ---- what others should know ---------------------------------------------------------------- */

/* Publishes an event of a type that the title declares (ow event declare): every subscription that is
 * about it gets it, later and each by itself. `data_json`: JSON text, at most 240 KB; NULL is null. With
 * an `id` the same event happens once, however often it is published; NULL: a new one each time. It
 * is stored when this returns OW_DONE. */
ow_status ow_publish(ow_ctx *ctx, const char *type, const char *data_json, const char *id);

/* Tells a player something at once, if their client listens (the SDK's ow_client_listen); it is kept for
 * 60 s for one that comes back. `topic`: 1 to 64 letters, digits and _ . : / - ; `payload_json`: JSON text,
 * at most 16 KB; NULL is null. OW_DONE: it is in the player's line, not: it was read. ow_push_all: the
 * same to 1 to 1,000 players. */
ow_status ow_push(ow_ctx *ctx, const char *player_id, const char *topic, const char *payload_json);
ow_status ow_push_all(ow_ctx *ctx, const char *const *player_ids, size_t count, const char *topic,
                      const char *payload_json);

/* ---- later ---------------------------------------------------------------------------------- */

/* What is not set has its default. */
typedef struct ow_spawn_options {
    const char *content_type; /* of the payload: "application/json" */
    const char *key;          /* the same key of this virtual server is the same execution; none */
    const char *order;        /* executions of one function and order run one by one; in no order */
} ow_spawn_options;

/* Has another function run after this call, in any case and until it succeeds: "function", or
 * "virtual_server/function" of the same title. It is stored when this returns. The payload has at most
 * 256 KB. A chain of functions that spawn each other is at most 8 deep, then OW_INVALID chain_too_deep.
 * `options` may be NULL. */
ow_status ow_spawn(ow_ctx *ctx, const char *target, const void *payload, size_t length,
                   const ow_spawn_options *options);

/* ---- what the bundle brings ---------------------------------------------------------------- */

/* A file of the bundle, by its path in it; NULL when there is none. Valid as long as the instance
 * lives; read-only; not NUL-terminated. Works in ow_init too. */
const void *ow_file(ow_ctx *ctx, const char *name, size_t *length);

/* A value of the virtual server's environment; NULL when it is not set. getenv works too. */
const char *ow_env(ow_ctx *ctx, const char *name);

/* The same with something to fall back on; as a whole number when it is one of 64 bits. */
const char *ow_config(ow_ctx *ctx, const char *name, const char *fallback);
int64_t ow_config_int64(ow_ctx *ctx, const char *name, int64_t fallback);

/* A secret of the virtual server (ow secret set), as it is now: a new version is there at the next
 * call. NULL when there is none, or it cannot be had just now. Valid until the function returns, then
 * wiped: copy it nowhere, log it never. Works in ow_init too. */
const char *ow_secret(ow_ctx *ctx, const char *name);

/* ---- JSON ---------------------------------------------------------------------------------- */

/* Case-sensitive; `object` may be NULL. The fallback when the key is missing or of another type. */
const char *ow_json_string(const cJSON *object, const char *key, const char *fallback);
double ow_json_number(const cJSON *object, const char *key, double fallback);
bool ow_json_bool(const cJSON *object, const char *key, bool fallback);

/* 64-bit numbers, which JSON carries as strings; plain numbers up to 2^53 are taken too. */
int64_t ow_json_int64(const cJSON *object, const char *key, int64_t fallback);
cJSON *ow_json_add_int64(cJSON *object, const char *key, int64_t value);

/* NULL when missing or of another type. */
cJSON *ow_json_object(const cJSON *object, const char *key);
cJSON *ow_json_array(const cJSON *object, const char *key);

#ifdef __cplusplus
}
#endif

#include "overworld_fetch.h" /* requests to other people's servers */
#include "overworld_kv.h"    /* keys and values that are kept */

#endif
