// Durable single-row upserts a second at several numbers outstanding. By hand:
//     bazel run //tests/conformance/db:write_rate -- FOLDER

#include "core/db_sqlite/db_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MOST = 1024, SECONDS = 3, KEYS = 100000 };

typedef struct load load;

typedef struct writer {
    ow_db_job job;
    load *load;
    int64_t key;
    int64_t start_us;
} writer;

struct load {
    ow_loop *loop;
    ow_db *db;
    bool running;
    int outstanding;
    uint64_t done, seed;
    writer writers[MOST];
};

static const ow_db_migration migrations[] = {
    {1, "CREATE TABLE kv (k BIGINT NOT NULL PRIMARY KEY, v OW_BLOB, n BIGINT NOT NULL)"},
    {0, NULL},
};

static ow_code upsert(ow_db_conn *conn, void *self, ow_err *err) {
    const writer *w = self;
    static const unsigned char value[512] = {7};
    return ow_db_exec(conn, NULL, err,
                      "INSERT INTO kv (k, v, n) VALUES ($1, $2, 1) "
                      "ON CONFLICT (k) DO UPDATE SET v = excluded.v, n = kv.n + 1",
                      "ib", w->key, value, sizeof value);
}

static void next(writer *w) {
    load *l = w->load;
    l->seed = l->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    w->key = (int64_t)((l->seed >> 33) % KEYS);
    ow_db_write(l->db, &w->job);
}

static void on_done(void *self, ow_code code, const ow_err *err) {
    writer *w = self;
    load *l = w->load;
    if (code != OW_OK) {
        fprintf(stderr, "%s\n", err->message);
        abort();
    }
    l->done++;
    l->outstanding--;
    if (l->running) {
        l->outstanding++;
        next(w);
    }
}

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void measure(load *l, int outstanding) {
    ow_db_stats before, after;
    ow_db_stats_get(l->db, &before);
    double cpu = cpu_s();
    l->done = 0;
    l->running = true;
    ow_loop_turn(l->loop, 0, NULL);
    int64_t start_us = ow_loop_now_us(l->loop);
    l->outstanding = outstanding;
    for (int i = 0; i < outstanding; i++) {
        l->writers[i] = (writer){.load = l};
        l->writers[i].job = (ow_db_job){.run = upsert, .done = on_done, .self = &l->writers[i]};
        next(&l->writers[i]);
    }
    while (l->outstanding > 0) {
        ow_loop_turn(l->loop, -1, NULL);
        l->running = ow_loop_now_us(l->loop) - start_us < SECONDS * 1000000;
    }
    double seconds = (double)(ow_loop_now_us(l->loop) - start_us) / 1e6;
    ow_db_stats_get(l->db, &after);
    printf("%5d outstanding: %8.0f writes/s, %5.1f us CPU each, %6.1f a batch, %llu checkpoints\n",
           outstanding, (double)l->done / seconds, (cpu_s() - cpu) * 1e6 / (double)l->done,
           (double)l->done / (double)(after.write_batches - before.write_batches),
           (unsigned long long)(after.checkpoints - before.checkpoints));
}

static void on_fatal(void *self, const ow_err *why) {
    (void)self;
    fprintf(stderr, "%s\n", why->message);
    abort();
}

int main(int argc, char **argv) {
    static load l = {.seed = 1};
    ow_err err;
    if (argc != 2 || ow_loop_new(&l.loop, &err) != OW_OK) {
        fprintf(stderr, "usage: write_rate FOLDER\n");
        return 2;
    }
    ow_db_options options = {.name = "rate",
                             .folder = argv[1],
                             .migrations = migrations,
                             .loop = l.loop,
                             .readers = 1,
                             .on_fatal = on_fatal};
    if (ow_db_sqlite_open(&options, &l.db, &err) != OW_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    static const int counts[] = {1, 16, 64, 256, 1024};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        measure(&l, counts[i]);
    }
    ow_db_close(l.db);
    ow_loop_free(l.loop);
    return 0;
}
