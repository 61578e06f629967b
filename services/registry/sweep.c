#include "services/registry/sweep.h"

#include "core/log/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    FOLDERS = 256,
    MOST_HASHES = 4 << 20, // of one kind; more are not swept at all
    LEAST_AGE_S = 3600,
    EVERY_S = 3600,
    BUILD_LIFE_DAYS = 30,
};

// A sorted set of hashes.
typedef struct hash_set {
    uint8_t (*hashes)[OW_SHA256_SIZE];
    size_t count, room;
} hash_set;

struct sweep {
    ow_loop *loop;
    ow_db *db;
    ow_pool *pool;
    const ow_clock *clock;
    const blobs *blobs;
    ow_timer timer;
    ow_db_job db_job;
    ow_pool_job pool_job;
    hash_set kept;     // what the store refers to
    hash_set suspects; // what the last round found without a reference
    hash_set found;    // and this one
    int64_t least_age_s;
    int folder;
    int removed;
    bool busy, stopping;
    ow_code code; // of the pool's slice
    ow_err err;
};

// ---- Sets ----

static int compare(const void *a, const void *b) {
    return memcmp(a, b, OW_SHA256_SIZE);
}

static void set_clear(hash_set *set) {
    free(set->hashes);
    *set = (hash_set){0};
}

static bool set_add(hash_set *set, const char *sha256) {
    if (set->count == set->room) {
        size_t room = set->room == 0 ? 256 : set->room * 2;
        void *larger =
            room <= MOST_HASHES ? realloc(set->hashes, room * sizeof *set->hashes) : NULL;
        if (larger == NULL) {
            return false;
        }
        set->hashes = larger;
        set->room = room;
    }
    // Not a hash: a revision without code, for instance.
    set->count += ow_hex_decode(sha256, strlen(sha256), set->hashes[set->count], OW_SHA256_SIZE);
    return true;
}

static void set_sort(hash_set *set) {
    if (set->count > 0) {
        qsort(set->hashes, set->count, sizeof *set->hashes, compare);
    }
}

static bool set_has(const hash_set *set, const char *sha256) {
    uint8_t hash[OW_SHA256_SIZE];
    return set->count > 0 && ow_hex_decode(sha256, strlen(sha256), hash, sizeof hash) &&
           bsearch(hash, set->hashes, set->count, sizeof *set->hashes, compare) != NULL;
}

// ---- A round: references, then one folder after the other ----

static void next_folder(sweep *s);

static void end_round(sweep *s, ow_code code, const ow_err *err) {
    if (code == OW_OK) {
        set_clear(&s->suspects);
        s->suspects = s->found;
        s->found = (hash_set){0};
        set_sort(&s->suspects);
        ow_log(s->removed > 0 ? OW_LOG_INFO : OW_LOG_DEBUG, "unused blobs removed", "count=%d",
               s->removed);
    } else if (!s->stopping) {
        ow_log(OW_LOG_WARN, "unused blobs not removed", "reason=%s", err->reason);
    }
    set_clear(&s->kept);
    set_clear(&s->found);
    s->busy = false;
    if (!s->stopping) {
        ow_loop_timer_set(s->loop, &s->timer, ow_loop_now_us(s->loop) + (int64_t)EVERY_S * 1000000);
    }
}

// On a pool thread.
static bool on_old_blob(void *self, const char *sha256) {
    sweep *s = self;
    if (set_has(&s->kept, sha256)) {
        return true;
    }
    if (set_has(&s->suspects, sha256)) {
        s->removed += blobs_remove_old(s->blobs, sha256, s->least_age_s);
        return true;
    }
    return set_add(&s->found, sha256);
}

static void look_through(void *self) {
    sweep *s = self;
    blob_visit visit = {s->folder, s->least_age_s, on_old_blob, s};
    s->code = blobs_visit_old(s->blobs, &visit, &s->err);
}

static void folder_done(void *self) {
    sweep *s = self;
    s->folder++;
    if (s->code != OW_OK || s->stopping || s->folder == FOLDERS) {
        end_round(s, s->code, &s->err);
    } else {
        next_folder(s);
    }
}

static void next_folder(sweep *s) {
    s->pool_job =
        (ow_pool_job){.work = look_through, .done = folder_done, .self = s, .loop = s->loop};
    ow_code code = ow_pool_submit(s->pool, &s->pool_job, &s->err);
    if (code != OW_OK) {
        end_round(s, code, &s->err);
    }
}

static bool note(void *self, const char *sha256) {
    return set_add(self, sha256);
}

static ow_code read_references(ow_db_conn *conn, void *self, ow_err *err) {
    sweep *s = self;
    set_clear(&s->kept);
    reference_sink sink = {note, &s->kept};
    return store_references(conn, &sink, err);
}

static void references_read(void *self, ow_code code, const ow_err *err) {
    sweep *s = self;
    if (code != OW_OK || s->stopping) {
        end_round(s, code, err);
        return;
    }
    set_sort(&s->kept);
    s->folder = 0;
    next_folder(s);
}

static ow_code forget_builds(ow_db_conn *conn, void *self, ow_err *err) {
    const sweep *s = self;
    int64_t life_us = (int64_t)BUILD_LIFE_DAYS * 86400 * 1000000;
    return store_builds_forget(conn, ow_clock_wall_us(s->clock) - life_us, err);
}

static void builds_forgotten(void *self, ow_code code, const ow_err *err) {
    sweep *s = self;
    if (code != OW_OK || s->stopping) {
        end_round(s, code, err);
        return;
    }
    s->db_job = (ow_db_job){.run = read_references, .done = references_read, .self = s};
    ow_db_read(s->db, &s->db_job);
}

void sweep_begin(sweep *s, int64_t least_age_s) {
    if (s->busy || s->stopping) {
        return;
    }
    s->busy = true;
    s->removed = 0;
    s->least_age_s = least_age_s;
    s->db_job = (ow_db_job){.run = forget_builds, .done = builds_forgotten, .self = s};
    ow_db_write(s->db, &s->db_job);
}

static void on_timer(void *self) {
    sweep_begin(self, LEAST_AGE_S);
}

// ---- Life ----

sweep *sweep_new(ow_loop *loop, ow_db *db, ow_pool *pool, const ow_clock *clock, const blobs *b) {
    sweep *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->loop = loop;
        s->db = db;
        s->pool = pool;
        s->clock = clock;
        s->blobs = b;
        s->timer = (ow_timer){.on_due = on_timer, .self = s};
        ow_loop_timer_set(loop, &s->timer, ow_loop_now_us(loop) + (int64_t)EVERY_S * 1000000);
    }
    return s;
}

bool sweep_busy(const sweep *s) {
    return s->busy;
}

void sweep_stop(sweep *s) {
    s->stopping = true;
    ow_loop_timer_cancel(s->loop, &s->timer);
}

sweep *sweep_free(sweep *s) {
    if (s != NULL) {
        set_clear(&s->kept);
        set_clear(&s->suspects);
        set_clear(&s->found);
        free(s);
    }
    return NULL;
}
