#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/testing/ow_test.h"
#include "services/runner/runner_world_parts.h"

#define PART ((size_t)1 << 20)

// ---- the registry

static void send_server(ow_run *run, world *w, struct stored_server *server, bool complete) {
    route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    change.sequence = ++w->sequence;
    if (server != NULL && server->removed) {
        change.removed_title_id = server->routes.title_id;
        change.removed_name = server->routes.name;
    } else if (server != NULL) {
        change.upsert = &server->routes;
    } else {
        change.reset = !complete;
        change.complete = complete;
    }
    (void)ow_run_send(run, &change.base);
}

static void on_watch_cancelled(ow_call *call, void *self) {
    world *w = self;
    for (int i = 0; i < WATCHERS_MAX; i++) {
        if (w->watchers[i] != NULL && w->watchers[i]->call == call) {
            ow_run *run = w->watchers[i];
            w->watchers[i] = NULL;
            ow_run_finish(run, call->err.code);
            return;
        }
    }
}

static ow_code watch_routes(ow_run *run) {
    world *w = run->self;
    if (w->away) {
        return ow_fail(run->err, OW_UNAVAILABLE, "away", "registry is away");
    }
    send_server(run, w, NULL, false);
    for (unsigned i = 0; i < w->server_count; i++) {
        if (!w->servers[i].removed) {
            send_server(run, w, &w->servers[i], false);
        }
    }
    send_server(run, w, NULL, true);
    for (int i = 0; i < WATCHERS_MAX; i++) {
        if (w->watchers[i] == NULL) {
            w->watchers[i] = run;
            run->call->on_cancel = on_watch_cancelled;
            run->call->on_cancel_self = w;
            return OW_PENDING;
        }
    }
    return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "watchers", "too many watchers");
}

static ow_code get_blob_chunk(ow_run *run) {
    world *w = run->self;
    const get_blob_chunk_request *request = run->request;
    get_blob_chunk_response *reply = run->reply;
    if (w->away) {
        return ow_fail(run->err, OW_UNAVAILABLE, "away", "registry is away");
    }
    for (unsigned i = 0; i < w->blob_count; i++) {
        struct stored_blob *blob = &w->blobs[i];
        if (strcmp(blob->sha256, request->sha256) == 0) {
            size_t left = blob->size - (size_t)request->offset;
            reply->total_size = (int64_t)blob->size;
            reply->data.len = left < PART ? left : PART;
            reply->data.data = ow_arena_memdup_in(run->call->arena, blob->bytes + request->offset,
                                                  reply->data.len);
            return OW_OK;
        }
    }
    return ow_fail(run->err, OW_NOT_FOUND, "no_blob", "no blob %s", request->sha256);
}

const ow_method world_registry_methods[] = {
    {"GetBlobChunk", 0, {{OW_LOOP, get_blob_chunk}}},
    {"WatchRoutes", 0, {{OW_LOOP, watch_routes}}},
    {.name = NULL},
};

// ---- telemetry

static void note(world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(world *w, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int wrote = vsnprintf(w->text + w->text_length, TEXT_MAX - w->text_length, format, arguments);
    va_end(arguments);
    if (wrote > 0 && (size_t)wrote < TEXT_MAX - w->text_length) {
        w->text_length += (size_t)wrote;
    }
}

static void note_record(world *w, const telemetry_record *record) {
    if (record->line != NULL) {
        note(w, "line %s %s %s %s\n", record->request_id, record->line->level,
             record->line->printed ? "printed" : "logged", record->line->text);
    } else if (record->invocation != NULL) {
        const invocation_record *run = record->invocation;
        note(w,
             "%s %s %s/%s source=%s reason=%s parent=%d cold=%d peak=%d memory=%d dropped=%lld "
             "version=%lld stack=%s message=%s\n",
             run->init_only ? "init" : "run", record->request_id, run->virtual_server,
             run->function, run->source, run->reason[0] != '\0' ? run->reason : "ok",
             run->parent_invocation_id[0] != '\0', run->init_us > 0, run->peak_memory_bytes > 0,
             run->memory_mb, (long long)run->lines_dropped, (long long)run->version, run->stack,
             run->message);
    } else if (record->levels != NULL) {
        const levels_record *levels = record->levels;
        note(w, "levels %s/%s version=%lld instances=%d/%d waiting=%d/%d\n", levels->virtual_server,
             levels->function, (long long)levels->version, levels->instances,
             levels->instances_peak, levels->waiting, levels->waiting_peak);
    }
}

static ow_code append(ow_run *run) {
    world *w = run->self;
    const append_request *request = run->request;
    size_t at = 0;
    while (at < request->records.len) {
        size_t length = 0;
        for (unsigned shift = 0; at < request->records.len; shift += 7) {
            uint8_t byte = request->records.data[at++];
            length |= (size_t)(byte & 0x7F) << shift;
            if ((byte & 0x80) == 0) {
                break;
            }
        }
        telemetry_record *record =
            overworld__telemetry__v1__record__unpack(NULL, length, request->records.data + at);
        assert_non_null(record);
        note_record(w, record);
        overworld__telemetry__v1__record__free_unpacked(record, NULL);
        at += length;
    }
    return OW_OK;
}

const ow_method world_telemetry_methods[] = {
    {"Append", 0, {{OW_LOOP, append}}},
    {.name = NULL},
};

void world_tell_watchers(world *w, struct stored_server *server) {
    for (int i = 0; i < WATCHERS_MAX; i++) {
        if (w->watchers[i] != NULL) {
            send_server(w->watchers[i], w, server, false);
        }
    }
}

void world_registry_away(world *w, bool away) {
    w->away = away;
    for (int i = 0; i < WATCHERS_MAX && away; i++) {
        if (w->watchers[i] != NULL) {
            ow_run *run = w->watchers[i];
            w->watchers[i] = NULL;
            run->call->on_cancel = NULL;
            ow_run_finish(run, ow_fail(run->err, OW_UNAVAILABLE, "away", "registry goes"));
        }
    }
}

// ---- records

static bool line_has(const char *line, size_t length, const char *const *parts) {
    for (int i = 0; parts[i] != NULL; i++) {
        if (memmem(line, length, parts[i], strlen(parts[i])) == NULL) {
            return false;
        }
    }
    return true;
}

static bool has_record(const world *w, const char *const *parts) {
    const char *at = w->text;
    while (*at != '\0') {
        size_t length = strcspn(at, "\n");
        if (line_has(at, length, parts)) {
            return true;
        }
        at += length + (at[length] == '\n');
    }
    return false;
}

const char *world_records(const world *w) {
    return w->text;
}

bool world_recorded(world *w, const char *const *parts) {
    for (int i = 0; i < 500; i++) {
        if (has_record(w, parts)) {
            return true;
        }
        world_turn(w);
    }
    print_error("not recorded; there is:\n%s", w->text);
    return false;
}
