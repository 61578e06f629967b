/* The client: its life, and the waiting forms of what it does. */
#include "sdk/c/overworld_client.h"

#include "sdk/c/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_TIMEOUT_MS = 15000,
    DEFAULT_REPLY_BYTES = 8 * 1024 * 1024,
    DEFAULT_RUNNING = 64,
    DEFAULT_RETRIES = 3,
    DEFAULT_QUEUE_MS = 3600000,
    LOGINS = 2, /* a login and a logout go past what waits for a place */
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

void sdk_wipe_and_free(char *secret) {
    if (secret != NULL) {
        volatile char *byte = secret;
        while (*byte != '\0') {
            *byte++ = '\0';
        }
        free(secret);
    }
}

int64_t sdk_now_ms(const ow_client *client) {
    return client->platform->monotonic_ms(client->platform->self);
}

int64_t sdk_between(const ow_client *client, int64_t least, int64_t most) {
    uint64_t random = 0;
    /* Without it clients are only less spread out. */
    client->platform->random(client->platform->self, &random, sizeof random);
    return least + (int64_t)(random % (uint64_t)(most - least + 1));
}

/* ---- Life ---- */

static bool config_is_valid(const ow_client_config *config, ow_client_error *error) {
    if (config->url == NULL ||
        (strncmp(config->url, "http://", 7) != 0 && strncmp(config->url, "https://", 8) != 0)) {
        return sdk_fail(error, "invalid_argument",
                        "the url must begin with http:// or https://, like http://127.0.0.1:7350");
    }
    if (config->title != NULL && strpbrk(config->title, "\r\n") != NULL) {
        return sdk_fail(error, "invalid_argument", "the title has a line break");
    }
    if (config->transport == NULL && sdk_default_transport() == NULL) {
        return sdk_fail(error, "invalid_argument",
                        "this library was built without libcurl: give it a transport");
    }
    return (config->server_key_id == NULL) == (config->server_key_secret == NULL) ||
           sdk_fail(error, "invalid_argument", "a server key needs both its id and its secret");
}

static bool copy_texts(ow_client *client, const ow_client_config *config) {
    const struct {
        const char *from;
        char **to;
    } texts[] = {
        {config->url, &client->url},
        {config->title, &client->title},
        {config->server_key_id, &client->server_key_id},
        {config->server_key_secret, &client->server_key_secret},
        {config->access_token, &client->session.token},
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
    return true;
}

static void copy_settings(ow_client *client, const ow_client_config *config) {
    client->timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : DEFAULT_TIMEOUT_MS;
    client->max_reply_bytes =
        config->max_reply_bytes > 0 ? config->max_reply_bytes : DEFAULT_REPLY_BYTES;
    client->max_running = config->max_running > 0 ? config->max_running : DEFAULT_RUNNING;
    client->max_retries = config->max_retries == 0  ? DEFAULT_RETRIES
                          : config->max_retries > 0 ? config->max_retries
                                                    : 0;
    client->queue_timeout_ms = config->queue_timeout_ms == 0  ? DEFAULT_QUEUE_MS
                               : config->queue_timeout_ms > 0 ? config->queue_timeout_ms
                                                              : 0;
    client->on_event = config->on_event;
    client->on_event_user = config->on_event_user;
    client->session.usable_until_ms = SDK_NEVER;
    client->session.renew_at_ms = SDK_NEVER;
    client->transport = config->transport != NULL ? config->transport : sdk_default_transport();
}

ow_client *sdk_client_new(const ow_client_config *config, const sdk_platform *platform,
                          ow_client_error *error) {
    if (!config_is_valid(config, error)) {
        return NULL;
    }
    ow_client *client = calloc(1, sizeof *client);
    if (client != NULL) {
        client->platform = platform;
        copy_settings(client, config);
    }
    if (client == NULL || !copy_texts(client, config) ||
        (client->transport_state = client->transport->open(config->transport_user,
                                                           client->max_running + LOGINS)) == NULL) {
        ow_client_free(client);
        sdk_fail(error, "out_of_memory", "out of memory");
        return NULL;
    }
    return client;
}

ow_client *ow_client_new(const ow_client_config *config, ow_client_error *error) {
    return sdk_client_new(config, &sdk_platform_system, error);
}

void ow_client_free(ow_client *client) {
    if (client == NULL) {
        return;
    }
    sdk_push_free(client);
    if (client->transport_state != NULL) {
        client->transport->close(client->transport_state);
    }
    sdk_operations_free(client);
    sdk_session_free(client);
    free(client->url);
    free(client->title);
    free(client->server_key_id);
    sdk_wipe_and_free(client->server_key_secret);
    free(client->ca_file);
    free(client->last_details);
    free(client);
}

/* Who only listens waits for what comes. */
static int patience(const ow_client *client, int wait_ms) {
    bool only_listens = sdk_operations_count(client) == 0 && sdk_push_is_on(client);
    int wait = only_listens && wait_ms > 0 ? wait_ms : sdk_operations_patience(client, wait_ms);
    return sdk_push_patience(client, wait);
}

int ow_client_poll(ow_client *client, int wait_ms) {
    if (!client->is_calling_back) {
        sdk_operations_advance(client);
        sdk_push_tick(client);
        client->transport->poll(client->transport_state, patience(client, wait_ms));
        sdk_operations_conclude(client);
        sdk_session_conclude(client);
        sdk_push_tick(client);
        sdk_operations_advance(client);
    }
    return sdk_operations_count(client);
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

bool sdk_may_wait(const ow_client *client, ow_client_error *error) {
    return !client->is_calling_back ||
           sdk_fail(error, "busy", "a callback may not wait: use the form that starts");
}

bool ow_client_send(ow_client *client, const ow_client_request *request,
                    ow_client_reply **ret_reply, ow_client_error *error) {
    waited_reply waited = {.error = error};
    if (!sdk_may_wait(client, error) ||
        !ow_client_send_start(client, request, on_waited_reply, &waited, error)) {
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

/* "virtual_server/function", both names of letters, digits, '_' and '-': anything else would change
 * the path. */
static bool is_function_name(const char *name) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t first = name == NULL ? 0 : strspn(name, allowed);
    if (first == 0 || first > 60 || name[first] != '/') {
        return false;
    }
    size_t second = strspn(name + first + 1, allowed);
    return second > 0 && second <= 60 && name[first + 1 + second] == '\0';
}

bool sdk_function_request(const ow_client *client, const ow_client_function *function, char *path,
                          ow_client_request *ret_request, ow_client_error *error) {
    if (client->session.token == NULL && !sdk_can_renew(client) && !client->session.is_running) {
        return sdk_fail(error, "not_logged_in", "log in before calling: ow_client_login_device");
    }
    if (!is_function_name(function->name)) {
        return sdk_fail(error, "invalid_argument",
                        "name a function as virtual_server/function: two names of 1 to 60 letters, "
                        "digits, _ and -");
    }
    snprintf(path, SDK_FUNCTION_PATH_MAX, "/v1/call/%s", function->name);
    memset(ret_request, 0, sizeof *ret_request);
    ret_request->method = "POST";
    ret_request->path = path;
    ret_request->body = function->payload;
    ret_request->size = function->size;
    ret_request->content_type = function->content_type;
    ret_request->qualifier = function->qualifier;
    ret_request->routing_key = function->routing_key;
    ret_request->timeout_ms = function->timeout_ms;
    ret_request->may_repeat = function->may_repeat;
    return true;
}

bool ow_client_call_start(ow_client *client, const ow_client_function *function,
                          ow_client_on_reply on_reply, void *user, ow_client_error *error) {
    char path[SDK_FUNCTION_PATH_MAX];
    ow_client_request request;
    return sdk_function_request(client, function, path, &request, error) &&
           ow_client_send_start(client, &request, on_reply, user, error);
}

bool ow_client_call(ow_client *client, const ow_client_function *function,
                    ow_client_reply **ret_reply, ow_client_error *error) {
    char path[SDK_FUNCTION_PATH_MAX];
    ow_client_request request;
    return sdk_function_request(client, function, path, &request, error) &&
           ow_client_send(client, &request, ret_reply, error);
}

bool ow_client_call_json(ow_client *client, const char *name, const char *json,
                         ow_client_reply **ret_reply, ow_client_error *error) {
    ow_client_function function = {0};
    function.name = name;
    function.payload = json;
    function.size = strlen(json);
    return ow_client_call(client, &function, ret_reply, error);
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
