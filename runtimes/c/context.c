// The functions of overworld.h, exported by the runtime binary to the code it loads.

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtimes/c/internal.h"

#define LINE_MAX_BYTES 4000
#define TEXT_SMALL 512
#define EXACT_MAX 9007199254740992.0 // 2^53
// cJSON wants this much more room than the text needs (its documentation of
// cJSON_PrintPreallocated).
#define PRINT_SPARE 5u

// Trees freed at the end of a call -------------------------------------------------------------

cJSON *context_keep(ow_ctx *ctx, cJSON *tree) {
    if (!tree) {
        return NULL;
    }
    if (ctx->tree_count == ctx->tree_capacity) {
        size_t capacity = ctx->tree_capacity ? 2 * ctx->tree_capacity : 8;
        cJSON **trees = realloc(ctx->trees, capacity * sizeof *trees);
        if (!trees) {
            cJSON_Delete(tree);
            return NULL;
        }
        ctx->trees = trees;
        ctx->tree_capacity = capacity;
    }
    ctx->trees[ctx->tree_count++] = tree;
    return tree;
}

struct kept_secret {
    struct kept_secret *next;
    size_t length;
    char name[64];
    char value[];
};

static void wipe_secrets(ow_ctx *ctx) {
    while (ctx->secrets) {
        struct kept_secret *next = ctx->secrets->next;
        explicit_bzero(ctx->secrets->value, ctx->secrets->length);
        free(ctx->secrets);
        ctx->secrets = next;
    }
}

void context_reset(ow_ctx *ctx) {
    wipe_secrets(ctx);
    platform_reset(ctx);
    for (size_t i = 0; i < ctx->tree_count; i++) {
        cJSON_Delete(ctx->trees[i]);
    }
    ctx->tree_count = 0;
    ctx->payload = NULL;
    ctx->payload_parsed = false;
}

// The call -------------------------------------------------------------------------------------

const void *ow_payload(ow_ctx *ctx, size_t *length) {
    size_t ignored = 0;
    const void *data = ow_rt_payload(ctx->rt, length ? length : &ignored);
    return data ? data : "";
}

cJSON *ow_payload_json(ow_ctx *ctx) {
    if (!ctx->payload_parsed) {
        size_t length = 0;
        const char *data = ow_payload(ctx, &length);
        ctx->payload_parsed = true;
        ctx->payload = context_keep(ctx, cJSON_ParseWithLength(data, length));
    }
    return ctx->payload;
}

const char *ow_content_type(ow_ctx *ctx) {
    return ow_rt_meta(ctx->rt, OW_META_CONTENT_TYPE);
}
const char *ow_request_id(ow_ctx *ctx) {
    return ow_rt_meta(ctx->rt, OW_META_REQUEST_ID);
}
const char *ow_invocation_id(ow_ctx *ctx) {
    return ow_rt_meta(ctx->rt, OW_META_INVOCATION_ID);
}
const char *ow_traceparent(ow_ctx *ctx) {
    return ow_rt_meta(ctx->rt, OW_META_TRACEPARENT);
}
const char *ow_source(ow_ctx *ctx) {
    return ow_rt_meta(ctx->rt, OW_META_SOURCE);
}
const char *ow_player(ow_ctx *ctx) {
    return ow_rt_meta(ctx->rt, OW_META_PLAYER);
}
const char *ow_principal(ow_ctx *ctx) {
    return ow_rt_meta(ctx->rt, OW_META_PRINCIPAL);
}
const char *ow_virtual_server(ow_ctx *ctx) {
    return ow_rt_meta(ctx->rt, OW_META_VIRTUAL_SERVER);
}
const char *ow_function(ow_ctx *ctx) {
    return ow_rt_meta(ctx->rt, OW_META_FUNCTION);
}
const char *ow_version(ow_ctx *ctx) {
    return ow_rt_meta(ctx->rt, OW_META_VERSION);
}
const char *ow_execution_id(ow_ctx *ctx) {
    return ow_rt_meta(ctx->rt, OW_META_EXECUTION_ID);
}
int ow_attempt(ow_ctx *ctx) {
    return (int)strtol(ow_rt_meta(ctx->rt, OW_META_ATTEMPT), NULL, 10);
}

int64_t ow_deadline_left_ms(ow_ctx *ctx) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    int64_t left = (int64_t)ow_rt_deadline_ns(ctx->rt) - now_ns;
    return left > 0 ? left / 1000000 : 0;
}

int64_t ow_now_us(ow_ctx *ctx) {
    return ow_rt_now_us(ctx->rt);
}

// The answer -----------------------------------------------------------------------------------

int ow_reply(ow_ctx *ctx, const void *data, size_t length) {
    return ow_rt_reply(ctx->rt, data, length);
}

int ow_reply_text(ow_ctx *ctx, const char *text) {
    return ow_rt_reply(ctx->rt, text, strlen(text));
}

int ow_reply_json(ow_ctx *ctx, cJSON *tree) {
    size_t capacity = 0;
    char *area = ow_rt_reply_area(ctx->rt, &capacity);
    int failed;
    if (!tree) {
        failed = ow_rt_fail(ctx->rt, "the reply is no JSON value");
    } else if (area && capacity > PRINT_SPARE &&
               cJSON_PrintPreallocated(tree, area, (int)(capacity - PRINT_SPARE), false)) {
        failed = ow_rt_reply(ctx->rt, area, strlen(area));
    } else {
        char *text = cJSON_PrintUnformatted(tree);
        failed = text ? ow_rt_reply(ctx->rt, text, strlen(text))
                      : ow_rt_fail(ctx->rt, "the reply does not print as JSON");
        free(text);
    }
    cJSON_Delete(tree);
    return failed;
}

int ow_set_content_type(ow_ctx *ctx, const char *type) {
    return type ? ow_rt_set_content_type(ctx->rt, type) : 1;
}

int ow_refuse(ow_ctx *ctx, const char *code, const char *message, const char *details) {
    return ow_rt_refuse(ctx->rt, code, message, details);
}

int ow_user_error(ow_ctx *ctx, const char *format, ...) {
    char text[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (ctx->in_init) {
        snprintf(ctx->init_message, sizeof ctx->init_message, "%.*s",
                 (int)sizeof ctx->init_message - 1, text);
    } else {
        (void)ow_rt_fail(ctx->rt, text);
    }
    return 1;
}

void ow_log(ow_ctx *ctx, int level, const char *format, ...) {
    char small[TEXT_SMALL];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    if (length >= 0 && length < (int)sizeof small) {
        ow_rt_log(ctx->rt, level, small, (size_t)length);
    } else if (length > 0) {
        char large[LINE_MAX_BYTES];
        va_start(arguments, format);
        length = vsnprintf(large, sizeof large, format, arguments);
        va_end(arguments);
        length = length < (int)sizeof large ? length : (int)sizeof large - 1;
        ow_rt_log(ctx->rt, level, large, (size_t)length);
    }
}

static bool is_plain(const char *text) {
    return text[0] && strcspn(text, " \"=\\\t\r\n") == strlen(text);
}

// The part of a line that is written; what does not fit is left out.
struct line {
    char text[LINE_MAX_BYTES];
    size_t length;
};

static void put(struct line *line, char c) {
    if (line->length < sizeof line->text) {
        line->text[line->length++] = c;
    }
}

static void put_text(struct line *line, const char *text) {
    while (*text) {
        put(line, *text++);
    }
}

// logfmt: a value that is no word stands in quotes.
static void put_value(struct line *line, const char *value) {
    if (is_plain(value)) {
        put_text(line, value);
        return;
    }
    put(line, '"');
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') {
            put(line, '\\');
        }
        put(line, iscntrl((unsigned char)*value) ? ' ' : *value);
    }
    put(line, '"');
}

void ow_log_fields(ow_ctx *ctx, int level, const char *message, ...) {
    struct line line = {.length = 0};
    va_list fields;
    put_text(&line, message);
    va_start(fields, message);
    for (const char *key; (key = va_arg(fields, const char *)) != NULL;) {
        const char *value = va_arg(fields, const char *);
        put(&line, ' ');
        put_text(&line, key);
        put(&line, '=');
        put_value(&line, value ? value : "");
    }
    va_end(fields);
    ow_rt_log(ctx->rt, level, line.text, line.length);
}

// Other functions --------------------------------------------------------------------------------

static int call_as(ow_ctx *ctx, const char *function, const void *data, size_t length,
                   const char *type, ow_result *result) {
    ow_rt_answer answer;
    if (ow_rt_call(ctx->rt, CALL_FUNCTION, function, type, data, length, &answer) != 0) {
        *result = (ow_result){.outcome = OW_CALL_FAILED, .code = "payload_too_large", .data = ""};
        return 1;
    }
    ow_outcome outcome =
        answer.outcome < OW_CALL_FAILED ? (ow_outcome)answer.outcome : OW_CALL_FAILED;
    *result = (ow_result){
        .outcome = outcome, .code = answer.code, .data = answer.data, .length = answer.length};
    return outcome == OW_CALL_OK ? 0 : 1;
}

int ow_call(ow_ctx *ctx, const char *function, const void *data, size_t length, ow_result *result) {
    ow_result ignored;
    return call_as(ctx, function, data, length, "application/octet-stream",
                   result ? result : &ignored);
}

cJSON *ow_call_json(ow_ctx *ctx, const char *function, cJSON *request, ow_result *result) {
    ow_result own;
    result = result ? result : &own;
    char *text = request ? cJSON_PrintUnformatted(request) : NULL;
    cJSON_Delete(request);
    int failed = call_as(ctx, function, text, text ? strlen(text) : 0, "application/json", result);
    free(text);
    return failed ? NULL : context_keep(ctx, cJSON_ParseWithLength(result->data, result->length));
}

// Bundle and JSON ------------------------------------------------------------------------------

const void *ow_file(ow_ctx *ctx, const char *name, size_t *length) {
    size_t ignored = 0;
    return ow_rt_file(ctx->rt, name, length ? length : &ignored);
}

static const struct kept_secret *keep_secret(ow_ctx *ctx, const char *name,
                                             const ow_rt_answer *answer) {
    struct kept_secret *kept = malloc(sizeof *kept + answer->length + 1);
    if (!kept) {
        return NULL;
    }
    kept->next = ctx->secrets;
    kept->length = answer->length;
    snprintf(kept->name, sizeof kept->name, "%s", name);
    memcpy(kept->value, answer->data, answer->length);
    kept->value[answer->length] = '\0';
    ctx->secrets = kept;
    return kept;
}

const char *ow_secret(ow_ctx *ctx, const char *name) {
    ow_rt_answer answer;
    const struct kept_secret *kept = ctx->secrets;
    while (kept && strcmp(kept->name, name) != 0) {
        kept = kept->next;
    }
    if (kept) {
        return kept->value;
    }
    if (strlen(name) >= sizeof kept->name ||
        ow_rt_call(ctx->rt, CALL_SECRET, name, "", NULL, 0, &answer) != 0 || answer.outcome != 0) {
        return NULL;
    }
    kept = keep_secret(ctx, name, &answer);
    explicit_bzero((void *)(uintptr_t)answer.data, answer.length);
    return kept ? kept->value : NULL;
}

const char *ow_env(ow_ctx *ctx, const char *name) {
    (void)ctx;
    return getenv(name);
}

const char *ow_config(ow_ctx *ctx, const char *name, const char *fallback) {
    const char *value = ow_env(ctx, name);
    return value ? value : fallback;
}

static bool whole_number(const char *text, int64_t *value) {
    int used = 0;
    return text && strlen(text) <= 20 && sscanf(text, "%" SCNd64 "%n", value, &used) == 1 &&
           text[used] == '\0';
}

int64_t ow_config_int64(ow_ctx *ctx, const char *name, int64_t fallback) {
    int64_t value = 0;
    return whole_number(ow_env(ctx, name), &value) ? value : fallback;
}

const char *ow_json_string(const cJSON *object, const char *key, const char *fallback) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : fallback;
}

double ow_json_number(const cJSON *object, const char *key, double fallback) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

bool ow_json_bool(const cJSON *object, const char *key, bool fallback) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsBool(item) ? (bool)cJSON_IsTrue(item) : fallback;
}

int64_t ow_json_int64(const cJSON *object, const char *key, int64_t fallback) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (cJSON_IsNumber(item)) {
        bool exact =
            fabs(item->valuedouble) <= EXACT_MAX && item->valuedouble == trunc(item->valuedouble);
        return exact ? (int64_t)item->valuedouble : fallback;
    }
    int64_t value = 0;
    return whole_number(cJSON_GetStringValue(item), &value) ? value : fallback;
}

cJSON *ow_json_add_int64(cJSON *object, const char *key, int64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return cJSON_AddStringToObject(object, key, text);
}

cJSON *ow_json_object(const cJSON *object, const char *key) {
    cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsObject(item) ? item : NULL;
}

cJSON *ow_json_array(const cJSON *object, const char *key) {
    cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsArray(item) ? item : NULL;
}
