#include "history.h"

#include <stdio.h>
#include <string.h>

enum { KEPT = 200, BATCH_MAX = 64, KEY_SIZE = 160 };

#define DAY_MS (24 * 3600 * INT64_C(1000))

static const char *prefix_of(char prefix[KEY_SIZE], const char *room) {
    snprintf(prefix, KEY_SIZE, "history/%s/", room);
    return prefix;
}

ow_status history_keep(ow_ctx *ctx, const char *room, const char *line) {
    char key[KEY_SIZE];
    snprintf(key, sizeof key, "history/%s/%016lld/%s", room, (long long)ow_now_us(ctx),
             ow_invocation_id(ctx));
    return ow_kv_set(ctx, OW_KV_SERVER, key, line, strlen(line), DAY_MS);
}

cJSON *history_read(ow_ctx *ctx, const char *room, int count) {
    char prefix[KEY_SIZE];
    ow_kv_page page;
    ow_kv_query query = {.scope = OW_KV_SERVER,
                         .prefix = prefix_of(prefix, room),
                         .limit = count,
                         .descending = true};
    if (ow_kv_list(ctx, &query, &page) != OW_DONE) {
        return NULL;
    }
    cJSON *lines = cJSON_CreateArray();
    for (size_t i = 0; i < page.count; i++) {
        cJSON *line = cJSON_ParseWithLength(page.items[i].value, page.items[i].length);
        cJSON_InsertItemInArray(lines, 0, line);
    }
    return lines;
}

static ow_status delete_all(ow_ctx *ctx, const ow_kv_page *page) {
    ow_kv_operation operations[BATCH_MAX];
    ow_status status = OW_DONE;
    size_t count = 0;
    for (size_t i = 0; status == OW_DONE && i < page->count; i++) {
        operations[count++] = (ow_kv_operation){
            .action = OW_KV_DELETE, .scope = OW_KV_SERVER, .key = page->items[i].key};
        if (count == BATCH_MAX || i + 1 == page->count) {
            status = ow_kv_batch(ctx, operations, count);
            count = 0;
        }
    }
    return status;
}

ow_status history_trim(ow_ctx *ctx, const char *room, int *deleted) {
    char prefix[KEY_SIZE];
    ow_kv_page page;
    ow_kv_query query = {.scope = OW_KV_SERVER,
                         .prefix = prefix_of(prefix, room),
                         .limit = KEPT,
                         .descending = true,
                         .keys_only = true};
    *deleted = 0;
    ow_status status = ow_kv_list(ctx, &query, &page); /* these stay */
    while (status == OW_DONE && page.next) {
        query.cursor = page.next;
        status = ow_kv_list(ctx, &query, &page);
        if (status == OW_DONE) {
            status = delete_all(ctx, &page);
            *deleted += (int)page.count;
        }
    }
    return status;
}
