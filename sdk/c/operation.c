/* Operations: waiting for a token or a place, on their way, tried again, done. */
#include "sdk/c/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_WAITING = 10000,
    FIRST_PAUSE_MS = 100, /* before the first retry, doubled for each further one */
    LAST_PAUSE_MS = 5000,
    MAX_RETRY_AFTER_S = 86400,
    LATE_MS =
        2000, /* a transport that has not ended an exchange so long after its time never may */
};

/* ---- Lists ---- */

static void append(operation_list *list, operation *op) {
    op->next = NULL;
    if (list->last != NULL) {
        list->last->next = op;
    } else {
        list->first = op;
    }
    list->last = op;
    list->count++;
}

static void prepend(operation_list *list, operation *op) {
    op->next = list->first;
    list->first = op;
    list->last = list->last != NULL ? list->last : op;
    list->count++;
}

static void unlink_from(operation_list *list, operation *op) {
    operation *before = NULL;
    operation **place = &list->first;
    while (*place != op) {
        before = *place;
        place = &before->next;
    }
    *place = op->next;
    list->last = list->last == op ? before : list->last;
    op->next = NULL;
    list->count--;
}

static bool is_in(const operation_list *list, const operation *wanted) {
    const operation *op = list->first;
    while (op != NULL && op != wanted) {
        op = op->next;
    }
    return op != NULL;
}

/* ---- Life ---- */

static void clear_reply(operation *op) {
    free(op->reply.data);
    memset(&op->reply, 0, sizeof op->reply);
    op->reply_room = 0;
    op->reply_too_large = false;
    op->retry_after_s = 0;
    op->date_s = 0;
}

static void operation_free(operation *op) {
    clear_reply(op);
    free(op->url);
    free(op->body);
    free(op->content_type);
    free(op->qualifier);
    free(op->routing_key);
    free(op->deduplication_key);
    sdk_wipe_and_free(op->authorization);
    free(op);
}

void sdk_operations_free(ow_client *client) {
    operation_list *lists[] = {&client->waiting, &client->retrying, &client->running,
                               &client->abandoned, &client->ended};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        while (lists[i]->first != NULL) {
            operation *op = lists[i]->first;
            unlink_from(lists[i], op);
            operation_free(op);
        }
    }
}

static bool is_header_value(const char *text) {
    return text == NULL || strpbrk(text, "\r\n") == NULL;
}

static bool request_is_valid(const ow_client_request *request, ow_client_error *error) {
    size_t length = request->method != NULL ? strlen(request->method) : 0;
    if (length == 0 || length >= sizeof((operation *)0)->method) {
        return sdk_fail(error, "invalid_argument", "the request has no method");
    }
    if (request->path == NULL || request->path[0] != '/') {
        return sdk_fail(error, "invalid_argument", "the path of a request begins with /");
    }
    return (is_header_value(request->content_type) && is_header_value(request->qualifier) &&
            is_header_value(request->routing_key) && is_header_value(request->deduplication_key)) ||
           sdk_fail(error, "invalid_argument", "a header value has a line break");
}

static void set_headers(operation *op) {
    const ow_client *client = op->client;
    const ow_client_header headers[] = {
        {"Content-Type", op->content_type},
        {"Connect-Protocol-Version", "1"},
        {"Overworld-Qualifier", op->qualifier},
        {"Overworld-Title", client->title},
        {"Overworld-Routing-Key", op->routing_key},
        {"Authorization", op->authorization},
        {"Overworld-Deduplication-Key", op->deduplication_key},
    };
    op->http.headers = op->headers;
    op->http.header_count = 0;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (headers[i].value != NULL) {
            op->headers[op->http.header_count++] = headers[i];
        }
    }
}

/* NULL stays NULL; false when out of memory. */
static bool copy_text(const char *text, char **ret_copy) {
    *ret_copy = sdk_strdup(text);
    return text == NULL || *ret_copy != NULL;
}

/* Copies what the caller gave; false when out of memory. */
static bool copy_request(operation *op, const ow_client_request *request) {
    const char *type = request->content_type;
    const char *base = op->client->url;
    size_t url_size = strlen(base) + strlen(request->path) + 1;
    op->url = malloc(url_size);
    op->body = malloc(request->size + 1);
    if (op->url == NULL || op->body == NULL ||
        !copy_text(type != NULL ? type : "application/json", &op->content_type) ||
        !copy_text(request->qualifier, &op->qualifier) ||
        !copy_text(request->routing_key, &op->routing_key) ||
        !copy_text(request->deduplication_key, &op->deduplication_key)) {
        return false;
    }
    snprintf(op->url, url_size, "%s%s", base, request->path);
    snprintf(op->method, sizeof op->method, "%s", request->method);
    if (request->size > 0) {
        memcpy(op->body, request->body, request->size);
    }
    return true;
}

static operation *operation_new(ow_client *client, const ow_client_request *request) {
    operation *op = calloc(1, sizeof *op);
    if (op == NULL) {
        return NULL;
    }
    op->client = client;
    if (!copy_request(op, request)) {
        operation_free(op);
        return NULL;
    }
    op->http.method = op->method;
    op->http.url = op->url;
    op->http.body = op->body;
    op->http.size = request->size;
    op->http.ca_file = client->ca_file;
    op->may_repeat = request->may_repeat || strcmp(request->method, "GET") == 0;
    op->deadline_ms =
        sdk_now_ms(client) + (request->timeout_ms > 0 ? request->timeout_ms : client->timeout_ms);
    return op;
}

/* ---- Starting ---- */

static void fail_later(operation *op, const ow_client_error *error) {
    op->error = *error;
    op->is_final = true;
    append(&op->client->ended, op);
}

static bool set_authorization(operation *op) {
    const session *s = &op->client->session;
    size_t room = strlen("Bearer ") + strlen(s->token) + 1;
    sdk_wipe_and_free(op->authorization);
    op->authorization = malloc(room);
    if (op->authorization == NULL || !is_header_value(s->token)) {
        return false;
    }
    snprintf(op->authorization, room, "Bearer %s", s->token);
    op->token_generation = s->generation;
    return true;
}

/* Puts an operation, which is in no list, on its way. */
static void launch(operation *op) {
    ow_client *client = op->client;
    ow_client_error error;
    int64_t left = op->deadline_ms - sdk_now_ms(client);
    if (op->needs_token && !set_authorization(op)) {
        sdk_fail(&error, "out_of_memory", "the access token cannot be sent");
        fail_later(op, &error);
        return;
    }
    set_headers(op);
    op->http.timeout_ms = left > 1 ? (long)left : 1;
    op->attempts++;
    append(&client->running, op);
    if (!client->transport->start(client->transport_state, &op->http, (ow_client_exchange *)op)) {
        unlink_from(&client->running, op);
        sdk_fail(&error, "out_of_memory", "the transport took no more work");
        fail_later(op, &error);
    }
}

/* Tells the caller that time is over, although the transport has not: what it may still report to goes on
 * to take a place, without a callback. */
static void abandon(operation *op) {
    ow_client *client = op->client;
    ow_client_error error;
    operation *teller = calloc(1, sizeof *teller);
    if (teller == NULL) {
        return; /* the next time */
    }
    teller->client = client;
    teller->on_reply = op->on_reply;
    teller->user = op->user;
    op->on_reply = NULL;
    unlink_from(&client->running, op);
    append(&client->abandoned, op);
    sdk_fail(&error, "timeout", "no answer from %s in time, and the transport did not end it",
             client->url);
    fail_later(teller, &error);
}

static void look_at_running(ow_client *client, int64_t now) {
    operation *next;
    for (operation *op = client->running.first; op != NULL; op = next) {
        next = op->next;
        if (now >= op->deadline_ms + LATE_MS) {
            abandon(op);
        }
    }
}

/* Fails what has waited too long; gives back to `waiting` what may be tried again. */
static void look_at_clock(ow_client *client) {
    int64_t now = sdk_now_ms(client);
    operation *next;
    ow_client_error error;
    look_at_running(client, now);
    for (operation *op = client->waiting.first; op != NULL; op = next) {
        next = op->next;
        if (now >= op->deadline_ms) {
            unlink_from(&client->waiting, op);
            sdk_fail(&error, "timeout", "it waited too long to be sent to %s", client->url);
            fail_later(op, &error);
        }
    }
    for (operation *op = client->retrying.first; op != NULL; op = next) {
        next = op->next;
        if (now >= op->due_ms) {
            unlink_from(&client->retrying, op);
            if (op->is_login) {
                launch(op);
            } else {
                append(&client->waiting, op);
            }
        }
    }
}

void sdk_operations_advance(ow_client *client) {
    look_at_clock(client);
    sdk_session_tick(client);
    bool is_good = sdk_token_is_good(client);
    bool needs_token = false;
    operation *next;
    for (operation *op = client->waiting.first;
         op != NULL && client->running.count + client->abandoned.count < client->max_running;
         op = next) {
        next = op->next;
        if (op->needs_token && !is_good) {
            needs_token = true;
            continue;
        }
        unlink_from(&client->waiting, op);
        launch(op);
    }
    if (needs_token) {
        sdk_session_need(client);
    }
}

void sdk_operations_fail_waiting(ow_client *client, const ow_client_error *error) {
    operation *next;
    for (operation *op = client->waiting.first; op != NULL; op = next) {
        next = op->next;
        if (op->needs_token) {
            unlink_from(&client->waiting, op);
            fail_later(op, error);
        }
    }
}

bool sdk_operation_start(ow_client *client, const ow_client_request *request, bool is_login,
                         ow_client_on_reply on_reply, void *user, ow_client_error *error) {
    if (!request_is_valid(request, error)) {
        return false;
    }
    if (client->waiting.count >= MAX_WAITING) {
        return sdk_fail(error, "too_many_waiting",
                        "%d operations wait already: poll the client, or start fewer", MAX_WAITING);
    }
    operation *op = operation_new(client, request);
    if (op == NULL) {
        return sdk_fail(error, "out_of_memory", "out of memory");
    }
    op->on_reply = on_reply;
    op->user = user;
    op->is_login = is_login;
    op->needs_token =
        !request->without_token &&
        (client->session.token != NULL || client->session.is_running || sdk_can_renew(client));
    if (is_login) {
        launch(op);
    } else {
        append(&client->waiting, op);
        sdk_operations_advance(client);
    }
    return true;
}

bool ow_client_send_start(ow_client *client, const ow_client_request *request,
                          ow_client_on_reply on_reply, void *user, ow_client_error *error) {
    return sdk_operation_start(client, request, false, on_reply, user, error);
}

/* ---- What the transport reports ---- */

static bool is_name(const char *name, const char *wanted) {
    while (*name != '\0' && tolower((unsigned char)*name) == *wanted) {
        name++;
        wanted++;
    }
    return *name == '\0' && *wanted == '\0';
}

void ow_client_exchange_header(ow_client_exchange *exchange, const char *name, const char *value) {
    operation *op = (operation *)exchange;
    if (is_name(name, "overworld-request-id")) {
        snprintf(op->reply.request_id, sizeof op->reply.request_id, "%s", value);
    } else if (is_name(name, "content-type")) {
        snprintf(op->reply.content_type, sizeof op->reply.content_type, "%s", value);
    } else if (is_name(name, "date")) {
        op->date_s = sdk_read_date(value);
    } else if (is_name(name, "retry-after")) {
        long seconds = strtol(value, NULL, 10);
        op->retry_after_s = seconds > 0 && seconds < MAX_RETRY_AFTER_S ? (int)seconds : 0;
    }
}

bool ow_client_exchange_body(ow_client_exchange *exchange, const void *bytes, size_t size) {
    operation *op = (operation *)exchange;
    if (size > op->client->max_reply_bytes - op->reply.size) {
        op->reply_too_large = true;
        return false;
    }
    if (op->reply.size + size + 1 > op->reply_room) {
        size_t room = (op->reply.size + size + 1) * 2;
        char *larger = realloc(op->reply.data, room);
        if (larger == NULL) {
            return false;
        }
        op->reply.data = larger;
        op->reply_room = room;
    }
    memcpy((char *)op->reply.data + op->reply.size, bytes, size);
    op->reply.size += size;
    ((char *)op->reply.data)[op->reply.size] = '\0';
    return true;
}

static void set_failure(operation *op, const char *detail) {
    const char *url = op->client->url;
    if (op->reply_too_large) {
        sdk_fail(&op->error, "reply_too_large", "the reply is larger than %lu bytes",
                 (unsigned long)op->client->max_reply_bytes);
    } else if (op->outcome == OW_CLIENT_NOT_SENT) {
        sdk_fail(&op->error, "no_connection", "%s cannot be reached: %s", url, detail);
    } else if (op->outcome == OW_CLIENT_TIMED_OUT) {
        sdk_fail(&op->error, "timeout", "no answer from %s in time: %s", url, detail);
    } else if (op->outcome == OW_CLIENT_NO_ANSWER) {
        sdk_fail(&op->error, "no_answer", "%s gave no whole answer, so it may have been done: %s",
                 url, detail);
    }
}

void ow_client_exchange_end(ow_client_exchange *exchange, ow_client_outcome outcome, int status,
                            const char *detail) {
    operation *op = (operation *)exchange;
    ow_client *client = op->client;
    if (op->on_reply == NULL && is_in(&client->abandoned, op)) {
        unlink_from(&client->abandoned, op);
        operation_free(op);
        return;
    }
    op->outcome = op->reply_too_large ? OW_CLIENT_NO_ANSWER : outcome;
    op->reply.status = outcome == OW_CLIENT_ANSWERED ? status : 0;
    set_failure(op, detail != NULL ? detail : "no more is known");
    unlink_from(&client->running, op);
    append(&client->ended, op);
}

/* ---- Trying again ---- */

/* Whether this ending cannot have had an effect, or a second one does no harm. */
static bool is_safe_to_repeat(const operation *op, const ow_client_error *error) {
    if (op->reply_too_large || error->status != 0) {
        return error->status == 429 ||
               (error->status == 503 && strcmp(error->reason, "overloaded") == 0);
    }
    return op->outcome == OW_CLIENT_NOT_SENT ||
           (op->outcome == OW_CLIENT_NO_ANSWER && op->may_repeat);
}

static int64_t pause_ms(const operation *op, const ow_client_error *error) {
    const ow_client *client = op->client;
    int64_t most = FIRST_PAUSE_MS;
    for (int i = 1; i < op->attempts && most < LAST_PAUSE_MS; i++) {
        most *= 2;
    }
    most = most < LAST_PAUSE_MS ? most : LAST_PAUSE_MS;
    /* Jitter goes on top of what the server asks for, so that not everybody is back at that moment. */
    return (int64_t)error->retry_after_s * 1000 + sdk_between(client, most / 2, most);
}

static bool retry(operation *op, const ow_client_error *error) {
    ow_client *client = op->client;
    if (op->attempts == 0 || op->attempts > client->max_retries || !is_safe_to_repeat(op, error)) {
        return false;
    }
    op->due_ms = sdk_now_ms(client) + pause_ms(op, error);
    if (op->due_ms >= op->deadline_ms) {
        return false;
    }
    clear_reply(op);
    memset(&op->error, 0, sizeof op->error);
    append(&client->retrying, op);
    return true;
}

/* A refused token is renewed once for an operation, which was not carried out. */
static bool renew(operation *op, const ow_client_error *error) {
    ow_client *client = op->client;
    if (error->status != 401 || !op->needs_token || op->has_renewed || !sdk_can_renew(client)) {
        return false;
    }
    op->has_renewed = true;
    clear_reply(op);
    sdk_session_token_refused(client, op->token_generation);
    prepend(&client->waiting, op);
    return true;
}

/* ---- Done ---- */

static void finish(operation *op, const ow_client_error *error) {
    ow_client *client = op->client;
    client->answer_date_s = op->date_s;
    if (op->on_reply != NULL) {
        op->on_reply(op->user, error == NULL ? &op->reply : NULL, error);
    }
    operation_free(op);
}

static void conclude(operation *op) {
    ow_client *client = op->client;
    int status = op->reply.status;
    ow_client_error error = op->error;
    free(client->last_details);
    client->last_details = NULL;
    if (error.reason[0] == '\0') {
        if (op->reply.data == NULL) {
            op->reply.data = calloc(1, 1);
        }
        if (status >= 200 && status < 300) {
            finish(op, NULL);
            return;
        }
        sdk_read_error(&op->reply, op->retry_after_s, &error, &client->last_details);
        error.details = client->last_details;
    }
    if (op->is_final || (!renew(op, &error) && !retry(op, &error))) {
        finish(op, &error);
    }
}

void sdk_operations_conclude(ow_client *client) {
    /* What callbacks add is told the next time, so this ends. */
    for (int left = client->ended.count; left > 0; left--) {
        operation *op = client->ended.first;
        unlink_from(&client->ended, op);
        client->is_calling_back = true;
        conclude(op);
        client->is_calling_back = false;
    }
}

int sdk_operations_count(const ow_client *client) {
    return client->running.count + client->waiting.count + client->retrying.count +
           client->ended.count + (sdk_session_asks_at(client) != SDK_NEVER ? 1 : 0);
}

static int64_t sooner(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int sdk_operations_patience(const ow_client *client, int wait_ms) {
    if (wait_ms <= 0 || sdk_operations_count(client) == 0 || client->ended.count > 0) {
        return 0;
    }
    int64_t now = sdk_now_ms(client);
    int64_t next = sooner(now + wait_ms, sdk_session_asks_at(client));
    for (const operation *op = client->retrying.first; op != NULL; op = op->next) {
        next = sooner(next, op->due_ms);
    }
    for (const operation *op = client->waiting.first; op != NULL; op = op->next) {
        next = sooner(next, op->deadline_ms);
    }
    for (const operation *op = client->running.first; op != NULL; op = op->next) {
        next = sooner(next, op->deadline_ms + LATE_MS);
    }
    return next > now ? (int)(next - now) : 0;
}
