// Random operations on keys and values while the service is killed, again and again, held against a simple
// oracle: what was acknowledged is there, what nobody knows is there whole or not at all, and nothing else.

#include "tests/scenario/deployment.h"

#include "core/testing/ow_test.h"
#include "overworld/data/v1/data.pb-c.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA "/overworld.data.v1.Data/"

enum { WORKERS = 4, KEYS = 12, KILLS = 24, LARGE = 256 * 1024, BATCH = 3 };

typedef Overworld__Data__V1__Scope scope_msg;
typedef Overworld__Data__V1__Condition condition_msg;

// A value is a number, written out; a large one is followed by blanks up to 256 KB.
typedef struct cell {
    bool there, large;
    int64_t number, version;
} cell;

typedef struct worker {
    pthread_t thread;
    ow_client *client;
    char name[8];
    scope_msg scope;
    uint64_t random;
    cell cells[KEYS];
    int64_t last_version; // of all that were ever seen
    int acked, unknown, refused;
    _Atomic bool stop;
    char complaint[200]; // "": all is as it must be
} worker;

static deployment *d;
static uint8_t blanks[LARGE];

static uint32_t next_random(worker *w, uint32_t below) {
    w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(w->random >> 33) % below;
}

static char *key_of(int index, char text[static 16]) {
    snprintf(text, 16, "key/%02d", index);
    return text;
}

// ---- Asking ----

// The reply, NULL when it failed; `ret_unknown` when it may have been done all the same.
static ProtobufCMessage *ask(worker *w, const char *method, const ProtobufCMessage *request,
                             const ProtobufCMessageDescriptor *type, bool *ret_unknown,
                             ow_client_error *error) {
    char path[80];
    size_t size = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes = malloc(size + 1);
    ow_client_reply *reply = NULL;
    ProtobufCMessage *message = NULL;
    protobuf_c_message_pack(request, bytes);
    snprintf(path, sizeof path, DATA "%s", method);
    ow_client_request wanted = {.method = "POST",
                                .path = path,
                                .content_type = "application/proto",
                                .body = bytes,
                                .size = size,
                                .timeout_ms = 5000};
    *ret_unknown = false;
    if (ow_client_send(w->client, &wanted, &reply, error)) {
        message = protobuf_c_message_unpack(type, NULL, reply->size, reply->data);
        ow_client_reply_free(reply);
    } else {
        // Everything but a plain answer leaves it open.
        *ret_unknown = error->status == 0 || error->status >= 429;
    }
    free(bytes);
    return message;
}

static void complain(worker *w, const char *what, int index, int64_t is, int64_t wanted) {
    if (w->complaint[0] == '\0') {
        snprintf(w->complaint, sizeof w->complaint, "%s key %d: %s %" PRId64 ", wanted %" PRId64,
                 w->name, index, what, is, wanted);
    }
}

// What is stored now, as soon as somebody answers. False: nobody did for a long time.
static bool read_cells(worker *w, cell cells[static KEYS]) {
    Overworld__Data__V1__KvListRequest request = OVERWORLD__DATA__V1__KV_LIST_REQUEST__INIT;
    int64_t until = now_ms() + 60000;
    char token[600] = "";
    memset(cells, 0, KEYS * sizeof *cells);
    request.scope = &w->scope;
    request.page_token = token;
    while (now_ms() < until) {
        ow_client_error error = {0};
        bool unknown;
        Overworld__Data__V1__KvListResponse *page =
            (void *)ask(w, "KvList", &request.base,
                        &overworld__data__v1__kv_list_response__descriptor, &unknown, &error);
        if (page == NULL) {
            poll(NULL, 0, 5);
            continue;
        }
        for (size_t i = 0; i < page->n_entries; i++) {
            const Overworld__Data__V1__Entry *entry = page->entries[i];
            int index = (int)strtol(entry->key + 4, NULL, 10);
            char text[24];
            snprintf(text, sizeof text, "%.*s", entry->value.len < 23 ? (int)entry->value.len : 23,
                     (const char *)entry->value.data);
            cells[index] = (cell){.there = true,
                                  .large = entry->value.len == LARGE,
                                  .number = strtoll(text, NULL, 10),
                                  .version = entry->version};
        }
        snprintf(token, sizeof token, "%s", page->next_page_token);
        overworld__data__v1__kv_list_response__free_unpacked(page, NULL);
        if (token[0] == '\0') {
            return true;
        }
    }
    return false;
}

// ---- Operations: what they make of the oracle ----

typedef struct change {
    int count;
    int index[BATCH];
    cell after[BATCH]; // versions are the server's
} change;

static bool same(const cell *a, const cell *b) {
    return a->there == b->there && (!a->there || (a->number == b->number && a->large == b->large));
}

static void take(worker *w, const change *c, const int64_t *versions) {
    for (int i = 0; i < c->count; i++) {
        cell *at = &w->cells[c->index[i]];
        *at = c->after[i];
        if (versions != NULL && at->there) {
            at->version = versions[i];
            if (versions[i] <= w->last_version) {
                complain(w, "version", c->index[i], versions[i], w->last_version + 1);
            }
            w->last_version = versions[i] > w->last_version ? versions[i] : w->last_version;
        }
    }
    w->acked++;
}

static bool is_changed(const change *c, int index) {
    for (int i = 0; i < c->count; i++) {
        if (c->index[i] == index) {
            return true;
        }
    }
    return false;
}

static void check_others(worker *w, const change *c, const cell now[static KEYS]) {
    for (int i = 0; i < KEYS; i++) {
        if (!is_changed(c, i) && !same(&now[i], &w->cells[i])) {
            complain(w, "lost", i, now[i].number, w->cells[i].number);
        }
        w->last_version = now[i].version > w->last_version ? now[i].version : w->last_version;
    }
}

// Done or not: all of it, or nothing.
static void resolve(worker *w, const change *c) {
    cell now[KEYS];
    bool all = true, none = true;
    w->unknown++;
    if (!read_cells(w, now)) {
        complain(w, "nobody answers", 0, 0, 0);
        return;
    }
    for (int i = 0; i < c->count; i++) {
        // A set to what it was is both; its version tells.
        const cell *before = &w->cells[c->index[i]], *is = &now[c->index[i]];
        all = all && same(is, &c->after[i]);
        none = none && same(is, before) && (!is->there || is->version == before->version);
    }
    if (!all && !none) {
        complain(w, "half done", c->index[0], now[c->index[0]].number, c->after[0].number);
    }
    check_others(w, c, now);
    memcpy(w->cells, now, sizeof now);
}

static void settle(worker *w, const change *c, bool replied, bool unknown,
                   const int64_t *versions) {
    if (replied) {
        take(w, c, versions);
    } else if (unknown) {
        resolve(w, c);
    } else {
        complain(w, "refused", c->index[0], 0, 0);
    }
}

static size_t write_value(int64_t number, bool large, uint8_t *value) {
    int length = snprintf((char *)value, 24, "%" PRId64, number);
    if (!large) {
        return (size_t)length;
    }
    memcpy(value + length, blanks, (size_t)(LARGE - length));
    return LARGE;
}

static void do_set(worker *w, int index, bool guarded) {
    static _Thread_local uint8_t value[LARGE];
    char key[16];
    bool unknown;
    ow_client_error error = {0};
    condition_msg condition = OVERWORLD__DATA__V1__CONDITION__INIT;
    Overworld__Data__V1__KvSetRequest request = OVERWORLD__DATA__V1__KV_SET_REQUEST__INIT;
    const cell *now = &w->cells[index];
    change c = {.count = 1, .index = {index}};
    c.after[0] =
        (cell){.there = true, .large = next_random(w, 20) == 0, .number = next_random(w, 1000000)};
    request.scope = &w->scope;
    request.key = key_of(index, key);
    request.value.data = value;
    request.value.len = write_value(c.after[0].number, c.after[0].large, value);
    if (guarded) {
        condition.kind = now->there ? OVERWORLD__DATA__V1__CONDITION__KIND__VERSION
                                    : OVERWORLD__DATA__V1__CONDITION__KIND__ABSENT;
        condition.version = now->there ? now->version : 0;
        request.condition = &condition;
    }
    Overworld__Data__V1__KvSetResponse *reply =
        (void *)ask(w, "KvSet", &request.base, &overworld__data__v1__kv_set_response__descriptor,
                    &unknown, &error);
    settle(w, &c, reply != NULL, unknown, reply != NULL ? &reply->version : NULL);
    protobuf_c_message_free_unpacked((void *)reply, NULL);
}

static void set(worker *w, int index) {
    do_set(w, index, false);
}

static void set_guarded(worker *w, int index) {
    do_set(w, index, true);
}

// A version that is not the key's: never done.
static void set_stale(worker *w, int index) {
    char key[16];
    bool unknown;
    ow_client_error error = {0};
    condition_msg condition = OVERWORLD__DATA__V1__CONDITION__INIT;
    Overworld__Data__V1__KvSetRequest request = OVERWORLD__DATA__V1__KV_SET_REQUEST__INIT;
    request.scope = &w->scope;
    request.key = key_of(index, key);
    request.value.data = (uint8_t *)"666";
    request.value.len = 3;
    request.condition = &condition;
    condition.kind = OVERWORLD__DATA__V1__CONDITION__KIND__VERSION;
    condition.version = w->last_version + 1;
    Overworld__Data__V1__KvSetResponse *reply =
        (void *)ask(w, "KvSet", &request.base, &overworld__data__v1__kv_set_response__descriptor,
                    &unknown, &error);
    if (reply != NULL) {
        complain(w, "stale write taken", index, reply->version, 0);
    }
    w->refused += reply == NULL && !unknown;
    protobuf_c_message_free_unpacked((void *)reply, NULL);
}

static void delete (worker *w, int index) {
    char key[16];
    bool unknown;
    ow_client_error error = {0};
    Overworld__Data__V1__KvDeleteRequest request = OVERWORLD__DATA__V1__KV_DELETE_REQUEST__INIT;
    change c = {.count = 1, .index = {index}};
    request.scope = &w->scope;
    request.key = key_of(index, key);
    Overworld__Data__V1__KvDeleteResponse *reply =
        (void *)ask(w, "KvDelete", &request.base,
                    &overworld__data__v1__kv_delete_response__descriptor, &unknown, &error);
    if (reply != NULL && reply->deleted != w->cells[index].there) {
        complain(w, "deleted", index, reply->deleted, w->cells[index].there);
    }
    settle(w, &c, reply != NULL, unknown, NULL);
    protobuf_c_message_free_unpacked((void *)reply, NULL);
}

// Three keys as one: numbers are moved, so that a half shows.
static void batch(worker *w, int index) {
    char keys[BATCH][16];
    bool unknown;
    ow_client_error error = {0};
    Overworld__Data__V1__KvBatchRequest request = OVERWORLD__DATA__V1__KV_BATCH_REQUEST__INIT;
    Overworld__Data__V1__KvOperation operations[BATCH], *pointers[BATCH];
    change c = {.count = BATCH};
    for (int i = 0; i < BATCH; i++) {
        int at = (index + i * 5) % KEYS;
        int64_t delta = (int64_t)next_random(w, 2000) - 1000;
        overworld__data__v1__kv_operation__init(&operations[i]);
        pointers[i] = &operations[i];
        operations[i].kind = OVERWORLD__DATA__V1__KV_OPERATION__KIND__INCREMENT;
        operations[i].key = key_of(at, keys[i]);
        operations[i].delta = delta;
        c.index[i] = at;
        c.after[i] = (cell){.there = true, .number = w->cells[at].number + delta};
        if (w->cells[at].large) {
            return; // no number
        }
    }
    request.scope = &w->scope;
    request.n_operations = BATCH;
    request.operations = pointers;
    Overworld__Data__V1__KvBatchResponse *reply =
        (void *)ask(w, "KvBatch", &request.base,
                    &overworld__data__v1__kv_batch_response__descriptor, &unknown, &error);
    int64_t versions[BATCH] = {0};
    for (int i = 0; reply != NULL && i < BATCH; i++) {
        versions[i] = reply->results[i]->version;
        if (reply->results[i]->value != c.after[i].number) {
            complain(w, "sum", c.index[i], reply->results[i]->value, c.after[i].number);
        }
    }
    settle(w, &c, reply != NULL, unknown, reply != NULL ? versions : NULL);
    protobuf_c_message_free_unpacked((void *)reply, NULL);
}

static void check_all(worker *w, int index) {
    cell now[KEYS];
    (void)index;
    if (!read_cells(w, now)) {
        complain(w, "nobody answers", 0, 0, 0);
        return;
    }
    for (int i = 0; i < KEYS; i++) {
        if (!same(&now[i], &w->cells[i])) {
            complain(w, "lost", i, now[i].number, w->cells[i].number);
        }
    }
}

static void (*const operations[])(worker *w, int index) = {
    set, set, set_guarded, set_guarded, set_stale, delete, batch, batch, batch, check_all,
};

static void *work(void *self) {
    worker *w = self;
    while (!w->stop && w->complaint[0] == '\0') {
        int which = (int)next_random(w, sizeof operations / sizeof *operations);
        operations[which](w, (int)next_random(w, KEYS));
    }
    return NULL;
}

// ---- The rounds ----

static void start(worker *w, int number) {
    *w = (worker){.random = 20261127 + (uint64_t)number, .client = deployment_server(d)};
    snprintf(w->name, sizeof w->name, "load%d", number);
    overworld__data__v1__scope__init(&w->scope);
    w->scope.kind = OVERWORLD__DATA__V1__SCOPE__KIND__VIRTUAL_SERVER;
    w->scope.virtual_server = w->name;
    assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
}

static void nothing_acknowledged_is_lost(void **state) {
    (void)state;
    static worker workers[WORKERS];
    int acked = 0, unknown = 0, refused = 0;
    memset(blanks, ' ', sizeof blanks);
    d = deployment_start(SHAPE_SPLIT, NULL);
    for (int i = 0; i < WORKERS; i++) {
        start(&workers[i], i);
    }
    for (int i = 0; i < KILLS; i++) {
        poll(NULL, 0, 40 + (i * 37) % 160); // at whatever they are
        deployment_kill(d, "data");
        deployment_restart(d, "data");
    }
    assert_true(deployment_wait_ready(d, 30000));
    for (int i = 0; i < WORKERS; i++) {
        worker *w = &workers[i];
        w->stop = true;
        pthread_join(w->thread, NULL);
        check_all(w, 0);
        if (w->complaint[0] != '\0') {
            fail_msg("%s", w->complaint);
        }
        acked += w->acked;
        unknown += w->unknown;
        refused += w->refused;
        ow_client_free(w->client);
    }
    print_message("%d kills: %d acknowledged, %d unknown and resolved, %d refused\n", KILLS, acked,
                  unknown, refused);
    assert_true(acked > KILLS && refused > 0);
    deployment_stop(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_acknowledged_is_lost)};
    return cmocka_run_group_tests_name("kv_kill", tests, NULL, NULL);
}
