// The queue under crashes: the real rules and the real SQL, a virtual clock, and callers, workers and people
// who do things in random order and die at any point. Each seed is one history in one transaction that is rolled
// back; after each step the invariants are looked at. What fails names its seed: run the test with it and
// every step is printed.
//
// What a crash can do to the queue: a commit happens or does not; whoever asked for it may not hear of it; what a
// worker remembers is lost, or comes back late (it was only paused).

#include "services/events/executions_hands.h"
#include "services/events/migrations/migrations.h"
#include "services/events/runs.h"

#include "core/db_sqlite/db_sqlite.h"
#include "core/metrics/metrics.h"
#include "core/testing/ow_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEEDS = 2000,
    STEPS = 120,
    EXECUTIONS_MAX = 24,
    ROWS_MAX = 200, // with those that destinations make
    RUNS_MAX = 64,
    WORKERS = 2,
    QUIET_ROUNDS = 400,
    RUN_US = 20 * 1000000,
    LEASE_US = 25 * 1000000,
};

#define TEXT(literal) ((char *)(uintptr_t)(literal))
#define TITLE "ttl_1"

// What the simulation knows of an execution, apart from the store.
typedef struct known {
    char id[OW_ID_MAX];
    int64_t epoch;         // of the newest lease that was given out
    execution_state state; // as it was seen last
    int64_t runs;          // leases in all
    int driven;            // how often a person set it going
} known;

// A lease that somebody has or believes to have.
typedef struct lease {
    run *run;
    int worker; // -1: a worker that stopped and may come back
    int64_t ends_us;
} lease;

typedef struct sim {
    uint64_t seed, random;
    bool verbose;
    bool forgets_epochs; // the mistake that the simulation must find
    ow_db_conn *db;
    ow_arena *arena;
    ow_err *err;
    int64_t now_us;
    char last_id[OW_ID_MAX];
    known known[ROWS_MAX];
    int known_count;
    int accepted; // by callers
    lease leases[RUNS_MAX];
    int lease_count;
    run_place place;
    const char *broken; // the invariant that does not hold
    char broken_id[OW_ID_MAX];
} sim;

static uint64_t dice(sim *s, uint64_t sides) {
    s->random += 0x9e3779b97f4a7c15u;
    uint64_t x = s->random;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) % sides;
}

static bool chance(sim *s, int percent) {
    return dice(s, 100) < (uint64_t)percent;
}

static void say(const sim *s, const char *what, const char *id, int64_t number) {
    if (s->verbose) {
        print_message("%8.3f %-12s %s %" PRId64 "\n", (double)s->now_us / 1e6, what, id, number);
    }
}

static void break_off(sim *s, const char *invariant, const char *id) {
    if (s->broken == NULL) {
        s->broken = invariant;
        snprintf(s->broken_id, sizeof s->broken_id, "%.39s", id);
    }
}

static void make_id(void *self, int64_t now_us, char id[static OW_ID_MAX]) {
    sim *s = self;
    char fresh[OW_ID_MAX];
    ow_id_make(fresh, "exe_", now_us);
    // The same history has the same ids.
    uint64_t random = dice(s, UINT64_MAX);
    for (int i = 14; i < 30; i++) {
        fresh[i] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[(random >> (i % 12) * 5) & 31];
    }
    execution_id_after(id, s->last_id, fresh);
    memcpy(s->last_id, id, OW_ID_MAX);
}

static known *known_of(sim *s, const char *id) {
    for (int i = 0; i < s->known_count; i++) {
        if (strcmp(s->known[i].id, id) == 0) {
            return &s->known[i];
        }
    }
    assert_true(s->known_count < ROWS_MAX);
    known *made = &s->known[s->known_count++];
    *made = (known){.state = EXECUTION_WAITING};
    snprintf(made->id, sizeof made->id, "%.39s", id);
    return made;
}

// ---- Callers ----

static ow_code insert(sim *s, const new_execution_msg *wanted, bool *ret_duplicate) {
    static const ow_principal platform = {.kind = OW_PLATFORM, .title = TITLE};
    ow_trace trace = {.flags = 1, .trace_id = {1}, .span_id = {1}};
    execution_origin origin = {.title_id = TITLE,
                               .request_id = "req_1",
                               .client_address = "",
                               .principal = &platform,
                               .trace = &trace,
                               .now_us = s->now_us};
    new_execution new;
    char first_id[OW_ID_MAX];
    ow_code code = execution_prepare(wanted, &origin, &s->place.limits, s->arena, &new, s->err);
    make_id(s, s->now_us, new.execution_id);
    if (code == OW_OK) {
        code = execution_insert(s->db, &new, ret_duplicate, first_id, s->err);
    }
    if (code == OW_OK && !*ret_duplicate) {
        known_of(s, new.execution_id);
        say(s, "accept", new.execution_id, (int64_t)wanted->concurrency);
    }
    return code;
}

// A wish with everything that points somewhere.
typedef struct wish {
    new_execution_msg wanted;
    retry_msg retry;
    destination_msg to;
    Google__Protobuf__Timestamp due;
    char key[32];
} wish;

static void wish_init(sim *s, wish *w) {
    static const char *const lanes[] = {"", "", "red", "blue"};
    overworld__events__v1__new_execution__init(&w->wanted);
    overworld__events__v1__retry_policy__init(&w->retry);
    overworld__events__v1__destination__init(&w->to);
    google__protobuf__timestamp__init(&w->due);
    w->to.virtual_server = TEXT("vs");
    w->to.function = TEXT("told");
    w->retry.max_attempts = (int32_t)dice(s, 4);
    w->retry.base_us = 1000 + (int64_t)dice(s, 10 * 1000000);
    w->retry.max_age_us = (int64_t)(10 + dice(s, 300)) * 1000000;
    w->due.seconds = s->now_us / 1000000 + (int64_t)dice(s, 20);
    snprintf(w->key, sizeof w->key, "k%d", s->accepted);
    new_execution_msg *wanted = &w->wanted;
    wanted->virtual_server = TEXT("vs");
    wanted->function = TEXT("fn");
    wanted->source = TEXT("client");
    wanted->payload = (ProtobufCBinaryData){1, (uint8_t *)TEXT("1")};
    wanted->ordering_key = TEXT(lanes[dice(s, 4)]);
    wanted->subscription_key = TEXT(chance(s, 50) ? "one" : "two");
    wanted->concurrency = (int32_t)dice(s, 3);
    wanted->retry = chance(s, 70) ? &w->retry : NULL;
    wanted->on_failure = chance(s, 30) ? &w->to : NULL;
    wanted->on_success = chance(s, 20) ? &w->to : NULL;
    wanted->depth = (int32_t)dice(s, DEPTH_MAX + 1);
    wanted->deduplication_key = w->key;
    wanted->due = chance(s, 20) ? &w->due : NULL;
}

static ow_code accept(sim *s) {
    wish w;
    if (s->accepted == EXECUTIONS_MAX) {
        return OW_OK;
    }
    wish_init(s, &w);
    if (chance(s, 10)) {
        return OW_OK; // died before the commit: nobody was told, nothing is there
    }
    bool duplicate = false;
    ow_code code = insert(s, &w.wanted, &duplicate);
    if (duplicate) {
        break_off(s, "a new key is no duplicate", "");
    }
    s->accepted++;
    if (code == OW_OK && chance(s, 30)) {
        // Died behind the commit: whoever asked asks again.
        code = insert(s, &w.wanted, &duplicate);
        if (!duplicate) {
            break_off(s, "the same key is accepted once", "");
        }
    }
    return code;
}

// ---- Workers ----

static void add_lease(sim *s, claimed *one, int worker) {
    if (s->lease_count == RUNS_MAX) {
        claimed_free(one);
        return;
    }
    run *made = run_new(&s->place, one);
    assert_non_null(made);
    s->leases[s->lease_count++] =
        (lease){.run = made, .worker = worker, .ends_us = s->now_us + 1 + (int64_t)dice(s, RUN_US)};
}

static void drop_lease(sim *s, int index) {
    s->leases[index] = s->leases[--s->lease_count];
}

static void check_end(sim *s, const run *run, const known *k, bool stale) {
    const queue_item *item = &run->claimed->row.item;
    const settlement *end = &run->settlement;
    bool by_lease = item->state == EXECUTION_RUNNING;
    bool has_lease = by_lease && item->epoch == k->epoch && k->state == EXECUTION_RUNNING;
    if (by_lease && !stale && item->epoch != k->epoch) {
        break_off(s, "a lost lease settles nothing", k->id);
    }
    if (has_lease && stale) {
        break_off(s, "whoever has the lease settles", k->id);
    }
    if (!stale && end->next.state == EXECUTION_DEAD &&
        (run->reason[0] == '\0' || strcmp(end->reason, run->reason) != 0)) {
        break_off(s, "the reason is that of the last run", k->id);
    }
}

// A commit of what a run's end means.
static ow_code write_end(sim *s, run *run) {
    const execution_row *row = &run->claimed->row;
    const known *k = known_of(s, row->execution_id);
    bool stale = true;
    execution_row forged = *row;
    if (s->forgets_epochs) {
        forged.item.epoch = k->epoch;
        run->settlement.row = &forged;
    }
    ow_code code = execution_settle(s->db, &run->settlement, &stale, s->err);
    say(s, stale ? "stale" : execution_state_name(run->settlement.next.state), row->execution_id,
        row->item.epoch);
    if (code == OW_OK) {
        check_end(s, run, k, stale);
    }
    run_free(run);
    return code;
}

static ow_code claim(sim *s, int worker, int limit) {
    claim_result result = {0};
    claim_order order = {.now_us = s->now_us, .lease_us = LEASE_US, .limit = limit};
    ow_code code = executions_claim(s->db, &order, &result, s->err);
    bool died = chance(s, 5); // behind the commit: nobody has these leases
    for (claimed *one = result.first; one != NULL;) {
        claimed *next = one->next;
        known *k = known_of(s, one->row.execution_id);
        if (one->row.item.state != EXECUTION_RUNNING) {
            run *old = run_new(&s->place, one);
            run_expire(old, s->now_us);
            code = code == OW_OK ? write_end(s, old) : code;
            one = next;
            continue;
        }
        say(s, "claim", one->row.execution_id, one->row.item.epoch);
        if (k->state == EXECUTION_RUNNING) {
            break_off(s, "one lease at a time", k->id);
        }
        k->epoch = one->row.item.epoch;
        k->runs++;
        if (died) {
            claimed_free(one);
        } else {
            add_lease(s, one, worker);
        }
        one = next;
    }
    return code;
}

static ow_code end_run(sim *s, int index) {
    static const char *const reasons[] = {"",        "",        "",          "user_error",
                                          "crashed", "refused", "throttled", "timeout"};
    lease ended = s->leases[index];
    drop_lease(s, index);
    ended.run->reason = reasons[dice(s, 8)];
    run_settle(ended.run, s->now_us, false);
    if (ended.worker >= 0 && chance(s, 5)) {
        say(s, "died", ended.run->claimed->row.execution_id, 0);
        run_free(ended.run); // before the commit
        return OW_OK;
    }
    return write_end(s, ended.run);
}

// A worker ends a run in time, or it is one that stopped and comes back late.
static ow_code end_some(sim *s) {
    ow_code code = OW_OK;
    for (int i = s->lease_count - 1; code == OW_OK && i >= 0; i--) {
        bool due = s->leases[i].worker >= 0 ? s->leases[i].ends_us <= s->now_us : chance(s, 20);
        if (due) {
            code = end_run(s, i);
        }
    }
    return code;
}

static void crash(sim *s) {
    int worker = (int)dice(s, WORKERS);
    bool paused = chance(s, 50);
    say(s, paused ? "pause" : "crash", "", worker);
    for (int i = s->lease_count - 1; i >= 0; i--) {
        if (s->leases[i].worker == worker && paused) {
            s->leases[i].worker = -1;
        } else if (s->leases[i].worker == worker) {
            run_free(s->leases[i].run);
            drop_lease(s, i);
        }
    }
}

static ow_code lapse(sim *s) {
    claimed *first = NULL;
    ow_code code = executions_leased(s->db, s->now_us, CLAIM_MAX, &first, s->err);
    while (first != NULL) {
        claimed *next = first->next;
        for (int i = 0; i < s->lease_count; i++) {
            if (s->leases[i].worker >= 0 &&
                strcmp(s->leases[i].run->claimed->row.execution_id, first->row.execution_id) == 0) {
                break_off(s, "a lease outlives the run", first->row.execution_id);
            }
        }
        run *lost = run_new(&s->place, first);
        run_lapse(lost, s->now_us);
        say(s, "lapse", lost->claimed->row.execution_id, 0);
        code = code == OW_OK ? write_end(s, lost) : code;
        first = next;
    }
    return code;
}

// ---- People ----

typedef queue_step (*person_step)(queue_item *item, int64_t now_us);

static ow_code by_hand(sim *s) {
    static const struct {
        const char *name;
        person_step step;
    } steps[] = {{"cancel", queue_cancel}, {"discard", queue_discard}, {"redrive", queue_redrive}};
    if (s->known_count == 0) {
        return OW_OK;
    }
    known *k = &s->known[dice(s, (uint64_t)s->known_count)];
    int which = (int)dice(s, 3);
    execution_row row;
    ow_code code = execution_read(s->db, TITLE, k->id, s->arena, &row, s->err);
    queue_item next = row.item;
    if (code != OW_OK || steps[which].step(&next, s->now_us) == STEP_NOT) {
        return code;
    }
    say(s, steps[which].name, k->id, row.item.state);
    k->driven += next.state == EXECUTION_WAITING;
    return execution_write_step(s->db, &row, &next,
                                state_is_settled(next.state) ? s->now_us + HOUR_US : 0,
                                steps[which].name, s->err);
}

// ---- What must hold ----

typedef struct shown {
    char id[OW_ID_MAX], lane[64], subscription[64];
    execution_state state;
    int64_t epoch, attempt, concurrency;
} shown;

static ow_code show(sim *s, shown *all, int *ret_count) {
    ow_rows *rows = NULL;
    bool more = true;
    *ret_count = 0;
    ow_code code = ow_db_query(s->db, &rows, s->err,
                               "SELECT execution_id, state, epoch, attempt, concurrency, lane,"
                               " subscription FROM executions ORDER BY execution_id",
                               "");
    while (code == OW_OK && *ret_count < ROWS_MAX &&
           (code = ow_rows_next(rows, &more, s->err)) == OW_OK && more) {
        shown *one = &all[(*ret_count)++];
        snprintf(one->id, sizeof one->id, "%.39s", ow_rows_text(rows, 0));
        one->state = (execution_state)ow_rows_int(rows, 1);
        one->epoch = ow_rows_int(rows, 2);
        one->attempt = ow_rows_int(rows, 3);
        one->concurrency = ow_rows_int(rows, 4);
        snprintf(one->lane, sizeof one->lane, "%s", ow_rows_text(rows, 5));
        snprintf(one->subscription, sizeof one->subscription, "%s", ow_rows_text(rows, 6));
    }
    ow_rows_close(rows);
    return code;
}

static void check_one(sim *s, const shown *one) {
    known *k = known_of(s, one->id);
    // Done and discarded are for good; a dead one waits again only by a person's hand.
    bool again = k->state == EXECUTION_DONE || k->state == EXECUTION_DISCARDED;
    if (again && one->state != k->state) {
        break_off(s, "settled once", one->id);
    }
    if (one->epoch < k->epoch) {
        break_off(s, "epochs only rise", one->id);
    }
    if (one->attempt > ATTEMPTS_MAX) {
        break_off(s, "attempts are bounded", one->id);
    }
    k->state = one->state;
}

static bool is_same(const char *a, const char *b) {
    return a[0] != '\0' && strcmp(a, b) == 0;
}

// One of the subscription runs, or may be claimed: either will release those that are parked.
static bool has_mover(const shown *all, int count, const char *subscription) {
    for (int i = 0; i < count; i++) {
        bool moves = all[i].state == EXECUTION_WAITING || all[i].state == EXECUTION_RUNNING;
        if (moves && is_same(all[i].subscription, subscription)) {
            return true;
        }
    }
    return false;
}

static int count_in_turn(const shown *all, int count, const char *lane) {
    int in_turn = 0;
    for (int i = 0; i < count; i++) {
        bool turn = all[i].state == EXECUTION_WAITING || all[i].state == EXECUTION_PARKED ||
                    all[i].state == EXECUTION_RUNNING;
        in_turn += turn && is_same(all[i].lane, lane);
    }
    return in_turn;
}

static void check_gates(sim *s, const shown *all, int count) {
    for (int i = 0; i < count; i++) {
        int in_turn = count_in_turn(all, count, all[i].lane);
        if (in_turn > 1) {
            break_off(s, "one of a lane at a time", all[i].id);
        }
        if (in_turn == 0 && all[i].state == EXECUTION_HELD) {
            break_off(s, "who is held has somebody before it", all[i].id);
        }
        if (all[i].state == EXECUTION_PARKED && !has_mover(all, count, all[i].subscription)) {
            break_off(s, "who is parked will be released", all[i].id);
        }
    }
}

static ow_code check(sim *s) {
    static shown all[ROWS_MAX];
    int count = 0;
    ow_code code = show(s, all, &count);
    for (int i = 0; code == OW_OK && i < count; i++) {
        check_one(s, &all[i]);
    }
    if (count < s->accepted) {
        break_off(s, "accepted = waiting + running + done + dead + discarded", "");
    }
    check_gates(s, all, count);
    return code;
}

// ---- A history ----

static ow_code step(sim *s) {
    switch (dice(s, 12)) {
    case 0:
    case 1:
    case 2:
        return accept(s);
    case 3:
    case 4:
    case 5:
        return claim(s, (int)dice(s, WORKERS), 1 + (int)dice(s, 4));
    case 6:
    case 7:
        s->now_us += (int64_t)dice(s, 4 * 1000000);
        return end_some(s);
    case 8:
        if (chance(s, 40)) {
            crash(s);
        }
        return OW_OK;
    case 9:
        return lapse(s);
    case 10:
        s->now_us += chance(s, 10) ? (int64_t)dice(s, 120 * 1000000) : 1000;
        return end_some(s);
    default:
        return chance(s, 50) ? by_hand(s) : OW_OK;
    }
}

static int count_unsettled(sim *s) {
    int count = 0;
    for (int i = 0; i < s->known_count; i++) {
        count += !state_is_settled(s->known[i].state);
    }
    return count;
}

// Nobody dies any more: everything comes to an end.
static ow_code quiet_round(sim *s) {
    s->now_us += 30 * 1000000;
    ow_code code = end_some(s);
    code = code == OW_OK ? lapse(s) : code;
    code = code == OW_OK ? claim(s, 0, CLAIM_MAX) : code;
    return code == OW_OK ? check(s) : code;
}

static ow_code come_to_rest(sim *s) {
    ow_code code = OW_OK;
    for (int i = 0; code == OW_OK && s->broken == NULL && i < QUIET_ROUNDS; i++) {
        code = quiet_round(s);
        if (s->lease_count == 0 && count_unsettled(s) == 0) {
            return code;
        }
    }
    if (code == OW_OK && s->broken == NULL) {
        break_off(s, "everything comes to an end", "");
    }
    return code;
}

static ow_code history(ow_db_conn *db, void *self, ow_err *err) {
    sim *s = self;
    s->db = db;
    s->err = err;
    s->random = s->seed;
    s->now_us = 1000 * 1000000;
    s->known_count = 0;
    s->accepted = 0;
    s->broken = NULL;
    s->last_id[0] = '\0';
    ow_arena_reset(s->arena);
    ow_code code = OW_OK;
    for (int i = 0; code == OW_OK && s->broken == NULL && i < STEPS; i++) {
        code = step(s);
        code = code == OW_OK ? check(s) : code;
    }
    code = code == OW_OK && s->broken == NULL ? come_to_rest(s) : code;
    while (s->lease_count > 0) {
        run_free(s->leases[--s->lease_count].run);
    }
    return code == OW_OK ? ow_fail(err, OW_ABORTED, "over", "the history is over") : code;
}

// ---- Many ----

typedef struct many {
    ow_loop *loop;
    ow_db *db;
    sim sim;
    ow_db_job job;
    bool done;
    ow_code code;
    char why[200];
} many;

static void on_done(void *self, ow_code code, const ow_err *err) {
    many *m = (many *)(void *)((char *)self - offsetof(many, sim));
    m->done = true;
    m->code = code;
    snprintf(m->why, sizeof m->why, "%.30s: %.150s", err->reason, err->message);
}

static void run_seed(many *m, uint64_t seed) {
    m->sim.seed = seed;
    m->done = false;
    m->job = (ow_db_job){.run = history, .done = on_done, .self = &m->sim};
    ow_db_write(m->db, &m->job);
    while (!m->done) {
        ow_err err;
        assert_int_equal(ow_loop_turn(m->loop, 100000, &err), OW_OK);
    }
    if (m->code != OW_ABORTED) {
        fail_msg("seed %" PRIu64 ": %s", seed, m->why);
    }
}

static int set_up(void **state) {
    static char folder[256];
    many *m = calloc(1, sizeof *m);
    ow_err err;
    const char *base = getenv("TEST_TMPDIR");
    snprintf(folder, sizeof folder, "%s/queue_sim_XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(ow_loop_new(&m->loop, &err), OW_OK);
    ow_db_options options = {.name = "events",
                             .folder = folder,
                             .migrations = events_migrations,
                             .loop = m->loop,
                             .readers = 1};
    assert_int_equal(ow_db_sqlite_open(&options, &m->db, &err), OW_OK);
    m->sim.arena = ow_arena_new(64 << 20);
    m->sim.place = (run_place){.keep_us = HOUR_US,
                               .keep_dead_us = HOUR_US,
                               .limits = {.concurrency = 100},
                               .make_id = make_id,
                               .make_id_self = &m->sim};
    *state = m;
    return 0;
}

static int tear_down(void **state) {
    many *m = *state;
    ow_db_close(m->db);
    ow_loop_free(m->loop);
    ow_arena_free(m->sim.arena);
    free(m);
    return 0;
}

static uint64_t only_seed;

static void the_invariants_hold(void **state) {
    many *m = *state;
    uint64_t first = only_seed != 0 ? only_seed : 1;
    uint64_t last = only_seed != 0 ? only_seed : SEEDS;
    m->sim.verbose = only_seed != 0;
    int64_t runs = 0, executions = 0;
    for (uint64_t seed = first; seed <= last; seed++) {
        run_seed(m, seed);
        if (m->sim.broken != NULL) {
            fail_msg("seed %" PRIu64 " (run the test with it): \"%s\" does not hold, %s", seed,
                     m->sim.broken, m->sim.broken_id);
        }
        executions += m->sim.known_count;
        for (int i = 0; i < m->sim.known_count; i++) {
            runs += m->sim.known[i].runs;
        }
    }
    print_message("%" PRIu64 " histories, %" PRId64 " executions, %" PRId64 " runs\n",
                  last - first + 1, executions, runs);
    assert_true(runs > executions / 2);
}

// That the simulation can fail: without the check of epochs it must.
static void without_epochs_they_do_not(void **state) {
    many *m = *state;
    m->sim.forgets_epochs = true;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run_seed(m, seed);
        if (m->sim.broken != NULL) {
            print_message("seed %" PRIu64 ": %s\n", seed, m->sim.broken);
            return;
        }
    }
    fail_msg("nothing was found");
}

int main(int argc, char **argv) {
    only_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_invariants_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_epochs_they_do_not, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("queue_sim", tests, NULL, NULL);
}
