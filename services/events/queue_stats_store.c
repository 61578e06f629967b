// The last hour is put together from what is stored: who was accepted and when it ended. So it needs no
// writes, and is there after a restart.

#include "services/events/queue_stats_store.h"

#include "services/events/queue_logic.h"

#include <string.h>

#define WALK_MAX 200000 // rows, of other titles, too

int64_t queue_minute_us(const queue_look *look, int minute) {
    return look->now_us / MINUTE_US * MINUTE_US - (QUEUE_MINUTES - 1 - minute) * MINUTE_US;
}

// In which of the minutes it was; -1: before them, QUEUE_MINUTES: after them.
static int minute_of(const queue_look *look, int64_t at_us) {
    int64_t first_us = queue_minute_us(look, 0);
    if (at_us < first_us) {
        return -1;
    }
    int64_t minute = (at_us - first_us) / MINUTE_US;
    return minute < QUEUE_MINUTES ? (int)minute : QUEUE_MINUTES;
}

// It was on its way from its acceptance until it ended; ended_us 0: it still is.
static void note(queue_look *look, execution_state state, int64_t created_us, int64_t ended_us) {
    int end = ended_us > 0 ? minute_of(look, ended_us) : QUEUE_MINUTES;
    int begin = minute_of(look, created_us);
    for (int i = begin > 0 ? begin : 0; i < end; i++) {
        look->each[i].waiting++;
    }
    if (end >= 0 && end < QUEUE_MINUTES) {
        look->each[end].done += state == EXECUTION_DONE;
        look->each[end].dead += state == EXECUTION_DEAD;
    }
}

// Of state, created_us, ended_us, due_us.
static void take_row(ow_rows *rows, queue_look *look) {
    execution_state state = (execution_state)ow_rows_int(rows, 0);
    int64_t due_us = ow_rows_int(rows, 3);
    if (state == EXECUTION_WAITING && (look->oldest_due_us == 0 || due_us < look->oldest_due_us)) {
        look->oldest_due_us = due_us;
    }
    if (look->minutes) {
        note(look, state, ow_rows_int(rows, 1), ow_rows_int(rows, 2));
    }
}

static ow_code take(ow_rows *rows, queue_look *look, int64_t *ret_count, ow_err *err) {
    bool more = true;
    ow_code code = OW_OK;
    while ((code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        take_row(rows, look);
        ++*ret_count;
    }
    return code;
}

#define COLUMNS "SELECT state, created_us, ended_us, due_us FROM executions WHERE "
// The subscription begins with the title and a space; '!' is what comes behind that.
#define OF_TITLE                                                                                   \
    "subscription >= $1 || ' ' AND subscription < $1 || '!' ORDER BY subscription LIMIT $2"

// What waits is in the order of all titles: of a long queue only the beginning is walked over.
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#define WALKED_TO_SQL                                                                              \
    "SELECT due_us FROM executions WHERE state = 1 ORDER BY due_us LIMIT 1 OFFSET " TEXT(WALK_MAX)
#define WALKED_TO "COALESCE((" WALKED_TO_SQL "), 9223372036854775807)"

// One statement a state: each has an index of its own. SQLite does not see that one state is part of the index of two
// (0004_shares) unless it is said.
static const struct {
    execution_state state;
    const char *sql;
} on_their_way[] = {
    {EXECUTION_WAITING,
     COLUMNS "state = 1 AND title_id = $1 AND due_us < " WALKED_TO " ORDER BY due_us LIMIT $2"},
    {EXECUTION_HELD, COLUMNS "state = 2 AND state IN (2, 3) AND " OF_TITLE},
    {EXECUTION_PARKED, COLUMNS "state = 3 AND state IN (2, 3) AND " OF_TITLE},
    {EXECUTION_RUNNING, COLUMNS "state = 4 AND " OF_TITLE},
    {EXECUTION_DEAD, COLUMNS "state = 6 AND title_id = $1 ORDER BY execution_id DESC LIMIT $2"},
};

const char *queue_stats_sql(size_t at) {
    return at < sizeof on_their_way / sizeof *on_their_way ? on_their_way[at].sql : NULL;
}

static int64_t *count_of(queue_look *look, execution_state state) {
    return state == EXECUTION_RUNNING ? &look->running
           : state == EXECUTION_DEAD  ? &look->dead
                                      : &look->waiting;
}

static ow_code read_state(ow_db_conn *db, queue_look *look, size_t at, ow_err *err) {
    ow_rows *rows = NULL;
    int64_t count = 0;
    ow_code code = ow_db_query(db, &rows, err, on_their_way[at].sql, "ti", look->title_id,
                               (int64_t)QUEUE_LOOK_MAX);
    code = code == OW_OK ? take(rows, look, &count, err) : code;
    ow_rows_close(rows);
    *count_of(look, on_their_way[at].state) += count;
    look->truncated = look->truncated || count == QUEUE_LOOK_MAX;
    return code;
}

// Those that ended within the hour lie next to each other by the time when they need not be kept, of all titles: of
// others no more are walked over than WALK_MAX.
static ow_code read_settled(ow_db_conn *db, queue_look *look, ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    int64_t walked = 0;
    ow_code code =
        ow_db_query(db, &rows, err,
                    "SELECT state, created_us, ended_us, due_us, title_id FROM executions"
                    " WHERE delete_us > 0 AND delete_us >= $1 AND delete_us <= $2 AND state <> 6"
                    " ORDER BY delete_us DESC LIMIT $3",
                    "iii", queue_minute_us(look, 0) + look->keep_us, look->now_us + look->keep_us,
                    (int64_t)WALK_MAX);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        if (strcmp(ow_rows_text(rows, 4), look->title_id) == 0) {
            take_row(rows, look);
        }
        walked++;
    }
    ow_rows_close(rows);
    look->truncated = look->truncated || walked == WALK_MAX;
    return code;
}

// Was the whole queue walked over? If not, so many wait as the last census had.
static ow_code look_behind(ow_db_conn *db, queue_look *look, ow_err *err) {
    ow_rows *rows = NULL;
    bool longer = false;
    ow_code code = ow_db_query(db, &rows, err, WALKED_TO_SQL, "");
    code = code == OW_OK ? ow_rows_next(rows, &longer, err) : code;
    ow_rows_close(rows);
    if (code == OW_OK && longer) {
        look->truncated = true;
        look->waiting = look->waiting > look->share ? look->waiting : look->share;
    }
    return code;
}

// A curve that takes too long is a short one: the numbers of now are right all the same.
static ow_code read_curve(ow_db_conn *db, queue_look *look, ow_err *err) {
    ow_code code = read_settled(db, look, err);
    if (code != OW_DEADLINE_EXCEEDED) {
        return code;
    }
    look->truncated = true;
    return OW_OK;
}

ow_code queue_stats_read(ow_db_conn *db, queue_look *look, ow_err *err) {
    ow_code code = OW_OK;
    for (size_t i = 0; code == OW_OK && i < sizeof on_their_way / sizeof *on_their_way; i++) {
        code = read_state(db, look, i, err);
    }
    code = code == OW_OK ? look_behind(db, look, err) : code;
    return code == OW_OK && look->minutes ? read_curve(db, look, err) : code;
}
