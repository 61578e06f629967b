#pragma once

// What functions did, counted from the records of a block: by function, version and alias, in steps of
// time. No I/O, any thread.

#include "services/telemetry/messages.h"
#include "services/telemetry/records.h"

#include "core/arena/arena.h"

enum {
    SERIES_BUCKETS = 18,       // up to 100 µs << 16 = 6.5 s, and longer
    SERIES_REASONS_MAX = 24,   // of one point; others are counted as "other"
    SERIES_A_BLOCK_MAX = 2000, // points; what is beyond is left out and said
    SERIES_FINE_S = 10,
    SERIES_COARSE_S = 60,
};

typedef struct series_key {
    slice title_id, virtual_server, function, qualifier;
    int64_t version;
    int64_t time_us; // of the fine step
} series_key;

typedef struct reason_slot {
    slice reason;
    int64_t count;
} reason_slot;

typedef struct point {
    int64_t calls, errors, throttled, cold_starts;
    int64_t duration_us, init_us, queued_us;
    int64_t instances, instances_peak, waiting, waiting_peak; // levels; peaks of 0: there were none
    int64_t durations[SERIES_BUCKETS], inits[SERIES_BUCKETS];
    reason_slot reasons[SERIES_REASONS_MAX];
    int reason_count;
} point;

typedef struct block_point {
    series_key key;
    point point;
} block_point;

typedef struct block_points {
    block_point *items;
    int count;
    int64_t lost; // records that found no place
} block_points;

// The points of a block in the making: begin, take each record. Text is borrowed from the records.
typedef struct points_maker {
    ow_arena *arena;
    block_points *points;
    int room;
    uint16_t *index; // of a point + 1
    int last;        // the point that was counted last + 1; 0: none
} points_maker;

// In `arena`. False: no memory.
bool points_begin(points_maker *g, block_points *points, ow_arena *arena);
void points_take(points_maker *g, const record_view *v);

// `from` is of a later time, where they have levels.
void point_add(point *to, const point *from);

// The same for points of different series at one time: levels are added up.
void point_add_beside(point *to, const point *from);

// As it is stored, in `arena`, and back. pack: NULL when the arena is full. unpack: text is borrowed
// from the message, which lives in `arena`. Codes: data_loss "malformed_point".
const uint8_t *point_pack(const point *p, ow_arena *arena, size_t *ret_size);
ow_code point_unpack(const void *bytes, size_t size, ow_arena *arena, point *ret_point,
                     ow_err *err);
series_point *point_message(const point *p, int64_t time_us, ow_arena *arena);

// An upper bound of the duration that `share` (0 to 1) of the calls took at most, in µs; 0: no calls.
int64_t buckets_quantile(const int64_t buckets[static SERIES_BUCKETS], double share);
