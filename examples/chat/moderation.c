/* Masks banned words in players' messages.
 *
 *     moderate (client)    {"text": "..."}             -> {"text": "...", "masked": 2}
 *     stats    (server)    {"messages": ["...", ...]}  -> {"messages": 3, "masked": 1, "words": {"en": 2}}
 *     selftest (internal)  {}                          -> {"passed": 14, "failed": []}
 */
#include <overworld.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "words.h"

enum { BATCH_MAX = 1000, DEFAULT_MESSAGE_MAX = 4096 };

int moderate(ow_ctx *ctx) {
    const char *text = ow_json_string(request_read(ctx), "text", NULL);
    if (!text) {
        return ow_refuse(ctx, "no_text", "send {\"text\": \"...\"}", NULL);
    }
    int64_t most = ow_config_int64(ctx, "MAX_MESSAGE_BYTES", DEFAULT_MESSAGE_MAX);
    if ((int64_t)strlen(text) > most) {
        return ow_refuse(ctx, "too_long", "the message is too long", NULL);
    }
    size_t places;
    char *masked = words_mask(ctx, text, &places);
    if (places > 0) {
        ow_log(ctx, OW_INFO, "masked %zu in a message of player %s", places, ow_player(ctx));
    }
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddStringToObject(reply, "text", masked);
    cJSON_AddNumberToObject(reply, "masked", (double)places);
    free(masked);
    return ow_reply_json(ctx, reply);
}

/* Counts one message into `counts`; returns whether anything would be masked. */
static bool count_message(const matcher *words, const char *text,
                          uint32_t counts[MATCHER_LANGUAGES_MAX]) {
    size_t size = strlen(text);
    char *masked = malloc(size + 1);
    size_t places;
    matcher_mask(words, text, size, masked, &places, counts);
    free(masked);
    return places > 0;
}

static cJSON *write_counts(const matcher *words, const uint32_t counts[MATCHER_LANGUAGES_MAX]) {
    cJSON *by_language = cJSON_CreateObject();
    for (size_t i = 0; i < matcher_languages(words); i++) {
        if (counts[i] > 0) {
            cJSON_AddNumberToObject(by_language, matcher_language(words, i), counts[i]);
        }
    }
    return by_language;
}

int stats(ow_ctx *ctx) {
    cJSON *messages = ow_json_array(ow_payload_json(ctx), "messages");
    if (!messages) {
        return ow_refuse(ctx, "no_messages", "send {\"messages\": [\"...\", ...]}", NULL);
    }
    int count = cJSON_GetArraySize(messages);
    if (count > BATCH_MAX) {
        return ow_refuse(ctx, "too_many", "at most 1,000 messages at a time", NULL);
    }
    const matcher *words = words_now(ctx);
    uint32_t counts[MATCHER_LANGUAGES_MAX] = {0};
    int masked = 0;
    const cJSON *message;
    cJSON_ArrayForEach(message, messages) {
        const char *text = cJSON_GetStringValue(message);
        if (!text) {
            return ow_refuse(ctx, "not_text", "every message is a string", NULL);
        }
        masked += count_message(words, text, counts);
    }
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddNumberToObject(reply, "messages", count);
    cJSON_AddNumberToObject(reply, "masked", masked);
    cJSON_AddItemToObject(reply, "words", write_counts(words, counts));
    return ow_reply_json(ctx, reply);
}

/* One line of samples.txt: message, tab, what it must become. */
static bool sample_holds(const matcher *words, const char *line, size_t size) {
    const char *tab = memchr(line, '\t', size);
    if (!tab) {
        return false;
    }
    size_t length = (size_t)(tab - line);
    size_t wanted = size - length - 1;
    char *masked = malloc(length + 1);
    size_t places;
    size_t used = matcher_mask(words, line, length, masked, &places, NULL);
    bool ok = used == wanted && memcmp(masked, tab + 1, wanted) == 0;
    free(masked);
    return ok;
}

int selftest(ow_ctx *ctx) {
    size_t size;
    const char *samples = ow_file(ctx, "samples.txt", &size);
    if (!samples) {
        return ow_user_error(ctx, "the bundle has no samples.txt");
    }
    const matcher *words = words_now(ctx);
    cJSON *reply = cJSON_CreateObject();
    cJSON *failed = cJSON_AddArrayToObject(reply, "failed");
    int passed = 0;
    int line = 0;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(samples + at, '\n', size - at);
        size_t length = end ? (size_t)(end - samples) - at : size - at;
        line++;
        if (length > 0 && samples[at] != '#') {
            if (sample_holds(words, samples + at, length)) {
                passed++;
            } else {
                cJSON_AddItemToArray(failed, cJSON_CreateNumber(line));
            }
        }
        at += length + 1;
    }
    cJSON_AddNumberToObject(reply, "passed", passed);
    return ow_reply_json(ctx, reply);
}
