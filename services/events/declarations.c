#include "services/events/declarations.h"

#include "services/events/envelope.h"
#include "services/events/queue_logic.h"

#include "core/http/text.h"
#include "core/json/check.h"
#include "core/json/pointer.h"
#include "core/json/schema.h"

#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define BATCH_WAIT_MAX_US (5 * MINUTE_US)

bool declared_name_is_sound(const char *name) {
    size_t size = strlen(name);
    return size > 0 && size <= DECLARED_NAME_MAX && strspn(name, LETTERS) > 0 &&
           strspn(name, LETTERS "0123456789_-") == size;
}

// The same, or "$DEFAULT" or "": which alias.
static bool declared_alias_is_sound(const char *alias) {
    return alias[0] == '\0' || strcmp(alias, "$DEFAULT") == 0 || declared_name_is_sound(alias);
}

// ---- Types ----

#define OBJECT(members) "{\"type\":\"object\",\"properties\":{" members "}}"
#define TEXT(name) "\"" name "\":{\"type\":\"string\"}"
#define NUMBER(name) "\"" name "\":{\"type\":\"number\"}"

const platform_type platform_types[] = {
    {"function.failed", "An execution of the queue was given up",
     OBJECT(TEXT("virtual_server") "," TEXT("function") "," TEXT("execution_id") "," TEXT(
         "source") "," TEXT("reason") "," TEXT("message") "," NUMBER("attempts"))},
    {"player.banned", "A player was banned",
     OBJECT(TEXT("player_id") "," TEXT("reason") "," TEXT("until"))},
    {"player.created", "A player logged in for the first time",
     OBJECT(TEXT("player_id") "," TEXT("platform"))},
    {"player.login", "A player logged in",
     OBJECT(TEXT("player_id") "," TEXT("session_id") "," TEXT("ip") "," TEXT(
         "platform") ",\"is_new_player\":{\"type\":\"boolean\"}," NUMBER("start_time") "," TEXT("custom"))},
    {"player.logout", "A session was ended by its player",
     OBJECT(TEXT("player_id") "," TEXT("session_id"))},
    {"timer.missed", "Slots of a timer came to nothing",
     OBJECT(
         TEXT("timer_id") "," TEXT("virtual_server") "," TEXT("name") "," TEXT("function") "," TEXT(
             "alias") "," TEXT("reason") "," NUMBER("count") "," TEXT("due") "," TEXT("last_due"))},
    {"virtualserver.build_failed", "A bundle was uploaded that does not build",
     OBJECT(TEXT("virtual_server") "," TEXT("message"))},
    {"virtualserver.deployed", "A name of a virtual server leads to another revision",
     OBJECT(TEXT("virtual_server") "," TEXT("alias") "," TEXT("revision_id"))},
    {NULL, NULL, NULL},
};

const platform_type *platform_type_find(const char *name) {
    for (const platform_type *type = platform_types; type->name != NULL; type++) {
        if (strcmp(type->name, name) == 0) {
            return type;
        }
    }
    return NULL;
}

static ow_code check_schema(const char *text, ow_err *err) {
    size_t size = strlen(text);
    ow_json *schema = NULL;
    if (size == 0) {
        return OW_OK;
    }
    if (size > SCHEMA_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_schema", "a schema has at most %d KB",
                       SCHEMA_MAX >> 10);
    }
    ow_code code = ow_json_parse(text, size, OW_JSON_MAX_DEPTH, &schema, err);
    code = code == OW_OK ? ow_json_schema_check(schema, err) : code;
    ow_json_free(schema);
    return code;
}

ow_code type_check(const type_declaration *type, ow_err *err) {
    if (!event_type_is_name(type->name)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_event_type",
                       "an event type has 1 to %d letters, digits, '.', '_' and '-'",
                       EVENT_TYPE_MAX);
    }
    if (platform_type_find(type->name) != NULL) {
        return ow_fail(err, OW_PERMISSION_DENIED, "platform_event", "%s is the platform's own",
                       type->name);
    }
    if (strlen(type->description) > DESCRIPTION_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_event_type",
                       "a description has at most %d bytes", DESCRIPTION_MAX);
    }
    return check_schema(type->schema_json, err);
}

// ---- Subscriptions ----

static int64_t micros(const Google__Protobuf__Duration *d) {
    bool sound = d != NULL && d->seconds >= 0 && d->nanos >= 0 && d->seconds < INT32_MAX;
    return d == NULL ? 0 : sound ? d->seconds * SECOND_US + d->nanos / 1000 : -1;
}

static bool retry_is_sound(const subscription_msg *s) {
    if (s->retry == NULL) {
        return true;
    }
    retry_policy policy = {s->retry->max_attempts, micros(s->retry->first_delay),
                           micros(s->retry->max_age)};
    return policy.max_attempts >= 0 && policy.base_us >= 0 && policy.max_age_us >= 0 &&
           retry_policy_complete(&policy);
}

static bool url_is_sound(const char *url) {
    bool known = strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0;
    return known && strlen(url) <= URL_MAX && ow_http_is_header_value(url, URL_MAX);
}

static bool args_are_sound(const char *args) {
    size_t size = strlen(args);
    return size == 0 || (size <= EVENT_ARGS_MAX && ow_json_check(args, size, 32, NULL) == OW_OK);
}

static bool batch_is_sound(const subscription_msg *s) {
    int64_t wait_us = micros(s->batch_wait);
    return s->batch_size >= 0 && s->batch_size <= BATCH_MAX && wait_us >= 0 &&
           wait_us <= BATCH_WAIT_MAX_US;
}

static const char *bad_target(const char *virtual_server, const subscription_msg *s) {
    bool function = s->function[0] != '\0';
    if (function == (s->url[0] != '\0')) {
        return "function or url: one of them";
    }
    if (function &&
        (!declared_name_is_sound(s->function) || !declared_name_is_sound(virtual_server))) {
        return "function: a function of a virtual server";
    }
    if (!function && !url_is_sound(s->url)) {
        return "url: https://...";
    }
    return NULL;
}

static bool format_is_sound(const subscription_msg *s) {
    static const char *const formats[] = {"", "envelope", "cloudevents", "cloudevents-binary"};
    bool known = s->url[0] != '\0' || s->format[0] == '\0';
    bool found = false;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        found = found || strcmp(formats[i], s->format) == 0;
    }
    // Binary mode has no batches.
    return known && found && (s->batch_size <= 1 || strcmp(s->format, formats[3]) != 0);
}

static bool destination_is_sound(const destination_declaration *to, const char *virtual_server) {
    if (to == NULL) {
        return true;
    }
    bool function = to->function[0] != '\0';
    bool event = to->event_type[0] != '\0';
    if (function) {
        return !event && declared_name_is_sound(virtual_server) &&
               declared_name_is_sound(to->function) && declared_alias_is_sound(to->alias);
    }
    return event && to->alias[0] == '\0' && event_type_is_name(to->event_type) &&
           platform_type_find(to->event_type) == NULL;
}

static bool destinations_are_sound(const subscription_msg *s, const char *virtual_server) {
    return destination_is_sound(s->on_success, virtual_server) &&
           destination_is_sound(s->on_failure, virtual_server);
}

static const char *bad_field(const subscription_msg *s) {
    struct {
        bool sound;
        const char *why;
    } fields[] = {
        {declared_name_is_sound(s->name), "name: 1 to 60 letters, digits, '_' and '-'"},
        {event_type_is_pattern(s->event_type),
         "event_type: the name of a type, with at most 4 '*' for any characters"},
        {declared_alias_is_sound(s->alias), "alias: the name of one, or nothing"},
        {s->secret[0] == '\0' || declared_name_is_sound(s->secret),
         "secret: the name of a secret of the virtual server"},
        {format_is_sound(s), "format: envelope, cloudevents or cloudevents-binary, for a URL"},
        {args_are_sound(s->args), "args: JSON of at most 4 KB"},
        {batch_is_sound(s), "batch_size, batch_wait: at most 100 events and 5 minutes"},
        {s->concurrency >= 0 && s->concurrency <= CONCURRENCY_MAX, "concurrency: at most 1000"},
        {retry_is_sound(s), "retry: 1 to 20 attempts, 1 ms to 1 h before the second, 1 s to 14 "
                            "days in all"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!fields[i].sound) {
            return fields[i].why;
        }
    }
    return NULL;
}

ow_code subscription_check(const char *virtual_server, const subscription_msg *declared,
                           ow_err *err) {
    filter *filter = NULL;
    const char *why = declared != NULL ? bad_field(declared) : "subscription: it is missing";
    why = why == NULL ? bad_target(virtual_server, declared) : why;
    if (why == NULL && !destinations_are_sound(declared, virtual_server)) {
        why = "on_success, on_failure: a function, or an event_type that is not the platform's own";
    }
    if (why != NULL) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_subscription", "%s", why);
    }
    ow_code code = ow_json_pointer_check(declared->ordering_key, err);
    code = code == OW_OK ? subscription_filter(declared, &filter, err) : code;
    filter_free(filter);
    return code;
}

// ---- Webhooks ----

static const char *bad_verification(const webhook_msg *w) {
    if (strcmp(w->verification, "standard") == 0) {
        return w->header[0] == '\0' && w->prefix[0] == '\0'
                   ? NULL
                   : "header, prefix: Standard Webhooks has its own";
    }
    if (strcmp(w->verification, "hmac-sha256") != 0) {
        return "verification: standard or hmac-sha256";
    }
    return ow_http_is_header_value(w->header, DECLARED_NAME_MAX) &&
                   strlen(w->prefix) <= DECLARED_NAME_MAX
               ? NULL
               : "header: which one has the signature";
}

ow_code webhook_check(const webhook_msg *declared, ow_err *err) {
    const char *why = NULL;
    if (declared == NULL || !declared_name_is_sound(declared->name)) {
        why = "name: 1 to 60 letters, digits, '_' and '-'";
    } else if (!event_type_is_name(declared->event_type) ||
               platform_type_find(declared->event_type) != NULL) {
        why = "event_type: the name of a type that is not the platform's own";
    } else if (!declared_alias_is_sound(declared->alias)) {
        why = "alias: the name of one, or nothing";
    } else {
        why = bad_verification(declared);
    }
    return why == NULL ? OW_OK
                       : ow_fail(err, OW_INVALID_ARGUMENT, "bad_webhook_declaration", "%s", why);
}
