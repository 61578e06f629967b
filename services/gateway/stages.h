#pragma once

// Stages: hosts and paths that are bound to an alias by configuration, once. A release moves the
// alias and touches no gateway.
//
//     gateway.stages = test.game.example=test, /prehub=prehub, live.game.example=live
//
// A call to https://test.game.example/v1/call/... or to /prehub/v1/call/... goes to that alias of
// whatever virtual server it names.

#include "core/error/error.h"

#include <stddef.h>

#define STAGES_MAX 32

typedef struct stage_rule {
    const char *host; // lower case, without port; NULL: a path
    const char *path; // "/prehub"; NULL: a host
    size_t path_size;
    const char *alias;
} stage_rule;

typedef struct stages {
    char *text; // that the rules point into
    stage_rule rules[STAGES_MAX];
    size_t count;
} stages;

// Reads the configuration's text; "" has none. Codes: invalid_argument "bad_stages" (the message
// says which and why), resource_exhausted.
ow_code stages_read(const char *text, stages *ret_stages, ow_err *err);
void stages_deinit(stages *all);

// The stage of a request: by its path first, then by its Host header (may be NULL). NULL: none.
const stage_rule *stages_find(const stages *all, const char *host, const char *path);
