#pragma once

// What may be declared: event types, subscriptions, webhooks; and the types that the platform itself
// publishes. No I/O.

#include "services/events/rules.h"

enum {
    DECLARED_NAME_MAX = 60,
    DESCRIPTION_MAX = 400,
    SCHEMA_MAX = 16 << 10,
    URL_MAX = 2048,
    CONCURRENCY_MAX = 1000,
    REASON_TEXT_MAX = 200,
};

// 1 to 60 characters [A-Za-z][A-Za-z0-9_-]*, as every name of a manifest.
bool declared_name_is_sound(const char *name);

// ---- Types ----

typedef struct platform_type {
    const char *name, *description, *schema_json;
} platform_type;

// By name, ends with NULL.
extern const platform_type platform_types[];

const platform_type *platform_type_find(const char *name);

// Codes: invalid_argument "bad_event_type", "bad_schema", "invalid_json"; permission_denied
// "platform_event".
typedef struct type_declaration {
    const char *name, *description, *schema_json;
} type_declaration;
ow_code type_check(const type_declaration *type, ow_err *err);

// ---- Subscriptions and webhooks ----

// `virtual_server`: whose function it is. Codes: invalid_argument "bad_subscription" (names the field),
// and those of filter_add and ow_json_pointer_check.
ow_code subscription_check(const char *virtual_server, const subscription_msg *declared,
                           ow_err *err);

// Codes: invalid_argument "bad_webhook_declaration".
ow_code webhook_check(const webhook_msg *declared, ow_err *err);
