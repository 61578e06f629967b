#pragma once

// QuerySeries: a list of series, each with its points.

#include "services/telemetry/series_store.h"

#include "core/rpc/service.h"

enum { SERIES_POINTS_MAX = 20000, SERIES_LISTS_MAX = 1000 };

typedef struct series_list {
    series_msg *message;
    size_t room;
} series_list;

typedef struct series_state {
    series_filter filter;
    series_list lists[SERIES_LISTS_MAX];
    int list_count;
    int point_count;
    bool truncated;
    ow_arena *arena;
} series_state;

// Its two steps. Codes: invalid_argument "bad_step", "bad_time"; failed_precondition "title_needed".
ow_code series_begin(ow_run *run);
ow_code series_read(ow_run *run);
