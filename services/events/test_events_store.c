#include "services/events/test_events_store.h"

#include "core/timestamp/timestamp.h"

#include "services/events/store_rows.h"

#define EVENT_COLUMNS "name, owner, content_type, saved_us, payload"

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for test events");
}

static ow_code check_room(ow_db_conn *db, const test_event_place *place,
                          const test_event_msg *event, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(
        db, &rows, err,
        "SELECT COUNT(*), COALESCE(SUM(LENGTH(payload)), 0) FROM test_events WHERE title_id = $1"
        " AND virtual_server = $2 AND function = $3 AND owner = $4"
        " AND name <> $5",
        "ttttt", place->title_id, place->virtual_server, place->function, place->owner,
        event->name);
    code = rows_one(code, rows, &found, err);
    int64_t bytes = code == OW_OK && found ? ow_rows_int(rows, 1) : 0;
    int64_t count = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    bool full =
        count >= TEST_EVENTS_MAX || bytes + (int64_t)event->payload.len > TEST_EVENTS_BYTES_MAX;
    return code == OW_OK && full
               ? ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many",
                         "a function has at most %d test events, of %d MB together",
                         TEST_EVENTS_MAX, TEST_EVENTS_BYTES_MAX >> 20)
               : code;
}

ow_code test_event_save(ow_db_conn *db, const test_event_place *place, const test_event_msg *event,
                        int64_t now_us, ow_err *err) {
    ow_code code = check_room(db, place, event, err);
    if (code != OW_OK) {
        return code;
    }
    const void *payload = event->payload.len > 0 ? (const void *)event->payload.data : "";
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO test_events (title_id, virtual_server, function, owner, name,"
                      " content_type, saved_us, payload) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                      " ON CONFLICT (title_id, virtual_server, function, owner, name)"
                      " DO UPDATE SET content_type = excluded.content_type,"
                      " saved_us = excluded.saved_us, payload = excluded.payload",
                      "ttttttib", place->title_id, place->virtual_server, place->function,
                      place->owner, event->name, event->content_type, now_us, payload,
                      event->payload.len);
}

static ow_code read_event(ow_rows *rows, const test_event_place *place, ow_arena *arena,
                          test_event_msg **ret_event, ow_err *err) {
    test_event_msg *made = ow_arena_alloc(arena, sizeof *made);
    Google__Protobuf__Timestamp *at = ow_timestamp_in(arena, ow_rows_int(rows, 3));
    size_t size = 0;
    const void *payload = ow_rows_blob(rows, 4, &size);
    if (made == NULL || at == NULL) {
        return no_memory(err);
    }
    overworld__events__v1__test_event__init(made);
    made->saved_at = at;
    made->virtual_server = ow_arena_strdup_in(arena, place->virtual_server);
    made->function = ow_arena_strdup_in(arena, place->function);
    made->name = ow_arena_strdup_in(arena, ow_rows_text(rows, 0));
    made->shared = ow_rows_text(rows, 1)[0] == '\0';
    made->content_type = ow_arena_strdup_in(arena, ow_rows_text(rows, 2));
    made->payload.data = ow_arena_memdup_in(arena, size > 0 ? payload : "", size);
    made->payload.len = size;
    *ret_event = made;
    return made->virtual_server != NULL && made->function != NULL && made->name != NULL &&
                   made->content_type != NULL && made->payload.data != NULL
               ? OW_OK
               : no_memory(err);
}

ow_code test_events_list(ow_db_conn *db, const test_event_place *place, ow_arena *arena,
                         test_event_msg ***ret_events, size_t *ret_count, ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    *ret_count = 0;
    *ret_events = ow_arena_calloc(arena, 2 * TEST_EVENTS_MAX, sizeof **ret_events);
    if (*ret_events == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " EVENT_COLUMNS " FROM test_events WHERE title_id = $1"
                               " AND virtual_server = $2 AND function = $3"
                               " AND (owner = '' OR owner = $4) ORDER BY name, owner LIMIT $5",
                               "tttti", place->title_id, place->virtual_server, place->function,
                               place->owner, (int64_t)2 * TEST_EVENTS_MAX);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        code = read_event(rows, place, arena, &(*ret_events)[(*ret_count)++], err);
    }
    return code;
}

static ow_code no_event(ow_err *err, const char *name) {
    return ow_fail(err, OW_NOT_FOUND, "no_test_event", "there is no test event `%.60s`", name);
}

ow_code test_event_find(ow_db_conn *db, const test_event_place *place, const char *name,
                        ow_arena *arena, test_event_msg **ret_event, ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " EVENT_COLUMNS " FROM test_events WHERE title_id = $1"
                               " AND virtual_server = $2 AND function = $3"
                               " AND (owner = '' OR owner = $4) AND name = $5"
                               " ORDER BY owner DESC LIMIT 1",
                               "ttttt", place->title_id, place->virtual_server, place->function,
                               place->owner, name);
    code = rows_one(code, rows, &found, err);
    if (code != OW_OK || !found) {
        return code != OW_OK ? code : no_event(err, name);
    }
    code = read_event(rows, place, arena, ret_event, err);
    ow_rows_close(rows);
    return code;
}

ow_code test_event_delete(ow_db_conn *db, const test_event_place *place, const char *name,
                          ow_err *err) {
    int64_t count = 0;
    ow_code code = ow_db_exec(db, &count, err,
                              "DELETE FROM test_events WHERE title_id = $1 AND virtual_server = $2"
                              " AND function = $3 AND owner = $4 AND name = $5",
                              "ttttt", place->title_id, place->virtual_server, place->function,
                              place->owner, name);
    return code == OW_OK && count == 0 ? no_event(err, name) : code;
}
