#include "words.h"

#include <stdlib.h>
#include <string.h>

#define KEY "words"

enum { DEFAULT_MAX_AGE_MS = 60000 };

/* A cache, one per instance. */
static matcher *list;
static int64_t version; /* of the key; 0: the bundle's list */
static int64_t looked_us;

static const char *compile(const char *text, size_t size, int64_t its_version) {
    const char *why = NULL;
    matcher *fresh = matcher_new(text, size, &why);
    if (fresh) {
        matcher_free(list);
        list = fresh;
        version = its_version;
    }
    return fresh ? NULL : why;
}

static const char *compile_bundled(ow_ctx *ctx) {
    size_t size;
    const char *text = ow_file(ctx, "words.txt", &size);
    return text ? compile(text, size, 0) : "the bundle has none";
}

int words_init(ow_ctx *ctx) {
    const char *why = compile_bundled(ctx);
    if (why) {
        return ow_user_error(ctx, "words.txt: %s", why);
    }
    ow_log(ctx, OW_INFO, "%zu words in %zu languages compiled", matcher_words(list),
           matcher_languages(list));
    return 0;
}

static void look(ow_ctx *ctx) {
    ow_kv_item item;
    int64_t before = version;
    const char *why = NULL;
    ow_status status = ow_kv_get(ctx, OW_KV_SERVER, KEY, &item);
    if (status == OW_DONE && item.version != version) {
        why = compile(item.value, item.length, item.version);
    } else if (status == OW_NOTHING && version != 0) {
        why = compile_bundled(ctx);
    } else if (status != OW_DONE && status != OW_NOTHING) {
        why = ow_error_message(ctx);
    }
    if (why) {
        ow_log(ctx, OW_WARN, "the words stay as they were: %s", why);
    } else if (version != before) {
        ow_log(ctx, OW_INFO, "new list: %zu words", matcher_words(list));
    }
}

const matcher *words_now(ow_ctx *ctx) {
    int64_t max_age_us = 1000 * ow_config_int64(ctx, "WORDS_MAX_AGE_MS", DEFAULT_MAX_AGE_MS);
    int64_t now_us = ow_now_us(ctx);
    if (now_us < looked_us || now_us - looked_us >= max_age_us) {
        looked_us = now_us; /* also when it fails: not every call shall try again */
        look(ctx);
    }
    return list;
}

char *words_mask(ow_ctx *ctx, const char *text, size_t *ret_places) {
    size_t size = strlen(text);
    char *masked = malloc(size + 1);
    size_t used = matcher_mask(words_now(ctx), text, size, masked, ret_places, NULL);
    masked[used] = '\0';
    return masked;
}
