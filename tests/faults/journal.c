#include "tests/faults/journal.h"

#include "core/crypto/hash.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 60000, IN_FLIGHT = 16, BODY_MAX = 4096, PATIENCE_MS = 60000, PAGE = 200 };

typedef enum outcome { UNKNOWN, ACKED, REFUSED } outcome;

typedef struct entry {
    struct journal *journal;
    int kind, number;
    outcome outcome;
    char id[80]; // what the first answer named
} entry;

struct journal {
    char label[24];
    entry *entries;
    int count, checked, round_end;
    int running;
    bool ending;
    ow_client *player, *admin;
    journal_counts counts;
    int wrong;
    char why[256]; // of the first that is wrong
};

const char *const journal_flags[] = {"--gateway.address_requests=0", NULL};

// ---- The operations ----

typedef struct message {
    char path[160];
    char body[BODY_MAX];
    size_t size;
    const char *method, *content_type;
} message;

static void ask_login(const entry *e, message *m) {
    snprintf(m->path, sizeof m->path, "/overworld.identity.v1.Identity/DeviceLogin");
    snprintf(m->body, sizeof m->body, "{\"deviceId\":\"journal-%s-%d\"}", e->journal->label,
             e->number);
}

static void ask_key(const entry *e, message *m) {
    snprintf(m->path, sizeof m->path, "/overworld.identity.v1.Identity/CreateServerKey");
    snprintf(m->body, sizeof m->body, "{\"name\":\"key-%s-%d\",\"requestKey\":\"make-%s-%d\"}",
             e->journal->label, e->number, e->journal->label, e->number);
}

static void ask_server(const entry *e, message *m) {
    snprintf(m->path, sizeof m->path, "/overworld.registry.v1.Registry/CreateVirtualServer");
    snprintf(m->body, sizeof m->body,
             "{\"name\":\"vs-%s-%d\",\"runtime\":\"c\",\"requestKey\":\"make-%s-%d\"}",
             e->journal->label, e->number, e->journal->label, e->number);
}

static void bundle_of(const entry *e, message *m) {
    m->size = 500 + (size_t)e->number * 331 % 3000;
    memset(m->body, 'a' + e->number % 26, m->size);
    int length = snprintf(m->body, 64, "journal-%s-%d", e->journal->label, e->number);
    m->body[length] = '\n';
}

static void hash_of(const message *m, char ret_hex[OW_SHA256_HEX_SIZE]) {
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256(m->body, m->size, digest);
    ow_hex_encode(digest, sizeof digest, ret_hex);
}

static void ask_bundle(const entry *e, message *m) {
    char hex[OW_SHA256_HEX_SIZE];
    bundle_of(e, m);
    hash_of(m, hex);
    snprintf(m->path, sizeof m->path, "/v1/bundles/%s", hex);
    m->method = "PUT";
    m->content_type = "application/octet-stream";
}

typedef struct operation {
    void (*ask)(const entry *e, message *m);
    const char *id_field; // names the first answer
    bool by_player;
    int share; // of ten
} operation;

static const operation operations[] = {
    {ask_login, "\"playerId\":\"", true, 5},
    {ask_key, "\"keyId\":\"", false, 2},
    {ask_server, "\"createdAt\":\"", false, 2},
    {ask_bundle, "\"sha256\":\"", false, 1},
};
enum { LOGIN, KEY, SERVER, BUNDLE };

static int kind_of(int number) {
    int place = number * 7 % 10;
    int kind = 0;
    while (place >= operations[kind].share) {
        place -= operations[kind++].share;
    }
    return kind;
}

static bool send_entry(entry *e, ow_client_on_reply on_reply) {
    message m = {.method = "POST"};
    const operation *o = &operations[e->kind];
    o->ask(e, &m);
    ow_client_request request = {.method = m.method,
                                 .path = m.path,
                                 .content_type = m.content_type,
                                 .body = m.body,
                                 .size = m.size > 0 ? m.size : strlen(m.body),
                                 .without_token = o->by_player};
    journal *j = e->journal;
    return ow_client_send_start(o->by_player ? j->player : j->admin, &request, on_reply, e, NULL);
}

static void id_of(const entry *e, const ow_client_reply *reply, char ret_id[80]) {
    // Not the first "plr_": a token's signature may hold those letters too.
    const char *at = strstr(reply->data, operations[e->kind].id_field);
    assert_non_null(at);
    at += strlen(operations[e->kind].id_field);
    snprintf(ret_id, 80, "%.*s", (int)strcspn(at, "\""), at);
}

// ---- A round ----

journal *journal_new(const char *label) {
    journal *j = calloc(1, sizeof *j);
    assert_non_null(j);
    j->entries = calloc(ENTRIES_MAX, sizeof *j->entries);
    assert_non_null(j->entries);
    snprintf(j->label, sizeof j->label, "%s", label);
    return j;
}

journal *journal_free(journal *j) {
    if (j != NULL) {
        free(j->entries);
        free(j);
    }
    return NULL;
}

static void connect_clients(journal *j, const deployment *d) {
    ow_client_config config = {.url = deployment_public(d),
                               .timeout_ms = 20000,
                               .max_running = IN_FLIGHT,
                               .max_retries = -1};
    j->player = ow_client_new(&config, NULL);
    assert_non_null(j->player);
    j->admin = deployment_operator(d);
}

static void disconnect_clients(journal *j) {
    ow_client_free(j->player);
    ow_client_free(j->admin);
    j->player = j->admin = NULL;
}

static void start_next(journal *j);

static void on_answer(void *user, ow_client_reply *reply, const ow_client_error *error) {
    entry *e = user;
    journal *j = e->journal;
    j->running--;
    if (reply != NULL) {
        id_of(e, reply, e->id);
        e->outcome = ACKED;
        j->counts.acked++;
    } else if (error->status == 503 && strcmp(error->reason, "disk_full") == 0) {
        e->outcome = REFUSED;
        j->counts.refused++;
    } else {
        j->counts.unknown++;
    }
    start_next(j);
}

static void start_next(journal *j) {
    while (!j->ending && j->running < IN_FLIGHT && j->count < j->round_end) {
        entry *e = &j->entries[j->count];
        *e = (entry){.journal = j, .kind = kind_of(j->count), .number = j->count};
        j->count++;
        if (!send_entry(e, on_answer)) {
            j->counts.unknown++;
            return;
        }
        j->running++;
    }
}

void journal_begin(journal *j, const deployment *d, int most) {
    connect_clients(j, d);
    j->ending = false;
    j->round_end = j->count + most;
    assert_true(j->round_end <= ENTRIES_MAX);
    start_next(j);
}

bool journal_turn(journal *j, int wait_ms) {
    ow_client_poll(j->player, wait_ms);
    ow_client_poll(j->admin, 0);
    return j->running > 0;
}

void journal_end(journal *j) {
    int64_t deadline = now_ms() + PATIENCE_MS;
    j->ending = true;
    while (journal_turn(j, 1)) {
        assert_true(now_ms() < deadline);
    }
    disconnect_clients(j);
}

void journal_go_back(journal *j, int count) {
    assert_true(count <= j->count);
    j->count = count;
    j->checked = 0;
}

int journal_length(const journal *j) {
    return j->count;
}

journal_counts journal_count(const journal *j) {
    return j->counts;
}

// ---- Afterwards ----

static void is_wrong(entry *e, const char *what, const char *detail) {
    journal *j = e->journal;
    if (j->wrong++ == 0) {
        snprintf(j->why, sizeof j->why, "operation %d (kind %d, %s): %s %.100s", e->number, e->kind,
                 e->outcome == ACKED     ? "acknowledged"
                 : e->outcome == REFUSED ? "refused"
                                         : "unknown",
                 what, detail);
    }
}

static void on_again(void *user, ow_client_reply *reply, const ow_client_error *error) {
    entry *e = user;
    e->journal->running--;
    char id[80];
    if (reply == NULL) {
        is_wrong(e, "asked again, it failed:", error->message);
        return;
    }
    id_of(e, reply, id);
    if (e->outcome == ACKED && strcmp(id, e->id) != 0) {
        is_wrong(e, "asked again, it is another one:", id);
    }
    // A login that makes a player now would hide the loss of the first one.
    if (e->outcome == ACKED && strstr(reply->data, "\"isNewPlayer\":true") != NULL) {
        is_wrong(e, "it was lost:", id);
    }
    if (e->outcome == REFUSED && e->kind == LOGIN &&
        strstr(reply->data, "\"isNewPlayer\":true") == NULL) {
        is_wrong(e, "it was stored all the same:", id);
    }
    memcpy(e->id, id, sizeof id);
    e->outcome = ACKED;
}

static void ask_again(journal *j) {
    int64_t deadline = now_ms() + PATIENCE_MS;
    for (int i = j->checked; i < j->count || j->running > 0;) {
        while (i < j->count && j->running < IN_FLIGHT) {
            j->running++;
            assert_true(send_entry(&j->entries[i++], on_again));
        }
        journal_turn(j, 1);
        assert_true(now_ms() < deadline);
    }
}

static bool is_stored(const entry *e, const deployment *d) {
    message m = {0};
    char hex[OW_SHA256_HEX_SIZE], path[256], content[BODY_MAX];
    bundle_of(e, &m);
    hash_of(&m, hex);
    snprintf(path, sizeof path, "%s/blobs/%.2s/%s", deployment_folder(d), hex, hex);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    size_t size = fread(content, 1, sizeof content, file);
    fclose(file);
    return size == m.size && memcmp(content, m.body, size) == 0;
}

void journal_check(journal *j, const deployment *d, long point) {
    j->wrong = 0;
    for (int i = j->checked; i < j->count; i++) {
        entry *e = &j->entries[i];
        if (e->kind == BUNDLE && e->outcome == ACKED && !is_stored(e, d)) {
            is_wrong(e, "it is not there:", "");
        }
    }
    connect_clients(j, d);
    ask_again(j);
    disconnect_clients(j);
    j->checked = j->count;
    if (j->wrong != 0) {
        fail_msg("point %ld: %d wrong; the first: %s", point, j->wrong, j->why);
    }
}

// ---- Once each ----

// How often each number of a kind is listed, from the names "<kind>-<label>-<number>".
static void count_names(const journal *j, const char *prefix, const char *text, int *times) {
    char wanted[64];
    size_t length = (size_t)snprintf(wanted, sizeof wanted, "\"name\":\"%s-%s-", prefix, j->label);
    for (const char *at = strstr(text, wanted); at != NULL; at = strstr(at + 1, wanted)) {
        long number = strtol(at + length, NULL, 10);
        assert_true(number >= 0 && number < j->count);
        times[number]++;
    }
}

static void list_names(const journal *j, ow_client *client, const char *method, const char *prefix,
                       int *times) {
    char token[256] = "";
    do {
        char body[400];
        snprintf(body, sizeof body, "{\"pageSize\":%d,\"pageToken\":\"%s\"}", PAGE, token);
        ow_client_request request = {
            .method = "POST", .path = method, .body = body, .size = strlen(body)};
        ow_client_reply *reply = NULL;
        ow_client_error error;
        if (!ow_client_send(client, &request, &reply, &error)) {
            fail_msg("%s: %s: %s", method, error.reason, error.message);
        }
        count_names(j, prefix, reply->data, times);
        const char *next = strstr(reply->data, "\"nextPageToken\":\"");
        token[0] = '\0';
        if (next != NULL) {
            next += strlen("\"nextPageToken\":\"");
            snprintf(token, sizeof token, "%.*s", (int)strcspn(next, "\""), next);
        }
        ow_client_reply_free(reply);
    } while (token[0] != '\0');
}

void journal_check_once_each(const journal *j, const deployment *d) {
    int *times = calloc((size_t)j->count + 1, sizeof *times);
    assert_non_null(times);
    ow_client *client = deployment_operator(d);
    list_names(j, client, "/overworld.identity.v1.Identity/ListServerKeys", "key", times);
    list_names(j, client, "/overworld.registry.v1.Registry/ListVirtualServers", "vs", times);
    for (int i = 0; i < j->count; i++) {
        int kind = j->entries[i].kind;
        int wanted = kind == KEY || kind == SERVER;
        if (times[i] != wanted) {
            fail_msg("operation %d (kind %d) is listed %d times", i, kind, times[i]);
        }
    }
    ow_client_free(client);
    free(times);
}
