/* The client: its life, its operations on libcurl's multi interface, the two forms of each. */
#include "sdk/c/overworld_client.h"

#include "sdk/c/internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_TIMEOUT_MS = 15000,
    DEFAULT_REPLY_BYTES = 8 * 1024 * 1024,
    DEFAULT_RUNNING = 64,
    MAX_WAITING = 10000,
};

bool sdk_fail(ow_client_error *error, const char *reason, const char *format, ...) {
    if (error != NULL) {
        memset(error, 0, sizeof *error);
        snprintf(error->reason, sizeof error->reason, "%s", reason);
        va_list args;
        va_start(args, format);
        vsnprintf(error->message, sizeof error->message, format, args);
        va_end(args);
    }
    return false;
}

char *sdk_strdup(const char *text) {
    if (text == NULL) {
        return NULL;
    }
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}

/* ---- Life ---- */

static bool config_is_valid(const ow_client_config *config, ow_client_error *error) {
    if (config->url == NULL || (strncmp(config->url, "http://", 7) != 0 &&
                                strncmp(config->url, "https://", 8) != 0)) {
        return sdk_fail(error, "invalid_argument",
                        "the url must begin with http:// or https://, like http://127.0.0.1:7350");
    }
    if ((config->server_key_id == NULL) != (config->server_key_secret == NULL)) {
        return sdk_fail(error, "invalid_argument", "a server key needs both its id and its secret");
    }
    return true;
}

static bool copy_config(ow_client *client, const ow_client_config *config) {
    const struct {
        const char *from;
        char **to;
    } texts[] = {
        {config->url, &client->url},
        {config->title, &client->title},
        {config->server_key_id, &client->server_key_id},
        {config->server_key_secret, &client->server_key_secret},
        {config->access_token, &client->token},
        {config->ca_file, &client->ca_file},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i].to = sdk_strdup(texts[i].from);
        if (texts[i].from != NULL && *texts[i].to == NULL) {
            return false;
        }
    }
    size_t length = strlen(client->url);
    while (length > 0 && client->url[length - 1] == '/') {
        client->url[--length] = '\0';
    }
    client->timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : DEFAULT_TIMEOUT_MS;
    client->max_reply_bytes =
        config->max_reply_bytes > 0 ? config->max_reply_bytes : DEFAULT_REPLY_BYTES;
    client->max_running = config->max_running > 0 ? config->max_running : DEFAULT_RUNNING;
    return true;
}

ow_client *ow_client_new(const ow_client_config *config, ow_client_error *error) {
    if (!config_is_valid(config, error)) {
        return NULL;
    }
    ow_client *client = calloc(1, sizeof *client);
    if (client == NULL || !copy_config(client, config) ||
        (client->multi = curl_multi_init()) == NULL) {
        ow_client_free(client);
        sdk_fail(error, "out_of_memory", "out of memory");
        return NULL;
    }
    client->waiting_end = &client->waiting;
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->max_running);
    return client;
}

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

static void operations_free(operation *op) {
    while (op != NULL) {
        operation *next = op->next;
        operation_free(op);
        op = next;
    }
}

static void wipe_and_free(char *secret) {
    if (secret != NULL) {
        volatile char *byte = secret;
        while (*byte != '\0') {
            *byte++ = '\0';
        }
        free(secret);
    }
}

void ow_client_free(ow_client *client) {
    if (client == NULL) {
        return;
    }
    for (operation *op = client->running; op != NULL; op = op->next) {
        curl_multi_remove_handle(client->multi, op->easy);
    }
    operations_free(client->running);
    operations_free(client->waiting);
    operations_free(client->idle);
    if (client->multi != NULL) {
        curl_multi_cleanup(client->multi);
    }
    free(client->url);
    free(client->title);
    free(client->server_key_id);
    wipe_and_free(client->server_key_secret);
    wipe_and_free(client->token);
    wipe_and_free(client->device_id);
    free(client->ca_file);
    free(client->last_details);
    free(client);
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
static const char *header_value(const char *line, size_t size, const char *name,
                                size_t *ret_size) {
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
    curl_easy_setopt(op->easy, CURLOPT_CONNECTTIMEOUT_MS, timeout < 5000 ? timeout : 5000L);
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
    const char *type = request->content_type != NULL ? request->content_type : "application/json";
    return add_header(op, "Content-Type", type) && add_header(op, "Expect", "") &&
           add_header(op, "Connect-Protocol-Version", "1") &&
           (request->qualifier == NULL ||
            add_header(op, "Overworld-Qualifier", request->qualifier)) &&
           (client->title == NULL || add_header(op, "Overworld-Title", client->title));
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

/* ---- Waiting forms and calls ---- */

typedef struct waited_reply {
    bool done;
    ow_client_reply *reply;
    ow_client_error *error;
} waited_reply;

static void on_waited_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    waited_reply *waited = user;
    waited->done = true;
    if (reply != NULL) {
        waited->reply = ow_client_reply_take(reply);
        if (waited->reply == NULL) {
            sdk_fail(waited->error, "out_of_memory", "out of memory");
        }
    } else if (waited->error != NULL) {
        *waited->error = *error;
    }
}

bool ow_client_send(ow_client *client, const ow_client_request *request,
                    ow_client_reply **ret_reply, ow_client_error *error) {
    waited_reply waited = {.error = error};
    if (!ow_client_send_start(client, request, on_waited_reply, &waited, error)) {
        return false;
    }
    while (!waited.done) {
        ow_client_poll(client, 1000);
    }
    if (waited.reply == NULL) {
        return false;
    }
    if (ret_reply != NULL) {
        *ret_reply = waited.reply;
    } else {
        ow_client_reply_free(waited.reply);
    }
    return true;
}

/* Names are letters, digits, '_' and '-': anything else would change the path. */
static bool is_name(const char *name) {
    size_t length = name == NULL ? 0 : strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                    "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return length > 0 && length <= 60 && name[length] == '\0';
}

static bool call_request(const ow_client *client, const char *virtual_server, const char *function,
                         char *path, size_t path_size, ow_client_error *error) {
    if (client->token == NULL && !sdk_has_credentials(client)) {
        return sdk_fail(error, "not_logged_in", "log in before calling: ow_client_login_device");
    }
    if (!is_name(virtual_server) || !is_name(function)) {
        return sdk_fail(error, "invalid_argument",
                        "virtual server and function are names of 1 to 60 letters, digits, _ and "
                        "-");
    }
    snprintf(path, path_size, "/v1/call/%s/%s", virtual_server, function);
    return true;
}

static ow_client_request to_request(const char *path, const void *payload, size_t size,
                                    const ow_client_call_options *options) {
    ow_client_request request = {0};
    request.method = "POST";
    request.path = path;
    request.body = payload;
    request.size = size;
    if (options != NULL) {
        request.content_type = options->content_type;
        request.qualifier = options->qualifier;
        request.timeout_ms = options->timeout_ms;
    }
    return request;
}

bool ow_client_call_start(ow_client *client, const char *virtual_server, const char *function,
                          const void *payload, size_t size, const ow_client_call_options *options,
                          ow_client_on_reply on_reply, void *user, ow_client_error *error) {
    char path[160];
    if (!call_request(client, virtual_server, function, path, sizeof path, error)) {
        return false;
    }
    ow_client_request request = to_request(path, payload, size, options);
    return ow_client_send_start(client, &request, on_reply, user, error);
}

bool ow_client_call(ow_client *client, const char *virtual_server, const char *function,
                    const void *payload, size_t size, const ow_client_call_options *options,
                    ow_client_reply **ret_reply, ow_client_error *error) {
    char path[160];
    if (!call_request(client, virtual_server, function, path, sizeof path, error)) {
        return false;
    }
    ow_client_request request = to_request(path, payload, size, options);
    return ow_client_send(client, &request, ret_reply, error);
}

ow_client_reply *ow_client_reply_take(ow_client_reply *reply) {
    ow_client_reply *own = malloc(sizeof *own);
    if (own != NULL) {
        *own = *reply;
        reply->data = NULL;
        reply->size = 0;
    }
    return own;
}

void ow_client_reply_free(ow_client_reply *reply) {
    if (reply != NULL) {
        free(reply->data);
        free(reply);
    }
}
