// Two claimants on one store, against a model of the queue: steps in seeded random order, claims that break
// off at any point, answers that get lost, time that jumps. No slot becomes two executions, none is lost
// without an entry. Each seed is one history in one transaction that is rolled back. A failing seed is printed;
// run with it as argument to see it again.
//
// And of the history that they leave: nothing goes because nobody could count it.

#include "services/timers/claim.h"
#include "services/timers/history.h"
#include "services/timers/migrations/migrations.h"

#include "core/clock/clock.h"
#include "core/cron/civil.h"
#include "core/db_sqlite/db_sqlite.h"
#include "core/testing/ow_test.h"

#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal) ((char *)(uintptr_t)(literal))

enum { SEEDS = 2000, STEPS = 40, CLAIMANTS = 2, TIMERS = 3, KEYS_MAX = 4096, WAITING_MAX = 8 };

typedef struct claimant {
    enum { IDLE, CLAIMED, SENT } state;
    round round;
} claimant;

typedef struct seen_slot {
    char timer_id[24], state[16];
    int64_t due_us, last_due_us;
} seen_slot;

typedef struct world {
    char folder[300];
    ow_loop *loop;
    ow_db *db;
    ow_zones *zones;
    ow_db_job job;
    bool done;
    ow_code code;
    ow_err err;
    ow_db_conn *conn; // during a history
    ow_err broken;    // what went wrong in it
    uint64_t seed;
    int executions, repeats; // of all
    uint64_t random;
    int64_t now_us, latest_us;
    bool set_back;
    claimant claimants[CLAIMANTS];
    // The queue: what it was given, and under which id it knows it.
    char keys[KEYS_MAX][64];
    int key_count;
    ow_arena *arena;
    timer_row timers[TIMERS];
    seen_slot slots[KEYS_MAX];
    int slot_count;
} world;

static uint64_t next_random(world *w) {
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

static bool chance(world *w, int percent) {
    return next_random(w) % 100 < (uint64_t)percent;
}

// ---- Jobs ----

static void on_fatal(void *self, const ow_err *why) {
    (void)self;
    fail_msg("%s", why->message);
}

static void on_done(void *self, ow_code code, const ow_err *err) {
    world *w = self;
    w->done = true;
    w->code = code;
    if (code != OW_OK) {
        w->err = *err;
    }
}

// A history runs on the database's thread: what goes wrong there is told when it is over.
static void note(world *w, ow_code code, const ow_err *err) {
    if (code != OW_OK && w->broken.code == OW_OK) {
        w->broken = *err;
    }
}

static void insert_timers(world *w) {
    ow_err err;
    const reader r = {w->conn, w->arena, &err};
    for (int i = 0; i < TIMERS; i++) {
        note(w, timer_insert(&r, &w->timers[i]), &err);
    }
}

// ---- What claimants do ----

// False: it was there already.
static bool enqueue(world *w, const slot_row *slot) {
    char key[64];
    snprintf(key, sizeof key, "%s:%" PRId64, slot->timer_id, slot->due_us);
    for (int i = 0; i < w->key_count; i++) {
        if (strcmp(w->keys[i], key) == 0) {
            w->repeats++;
            return false;
        }
    }
    assert_true(w->key_count < KEYS_MAX);
    snprintf(w->keys[w->key_count++], sizeof w->keys[0], "%s", key);
    return true;
}

static void drop_round(claimant *c) {
    c->round.arena = ow_arena_free(c->round.arena);
    c->state = IDLE;
}

static void claim(world *w, claimant *c) {
    ow_err err;
    c->round = (round){.now_us = w->now_us,
                       .missed_after_us = MINUTE_US,
                       .zones = w->zones,
                       .begin_anew = w->set_back,
                       .old_only = chance(w, 20),
                       .arena = ow_arena_new(64 << 20)};
    w->set_back = false;
    note(w, round_claim(w->conn, &c->round, &err), &err);
    c->state = CLAIMED;
    if (c->round.count == 0) {
        drop_round(c);
    }
}

static void send(world *w, claimant *c, bool surely) {
    for (int i = 0; i < c->round.count; i++) {
        held_slot *h = &c->round.slots[i];
        h->verdict = HELD_PUT_OFF;
        if (!surely && chance(w, 15)) {
            continue; // the queue was away
        }
        enqueue(w, &h->slot);
        if (surely || !chance(w, 15)) { // else the answer was lost
            h->verdict = HELD_FIRED;
            snprintf(h->execution_id, sizeof h->execution_id, "exe");
        }
    }
    c->state = SENT;
}

static void settle(world *w, claimant *c) {
    ow_err err;
    c->round.now_us = w->now_us;
    note(w, round_settle(w->conn, &c->round, &err), &err);
    drop_round(c);
}

static void step(world *w) {
    w->latest_us = w->now_us > w->latest_us ? w->now_us : w->latest_us;
    claimant *c = &w->claimants[next_random(w) % CLAIMANTS];
    if (c->state != IDLE && chance(w, 12)) {
        drop_round(c); // killed
    } else if (c->state == IDLE) {
        claim(w, c);
    } else if (c->state == CLAIMED) {
        send(w, c, false);
    } else {
        settle(w, c);
    }
    w->now_us += (int64_t)(next_random(w) % 6000) * 1000;
    if (chance(w, 4)) {
        w->now_us += (int64_t)(next_random(w) % 300) * SECOND_US;
    } else if (chance(w, 3)) {
        w->now_us -= (int64_t)(next_random(w) % 300) * SECOND_US;
        w->set_back = true;
    }
}

// The clock goes on in peace until nothing is left to take up.
static void finish(world *w) {
    for (int i = 0; i < CLAIMANTS; i++) {
        drop_round(&w->claimants[i]);
    }
    w->now_us = w->latest_us + 2 * LEASE_US;
    claimant *c = &w->claimants[0];
    for (int rounds = 0; rounds < 100; rounds++) {
        claim(w, c);
        if (c->state == IDLE) {
            return;
        }
        send(w, c, true);
        settle(w, c);
        w->now_us += SECOND_US / 10;
    }
    ow_err err;
    note(w, ow_fail(&err, OW_INTERNAL, "endless", "slots do not end"), &err);
}

// ---- What must hold ----

static void read_slots(world *w) {
    ow_rows *rows = NULL;
    ow_err err;
    bool more = true;
    w->slot_count = 0;
    ow_code code = ow_db_query(w->conn, &rows, &err,
                               "SELECT timer_id, due_us, state, last_due_us FROM slots"
                               " ORDER BY timer_id, due_us",
                               "");
    while (code == OW_OK && w->slot_count < KEYS_MAX &&
           (code = ow_rows_next(rows, &more, &err)) == OW_OK && more) {
        seen_slot *s = &w->slots[w->slot_count++];
        snprintf(s->timer_id, sizeof s->timer_id, "%s", ow_rows_text(rows, 0));
        snprintf(s->state, sizeof s->state, "%s", ow_rows_text(rows, 2));
        s->due_us = ow_rows_int(rows, 1);
        s->last_due_us = ow_rows_int(rows, 3);
    }
    note(w, code, &err);
}

static void hold(const world *w, bool holds, const char *what) {
    if (!holds) {
        fail_msg("seed %" PRIu64 " (run the test with it): \"%s\" does not hold", w->seed, what);
    }
}

static void check_slots(const world *w) {
    int fired = 0;
    int64_t last_cron = 0;
    for (int i = 0; i < w->slot_count; i++) {
        const seen_slot *s = &w->slots[i];
        fired += strcmp(s->state, STATE_FIRED) == 0 ? 1 : 0;
        hold(w, strcmp(s->state, STATE_FIRED) == 0 || strcmp(s->state, STATE_MISSED) == 0,
             "each slot is fired or missed");
        if (strcmp(s->timer_id, "tmr_cron") == 0) {
            // One after the other, without a hole.
            hold(w, last_cron == 0 || s->due_us - last_cron == 20 * SECOND_US,
                 "no slot is lost without an entry");
            last_cron = s->last_due_us;
        }
    }
    hold(w, last_cron > 0, "slots come");
    hold(w, fired == w->key_count,
         "each fired slot has its execution, and each execution its slot");
    hold(w, w->key_count > 20, "there is enough to see");
}

static void add_timer(world *w, int i, const char *id, timer_spec spec) {
    timer_spec *kept = ow_arena_memdup_in(w->arena, &spec, sizeof spec);
    kept->name = TEXT(id);
    kept->function = TEXT("f");
    schedule s;
    assert_int_equal(schedule_of(w->zones, kept, w->now_us, &s, NULL), OW_OK);
    w->timers[i] = (timer_row){.timer_id = id,
                               .title_id = "ttl_1",
                               .virtual_server = "chat",
                               .spec = kept,
                               .pause_reason = "",
                               .paused_by = "",
                               .last_execution_id = "",
                               .anchor_us = w->now_us,
                               .next_due_us = schedule_next(&s, w->now_us),
                               .created_us = w->now_us,
                               .updated_us = w->now_us,
                               .etag = 1};
}

static void open_world(world *w) {
    const char *base = getenv("TEST_TMPDIR");
    snprintf(w->folder, sizeof w->folder, "%s/claim_test_XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(w->folder));
    w->zones = ow_zones_new(OW_ZONE_FOLDER);
    assert_int_equal(ow_loop_new(&w->loop, &w->err), OW_OK);
    ow_db_options options = {
        .name = "timers",
        .folder = w->folder,
        .migrations = timers_migrations,
        .loop = w->loop,
        .readers = 1,
        .max_waiting_writes = WAITING_MAX,
        .on_fatal = on_fatal,
    };
    assert_ow_ok(ow_db_sqlite_open(&options, &w->db, &w->err), &w->err);
}

static void add_timers(world *w) {
    Google__Protobuf__Duration seven = GOOGLE__PROTOBUF__DURATION__INIT;
    Google__Protobuf__Duration ten = GOOGLE__PROTOBUF__DURATION__INIT;
    timer_spec spec = OVERWORLD__API__TIMER__INIT;
    seven.seconds = 7;
    ten.seconds = 10;
    spec.cron = TEXT("*/20 * * * * *");
    add_timer(w, 0, "tmr_cron", spec);
    spec.cron = TEXT("");
    spec.every = &seven;
    spec.catch_up = TEXT("all");
    add_timer(w, 1, "tmr_all", spec);
    spec.every = &ten;
    spec.catch_up = TEXT("once");
    add_timer(w, 2, "tmr_once", spec);
    insert_timers(w);
}

static ow_code run_history(ow_db_conn *db, void *self, ow_err *err) {
    world *w = self;
    w->conn = db;
    add_timers(w);
    for (int i = 0; i < STEPS && w->broken.code == OW_OK; i++) {
        step(w);
    }
    finish(w);
    read_slots(w);
    if (w->broken.code != OW_OK) {
        *err = w->broken;
        return err->code;
    }
    return ow_fail(err, OW_ABORTED, "over", "the history is over");
}

static void close_world(world *w) {
    ow_db_close(w->db);
    ow_loop_free(w->loop);
    ow_zones_free(w->zones);
}

static void run_seed(world *w, uint64_t seed) {
    w->seed = seed;
    w->broken.code = OW_OK;
    w->random = seed * 0x9e3779b97f4a7c15u + 1;
    w->now_us = ow_civil_days(2025, 6, 15) * DAY_US + 12345;
    w->latest_us = 0;
    w->set_back = false;
    w->key_count = 0;
    w->arena = ow_arena_new(1 << 20);
    w->job = (ow_db_job){.run = run_history, .done = on_done, .self = w};
    w->done = false;
    ow_db_write(w->db, &w->job);
    while (!w->done) {
        assert_int_equal(ow_loop_turn(w->loop, 10000, &w->err), OW_OK);
    }
    if (w->code != OW_ABORTED) {
        fail_msg("seed %" PRIu64 ": %s", seed, w->err.message);
    }
    check_slots(w);
    w->executions += w->key_count;
    w->arena = ow_arena_free(w->arena);
}

static uint64_t only_seed;

static void two_claimants_share_the_work(void **state) {
    static world w;
    (void)state;
    open_world(&w);
    uint64_t last = only_seed != 0 ? only_seed : SEEDS;
    for (uint64_t seed = only_seed != 0 ? only_seed : 1; seed <= last; seed++) {
        run_seed(&w, seed);
    }
    print_message("%d executions, of which %d were sent again\n", w.executions, w.repeats);
    close_world(&w);
}

// ---- What is dropped ----

typedef struct blocker {
    ow_db_job job;
    sem_t begun, may_end;
} blocker;

static ow_code block(ow_db_conn *db, void *self, ow_err *err) {
    (void)db;
    (void)err;
    blocker *b = self;
    sem_post(&b->begun);
    sem_wait(&b->may_end);
    return OW_OK;
}

static void on_blocked(void *self, ow_code code, const ow_err *err) {
    (void)self;
    (void)err;
    assert_int_equal(code, OW_OK);
}

static void turn(world *w) {
    assert_int_equal(ow_loop_turn(w->loop, 1000, &w->err), OW_OK);
}

static void turn_until_idle(world *w) {
    ow_db_stats stats;
    do {
        turn(w);
        ow_db_stats_get(w->db, &stats);
    } while (stats.waiting_reads + stats.waiting_writes > 0);
}

static ow_code add_slots(ow_db_conn *db, void *self, ow_err *err) {
    const world *w = self;
    const reader r = {db, NULL, err};
    ow_code code = OW_OK;
    for (int i = 0; i < TIMERS && code == OW_OK; i++) {
        slot_row slot = {.timer_id = "tmr_1",
                         .title_id = "ttl_1",
                         .due_us = w->now_us + i,
                         .kind = "due",
                         .state = "fired",
                         .reason = "",
                         .made_us = w->now_us,
                         .count = 1,
                         .try_us = NEVER};
        bool added = false;
        code = slot_add(&r, &slot, &added);
    }
    return code;
}

static ow_code count_slots(ow_db_conn *db, void *self, ow_err *err) {
    world *w = self;
    const reader r = {db, NULL, err};
    int64_t *counts = NULL;
    size_t n = 0;
    ow_code code = slots_counts(&r, &counts, &n);
    w->slot_count = n == 1 ? (int)counts[0] : 0;
    free(counts);
    return code;
}

static void run_job(world *w, ow_code (*run)(ow_db_conn *db, void *self, ow_err *err)) {
    w->job = (ow_db_job){.run = run, .done = on_done, .self = w};
    ow_db_write(w->db, &w->job);
    turn_until_idle(w);
    assert_int_equal(w->code, OW_OK);
}

// The only reader is in the last of so many reads as may wait, and has answered the first of them.
static void fill_reads(world *w, blocker blockers[static WAITING_MAX]) {
    for (int i = 0; i < WAITING_MAX; i++) {
        blocker *b = &blockers[i];
        sem_init(&b->begun, 0, 0);
        sem_init(&b->may_end, 0, 0);
        b->job = (ow_db_job){.run = block, .done = on_blocked, .self = b};
        ow_db_read(w->db, &b->job);
    }
    turn(w);
    for (int i = 0; i < WAITING_MAX; i++) {
        sem_wait(&blockers[i].begun);
        if (i + 1 < WAITING_MAX) {
            sem_post(&blockers[i].may_end);
        }
    }
}

// A count that finds no place among the reads says nothing of how much is too much.
static void without_a_count_nothing_is_too_much(void **state) {
    static world w;
    (void)state;
    blocker blockers[WAITING_MAX];
    ow_clock *clock = NULL;
    char clock_file[320];
    open_world(&w);
    snprintf(clock_file, sizeof clock_file, "%s/clock", w.folder);
    assert_int_equal(ow_clock_open(clock_file, &clock, &w.err), OW_OK);
    w.now_us = ow_clock_wall_us(clock);
    run_job(&w, add_slots);
    history_options options = {.db = w.db, .clock = clock, .keep_us = DAY_US, .max = 100};
    history *h = history_new(&options);
    assert_non_null(h);
    ow_clock_advance(clock, 2 * HOUR_US);
    fill_reads(&w, blockers);
    history_look(h);
    turn(&w);
    sem_post(&blockers[WAITING_MAX - 1].may_end);
    turn_until_idle(&w);
    run_job(&w, count_slots);
    assert_int_equal(w.slot_count, TIMERS);
    history_stop(h);
    close_world(&w);
    history_free(h);
    ow_clock_close(clock);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {OW_TEST(two_claimants_share_the_work),
                                       OW_TEST(without_a_count_nothing_is_too_much)};
    only_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
