#include "tests/faults/queue_load.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE "/overworld.events.v1.Queue/"
#define PUBLISH "/overworld.events.v1.Events/Publish"

enum { WISHES_MAX = 12000, IN_FLIGHT = 32, PATIENCE_MS = 60000, BODY_MAX = 200 };

void load_init(load *l, const char *function, const char *type) {
    *l = (load){.function = function, .type = type};
    l->wishes = calloc(WISHES_MAX, sizeof *l->wishes);
    assert_non_null(l->wishes);
}

void load_deinit(load *l) {
    free(l->wishes);
}

// ---- Wishes ----

static void note(wish *w, const char *id, const ow_client_error *error) {
    load *l = w->load;
    l->running--;
    if (id != NULL) {
        w->outcome = ACKED;
        snprintf(w->id, sizeof w->id, "%s", id);
        l->acked++;
    } else if (error->status == 503 && strcmp(error->reason, "disk_full") == 0) {
        w->outcome = REFUSED;
        l->refusal = *error;
        l->refused++;
    } else {
        l->unknown++;
    }
}

static void on_accepted(void *user, const ow_client_accepted *accepted,
                        const ow_client_error *error) {
    note(user, accepted != NULL ? accepted->execution_id : NULL, error);
}

static void id_of(const ow_client_reply *reply, char id[static 48]) {
    static const char field[] = "\"triggerId\":\"";
    const char *at = strstr(reply->data, field);
    assert_non_null(at);
    at += sizeof field - 1;
    snprintf(id, 48, "%.*s", (int)strcspn(at, "\""), at);
}

static void on_published(void *user, ow_client_reply *reply, const ow_client_error *error) {
    char id[48];
    if (reply != NULL) {
        id_of(reply, id);
    }
    note(user, reply != NULL ? id : NULL, error);
}

static ow_client_function function_of(const wish *w) {
    return (ow_client_function){.name = w->load->function,
                                .payload = w->key,
                                .size = strlen(w->key),
                                .content_type = "text/plain",
                                .deduplication_key = w->key,
                                .timeout_ms = 2000};
}

// {"key":"key-1"} in base64, as protobuf's JSON has bytes.
static ow_client_request publish_of(const wish *w, char body[static BODY_MAX]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char data[48] = "", text[80] = "";
    // Padded with blanks to a multiple of three bytes, which needs no '='.
    int size = snprintf(data, sizeof data, "{\"key\":\"%s\"}%.*s", w->key,
                        (int)((3 - (strlen(w->key) + 10) % 3) % 3), "  ");
    for (int i = 0, at = 0; i < size; i += 3) {
        unsigned three = (unsigned)(unsigned char)data[i] << 16 |
                         (unsigned)(unsigned char)data[i + 1] << 8 | (unsigned char)data[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6) {
            text[at++] = digits[three >> shift & 63];
        }
    }
    snprintf(body, BODY_MAX,
             "{\"events\":[{\"type\":\"%s\",\"id\":\"%s\",\"source\":\"load\",\"data\":\"%s\"}]}",
             w->load->type, w->key, text);
    return (ow_client_request){
        .method = "POST", .path = PUBLISH, .body = body, .size = strlen(body)};
}

static void begin(wish *w) {
    ow_client *client = w->load->client;
    if (w->is_event) {
        char body[BODY_MAX];
        ow_client_request request = publish_of(w, body);
        assert_true(ow_client_send_start(client, &request, on_published, w, NULL));
    } else {
        ow_client_function function = function_of(w);
        assert_true(ow_client_call_async_start(client, &function, on_accepted, w, NULL));
    }
}

// ---- A round ----

void load_begin(load *l, deployment *d, int most) {
    l->d = d;
    l->client = deployment_operator(d);
    l->end = l->count + most;
    assert_true(l->end <= WISHES_MAX);
}

bool load_turn(load *l, int wait_ms) {
    while (l->running < IN_FLIGHT && l->count < l->end) {
        wish *w = &l->wishes[l->count];
        *w =
            (wish){.load = l, .number = l->count, .is_event = l->type != NULL && l->count % 3 == 2};
        snprintf(w->key, sizeof w->key, "key-%d", l->count++);
        l->running++;
        begin(w);
    }
    ow_client_poll(l->client, wait_ms);
    return l->running > 0 || l->count < l->end;
}

void load_end(load *l) {
    l->end = l->count;
    while (l->running > 0) {
        ow_client_poll(l->client, 10);
    }
    ow_client_free(l->client);
    l->client = NULL;
}

int load_answered(const load *l) {
    return l->count - l->running;
}

// ---- Afterwards ----

static void call_again(const wish *w, ow_client *client, char id[static 48], bool *ret_duplicate) {
    ow_client_function function = function_of(w);
    ow_client_accepted accepted;
    ow_client_error error;
    function.timeout_ms = 20000;
    if (!ow_client_call_async(client, &function, &accepted, &error)) {
        fail_msg("%s: %s %s", w->key, error.reason, error.message);
    }
    snprintf(id, 48, "%s", accepted.execution_id);
    *ret_duplicate = accepted.duplicate;
}

static void publish_again(const wish *w, ow_client *client, char id[static 48],
                          bool *ret_duplicate) {
    char body[BODY_MAX];
    ow_client_request request = publish_of(w, body);
    ow_client_reply *reply = NULL;
    ow_client_error error;
    if (!ow_client_send(client, &request, &reply, &error)) {
        fail_msg("%s: %s %s", w->key, error.reason, error.message);
    }
    id_of(reply, id);
    *ret_duplicate = strstr(reply->data, "\"duplicate\":true") != NULL;
    ow_client_reply_free(reply);
}

void load_resolve(load *l, ow_client *client) {
    for (int i = 0; i < l->count; i++) {
        wish *w = &l->wishes[i];
        char id[48];
        bool duplicate = false;
        (w->is_event ? publish_again : call_again)(w, client, id, &duplicate);
        if (w->outcome == ACKED) {
            assert_true(duplicate);
            assert_string_equal(id, w->id);
        }
        w->outcome = ACKED;
        memcpy(w->id, id, sizeof id);
    }
}

// Whose every attempt met a kill is dead and says so: a person sets it going again.
static void redrive(ow_client *client, const char *reason) {
    char body[96];
    int size = snprintf(body, sizeof body, "{\"all\":true,\"filter\":{\"reason\":\"%s\"}}", reason);
    ow_client_request request = {
        .method = "POST", .path = QUEUE "RedriveExecutions", .body = body, .size = (size_t)size};
    assert_true(ow_client_send(client, &request, NULL, NULL));
}

static void expect_done(const wish *w, ow_client *client, int64_t deadline) {
    ow_client_execution execution = {.state = ""};
    ow_client_error error;
    while (strcmp(execution.state, "done") != 0) {
        if (!ow_client_execution_get(client, w->id, &execution, &error)) {
            fail_msg("%s: %s", w->id, error.reason);
        }
        bool dead = strcmp(execution.state, "dead") == 0;
        if (dead && (strcmp(execution.reason, "lease_lost") == 0 ||
                     strcmp(execution.reason, "unreachable") == 0)) {
            redrive(client, execution.reason);
            dead = false;
        }
        if (now_ms() > deadline || dead || strcmp(execution.state, "discarded") == 0) {
            fail_msg("%s is %s: %s %s", w->id, execution.state, execution.reason,
                     execution.message);
        }
    }
}

void load_expect_done(const load *l, ow_client *client) {
    int64_t deadline = now_ms() + PATIENCE_MS;
    for (int i = 0; i < l->count; i++) {
        if (!l->wishes[i].is_event) {
            expect_done(&l->wishes[i], client, deadline);
        }
    }
}

int count_executions(ow_client *client, const char *source) {
    char body[160], token[48] = "";
    int count = 0;
    do {
        snprintf(body, sizeof body,
                 "{\"pageSize\":200,\"pageToken\":\"%s\",\"filter\":{\"source\":\"%s\"}}", token,
                 source);
        ow_client_request request = {
            .method = "POST", .path = QUEUE "ListExecutions", .body = body, .size = strlen(body)};
        ow_client_reply *reply = NULL;
        ow_json *page = NULL;
        assert_true(ow_client_send(client, &request, &reply, NULL));
        assert_int_equal(ow_json_parse(reply->data, reply->size, 64, &page, NULL), OW_OK);
        count += (int)ow_json_count(ow_json_get(page, "executions"));
        const char *next = ow_json_string(ow_json_get(page, "nextPageToken"));
        snprintf(token, sizeof token, "%s", next != NULL ? next : "");
        ow_json_free(page);
        ow_client_reply_free(reply);
    } while (token[0] != '\0');
    return count;
}
