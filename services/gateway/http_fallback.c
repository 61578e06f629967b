#include "services/gateway/http_fallback.h"

#include <stdio.h>
#include <string.h>

#define KEY_MAX (HTTP_SHA256_MAX + 8)
#define FETCH_TIMEOUT_US (INT64_C(2) * 1000000)
#define RETRY_US 1000000 // after a fetch that failed

enum { HAD = 200, NOT_HAD = 502 }; // statuses of what is kept

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".htm", "text/html; charset=utf-8"},
    {".txt", "text/plain; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".csv", "text/csv; charset=utf-8"},
    {".json", "application/json"},
    {".xml", "application/xml"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".webp", "image/webp"},
    {".gif", "image/gif"},
    {".ico", "image/x-icon"},
};

static const char *type_of(const char *path) {
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t length = strlen(types[i].ending);
        if (size > length && strcmp(path + size - length, types[i].ending) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

void http_fallback_note(http_state *state, const http_route *route,
                        const route_revision *revision) {
    state->file_sha256[0] = '\0';
    for (size_t i = 0; route->fallback_file[0] != '\0' && i < revision->file_count; i++) {
        const route_file *file = &revision->files[i];
        if (strcmp(file->path, route->fallback_file) == 0 &&
            strlen(file->sha256) < sizeof state->file_sha256) {
            snprintf(state->file_sha256, sizeof state->file_sha256, "%s", file->sha256);
            state->file_type = type_of(file->path);
        }
    }
}

static const char *key_of(const http_state *state, char key[static KEY_MAX]) {
    snprintf(key, KEY_MAX, "file\n%s", state->file_sha256);
    return key;
}

// It is no answer of the function's: nobody in front shall keep it.
static http_reply reply_of(const http_state *state, const void *bytes, size_t size) {
    return (http_reply){.status = 200,
                        .content_type = state->file_type,
                        .headers = {{"Cache-Control", "no-store"}},
                        .header_count = 1,
                        .body = bytes,
                        .size = size};
}

typedef struct fetching {
    exchange *x; // NULL: it has ended
    http_fallback_done done;
} fetching;

// A function that fails for all would have the registry asked by each of them. Kept by file: that one is missing
// says nothing of another title's.
static void note_failure(const exchange *x) {
    char key[KEY_MAX];
    int64_t now_us = ow_loop_now_us(x->gw->loop);
    http_copy copy = {.status = NOT_HAD,
                      .head = "",
                      .body = "",
                      .stored_us = now_us,
                      .expires_us = now_us + RETRY_US};
    http_cache_fill(x->gw->http_cache, key_of(&x->state.http, key), &copy);
}

static void on_chunk(const get_blob_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    const fetching *f = call->user;
    exchange *x = f->x;
    char key[KEY_MAX];
    if (x != NULL) {
        http_state *state = &x->state.http;
        state->fetch = NULL;
        if (reply != NULL && (int64_t)reply->data.len == reply->total_size) {
            http_reply file = reply_of(state, reply->data.data, reply->data.len);
            http_copy copy = {.status = HAD, .head = "", .body = file.body, .size = file.size};
            http_cache_fill(x->gw->http_cache, key_of(state, key), &copy);
            f->done(x, &file);
        } else {
            note_failure(x);
            f->done(x, NULL);
        }
    }
    ow_call_free(call);
}

// A call of its own: the exchange's has ended, maybe by its deadline.
static bool fetch(exchange *x, http_fallback_done done) {
    http_state *state = &x->state.http;
    ow_principal platform = {.kind = OW_PLATFORM};
    snprintf(platform.title, sizeof platform.title, "%s", x->principal.title);
    ow_call_options options = {.principal = &platform,
                               .request_id = x->request_id,
                               .trace = &x->trace,
                               .timeout_us = FETCH_TIMEOUT_US};
    ow_call *call = ow_call_new(x->gw->loop, &options);
    fetching *f = call != NULL ? ow_arena_calloc(call->arena, 1, sizeof *f) : NULL;
    if (f == NULL) {
        ow_call_free(call);
        return false;
    }
    *f = (fetching){x, done};
    call->user = f;
    state->fetch = call;
    get_blob_request *request = ow_arena_calloc(call->arena, 1, sizeof *request);
    char *sha256 = ow_arena_strdup_in(call->arena, state->file_sha256);
    if (request == NULL || sha256 == NULL) {
        state->fetch = ow_call_free(call);
        return false;
    }
    overworld__registry__v1__get_blob_chunk_request__init(request);
    request->sha256 = sha256;
    overworld__registry__v1__registry__get_blob_chunk(x->gw->registry, request, on_chunk, call);
    return true;
}

bool http_fallback_ask(exchange *x, http_fallback_done done) {
    const http_state *state = &x->state.http;
    char key[KEY_MAX];
    if (state->file_sha256[0] == '\0') {
        return false;
    }
    const http_copy *copy = http_cache_stale(x->gw->http_cache, key_of(state, key));
    if (copy != NULL && copy->status != HAD && ow_loop_now_us(x->gw->loop) < copy->expires_us) {
        return false;
    }
    if (copy == NULL || copy->status != HAD) {
        return fetch(x, done);
    }
    http_reply file = reply_of(state, copy->body, copy->size);
    done(x, &file);
    return true;
}

void http_fallback_end(exchange *x) {
    http_state *state = &x->state.http;
    if (state->fetch != NULL) {
        ((fetching *)state->fetch->user)->x = NULL;
        ow_call_cancel(state->fetch, OW_CANCELLED);
        state->fetch = NULL;
    }
}
