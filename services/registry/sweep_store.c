#include "services/registry/messages.h"
#include "services/registry/sweep.h"

#include "core/arena/arena.h"

enum { BODY_ARENA_MAX = 16 << 20 };

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the list of blobs");
}

static bool note_body(const reference_sink *sink, ow_arena *arena, const void *body, size_t size) {
    const route_revision_msg *revision =
        message_unpack_in(arena, &overworld__registry__v1__route_revision__descriptor, body, size);
    bool ok = revision != NULL && sink->note(sink->self, revision->code_sha256);
    for (size_t i = 0; ok && i < revision->n_files; i++) {
        ok = sink->note(sink->self, revision->files[i]->sha256);
    }
    return ok;
}

static ow_code note_revisions(ow_db_conn *conn, const reference_sink *sink, ow_arena *arena,
                              ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    ow_code code = ow_db_query(conn, &rows, err, "SELECT bundle_sha256, body FROM revisions", "");
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        size_t size = 0;
        const void *body = ow_rows_blob(rows, 1, &size);
        if (!sink->note(sink->self, ow_rows_text(rows, 0)) || !note_body(sink, arena, body, size)) {
            ow_rows_close(rows);
            return no_memory(err);
        }
        ow_arena_reset(arena);
    }
    return code;
}

ow_code store_references(ow_db_conn *conn, const reference_sink *sink, ow_err *err) {
    ow_arena *arena = ow_arena_new(BODY_ARENA_MAX);
    if (arena == NULL) {
        return no_memory(err);
    }
    ow_code code = note_revisions(conn, sink, arena, err);
    ow_arena_free(arena);
    ow_rows *rows = NULL;
    bool more = true;
    if (code == OW_OK) {
        code = ow_db_query(conn, &rows, err, "SELECT code_sha256 FROM builds", "");
    }
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        if (!sink->note(sink->self, ow_rows_text(rows, 0))) {
            ow_rows_close(rows);
            return no_memory(err);
        }
    }
    return code;
}

ow_code store_builds_forget(ow_db_conn *conn, int64_t before_us, ow_err *err) {
    return ow_db_exec(conn, NULL, err, "DELETE FROM builds WHERE created_us < $1", "i", before_us);
}
