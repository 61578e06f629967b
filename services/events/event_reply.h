#pragma once

// What the methods of events share: titles, pages, etags, times.

#include "services/events/event_messages.h"
#include "services/events/internal.h"

enum { PAGE_DEFAULT = 50, PAGE_MAX = 200, PAGE_KEY_MAX = 256, ETAG_MAX = 24 };

// failed_precondition "title_needed".
ow_code events_check_title(const ow_run *run);
// resource_exhausted "memory".
ow_code events_no_memory(ow_err *err);

// The text that was given out for a version, and whether what a caller gave is that of the version now ("":
// any). aborted "stale_etag".
char *events_etag_in(ow_arena *arena, int64_t version);
ow_code events_check_etag(const char *etag, int64_t version, ow_err *err);

// A page of a list: where it begins, and how many of it. Codes: invalid_argument "bad_page_size",
// "bad_page_token".
typedef struct events_page {
    char after[PAGE_KEY_MAX];
    int limit;
} events_page;
ow_code events_page_begin(int32_t page_size, const char *page_token, events_page *ret_page,
                          ow_err *err);
char *events_page_token_in(ow_arena *arena, const char *key);
