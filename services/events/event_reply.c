#include "services/events/event_reply.h"

#include "core/crypto/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

ow_code events_check_title(const ow_run *run) {
    return run->call->principal->title[0] != '\0'
               ? OW_OK
               : ow_fail(run->err, OW_FAILED_PRECONDITION, "title_needed",
                         "name a title in Overworld-Title");
}

ow_code events_no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the answer");
}

char *events_etag_in(ow_arena *arena, int64_t version) {
    return ow_arena_printf_in(arena, "%" PRId64, version);
}

ow_code events_check_etag(const char *etag, int64_t version, ow_err *err) {
    char now[ETAG_MAX];
    snprintf(now, sizeof now, "%" PRId64, version);
    return etag[0] == '\0' || strcmp(etag, now) == 0
               ? OW_OK
               : ow_fail(err, OW_ABORTED, "stale_etag", "it was changed meanwhile; read it again");
}

ow_code events_page_begin(int32_t page_size, const char *page_token, events_page *ret_page,
                          ow_err *err) {
    *ret_page = (events_page){.limit = page_size == 0 ? PAGE_DEFAULT : page_size};
    if (page_size < 0 || page_size > PAGE_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_size", "page_size is 0 to %d", PAGE_MAX);
    }
    int64_t size = ow_base64url_decode(page_token, strlen(page_token), (uint8_t *)ret_page->after,
                                       PAGE_KEY_MAX - 1);
    return size >= 0 && strlen(ret_page->after) == (size_t)size
               ? OW_OK
               : ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_token",
                         "page_token is one that was given");
}

char *events_page_token_in(ow_arena *arena, const char *key) {
    char *token = ow_arena_alloc(arena, OW_BASE64URL_SIZE(strlen(key)));
    if (token != NULL) {
        ow_base64url_encode(key, strlen(key), token);
    }
    return token;
}
