#include "services/runner/fetch.h"

#include <string.h>

#include "services/runner/internal.h"

enum {
    CONNECTIONS_MAX = 32, // of one function
    PER_HOST_MAX = 16,
    REDIRECTS_MAX = 5,
    HEADERS_MAX = 128, // of a response
};

// ---- the rules

static const char *joined(ow_arena *arena, char **texts, size_t count) {
    const char *list = "";
    for (size_t i = 0; i < count && list != NULL; i++) {
        list = ow_arena_printf_in(arena, "%s%s%s", list, i > 0 ? "," : "", texts[i]);
    }
    return list;
}

bool fetcher_init(struct fetcher *fetcher, const fetch_rules *rules, ow_arena *arena) {
    if (rules == NULL || rules->n_hosts == 0) {
        return true;
    }
    fetcher->hosts = joined(arena, rules->hosts, rules->n_hosts);
    fetcher->networks = joined(arena, rules->networks, rules->n_networks);
    fetcher->plain = rules->plain;
    return fetcher->hosts != NULL && fetcher->networks != NULL;
}

static ow_code open_client(struct runner *runner, struct fetcher *fetcher, ow_err *err) {
    if (fetcher->hosts == NULL) {
        return ow_fail(err, OW_PERMISSION_DENIED, "host_refused",
                       "the manifest names no hosts that may be asked: \"fetch\"");
    }
    if (fetcher->client != NULL) {
        return OW_OK;
    }
    ow_http_client_options options = {
        .loop = runner->loop,
        .parent = runner->env->outgoing,
        .egress = {.hosts = fetcher->hosts, .networks = fetcher->networks, .plain = fetcher->plain},
        .max_fetches = (int)runner->config->fetch_at_once,
        .max_connections = CONNECTIONS_MAX,
        .max_per_host = PER_HOST_MAX,
    };
    return ow_http_client_open(&options, &fetcher->client, err);
}

// ---- the life of one

static void link_up(struct fetcher *fetcher, struct fetching *f) {
    f->next = fetcher->first;
    f->at = &fetcher->first;
    if (f->next != NULL) {
        f->next->at = &f->next;
    }
    fetcher->first = f;
}

static void end(struct fetching *f, ow_code code) {
    ow_run *run = f->run;
    *f->at = f->next;
    if (f->next != NULL) {
        f->next->at = f->at;
    }
    run->call->on_cancel = NULL;
    ow_run_resume(run, code);
}

static void on_cancel(ow_call *call, void *self) {
    struct fetching *f = self;
    (void)call;
    f->fetch = ow_http_fetch_cancel(f->fetch);
    end(f, ow_fail(f->run->err, OW_CANCELLED, "cancelled", "nobody waits any more"));
}

void fetcher_deinit(struct fetcher *fetcher) {
    while (fetcher->first != NULL) {
        struct fetching *f = fetcher->first;
        f->fetch = ow_http_fetch_cancel(f->fetch);
        end(f, ow_fail(f->run->err, OW_UNAVAILABLE, "stopping", "the runner is stopping"));
    }
    fetcher->client = ow_http_client_close(fetcher->client);
}

static ow_code add_headers(ow_run *run, const ow_http_response *response) {
    ow_arena *arena = run->call->arena;
    fetch_response *reply = run->reply;
    ow_http_header_line line;
    void *cursor = NULL;
    reply->headers = ow_arena_calloc(arena, HEADERS_MAX, sizeof *reply->headers);
    while (reply->headers != NULL && reply->n_headers < HEADERS_MAX &&
           ow_http_response_next_header(response, &cursor, &line)) {
        http_header *header = ow_arena_alloc(arena, sizeof *header);
        if (header == NULL) {
            return OW_RESOURCE_EXHAUSTED;
        }
        overworld__runner__v1__http_header__init(header);
        header->name = ow_arena_strdup_in(arena, line.name);
        header->value = ow_arena_strdup_in(arena, line.value);
        if (header->name == NULL || header->value == NULL) {
            return OW_RESOURCE_EXHAUSTED;
        }
        reply->headers[reply->n_headers++] = header;
    }
    return reply->headers != NULL ? OW_OK : OW_RESOURCE_EXHAUSTED;
}

static ow_code fill(ow_run *run, const ow_http_response *response) {
    fetch_response *reply = run->reply;
    size_t size = 0;
    const void *body = ow_http_response_body(response, &size);
    reply->status = ow_http_response_status(response);
    reply->body.len = size;
    reply->body.data = size > 0 ? ow_arena_memdup_in(run->call->arena, body, size) : NULL;
    if ((size > 0 && reply->body.data == NULL) || add_headers(run, response) != OW_OK) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the response");
    }
    return OW_OK;
}

static void on_done(void *self, ow_code code, const ow_http_response *response, const ow_err *err) {
    struct fetching *f = self;
    f->fetch = NULL;
    if (code == OW_OK) {
        code = fill(f->run, response);
    } else {
        *f->run->err = *err;
    }
    end(f, code);
}

// ---- the beginning

static int64_t timeout_of(const struct runner *runner, const ow_run *run) {
    const fetch_request *request = run->request;
    int64_t limit_us = runner->config->fetch_timeout;
    int64_t left_us = ow_call_left_us(run->call);
    int64_t wanted_us = (int64_t)request->timeout_ms * 1000;
    limit_us = left_us < limit_us ? left_us : limit_us;
    return wanted_us > 0 && wanted_us < limit_us ? wanted_us : limit_us;
}

static ow_code start(ow_run *run, struct fetcher *fetcher) {
    const struct runner *runner = run->self;
    const fetch_request *request = run->request;
    struct fetching *f = run->state;
    ow_http_header_line *headers =
        ow_arena_calloc(run->call->arena, request->n_headers + 1, sizeof *headers);
    if (headers == NULL) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the request");
    }
    for (size_t i = 0; i < request->n_headers; i++) {
        headers[i] = (ow_http_header_line){request->headers[i]->name, request->headers[i]->value};
    }
    ow_http_fetch_options options = {
        .method = request->method,
        .url = request->url,
        .headers = headers,
        .header_count = request->n_headers,
        .body = request->body.data,
        .size = request->body.len,
        .timeout_us = timeout_of(runner, run),
        .response_limit = (size_t)runner->config->fetch_response,
        .redirects = request->max_redirects,
        .on_done = on_done,
        .self = f,
    };
    return ow_http_fetch_start(fetcher->client, &options, &f->fetch, run->err);
}

ow_code fetch_step(ow_run *run) {
    struct runner *runner = run->self;
    const fetch_request *request = run->request;
    struct fetching *f = run->state;
    struct pool_entry *entry =
        pools_find(&runner->pools, run->call->principal->title, request->virtual_server,
                   request->function, request->revision_id);
    if (entry == NULL) {
        return ow_fail(run->err, OW_NOT_FOUND, "function_not_found",
                       "requests are sent for functions that run");
    }
    if (request->max_redirects < 0 || request->max_redirects > REDIRECTS_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_redirects",
                       "0 to %d redirects are followed", REDIRECTS_MAX);
    }
    ow_code code = open_client(runner, &entry->fetcher, run->err);
    code = code == OW_OK ? start(run, &entry->fetcher) : code;
    if (code != OW_OK) {
        return code;
    }
    f->run = run;
    link_up(&entry->fetcher, f);
    run->call->on_cancel = on_cancel;
    run->call->on_cancel_self = f;
    return OW_PENDING;
}
