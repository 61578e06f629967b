// store_load FOLDER: applies every effect through the shipped storage layer and writes the number of each
// to standard output once it is acknowledged. Ends with 0 when all are, 42 when the store said that an
// outcome is unknown, 43 when it did not open.

#include "core/db_sqlite/db_sqlite.h"
#include "tests/faults/disk/effects.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { IN_FLIGHT = 6, TRIES_MAX = 200, EXIT_UNKNOWN = 42, EXIT_CLOSED = 43 };

typedef struct load {
    ow_db *db;
    int next, running, tries;
} load;

typedef struct effect {
    load *load;
    int number;
    ow_db_job job;
} effect;

static void on_fatal(void *self, const ow_err *why) {
    (void)self;
    fprintf(stderr, "unknown outcome: %s: %s\n", why->reason, why->message);
    _exit(EXIT_UNKNOWN);
}

static ow_code apply(ow_db_conn *conn, void *self, ow_err *err) {
    return effect_apply(conn, &((effect *)self)->number, err);
}

static void on_done(void *self, ow_code code, const ow_err *err) {
    effect *e = self;
    load *l = e->load;
    if (code != OW_OK) {
        if (code != OW_UNAVAILABLE || ++l->tries > TRIES_MAX) {
            fprintf(stderr, "effect %d: %s: %s\n", e->number, err->reason, err->message);
            exit(1);
        }
        ow_db_write(l->db, &e->job); // the disk may have room again
        return;
    }
    dprintf(STDOUT_FILENO, "%d\n", e->number);
    l->running--;
    if (l->next < EFFECTS) {
        e->number = l->next++;
        l->running++;
        ow_db_write(l->db, &e->job);
    }
}

int main(int argc, char **argv) {
    ow_loop *loop = NULL;
    ow_err err = {0};
    load l = {0};
    effect effects[IN_FLIGHT];
    if (argc != 2 || ow_loop_new(&loop, &err) != OW_OK) {
        return 2;
    }
    ow_db_options options = effects_options(argv[1], loop);
    options.on_fatal = on_fatal;
    if (ow_db_sqlite_open(&options, &l.db, &err) != OW_OK) {
        fprintf(stderr, "cannot open: %s: %s\n", err.reason, err.message);
        return EXIT_CLOSED;
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        effects[i] = (effect){.load = &l, .number = l.next++};
        effects[i].job = (ow_db_job){.run = apply, .done = on_done, .self = &effects[i]};
        l.running++;
        ow_db_write(l.db, &effects[i].job);
    }
    while (l.running > 0 && ow_loop_turn(loop, 100000, &err) == OW_OK) {
    }
    ow_db_close(l.db);
    ow_loop_free(loop);
    return 0;
}
