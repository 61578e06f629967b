// A log query on a block, both any bytes: the first two bytes say how long the query is. What matches
// can be written out, and what is found by words in the block is found by the block's words.

#include "services/telemetry/telemetry_logic.h"

#include "core/rpc/call.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void query_block(const filter *f, slice records, ow_arena *arena) {
    item_list list = {0};
    ow_err err;
    if (items_of_block(f, records, arena, &list, &err) != OW_OK) {
        return;
    }
    for (size_t i = 0; i < list.count && i < QUERY_PAGE_MAX; i++) {
        (void)entry_of(&list.items[i], arena);
    }
    block_text text;
    if (list.count == 0 || f->text.count == 0 ||
        text_of_block(records, arena, &text, &err) != OW_OK || text.too_many) {
        return;
    }
    record_view all = {.text = {text.words, text.size}, .message = {"", 0}, .stack = {"", 0}};
    if (!search_matches(&f->text, &all)) {
        abort();
    }
}

static void run(const uint8_t *data, size_t size, size_t query_size, ow_arena *arena) {
    ProtobufCAllocator storage;
    query_request *request = overworld__telemetry__v1__query_logs_request__unpack(
        ow_arena_protobuf(arena, &storage), query_size, data);
    filter f;
    int limit;
    ow_err err;
    if (request == NULL || filter_of(request, &f, &limit, &err) != OW_OK) {
        return;
    }
    position p;
    if (position_parse(request->page_token, &p, &err) == OW_OK && (p.block < 0 || p.entry < 0)) {
        abort();
    }
    f.title = "ttl_1";
    f.without_title = true;
    query_block(&f, (slice){(const char *)data + query_size, size - query_size}, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    size_t query_size = (size_t)data[0] | (size_t)data[1] << 8;
    if (query_size > size - 2) {
        return 0;
    }
    ow_arena *arena = ow_arena_new(ARENA_MAX);
    if (arena != NULL) {
        run(data + 2, size - 2, query_size, arena);
    }
    ow_arena_free(arena);
    return 0;
}
