/* Operations on libcurl's multi interface: waiting for a token or a place, on the wire, done. */
#include "sdk/c/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WAITING = 10000, MAX_CONNECT_MS = 5000 };

static void operation_clear(operation *op) {
    curl_slist_free_all(op->headers);
    free(op->body);
    free(op->reply.data);
    CURL *easy = op->easy;
    memset(op, 0, sizeof *op);
    op->easy = easy;
}

static void operation_free(operation *op) {
    operation_clear(op);
    curl_easy_cleanup(op->easy);
    free(op);
}

void sdk_operations_free(operation *op) {
    while (op != NULL) {
        operation *next = op->next;
        operation_free(op);
        op = next;
    }
}

/* ---- What comes back ---- */

static size_t on_body(char *bytes, size_t unit, size_t count, void *user) {
    operation *op = user;
    size_t size = unit * count;
    if (size > op->client->max_reply_bytes - op->reply.size) {
        op->reply_too_large = true;
        return 0;
    }
    if (op->reply.size + size + 1 > op->reply_room) {
        size_t room = (op->reply.size + size + 1) * 2;
        char *larger = realloc(op->reply.data, room);
        if (larger == NULL) {
            return 0;
        }
        op->reply.data = larger;
        op->reply_room = room;
    }
    memcpy((char *)op->reply.data + op->reply.size, bytes, size);
    op->reply.size += size;
    ((char *)op->reply.data)[op->reply.size] = '\0';
    return size;
}

/* The value of header `name` in a header line; NULL when it is another one. */
static const char *header_value(const char *line, size_t size, const char *name, size_t *ret_size) {
    size_t length = strlen(name);
    if (size <= length || line[length] != ':') {
        return NULL;
    }
    for (size_t i = 0; i < length; i++) {
        if (tolower((unsigned char)line[i]) != name[i]) {
            return NULL;
        }
    }
    const char *value = line + length + 1;
    const char *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && isspace((unsigned char)end[-1])) {
        end--;
    }
    *ret_size = (size_t)(end - value);
    return value;
}

static size_t on_header(char *line, size_t unit, size_t count, void *user) {
    operation *op = user;
    size_t size = unit * count;
    size_t length;
    const char *value = header_value(line, size, "overworld-request-id", &length);
    if (value != NULL) {
        snprintf(op->reply.request_id, sizeof op->reply.request_id, "%.*s", (int)length, value);
    }
    value = header_value(line, size, "content-type", &length);
    if (value != NULL) {
        snprintf(op->reply.content_type, sizeof op->reply.content_type, "%.*s", (int)length, value);
    }
    value = header_value(line, size, "retry-after", &length);
    if (value != NULL) {
        char digits[12];
        snprintf(digits, sizeof digits, "%.*s", (int)length, value);
        long seconds = strtol(digits, NULL, 10);
        op->retry_after_s = seconds > 0 && seconds < 86400 ? (int)seconds : 0;
    }
    return size;
}

/* ---- Starting ---- */

static bool add_header(operation *op, const char *name, const char *value) {
    char line[1200];
    int length = snprintf(line, sizeof line, "%s: %s", name, value);
    if (length < 0 || (size_t)length >= sizeof line || strpbrk(value, "\r\n") != NULL) {
        return false;
    }
    struct curl_slist *list = curl_slist_append(op->headers, line);
    if (list == NULL) {
        return false;
    }
    op->headers = list;
    return true;
}

static void set_transfer_options(operation *op, const ow_client_request *request, const char *url) {
    ow_client *client = op->client;
    long timeout = request->timeout_ms > 0 ? request->timeout_ms : client->timeout_ms;
    curl_easy_reset(op->easy);
    curl_easy_setopt(op->easy, CURLOPT_URL, url);
    curl_easy_setopt(op->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(op->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(op->easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (strcmp(request->method, "GET") != 0) {
        curl_easy_setopt(op->easy, CURLOPT_POSTFIELDS, op->body);
        curl_easy_setopt(op->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)op->body_size);
    }
    curl_easy_setopt(op->easy, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(op->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout < MAX_CONNECT_MS ? timeout : (long)MAX_CONNECT_MS);
    curl_easy_setopt(op->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(op->easy, CURLOPT_WRITEDATA, op);
    curl_easy_setopt(op->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(op->easy, CURLOPT_HEADERDATA, op);
    curl_easy_setopt(op->easy, CURLOPT_ERRORBUFFER, op->curl_error);
    curl_easy_setopt(op->easy, CURLOPT_PRIVATE, op);
    if (client->ca_file != NULL) {
        curl_easy_setopt(op->easy, CURLOPT_CAINFO, client->ca_file);
    }
}

static operation *operation_new(ow_client *client) {
    operation *op = client->idle;
    if (op != NULL) {
        client->idle = op->next;
        op->next = NULL;
    } else {
        op = calloc(1, sizeof *op);
        if (op != NULL && (op->easy = curl_easy_init()) == NULL) {
            free(op);
            op = NULL;
        }
    }
    if (op != NULL) {
        op->client = client;
    }
    return op;
}

static bool add_headers(operation *op, const ow_client_request *request) {
    const struct {
        const char *name, *value; /* NULL: not sent */
    } headers[] = {
        {"Content-Type",
         request->content_type != NULL ? request->content_type : "application/json"},
        {"Connect-Protocol-Version", "1"},
        {"Overworld-Qualifier", request->qualifier},
        {"Overworld-Title", op->client->title},
        {"Expect", ""},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (headers[i].value != NULL && !add_header(op, headers[i].name, headers[i].value)) {
            return false;
        }
    }
    return true;
}

static bool operation_fill(operation *op, const ow_client_request *request) {
    ow_client *client = op->client;
    size_t url_size = strlen(client->url) + strlen(request->path) + 1;
    char *url = malloc(url_size);
    op->body = malloc(request->size + 1);
    if (url == NULL || op->body == NULL) {
        free(url);
        return false;
    }
    snprintf(url, url_size, "%s%s", client->url, request->path);
    if (request->size > 0) {
        memcpy(op->body, request->body, request->size);
    }
    op->body_size = request->size;
    set_transfer_options(op, request, url);
    free(url);
    return add_headers(op, request);
}

static void finish(operation *op, const ow_client_error *error) {
    ow_client *client = op->client;
    if (op->on_reply != NULL) {
        op->on_reply(op->user, error == NULL ? &op->reply : NULL, error);
    }
    operation_clear(op);
    op->next = client->idle;
    client->idle = op;
}

/* Puts an operation on the wire. */
static bool launch(operation *op, ow_client_error *error) {
    ow_client *client = op->client;
    if (op->needs_token) {
        char bearer[1100];
        int length = snprintf(bearer, sizeof bearer, "Bearer %s", client->token);
        if (length < 0 || (size_t)length >= sizeof bearer ||
            !add_header(op, "Authorization", bearer)) {
            return sdk_fail(error, "out_of_memory", "the access token cannot be sent");
        }
    }
    curl_easy_setopt(op->easy, CURLOPT_HTTPHEADER, op->headers);
    if (curl_multi_add_handle(client->multi, op->easy) != CURLM_OK) {
        return sdk_fail(error, "out_of_memory", "libcurl took no more work");
    }
    op->next = client->running;
    client->running = op;
    client->running_count++;
    return true;
}

static bool can_launch(const ow_client *client, const operation *op) {
    if (op->is_login) {
        return true;
    }
    return client->running_count < client->max_running &&
           (!op->needs_token || sdk_token_is_good(client));
}

static void append_waiting(ow_client *client, operation *op) {
    op->next = NULL;
    *client->waiting_end = op;
    client->waiting_end = &op->next;
    client->waiting_count++;
}

static operation *take_waiting(ow_client *client) {
    operation *op = client->waiting;
    client->waiting = op->next;
    if (client->waiting == NULL) {
        client->waiting_end = &client->waiting;
    }
    client->waiting_count--;
    op->next = NULL;
    return op;
}

/* Starts what waits, in order, as far as places and token allow. */
static void launch_waiting(ow_client *client) {
    while (client->waiting != NULL && can_launch(client, client->waiting)) {
        operation *op = take_waiting(client);
        ow_client_error error;
        if (!launch(op, &error)) {
            finish(op, &error);
        }
    }
    operation *first = client->waiting;
    if (first != NULL && first->needs_token && !sdk_token_is_good(client) &&
        !client->login_running && client->running_count < client->max_running) {
        ow_client_error error;
        if (!sdk_login_begin(client, NULL, NULL, &error)) {
            sdk_login_ended(client, &error);
        }
    }
}

void sdk_login_ended(ow_client *client, const ow_client_error *error) {
    /* Only what waited when the login failed fails with it, not what callbacks start now. */
    for (int left = error != NULL ? client->waiting_count : 0; left > 0; left--) {
        operation *op = take_waiting(client);
        if (op->needs_token) {
            finish(op, error);
        } else {
            append_waiting(client, op);
        }
    }
    launch_waiting(client);
}

bool ow_client_send_start(ow_client *client, const ow_client_request *request,
                          ow_client_on_reply on_reply, void *user, ow_client_error *error) {
    bool needs_token =
        !request->without_token && (client->token != NULL || sdk_has_credentials(client));
    if (client->waiting_count >= MAX_WAITING) {
        return sdk_fail(error, "too_many_waiting",
                        "%d operations wait already: poll the client, or start fewer", MAX_WAITING);
    }
    operation *op = operation_new(client);
    if (op == NULL) {
        return sdk_fail(error, "out_of_memory", "out of memory");
    }
    op->on_reply = on_reply;
    op->user = user;
    op->needs_token = needs_token;
    op->is_login = request->without_token && client->login_running;
    if (!operation_fill(op, request)) {
        op->on_reply = NULL;
        finish(op, NULL);
        return sdk_fail(error, "invalid_argument",
                        "the request cannot be sent: a header value is too long or has a line "
                        "break, or memory is short");
    }
    if (op->is_login) {
        if (!launch(op, error)) {
            op->on_reply = NULL;
            finish(op, NULL);
            return false;
        }
        return true;
    }
    append_waiting(client, op);
    launch_waiting(client);
    return true;
}

/* ---- Polling ---- */

static bool transport_error(const operation *op, CURLcode result, ow_client_error *error) {
    const ow_client *client = op->client;
    const char *detail = op->curl_error[0] != '\0' ? op->curl_error : curl_easy_strerror(result);
    if (op->reply_too_large) {
        return sdk_fail(error, "reply_too_large", "the reply is larger than %zu bytes",
                        client->max_reply_bytes);
    }
    if (result == CURLE_OPERATION_TIMEDOUT) {
        return sdk_fail(error, "timeout", "no answer from %s in time: %s", client->url, detail);
    }
    return sdk_fail(error, "no_connection", "%s cannot be reached: %s", client->url, detail);
}

static void conclude(operation *op, CURLcode result) {
    ow_client *client = op->client;
    ow_client_error error = {0};
    long status = 0;
    free(client->last_details);
    client->last_details = NULL;
    if (result != CURLE_OK) {
        transport_error(op, result, &error);
        finish(op, &error);
        return;
    }
    curl_easy_getinfo(op->easy, CURLINFO_RESPONSE_CODE, &status);
    op->reply.status = (int)status;
    if (op->reply.data == NULL) {
        op->reply.data = calloc(1, 1);
    }
    if (status >= 200 && status < 300) {
        finish(op, NULL);
        return;
    }
    sdk_read_error(&op->reply, op->retry_after_s, &error, &client->last_details);
    error.details = client->last_details;
    if (status == 401 && op->needs_token && sdk_has_credentials(client)) {
        client->token_expires_at = 1; /* the next operation logs in again */
    }
    finish(op, &error);
}

static void unlink_running(ow_client *client, operation *op) {
    operation **place = &client->running;
    while (*place != op) {
        place = &(*place)->next;
    }
    *place = op->next;
    op->next = NULL;
    client->running_count--;
}

int ow_client_poll(ow_client *client, int wait_ms) {
    int alive = 0;
    curl_multi_perform(client->multi, &alive);
    if (wait_ms > 0 && alive > 0 && alive == client->running_count) {
        curl_multi_poll(client->multi, NULL, 0, wait_ms, NULL);
        curl_multi_perform(client->multi, &alive);
    }
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        char *private = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
        operation *op = (operation *)(void *)private;
        curl_multi_remove_handle(client->multi, easy);
        unlink_running(client, op);
        conclude(op, result);
    }
    launch_waiting(client);
    return client->running_count + client->waiting_count;
}
