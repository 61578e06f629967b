#include "services/telemetry/series.h"

#include "core/rpc/call.h"

#include <string.h>

enum { INDEX_ROOM = 4096, FIRST_BOUND_US = 100 };

// ---- A point ----

static bool same(slice a, slice b) {
    return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

static int bucket_of(int64_t us) {
    int64_t bound = FIRST_BOUND_US;
    int at = 0;
    while (at < SERIES_BUCKETS - 1 && us > bound) {
        bound *= 2;
        at++;
    }
    return at;
}

int64_t buckets_quantile(const int64_t buckets[static SERIES_BUCKETS], double share) {
    int64_t all = 0;
    for (int i = 0; i < SERIES_BUCKETS; i++) {
        all += buckets[i];
    }
    int64_t seen = 0;
    int64_t bound = FIRST_BOUND_US;
    for (int i = 0; i < SERIES_BUCKETS && all > 0; i++) {
        seen += buckets[i];
        if ((double)seen >= share * (double)all) {
            return bound;
        }
        bound *= 2;
    }
    return all > 0 ? bound : 0;
}

static void count_reason(point *p, slice reason, int64_t count) {
    static const slice other = {"other", 5};
    for (int i = 0; i < p->reason_count; i++) {
        if (same(p->reasons[i].reason, reason)) {
            p->reasons[i].count += count;
            return;
        }
    }
    if (p->reason_count == SERIES_REASONS_MAX) {
        p->reasons[SERIES_REASONS_MAX - 1].reason = other;
        p->reasons[SERIES_REASONS_MAX - 1].count += count;
        return;
    }
    p->reasons[p->reason_count++] = (reason_slot){reason, count};
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static void take_levels(point *to, const point *from) {
    if (from->instances_peak == 0 && from->waiting_peak == 0) {
        return;
    }
    to->instances = from->instances;
    to->waiting = from->waiting;
    to->instances_peak = larger(to->instances_peak, from->instances_peak);
    to->waiting_peak = larger(to->waiting_peak, from->waiting_peak);
}

static void add_counts(point *to, const point *from) {
    to->calls += from->calls;
    to->errors += from->errors;
    to->throttled += from->throttled;
    to->cold_starts += from->cold_starts;
    to->duration_us += from->duration_us;
    to->init_us += from->init_us;
    to->queued_us += from->queued_us;
    for (int i = 0; i < SERIES_BUCKETS; i++) {
        to->durations[i] += from->durations[i];
        to->inits[i] += from->inits[i];
    }
    for (int i = 0; i < from->reason_count; i++) {
        count_reason(to, from->reasons[i].reason, from->reasons[i].count);
    }
}

void point_add(point *to, const point *from) {
    add_counts(to, from);
    take_levels(to, from);
}

void point_add_beside(point *to, const point *from) {
    add_counts(to, from);
    to->instances += from->instances;
    to->instances_peak += from->instances_peak;
    to->waiting += from->waiting;
    to->waiting_peak += from->waiting_peak;
}

// ---- From records ----

static bool is_throttled(const record_view *v) {
    return v->kind == RECORD_REQUEST && v->status == 429;
}

static void count_levels(point *p, const record_view *v) {
    const point levels = {
        .instances = v->instances,
        .instances_peak = v->instances_peak,
        .waiting = v->waiting,
        .waiting_peak = v->waiting_peak,
    };
    take_levels(p, &levels);
}

static void count_record(point *p, const record_view *v) {
    if (v->kind == RECORD_LEVELS) {
        count_levels(p, v);
        return;
    }
    if (is_throttled(v)) {
        p->throttled++;
        return;
    }
    if (v->init_only) {
        p->cold_starts++;
        p->init_us += v->init_us;
        p->inits[bucket_of(v->init_us)]++;
        return;
    }
    p->calls++;
    p->errors += v->failed ? 1 : 0;
    p->duration_us += v->duration_us;
    p->queued_us += v->queued_us;
    p->durations[bucket_of(v->duration_us)]++;
    if (v->reason.length > 0) {
        count_reason(p, v->reason, 1);
    }
}

static uint64_t hash_slice(uint64_t hash, slice s) {
    for (size_t i = 0; i < s.length; i++) {
        hash = (hash ^ (unsigned char)s.text[i]) * 0x100000001B3U;
    }
    return (hash ^ 0xFF) * 0x100000001B3U;
}

static uint64_t hash_key(const series_key *k) {
    uint64_t hash = 0xCBF29CE484222325U ^ (uint64_t)k->time_us ^ (uint64_t)k->version << 40;
    hash = hash_slice(hash, k->title_id);
    hash = hash_slice(hash, k->virtual_server);
    hash = hash_slice(hash, k->function);
    hash = hash_slice(hash, k->qualifier);
    return hash ^ (hash >> 31);
}

static bool same_key(const series_key *a, const series_key *b) {
    return a->time_us == b->time_us && a->version == b->version && same(a->function, b->function) &&
           same(a->virtual_server, b->virtual_server) && same(a->qualifier, b->qualifier) &&
           same(a->title_id, b->title_id);
}

static bool grow(points_maker *g) {
    if (g->points->count < g->room) {
        return true;
    }
    int room = g->room == 0 ? 16 : g->room * 2;
    block_point *bigger = ow_arena_alloc(g->arena, (size_t)room * sizeof *bigger);
    if (bigger == NULL) {
        return false;
    }
    if (g->points->count > 0) {
        memcpy(bigger, g->points->items, (size_t)g->points->count * sizeof *bigger);
    }
    g->points->items = bigger;
    g->room = room;
    return true;
}

// NULL: no place.
static point *point_of(points_maker *g, const series_key *key) {
    size_t at = hash_key(key) & (INDEX_ROOM - 1);
    while (g->index[at] != 0) {
        block_point *found = &g->points->items[g->index[at] - 1];
        if (same_key(&found->key, key)) {
            g->last = g->index[at];
            return &found->point;
        }
        at = (at + 1) & (INDEX_ROOM - 1);
    }
    if (g->points->count == SERIES_A_BLOCK_MAX || !grow(g)) {
        return NULL;
    }
    block_point *made = &g->points->items[g->points->count++];
    memset(made, 0, sizeof *made);
    made->key = *key;
    g->index[at] = (uint16_t)g->points->count;
    g->last = g->points->count;
    return &made->point;
}

static bool counts(const record_view *v) {
    bool named = v->virtual_server.length > 0 && v->function.length > 0 && v->title_id.length > 0;
    return named && (v->kind == RECORD_INVOCATION || v->kind == RECORD_LEVELS || is_throttled(v));
}

bool points_begin(points_maker *g, block_points *points, ow_arena *arena) {
    *points = (block_points){0};
    *g = (points_maker){.arena = arena, .points = points};
    g->index = ow_arena_calloc(arena, INDEX_ROOM, sizeof *g->index);
    return g->index != NULL;
}

// Neighbours mostly belong to the same point.
static point *point_like_last(points_maker *g, const series_key *key) {
    block_point *last = g->last > 0 ? &g->points->items[g->last - 1] : NULL;
    return last != NULL && same_key(&last->key, key) ? &last->point : point_of(g, key);
}

void points_take(points_maker *g, const record_view *v) {
    const int64_t step_us = (int64_t)SERIES_FINE_S * 1000000;
    if (!counts(v)) {
        return;
    }
    series_key key = {v->title_id,  v->virtual_server, v->function,
                      v->qualifier, v->version,        v->time_us - v->time_us % step_us};
    point *p = point_like_last(g, &key);
    if (p != NULL) {
        count_record(p, v);
    } else {
        g->points->lost++;
    }
}

// ---- As a message ----

static char *text_in(ow_arena *arena, slice s) {
    return ow_arena_memdup_in(arena, s.text, s.length);
}

static bool fill_reasons(series_point *m, const point *p, ow_arena *arena) {
    m->reasons = ow_arena_calloc(arena, (size_t)p->reason_count + 1, sizeof *m->reasons);
    for (int i = 0; m->reasons != NULL && i < p->reason_count; i++) {
        reason_count *r = ow_arena_alloc(arena, sizeof *r);
        char *text = text_in(arena, p->reasons[i].reason);
        if (r == NULL || text == NULL) {
            return false;
        }
        overworld__telemetry__v1__reason_count__init(r);
        r->reason = text;
        r->count = p->reasons[i].count;
        m->reasons[m->n_reasons++] = r;
    }
    return m->reasons != NULL;
}

series_point *point_message(const point *p, int64_t time_us, ow_arena *arena) {
    series_point *m = ow_arena_alloc(arena, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    overworld__telemetry__v1__series_point__init(m);
    m->time_us = time_us;
    m->calls = p->calls;
    m->errors = p->errors;
    m->throttled = p->throttled;
    m->cold_starts = p->cold_starts;
    m->duration_us = p->duration_us;
    m->init_us = p->init_us;
    m->queued_us = p->queued_us;
    m->instances = p->instances;
    m->instances_peak = p->instances_peak;
    m->waiting = p->waiting;
    m->waiting_peak = p->waiting_peak;
    m->durations = ow_arena_memdup_in(arena, p->durations, sizeof p->durations);
    m->inits = ow_arena_memdup_in(arena, p->inits, sizeof p->inits);
    if (m->durations == NULL || m->inits == NULL || !fill_reasons(m, p, arena)) {
        return NULL;
    }
    m->n_durations = p->calls > 0 ? SERIES_BUCKETS : 0;
    m->n_inits = p->cold_starts > 0 ? SERIES_BUCKETS : 0;
    return m;
}

const uint8_t *point_pack(const point *p, ow_arena *arena, size_t *ret_size) {
    const series_point *m = point_message(p, 0, arena);
    if (m == NULL) {
        return NULL;
    }
    *ret_size = overworld__telemetry__v1__series_point__get_packed_size(m);
    uint8_t *bytes = ow_arena_alloc(arena, *ret_size);
    if (bytes != NULL) {
        overworld__telemetry__v1__series_point__pack(m, bytes);
    }
    return bytes;
}

static void take_buckets(int64_t to[static SERIES_BUCKETS], const int64_t *from, size_t count) {
    for (size_t i = 0; i < count && i < SERIES_BUCKETS; i++) {
        to[i] = from[i];
    }
}

ow_code point_unpack(const void *bytes, size_t size, ow_arena *arena, point *ret_point,
                     ow_err *err) {
    ProtobufCAllocator storage;
    const series_point *m = overworld__telemetry__v1__series_point__unpack(
        ow_arena_protobuf(arena, &storage), size, bytes);
    if (m == NULL) {
        return ow_fail(err, OW_DATA_LOSS, "malformed_point", "a stored point is damaged");
    }
    point p = {
        .calls = m->calls,
        .errors = m->errors,
        .throttled = m->throttled,
        .cold_starts = m->cold_starts,
        .duration_us = m->duration_us,
        .init_us = m->init_us,
        .queued_us = m->queued_us,
        .instances = m->instances,
        .instances_peak = m->instances_peak,
        .waiting = m->waiting,
        .waiting_peak = m->waiting_peak,
    };
    take_buckets(p.durations, m->durations, m->n_durations);
    take_buckets(p.inits, m->inits, m->n_inits);
    for (size_t i = 0; i < m->n_reasons; i++) {
        slice reason = {m->reasons[i]->reason, strlen(m->reasons[i]->reason)};
        count_reason(&p, reason, m->reasons[i]->count);
    }
    *ret_point = p;
    return OW_OK;
}
